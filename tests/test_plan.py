"""What counts as done, what is stale, and training again without losing what is there."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_up import record
from test_sweep import Place

import baselines
from benchmark import claims, cli, collect, data, manifest, plan, records, sweep
from benchmark.errors import UserError


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


def made(place: Place, run_id: str, **changes: Any) -> dict[str, Any]:
    """A record of the study's run as today's code would write it."""
    config = place.study.find(run_id).config
    found = record(run_id, bleu=2.5 + place.ids.index(run_id))
    found["evaluation_digest"] = config.evaluation_digest
    found["provenance"] |= {"method_sha256": config.method_sha256}
    return found | changes


def honest(place: Place, run_id: str, **metrics: float) -> dict[str, Any]:
    """A record that nothing is wrong with, but for its code."""
    config = place.study.find(run_id).config
    found = made(place, run_id)
    found["metrics"]["test"] |= metrics
    found["config"], found["data"]["sha256"] = config.to_dict(), data.identity(config.data)
    return found | {"digest": records.digest(found)}


def collected(place: Place, *lines: dict[str, Any]) -> None:
    for line in lines:
        records.write_exclusive(place.root / "others" / line["id"], line)
    collect.collect(place.study, place.root / "others", place.results)


def pending(place: Place, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[list[str], str]:
    assert cli.main(["sweep", "mine.toml", "--runs", "runs", "--pending", *more]) == 0
    said = capsys.readouterr()
    return said.out.split(), said.err


def test_a_collected_record_counts_as_done(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    collected(place, *(made(place, run_id) for run_id in place.ids[:3]))
    ids, said = pending(place, capsys)
    assert ids == place.ids[3:]
    assert "3 of 4 runs count as done by results/mine.jsonl; --fresh trains them" in said
    assert pending(place, capsys, "--fresh")[0] == place.ids
    assert pending(place, capsys, "--results", "elsewhere")[0] == place.ids
    assert place.sweep(results=str(place.results))[0] == 0
    assert place.started() == place.ids[3:]


def test_one_new_row_is_one_pending_row(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    collected(place, *(made(place, run_id) for run_id in place.ids))
    text = place.study.path.read_text()
    place.study.path.write_text(text + '[[baseline]]\nname = "cosine"\nwarmup = 0.5\n')
    ids, _ = pending(place, capsys)
    assert [run_id.split("-")[1] for run_id in ids] == ["cosine", "cosine"]


def test_only_a_row_or_a_run(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    by_row, by_id = (pending(place, capsys, "--only", name)[0] for name in ("none", place.ids[1]))
    assert (by_row, by_id) == ([place.ids[0], place.ids[2]], [place.ids[1]])
    assert cli.main(["sweep", "mine.toml", "--only", "nome"]) == 2
    assert "no row 'nome'; did you mean 'none'?" in capsys.readouterr().err


def test_set_leaves_the_evaluation_alone(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", "mine.toml", "--set", "evaluate.iw_samples=3"]) == 2
    assert "is no part of a run's id" in capsys.readouterr().err


def test_set_makes_other_runs_of_every_row(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    ids, _ = pending(place, capsys, "--set", "train.epochs=2")
    assert len(ids) == 4
    assert not {*ids} & {*place.ids}
    assert cli.main(["sweep", "mine.toml", "--set", "cycles=2"]) == 2
    assert "--set cycles: in a study each row has its own" in capsys.readouterr().err
    assert cli.main(["collect", "mine.toml", "--set", "train.epochs=2"]) == 2
    assert "--set makes another study; --results names a folder" in capsys.readouterr().err


def test_an_edited_method_is_named(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    collected(place, *(made(place, run_id) for run_id in place.ids))
    assert "changed" not in pending(place, capsys)[1]
    folder = place.root / "edited"
    shutil.copytree(baselines.FOLDER, folder)
    monkeypatch.setattr(baselines, "FOLDER", folder)
    plan._digest_now.cache_clear()
    source = folder / "cyclical.py"
    source.write_text(source.read_text().replace('"""', '"""Other words. ', 1) + "# a remark\n")
    assert "changed" not in pending(place, capsys)[1]  # it does what it did
    plan._digest_now.cache_clear()
    source.write_text(source.read_text().replace("self.cycles", "2 * self.cycles", 1))
    ids, said = pending(place, capsys)
    assert ids == []
    redo = "pcbench sweep mine.toml --redo cyclical"
    assert f"cyclical.py changed since these 2 runs; `{redo}` trains them again" in said
    assert cli.main(["sweep", "mine.toml", "--runs", "runs", "--status"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[1].split() == ["none", "2", "collected"]
    assert shown.splitlines()[2].split() == ["cyclical", "2", "stale"]
    plan._digest_now.cache_clear()


def test_a_record_without_digest_is_compared_by_its_commit(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = record(place.ids[1])
    line["provenance"]["commit"] = "c" * 40
    assert not plan.method_changed(line)  # git does not have it
    source = (baselines.FOLDER / "cyclical.py").read_bytes()
    for then, changed in ((source, False), (source + b"x = 1\n", True)):
        digest = baselines.digest_of(then, "then")
        monkeypatch.setattr(plan, "_digest_at", lambda commit, name, digest=digest: digest)
        assert plan.method_changed(line) is changed


def test_records_measured_otherwise_are_stale(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    old, other, good, _ = (made(place, run_id) for run_id in place.ids)
    del old["evaluation"]
    collected(place, old, other | {"evaluation_digest": "0" * 8}, good)
    ids, said = pending(place, capsys)
    assert ids == place.ids[3:]
    assert "1 record was measured by evaluation 1, today's is 2; `pcbench evaluate" in said
    assert "1 record was measured by other [evaluate] settings than the study's" in said


def again(place: Place, *names: str) -> int:
    chosen = plan.again(place.study, place.runs, None, names)
    launcher = (sys.executable, str(place.root / "stand_in.py"))
    options = manifest.Options(str(place.root))
    return sweep.sweep_again(chosen, place.runs, options, out=io.StringIO(), launcher=launcher)


def figures(place: Place) -> list[float]:
    folders = [plan.home(place.runs, run_id) for run_id in place.ids]
    found = [plan.latest(folder) for folder in folders if folder is not None]
    return [record["metrics"]["test"]["kl"] for record in found if record is not None]


def test_training_again_keeps_what_is_there_until_it_is_done(place: Place) -> None:
    for run_id in place.ids:
        place.write(run_id, kl=2.0)
    place.order("cyclical", "fail")
    assert again(place, "cyclical") == 1
    assert figures(place) == [2.0, 2.0, 2.0, 2.0]
    place.order("cyclical", "go")
    assert again(place, "cyclical") == 0
    assert figures(place) == [2.0, 1.5, 2.0, 1.5]
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
        patch.setattr(sweep, "sweep", lambda *a, **b: sweep.INTERRUPTED)
        records.write_exclusive(place.runs / plan.AGAIN / place.ids[1], record(place.ids[1]))
        assert again(place, "cyclical") == sweep.INTERRUPTED
    assert figures(place) == [2.0, 2.0, 2.0, 2.0]
    collect.collect(place.study, place.runs, place.results)  # which leaves it alone
    assert again(place, "cyclical") == 0
    assert place.started() == [place.ids[3]]  # the other one was done
    assert figures(place) == [2.0, 1.5, 2.0, 1.5]


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
    assert figures(place) == [1.5]


def test_two_do_not_train_again_at_once(place: Place) -> None:
    place.write(place.ids[1])
    with claims.claim(place.runs / plan.AGAIN), pytest.raises(claims.Claimed):
        again(place, "cyclical")
    with claims.claim(place.runs / place.ids[1]), pytest.raises(UserError, match="is at work"):
        again(place, "cyclical")


def test_there_must_be_something_to_train_again(place: Place) -> None:
    with pytest.raises(UserError, match="nothing of these runs has a record"):
        plan.again(place.study, place.runs, None, ["none"])
    records.write_exclusive(place.runs / place.ids[0], made(place, place.ids[0]))
    with pytest.raises(UserError, match="nothing has a stale record"):
        plan.again(place.study, place.runs, None, [])


def test_records_of_two_people(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    mine, theirs = place.results / "mine.jsonl", place.root / "theirs.jsonl"
    collected(place, honest(place, place.ids[0]))
    both = [honest(place, place.ids[0], bleu=9.0), honest(place, place.ids[1])]
    lines = [one | {"status": "done", "label": "x", "row": 0} for one in both]
    theirs.write_text("".join(records.dumps(line) + "\n" for line in lines))
    command = ["collect", "mine.toml", "--from", "theirs.jsonl"]
    assert cli.main(command) == 0
    said = capsys.readouterr()
    assert f"{mine.relative_to(place.root)}: 2 done, 2 missing (1 new)" in said.out
    assert "which is kept (--replace takes it): metrics.test.bleu: 2.5 against 9.0" in said.err
    assert {line.get("label") for line in place.collected()} == {"none", "cyclical"}
    assert cli.main([*command, "--replace"]) == 0
    assert "(1 replaced)" in capsys.readouterr().out


def test_equal_figures_of_a_later_run_are_taken(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    dirty, clean = made(place, place.ids[0]), made(place, place.ids[0])
    dirty["provenance"] |= {"dirty": True, "finished": "2026-01-01T00:00:00+00:00"}
    clean["provenance"] |= {"finished": "2026-01-02T00:00:00+00:00"}
    collected(place, dirty)
    records.write_exclusive(place.runs / place.ids[0], clean)
    command = ["collect", "mine.toml", "--runs", "runs"]
    assert cli.main(command) == 0
    assert "not to contribute" in capsys.readouterr().err
    assert cli.main([*command, "--replace", "--only", "cyclical"]) == 0
    assert "replaced" not in capsys.readouterr().out
    assert cli.main([*command, "--replace"]) == 0
    said = capsys.readouterr()
    assert "(1 replaced)" in said.out
    assert said.err == f"pcbench: results/mine.jsonl: replaced: {place.ids[0]}\n"


def test_an_earlier_method_replaces_nothing(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    collected(place, made(place, place.ids[0]))
    old = made(place, place.ids[0])
    old["provenance"]["method_sha256"] = "0" * 64
    old["metrics"]["test"]["bleu"] = 9.0
    records.write_exclusive(place.runs / place.ids[0], old)
    assert cli.main(["collect", "mine.toml", "--runs", "runs", "--replace"]) == 0
    assert "which is kept (it is of an earlier method)" in capsys.readouterr().err
    assert "changed" not in pending(place, capsys)[1]  # the collected one counts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": {"file": "x.py"}}, "config.file: 'x.py' is not that of its id"),
        ({"data": {"sha256": "1" * 64}}, "was made with other data than the study's"),
        ({"evaluation_digest": None}, "was measured by other [evaluate] settings"),
        ({"metrics": {"test": {"mi": 99.0}}}, "mi"),
        ({"digest": None}, "has no digest"),
        ({"provenance": {"measured": {"commit": 5}}}, "commit: must be str or null"),
    ],
)
def test_records_from_elsewhere_are_checked(
    place: Place, capsys: pytest.CaptureFixture[str], change: dict[str, Any], message: str
) -> None:
    theirs = honest(place, place.ids[0])
    for key, value in change.items():
        if value is None:
            del theirs[key]
        elif isinstance(value, dict):
            for name, part in value.items():
                theirs[key][name] = {**theirs[key].get(name, {}), **part} if isinstance(
                    part, dict) else part  # fmt: skip
        else:
            theirs[key] = value
    if "digest" in theirs:
        theirs["digest"] = records.digest(theirs)
    line = theirs | {"status": "done", "label": "none", "row": 0}
    Path("theirs.jsonl").write_text(records.dumps(line) + "\n")
    assert cli.main(["collect", "mine.toml", "--from", "theirs.jsonl"]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (place.results / "mine.jsonl").exists()


def test_an_older_evaluation_replaces_nothing(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    collected(place, made(place, place.ids[0]))
    old = made(place, place.ids[0])
    del old["evaluation"]
    old["metrics"]["test"]["bleu"] = 9.0
    records.write_exclusive(place.runs / place.ids[0], old)
    assert cli.main(["collect", "mine.toml", "--runs", "runs", "--replace"]) == 0
    said = capsys.readouterr()
    assert "which is kept (it is of an older evaluation)" in said.err
    assert "replaced" not in said.out


def test_a_conflict_of_git_is_named(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    collected(place, made(place, place.ids[0]))
    path = place.results / "mine.jsonl"
    path.write_bytes(b"<<<<<<< HEAD\n" + path.read_bytes() + b"=======\n>>>>>>> theirs\n")
    before = path.read_bytes()
    assert cli.main(["collect", "mine.toml"]) == 2
    said = capsys.readouterr().err
    assert "results/mine.jsonl:1: git left a conflict here" in said
    assert "pcbench collect mine --from /tmp/theirs.jsonl" in said
    assert path.read_bytes() == before


def test_a_study_by_its_name(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    (place.root / "paper").mkdir()
    place.study.path.rename(place.root / "paper" / "v1.5.toml")
    assert cli.main(["sweep", "v1.5", "--list"]) == 0
    assert capsys.readouterr().out.split() == place.ids
    assert cli.main(["sweep", "v1.6", "--list"]) == 2
    assert (
        "v1.6: no such study file, nor a study of that name in paper/; did you mean"
        in capsys.readouterr().err
    )


def test_a_report_says_which_records_are_not_committed(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *who, *words], cwd=place.root, check=True, capture_output=True)

    report = ["report", "mine", "--no-figures", "--out", "out"]
    git("init", "-q")
    collected(place, *(made(place, run_id, label="none") for run_id in place.ids[:1]))
    git("add", "results")
    git("commit", "-q", "-m", "Record")
    assert cli.main(report) == 0
    assert "last commit" not in capsys.readouterr().err
    collected(place, made(place, place.ids[1]), made(place, place.ids[3]))
    assert cli.main(report) == 0
    said = capsys.readouterr().err
    assert "1 records are as in the last commit; new or changed: cyclical 2" in said
