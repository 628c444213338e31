"""`pcbench sweep --redo`: runs trained again, and what is there until then."""

import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from made_up import record
from test_plan import made
from test_plan import place as place
from test_sweep import Place

from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.run import claims
from benchmark.sweep import collect, manifest, plan, sweep


def again(place: Place, *names: str) -> int:
    chosen = plan.again(place.study, place.runs, None, names)
    launcher = (sys.executable, str(place.root / "stand_in.py"))
    options = manifest.Options(str(place.root))
    out = io.StringIO()
    return sweep.sweep(chosen, place.runs, options, out=out, launcher=launcher, again=True)


def numbers(place: Place) -> list[float]:
    folders = [plan.home(place.runs, run_id) for run_id in place.ids]
    found = [plan.latest(folder) for folder in folders if folder is not None]
    return [record["metrics"]["test"]["kl"] for record in found if record is not None]


@pytest.mark.slow
def test_training_again_keeps_what_is_there_until_it_is_done(place: Place) -> None:
    for run_id in place.ids:
        place.write(run_id, kl=2.0)
    place.order("cyclical", "fail")
    assert again(place, "cyclical") == 1
    assert numbers(place) == [2.0, 2.0, 2.0, 2.0]
    place.order("cyclical", "go")
    assert again(place, "cyclical") == 0
    assert numbers(place) == [2.0, 1.5, 2.0, 1.5]
    before = sorted((place.runs / plan.REPLACED).glob("*/record.json"))
    assert [json.loads(p.read_text())["metrics"]["test"]["kl"] for p in before] == [2.0, 2.0]
    assert again(place, place.ids[1]) == 0  # by its id, and once more
    shutil.rmtree(place.runs / plan.REPLACED / f"{place.ids[1]}.1")
    assert again(place, place.ids[1]) == 0  # a gap among the earlier ones
    names = {path.name for path in (place.runs / plan.REPLACED).iterdir()}
    assert names == {f"{place.ids[1]}.2", f"{place.ids[1]}.3", f"{place.ids[3]}.1"}


def test_interrupted_it_replaces_nothing_and_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run_id in place.ids:
        place.write(run_id, kl=2.0)
    with monkeypatch.context() as patch:
        patch.setattr(sweep, "_train", lambda *a, **b: sweep.INTERRUPTED)
        records.write_exclusive(place.runs / plan.AGAIN / place.ids[1], record(place.ids[1]))
        assert again(place, "cyclical") == sweep.INTERRUPTED
    assert numbers(place) == [2.0, 2.0, 2.0, 2.0]
    collect.collect(place.study, place.runs, place.results)  # which leaves it alone
    assert again(place, "cyclical") == 0
    assert place.started() == [place.ids[3]]  # the other one was done
    assert numbers(place) == [2.0, 1.5, 2.0, 1.5]


def test_killed_between_the_two_moves_it_loses_sight_of_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write(place.ids[0], kl=2.0)
    fresh = place.runs / plan.AGAIN / place.ids[0]
    records.write_exclusive(fresh, record(place.ids[0]))
    move = Path.rename

    def killed(self: Path, target: Path) -> Path:
        if self == fresh:
            raise KeyboardInterrupt
        return move(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            plan.adopt(place.runs, place.ids)
    assert [run.id for run in plan.pending(place.study, place.runs)] == place.ids[1:]
    collect.collect(place.study, place.runs, place.results)
    assert [x["status"] for x in place.collected()].count("done") == 1
    assert plan.adopt(place.runs, place.ids) == 1
    assert numbers(place) == [1.5]


def test_two_do_not_train_again_at_once(place: Place) -> None:
    place.write(place.ids[1])
    with claims.claim(place.runs / plan.AGAIN), pytest.raises(claims.Claimed):
        again(place, "cyclical")
    with (
        claims.claim(place.runs / place.ids[1]),
        pytest.raises(UserError, match="is being trained; use --redo"),
    ):
        again(place, "cyclical")


def test_there_must_be_something_to_train_again(place: Place) -> None:
    with pytest.raises(UserError, match="nothing of these runs has a record"):
        plan.again(place.study, place.runs, None, ["none"])
    records.write_exclusive(place.runs / place.ids[0], made(place, place.ids[0]))
    with pytest.raises(UserError, match="nothing has a stale record"):
        plan.again(place.study, place.runs, None, [])
