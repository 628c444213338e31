"""Sentences collected beside the records: only theirs, kept, the same bytes; and their table."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import record

from benchmark.core import sentences
from benchmark.core.errors import UserError
from benchmark.report import checkpoints, tables
from benchmark.report.grouping import groups

N = 40
DRAWN = np.random.default_rng(0).normal(size=(2, 3, N))


def line(label: str, row: int, seed: int, status: str = "done") -> dict[str, Any]:
    found = record(f"ptb-{label}-{seed}-{row:08x}", bleu=row + seed / 10)
    return found | {"label": label, "row": row, "status": status}


def arrays(one: dict[str, Any], shift: float = 0.0) -> dict[str, np.ndarray]:
    """Sentences whose means are the record's numbers, differing by row and seed."""
    noise = DRAWN[one["row"], one["config"]["seed"]]
    test = one["metrics"]["test"]
    return {
        name: (test[name] + noise - noise.mean() + shift).astype(np.float32)
        for name in ("rec", "kl", "iw_nll")
    }


def write(runs: Path, one: dict[str, Any], **changed: float) -> None:
    folder = runs / one["id"]
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "sentences.npz", **arrays(one, **changed))


@pytest.fixture
def lines() -> list[dict[str, Any]]:
    return [line(label, row, seed) for row, label in enumerate(["none", "a"]) for seed in range(3)]


def test_what_is_gathered_is_that_of_the_records_and_stays(
    tmp_path: Path, lines: list[dict[str, Any]]
) -> None:
    runs, path = tmp_path / "runs", tmp_path / "s.sentences.npz"
    assert sentences.collect(path, lines, runs) == []  # no folders, no error, no file
    assert not path.exists()
    for one in lines:
        write(runs, one)
    write(runs, line("stranger", 1, 0))
    assert sentences.collect(path, lines[:4], runs) == []
    first = path.read_bytes()
    found = sentences.read(path)
    assert {key.split("/")[0] for key in found} == {one["id"] for one in lines[:4]}
    np.testing.assert_array_equal(found[f"{lines[0]['id']}/kl"], arrays(lines[0])["kl"])
    path.unlink()
    sentences.collect(path, lines[:4], runs)
    assert path.read_bytes() == first
    assert sentences.collect(path, lines, tmp_path / "elsewhere") == []  # without the folders
    assert path.read_bytes() == first
    sentences.collect(path, lines, runs)
    assert len(sentences.read(path)) == 3 * len(lines)
    sentences.collect(path, [*lines[:1], lines[1] | {"status": "missing"}], tmp_path / "elsewhere")
    assert {key.split("/")[0] for key in sentences.read(path)} == {lines[0]["id"]}


def test_sentences_of_another_run_or_damaged_are_left_out_with_a_note(
    tmp_path: Path, lines: list[dict[str, Any]]
) -> None:
    runs, path = tmp_path / "runs", tmp_path / "s.sentences.npz"
    write(runs, lines[0], shift=0.01)
    write(runs, lines[1])
    write(runs, lines[2])
    (runs / lines[2]["id"] / "sentences.npz").write_bytes(b"PK half a file")
    moved, damaged = sentences.collect(path, lines, runs)
    assert "was left out: rec: 100.0" in moved
    assert "is damaged and was left out" in damaged
    assert {key.split("/")[0] for key in sentences.read(path)} == {lines[1]["id"]}
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=r"s\.sentences\.npz: missing or damaged"):
        sentences.collect(path, lines, runs)


def test_pickles_are_never_read(tmp_path: Path) -> None:
    path = tmp_path / "s.sentences.npz"
    np.savez(path, x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="damaged"):
        sentences.read(path)
    np.savez(path, x=np.zeros((2, 2), dtype=np.float32))
    with pytest.raises(UserError, match=r"x: must hold .*, not float32 of shape \(2, 2\)"):
        sentences.read(path)


def test_the_table_compares_checkpoints_of_one_seed(lines: list[dict[str, Any]]) -> None:
    lines[3]["metrics"]["test"]["iw_nll"] = 100.5
    gathered = {
        f"{one['id']}/{name}": array
        for one in lines
        if one["id"] != lines[5]["id"]
        for name, array in arrays(one).items()
    }
    by = {table.kind: table for table in tables.build(groups(lines), gathered)}
    assert set(by) == {"main", "paired", "steps", "sentences"}
    found = by["sentences"]
    assert found.columns == ("seed 0", "seed 1", "seed 2")
    (row,) = found.rows
    assert row.label == "a"
    differences = gathered[f"{lines[3]['id']}/iw_nll"] - gathered[f"{lines[0]['id']}/iw_nll"]
    assert row.cells[0].value == pytest.approx(-0.5, abs=1e-4)
    low, high = (
        float(v.replace("−", "-")) for v in row.cells[0].text[:-1].split("[")[1].split(",")
    )
    half = 1.96 * differences.std() / np.sqrt(N)  # of the normal distribution
    assert (low, high) == pytest.approx((-0.5 - half, -0.5 + half), abs=0.15 * half)
    assert row.cells[2].text == "–"  # its sentences are not there
    assert "nothing of the methods" in found.notes[0]
    assert not any(one.bold for table in by.values() for one in table.rows[-1].cells)
    assert [table.kind for table in tables.build(groups(lines))] == ["main", "paired", "steps"]


def test_a_file_that_is_not_the_records_is_refused(
    tmp_path: Path, lines: list[dict[str, Any]]
) -> None:
    path = tmp_path / "s.sentences.npz"
    assert checkpoints.load(path, lines) == {}
    np.savez(path, **{f"{lines[0]['id']}/{k}": v for k, v in arrays(lines[0], 0.5).items()})
    with pytest.raises(UserError, match=rf"{lines[0]['id']}: rec: 100\.5.* 100\.0 in its record"):
        checkpoints.load(path, lines)
    np.savez(path, **{f"other/{k}": v for k, v in arrays(lines[0]).items()})
    with pytest.raises(UserError, match="other/rec: belongs to no record"):
        checkpoints.load(path, lines)
