"""The benchmark of speed: what it counts, and that both sides do the same work."""

import os
from concurrent.futures import ProcessPoolExecutor

import pytest
import torch

from benchmark import cli
from benchmark.bench import bench, worker
from benchmark.core.errors import UserError
from benchmark.report.formats import aligned


def test_the_operations_of_a_token_are_those_of_the_matrices() -> None:
    """A matrix-vector product is 2 operations an element; backward twice as many as forward."""
    size = worker.SIZES["ptb"]
    side = worker.Ours(size, "fp32", 1, "cpu")
    counted = sum(
        2 * value.numel()
        for name, value in side.run.model.named_parameters()
        if value.ndim == 2 and ("lstm" in name or "output" in name)
    )
    assert size.flops_a_token() == 3 * counted


def test_a_row_compares_turn_by_turn() -> None:
    rates = [30.0, 20.0, 50.0], [10.0, 10.0, 10.0]
    row = bench.cells("a", "tokens/s", *rates, [1.0, 2.0], limit=120.0)
    assert aligned([bench.HEAD, row]).splitlines()[2].split("|")[1:-1] == [
        f" {cell} "
        for cell in (
            "a   ", "30 tokens/s", "10 tokens/s", " 3.00", "2.00 to 5.00",
            "              25 %", "  1 / 2",
        )
    ]  # fmt: skip


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_both_sides_have_the_same_batches_and_parameters(precision: str) -> None:
    size = worker.SIZES["exact"]
    ours = worker.Ours(size, precision, 1, "cpu")
    other = worker.Yardstick(size, "fp32", 1, "cpu")
    assert ours.train() == other.train() == 32 * sum(size.lengths)
    assert other.plain() == ours.evaluate() == ours.validate() == 600
    shapes = [
        {tuple(p.shape) for p in model.parameters()} for model in (ours.run.model, other.model)
    ]
    assert {s for s in shapes[0] if len(s) == 2} == {s for s in shapes[1] if len(s) == 2}
    mine = {tuple(batch.shape): batch for batch in ours.batches}
    assert all(torch.equal(mine[tuple(batch.shape)], batch) for batch in other.batches)


@pytest.mark.slow
def test_the_table_of_a_small_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "--size", "exact", "--pairs", "1", "--together", "2"]) == 0
    said = capsys.readouterr()
    rows = [line for line in said.out.splitlines() if line.startswith("| exact")]
    assert len(rows) == 10
    assert "torch" in said.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_a_device_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "--device", "cuda"]) == 2
    assert "--device cuda: cannot be used" in capsys.readouterr().err


def test_a_process_that_ends_is_told() -> None:
    with ProcessPoolExecutor(1) as pool:
        sides = [lambda what: pool.submit(os._exit, 1)]
        with pytest.raises(UserError, match="a measurement failed"):
            bench._rate(sides, "train")
