"""How long the rest of a sweep takes: by earlier records, by its first runs, by their pace."""

import json
from pathlib import Path
from typing import Any

import pytest
import small_study
from made_up import record

from benchmark.core import records
from benchmark.sweep import costs, manifest
from benchmark.sweep.manifest import Entry


class Place(small_study.Place):
    """A study of four runs."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        options = manifest.Options(str(root))
        self.entries = manifest.build(
            self.study, self.study.configs, self.runs, options
        ).entries  # none and cyclical of seed 0, then of seed 1

    def finished(self, entry: Entry, seconds: float, evaluation: float = 0.0) -> dict[str, Any]:
        made = record(entry.id) | {"config": dict(entry.config)}
        made["cost"] |= {"seconds": seconds, "evaluate_seconds": evaluation}
        return made

    def say(self, entry: Entry, **said: object) -> Path:
        folder = self.runs / entry.id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "progress.json").write_text(json.dumps({"step": 1, "total": 9, **said}))
        return folder


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_records_come_from_the_runs_folder_and_the_collected_file(place: Place) -> None:
    none, cyclical, other, _ = place.entries
    place.results.mkdir()
    made = [place.finished(none, 10.0), place.finished(cyclical, 20.0)]
    made = [line | {"label": "x", "row": 0, "status": "done"} for line in made]
    (place.results / "mine.jsonl").write_text("".join(records.dumps(m) + "\n" for m in made))
    records.write_exclusive(place.runs / none.id, place.finished(none, 11.0))
    card = place.finished(other, 1.0)
    card["cost"]["device"] = "a card"
    records.write_exclusive(place.runs / other.id, card)

    def seconds(device: str) -> list[float]:
        known = costs.known(place.study, place.runs, place.results, device)
        return sorted(record["cost"]["seconds"] for record in known)

    assert seconds("cpu") == [11.0, 20.0]
    assert seconds("cuda") == [1.0]


def test_runs_wait_for_each_other(place: Place) -> None:
    none, cyclical = place.entries[:2]
    earlier = [place.finished(none, 100.0), place.finished(cyclical, 400.0)]
    forecast = costs.Forecast(earlier)
    assert forecast.left(place.entries, [], jobs=1) == 1000.0
    assert forecast.left(place.entries, [], jobs=2) == 600.0  # the last begins at 200
    active = [(none, 30.0, place.runs / none.id)]
    assert forecast.left([cyclical], active, jobs=1) == 470.0
    assert forecast.left([cyclical], active, jobs=2) == 400.0
    assert costs.Forecast(earlier[:1]).left([cyclical], [], jobs=1) == 100.0  # the most like it
    assert costs.Forecast([]).left(place.entries, active, jobs=2) is None


def test_a_record_from_before_a_setting_counts(place: Place) -> None:
    none = place.entries[0]
    old = place.finished(none, 100.0)
    train = dict(none.config["train"])
    del train["cooldown"]
    old["config"]["train"] = train
    assert costs.alike(none.config, [old]) == [old]
    old["config"]["train"] = train | {"epochs": train["epochs"] + 1}
    assert costs.alike(none.config, [old]) == []


def test_what_the_sweep_has_finished_counts_more_than_other_machines(place: Place) -> None:
    none, cyclical, again, _ = place.entries
    forecast = costs.Forecast([place.finished(none, 100.0), place.finished(cyclical, 400.0)])
    records.write_exclusive(place.runs / none.id, place.finished(none, 10.0))
    assert forecast.left([again], [], jobs=1) == 100.0
    forecast.learn(place.runs / none.id, 13.0)  # three seconds to start
    assert forecast.left([again], [], jobs=1) == 13.0
    assert forecast.left([cyclical], [], jobs=1) == 400.0  # the same baseline, before another here


def test_a_run_at_work_is_taken_by_its_pace(place: Place) -> None:
    none, cyclical = place.entries[:2]
    folder = place.say(none, phase="train", seconds_left=70.0)
    active = [(none, 30.0, folder)]
    assert costs.Forecast([]).left([], active, jobs=1) == 70.0
    assert costs.Forecast([]).left([cyclical], active, jobs=1) == 170.0
    known = costs.Forecast([place.finished(none, 500.0, evaluation=5.0)])
    assert known.left([], active, jobs=1) == 75.0
    place.say(none, phase="evaluate", seconds_left=3.0)
    assert known.left([], active, jobs=1) == 3.0
    place.say(none, phase="train", seconds_left=None)  # it has only begun
    assert known.left([], active, jobs=1) == 470.0
