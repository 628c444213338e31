"""Which records `pcbench collect` takes: of two people, of another method or evaluation."""

from pathlib import Path
from typing import Any

import pytest
from test_plan import collected, honest, made, pending
from test_plan import place as place
from test_sweep import Place

from benchmark import cli
from benchmark.core import records


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
    assert "which is kept (it is of an older evaluation)" in said.err
    assert "replaced" not in said.out
