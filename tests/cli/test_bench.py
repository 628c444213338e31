"""The benchmark of speed: what it counts, and that both sides do the same work."""

import pytest
import torch

from benchmark import cli
from benchmark.bench import bench, sizes, worker
from benchmark.bench.bench import Row


def test_the_operations_of_a_token_are_those_of_the_matrices() -> None:
    """A matrix-vector product is 2 operations an element; backward twice as many as forward."""
    size = sizes.SIZES["ptb"]
    side = worker.Ours("ptb", "fp32", 1, "cpu")
    counted = sum(
        2 * value.numel()
        for name, value in side.run.model.named_parameters()
        if value.ndim == 2 and ("lstm" in name or "output" in name)
    )
    assert sizes.flops_a_token(side.run.config, size.vocabulary) == 3 * counted


def test_a_row_compares_turn_by_turn() -> None:
    row = Row("a", "tokens/s", [30.0, 20.0, 50.0], [10.0, 10.0, 10.0], (1.0, 2.0), 0.25)
    assert row.ratios == [3.0, 2.0, 5.0]
    text = bench.table([row])
    assert text.splitlines()[2].split("|")[1:-1] == [
        f" {cell} "
        for cell in (
            "a   ", "30 tokens/s", "10 tokens/s", " 3.00", "2.00 to 5.00",
            "              25 %", "  1 / 2",
        )
    ]  # fmt: skip


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_both_sides_have_the_same_batches_and_parameters(precision: str) -> None:
    ours = worker.Ours("exact", precision, 1, "cpu")
    other = worker.Yardstick("exact", "fp32", 1, "cpu")
    assert ours.train() == other.train() == 32 * sum(sizes.SIZES["exact"].lengths)
    assert ours.plain() == other.plain() == ours.evaluate() == ours.validate() == 600
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


def test_a_worker_that_ends_is_told() -> None:
    side = bench.Worker("ours", "exact", "fp32", 1, "cpu")
    with pytest.raises(bench.UserError, match="a measurement ended with status 1"):
        side.rate("nonsense")
    side.close()
