"""Which records `pcbench collect` takes and keeps, and what it writes."""

from pathlib import Path
from typing import Any

import pytest
from made_up import record
from test_plan import collected, honest, made, pending
from test_plan import place as place
from test_sweep import Place

from benchmark import cli
from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.sweep import collect, study


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
    assert (
        "which is kept (--replace takes the new one): metrics.test.bleu: 2.5 against 9.0"
        in said.err
    )
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
    assert "cannot be contributed" in capsys.readouterr().err
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
    assert "which is kept (the new one is of an earlier method)" in capsys.readouterr().err
    assert "changed" not in pending(place, capsys)[1]  # the collected one counts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": {"file": "x.py"}}, "config.file: 'x.py' is not that of its id"),
        ({"data": {"sha256": "1" * 64}}, "was made with other data than the study's"),
        ({"evaluation_digest": None}, "was measured by other [evaluate] settings"),
        ({"metrics": {"test": {"mi": 99.0}}}, "mi"),
        ({"digest": None}, "has no digest"),
        ({"provenance": {"measured": {"commit": 5}}}, "commit: must be a valid string, not 5"),
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
    assert "which is kept (the new one is of an older evaluation)" in said.err
    assert "replaced" not in said.out


def test_collect_writes_a_line_for_each_expected_run(place: Place) -> None:
    place.write(place.ids[0])
    place.write(place.ids[3], bleu=9.0)
    done = collect.collect(place.study, place.runs, place.results)
    assert done.counts == {"done": 2, "missing": 2}
    lines = place.collected()
    assert [line["id"] for line in lines] == sorted(place.ids)
    found = {line["id"]: line for line in lines}
    assert found[place.ids[3]] == {
        **record(place.ids[3], bleu=9.0), "label": "cyclical", "row": 1, "status": "done",
    }  # fmt: skip
    assert found[place.ids[1]] == {
        "schema": 1, "id": place.ids[1], "status": "missing", "label": "cyclical", "row": 1,
        "config": {"data": "exact_small", "seed": 0, "precision": "fp32"},
    }  # fmt: skip
    before = done.path.read_bytes()
    collect.collect(place.study, place.runs, place.results)
    assert done.path.read_bytes() == before


def test_an_error_is_collected_without_folders(place: Place) -> None:
    folder = place.runs / place.ids[0]
    folder.mkdir(parents=True)
    for error, kept in [
        (f"{folder}/checkpoint.pt: damaged", f"{place.ids[0]}/checkpoint.pt: damaged"),
        ("/scratch/me/ptb/arrays.npz: was altered", "arrays.npz: was altered"),
        ("OSError: [Errno 28] full: '/a/b c/d'", "OSError: [Errno 28] full: 'b c/d'"),
        ("run: prepare text:/home/me/news,size=9", "run: prepare text:news,size=9"),
        ("get https://host/a/b; loss 1/2", "get https://host/a/b; loss 1/2"),
    ]:
        (folder / "error.txt").write_text(f"{error}\n")
        collect.collect(place.study, place.runs, place.results)
        assert {line["id"]: line.get("error") for line in place.collected()}[place.ids[0]] == kept


def test_collect_never_loses_a_record(place: Place) -> None:
    for run_id in place.ids:
        place.write(run_id)
    collect.collect(place.study, place.runs, place.results)
    before = (place.results / "mine.jsonl").read_bytes()
    elsewhere = place.root / "empty"
    done = collect.collect(place.study, elsewhere, place.results)
    assert (done.path.read_bytes(), done.notes) == (before, [])
    records.write_exclusive(elsewhere / place.ids[0], record(place.ids[0], kl=2.0))
    done = collect.collect(place.study, elsewhere, place.results)
    assert done.path.read_bytes() == before
    kept = (
        "which is kept (--replace takes the new one): metrics.test.kl: 1.5 against 2.0 and 1 more"
    )
    assert done.notes[0].endswith(kept)
    done = collect.collect(place.study, elsewhere, place.results, taking=collect.Taking(True))
    assert done.notes == [f"{done.path}: replaced: {place.ids[0]}"]
    assert done.taken == {"new": 0, "replaced": 1}
    assert {r["id"]: r["metrics"]["test"]["kl"] for r in place.collected()}[place.ids[0]] == 2.0


def test_records_the_study_no_longer_names_stay_until_pruned(place: Place) -> None:
    for run_id in place.ids:
        place.write(run_id)
    collect.collect(place.study, place.runs, place.results)
    fewer = study.load(place.root / "mine.toml", seeds=[1])
    done = collect.collect(fewer, place.runs, place.results)
    assert [line["row"] for line in place.collected()].count(None) == 2
    assert done.counts == {"done": 2}
    assert "2 records" in done.notes[0]
    collect.collect(fewer, place.runs, place.results, prune=True)
    assert len(place.collected()) == 2


def test_collecting_some_seeds_leaves_the_others_as_they_are(place: Place) -> None:
    for run_id in place.ids:
        place.write(run_id)
    collect.collect(place.study, place.runs, place.results, seeds=[1])
    assert [line["config"]["seed"] for line in place.collected()] == [1, 1]
    collect.collect(place.study, place.runs, place.results)
    everything = place.collected()
    collect.collect(place.study, place.runs, place.results, prune=True, seeds=[1])
    assert place.collected() == everything


def test_a_damaged_record_changes_nothing(place: Place) -> None:
    place.write(place.ids[0])
    collect.collect(place.study, place.runs, place.results)
    before = (place.results / "mine.jsonl").read_bytes()
    place.write(place.ids[1])
    path = place.runs / place.ids[1] / "record.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(UserError, match=r"record\.json: damaged or cut off"):
        collect.collect(place.study, place.runs, place.results)
    assert (place.results / "mine.jsonl").read_bytes() == before
    path.unlink()
    (place.results / "mine.jsonl").write_bytes(before[:-30])
    with pytest.raises(UserError, match=r"mine\.jsonl:\d: damaged or cut off"):
        collect.collect(place.study, place.runs, place.results)


def test_results_that_cannot_be_written_are_a_clear_error(place: Place) -> None:
    place.results.write_text("a file, not a folder")
    with pytest.raises(UserError, match="cannot be written"):
        collect.collect(place.study, place.runs, place.results)
