"""Ids of runs never change: records, checkpoints and papers name them."""

from collections import defaultdict
from pathlib import Path

import pytest

from benchmark.sweep import study

ROOT = Path(__file__).parents[2]
IDS: dict[str, set[str]] = defaultdict(set)
for line in (Path(__file__).parent / "run_ids.txt").read_text().splitlines():
    name, run_id = line.split()
    IDS[name].add(run_id)


@pytest.mark.parametrize("name", IDS)
def test_a_study_still_has_the_ids_that_it_had(name: str) -> None:
    """A new row adds ids; a row that goes takes its lines in run_ids.txt with it."""
    ids = {run.id for run in study.load(ROOT / "paper" / f"{name}.toml").configs}
    assert ids >= IDS[name]
