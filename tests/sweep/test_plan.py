"""What counts as done, what is stale, and training again without losing what is there."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from made_up import record
from test_sweep import Place

from benchmark import cli, data
from benchmark.core import records
from benchmark.model import registry
from benchmark.sweep import collect, plan


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
    found["config"], found["data"]["sha256"] = config.to_dict(), data.find(config.data).identity
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
    assert "3 of 4 runs count as done, by results/mine.jsonl; use --fresh to train them" in said
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
    assert "is not part of a run's id" in capsys.readouterr().err


def test_set_makes_other_runs_of_every_row(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    ids, _ = pending(place, capsys, "--set", "train.epochs=2")
    assert len(ids) == 4
    assert not {*ids} & {*place.ids}
    assert cli.main(["sweep", "mine.toml", "--set", "cycles=2"]) == 2
    assert "--set cycles: in a study each row has its own" in capsys.readouterr().err
    assert cli.main(["collect", "mine.toml", "--set", "train.epochs=2"]) == 2
    assert "--set makes another study; give a folder for it with" in capsys.readouterr().err


def test_an_edited_method_is_named(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    collected(place, *(made(place, run_id) for run_id in place.ids))
    assert "changed" not in pending(place, capsys)[1]
    folder = place.root / "edited"
    shutil.copytree(registry.FOLDER, folder)
    monkeypatch.setattr(registry, "FOLDER", folder)
    plan._digest_now.cache_clear()
    source = folder / "cyclical.py"
    source.write_text(source.read_text().replace('"""', '"""Other words. ', 1) + "# a remark\n")
    assert "changed" not in pending(place, capsys)[1]  # it does what it did
    plan._digest_now.cache_clear()
    source.write_text(source.read_text().replace("self.cycles", "2 * self.cycles", 1))
    ids, said = pending(place, capsys)
    assert ids == []
    redo = "pcbench sweep mine.toml --redo cyclical"
    assert f"cyclical.py changed since 2 runs; `{redo}` trains it again" in said
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
    source = (registry.FOLDER / "cyclical.py").read_bytes()
    for then, changed in ((source, False), (source + b"x = 1\n", True)):
        digest = registry.digest_of(then, "then")
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
