"""Records damaged by hand: ``pcbench report`` names file, line and reason, and writes nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_up import line

from benchmark import cli
from benchmark.core import records

PAGE = "<!-- results:mine -->\nold\n<!-- /results:mine -->\n"


class Place:
    """A results file of four good lines, the tables made of it, and a page that shows one."""

    def __init__(self, root: Path) -> None:
        self.root, self.file, self.page = root, root / "mine.jsonl", root / "page.md"
        self.page.write_text(PAGE)
        self.texts = [
            records.dumps(line(label, row, seed))
            for row, label in enumerate("ab")
            for seed in (0, 1)
        ]
        self.write(self.texts)

    def write(self, texts: list[str]) -> None:
        self.file.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")

    def change(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the third line."""
        third = json.loads(self.texts[2])
        change(third)
        self.write([*self.texts[:2], json.dumps(third), self.texts[3]])

    def report(self) -> int:
        return cli.main(
            ["report", "mine", "--results", str(self.root), "--out", str(self.root / "tables"),
             "--readme", str(self.page), "--no-figures"]
        )  # fmt: skip

    def files(self) -> dict[str, bytes]:
        """What a report writes."""
        there = [path for path in self.root.rglob("*") if path.is_file() and path != self.file]
        return {path.name: path.read_bytes() for path in there}


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    found = Place(tmp_path)
    assert found.report() == 0
    assert {"mine.md", "mine.tex", "mine.csv", "page.md"} <= found.files().keys()
    assert b"old" not in found.files()["page.md"]
    capsys.readouterr()
    return found


def refused(place: Place, capsys: pytest.CaptureFixture[str], reason: str, number: int = 3) -> None:
    """The file cannot be read: one line on standard error, exit status 2, nothing written."""
    before = place.files()
    assert place.report() == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith(f"pcbench: {place.file}:{number}: ")
    assert error.count("\n") == 1
    assert reason in error
    assert place.files() == before


def flagged(place: Place, capsys: pytest.CaptureFixture[str], reason: str, number: int = 3) -> None:
    """The numbers cannot be: a line for each, exit status 1, nothing written."""
    before = place.files()
    assert place.report() == 1
    told = capsys.readouterr().out.split("Inconsistent records, so nothing was written:\n")[1]
    first, *_ = told.splitlines()
    assert first.startswith(f"- {place.file}:{number}: ")
    assert reason in first
    assert place.files() == before


def at(*path: str | int, value: object) -> Callable[[Any], object]:
    """Sets one value of a record."""

    def change(found: Any) -> None:
        for name in path[:-1]:
            found = found[name]
        found[path[-1]] = value

    return change


TEST = ("metrics", "test")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (at(*TEST, "rec", value=101.0), "test: rec + kl is 102.5000, neg_elbo 101.5000"),
        (at(*TEST, "ppl_elbo", value=1e299), "ln ppl_elbo is 688.4729, neg_elbo / tokens 4.6311"),
        (at(*TEST, "kl", value=1e99), "neg_elbo 101.5"),
        (at("label", value="<img src=x onerror=alert(1)>"), "label: holds markup: '<img src=x"),
        (at("cost", "device", value="<script>"), "cost.device: holds markup: '<script>'"),
        (at("label", value="\x1b[2Jb"), "label: holds markup: '\\x1b[2Jb'"),
        (at("data", "sha256", value="1" * 64), "but"),
    ],
)
def test_figures_that_cannot_be(
    place: Place,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Any], object],
    reason: str,
) -> None:
    place.change(change)
    flagged(place, capsys, reason, 4 if reason == "but" else 3)  # the row's second run differs


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (at("schema", value=7), "unknown schema 7; this version reads schema 1"),
        (at("id", value="ptb-a-0-0123abcd"), "ptb-a-0-0123abcd is on line 1 already"),
        (
            at("id", value="../../elsewhere"),
            "id: must match pattern '^\\w[\\w=.,:+-]*$', not \"../../elsewhere\"",
        ),
        (at("id", value="<b>"), 'not "<b>"'),
        (at(*TEST, "kl", value="1.5"), 'metrics.test.kl: must be a valid number, not "1.5"'),
        (
            at(*TEST, "excess_se", value="1"),
            'metrics.test.excess_se: must be a valid number, not "1"',
        ),
        (
            at(*TEST, "iw_curve", value=[[1, "x"]]),
            'test.iw_curve.0.1: must be a valid number, not "x"',
        ),
        (at(*TEST, "kl", value=None), "metrics.test.kl: must be a valid number, not null"),
        (at(*TEST, "kl", value=1e101), "metrics.test.kl: must be at most 1e+100, not 1e+101"),
        (at(*TEST, "ppl_elbo", value=1e301), "test.ppl_elbo: must be at most 1e+300, not 1e+301"),
        (at(*TEST, "kl", value=10**400), "metrics.test.kl: must be a valid number, not 1000"),
        (at("cost", "seconds", value="36"), 'cost.seconds: must be a valid number, not "36"'),
        (at("config", "seed", value="0"), 'config.seed: must be a valid integer, not "0"'),
        (at("data", "test_sentences", value=0), "data.test_sentences: must be at least 1, not 0"),
        (
            at("data", "test_tokens", value=2.5),
            "data.test_tokens: must be a valid integer, not 2.5",
        ),
        (
            at("provenance", "code_sha256", value=None),
            "code_sha256: must be a valid string, not null",
        ),
        (at("curve", 0, "kl", value="1"), 'curve.0.kl: must be a valid number, not "1"'),
        (at("kl_spectrum", value=["1.5"]), 'kl_spectrum.0: must be a valid number, not "1.5"'),
        (
            at("loss_by_position", 0, value=[5.0]),
            "loss_by_position.0: must have at least 2 items, not [5.0]",
        ),
        (
            at("status", value="lost"),
            "status: must be 'done', 'running', 'stopped', 'failed' or 'missing', not \"lost\"",
        ),
        (at("status", value=["done"]), "'missing', not [\"done\"]"),
        (at("row", value="first"), 'row: must be a valid integer, not "first"'),
        (lambda third: third.pop("label"), "lacks 'label'"),
        (lambda third: third.pop("metrics"), "lacks 'metrics'"),
        (
            lambda third: third["data"].update(lossless={"test": "yes"}),
            'lossless.test: must be a valid boolean, not "yes"',
        ),
        (lambda third: third.update(samples={}), "samples: for an exact language only"),
    ],
)
def test_records_of_another_shape(
    place: Place,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Any], object],
    reason: str,
) -> None:
    place.change(change)
    refused(place, capsys, reason)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"kl":1.5', '"kl":NaN', "metrics.test.kl: must be a finite number, not NaN"),
        ('"kl":1.5', '"kl":-Infinity', "metrics.test.kl: must be a finite number, not -Infinity"),
        ('"kl":1.5', '"kl":1e999', "metrics.test.kl: must be a finite number, not Infinity"),
        (
            '"params":{}',
            '"params":{"x":1e999}',
            "holds a value that JSON cannot represent: Out of range float",
        ),
        (
            '"params":{}',
            '"params":{"x":"\\ud800"}',
            "JSON cannot represent: 'utf-8' codec can't encode",
        ),
        ('"kl":1.5', f'"kl":{"9" * 5000}', "damaged or cut off (Exceeds the limit (4300 digits)"),
        ('"kl":1.5', '"kl":1.5,"kl":2.5', "'kl' occurs twice"),
        ('"kl":1.5', '"kl":1.5,', "damaged or cut off"),
        ('"params":{}', '"params":' + "[" * 100_000, "damaged or cut off"),
    ],
)
def test_lines_that_are_no_json(
    place: Place, capsys: pytest.CaptureFixture[str], old: str, new: str, reason: str
) -> None:
    assert old in place.texts[2]
    place.write([*place.texts[:2], place.texts[2].replace(old, new), place.texts[3]])
    refused(place, capsys, reason)


def test_a_cut_off_file(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    whole = place.file.read_text()
    place.file.write_text(whole[: -len(place.texts[3]) // 2])
    refused(place, capsys, "damaged or cut off", number=4)


def test_an_empty_line_and_a_repeated_one(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.write([*place.texts[:2], "", *place.texts[2:]])
    refused(place, capsys, "the line is empty; restore the file")
    place.write([*place.texts[:2], place.texts[1]])
    refused(place, capsys, "ptb-a-1-0123abcd is on line 2 already")


def test_bytes_that_are_no_text(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    good = place.file.read_bytes().splitlines(keepends=True)
    place.file.write_bytes(b"".join([*good[:2], good[2][:10] + b"\xff" + good[2][10:], good[3]]))
    refused(
        place, capsys, "damaged or cut off ('utf-8' codec can't decode byte 0xff in position 10"
    )


def test_line_ends_inside_a_text_are_no_lines(place: Place) -> None:
    """JSON writes U+2028 and U+0085 as they are, and Python takes them for ends of lines."""
    place.texts = [text.replace('"a"', '"a\u2028\u0085b"') for text in place.texts]
    place.write(place.texts)
    assert place.report() == 0


def test_a_failed_runs_reason_may_hold_anything(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(third: dict[str, Any]) -> None:
        kept = {key: third[key] for key in ("schema", "id", "label", "row")}
        third.clear()
        third |= {**kept, "status": "failed", "error": "must be <class 'int'>"}
        third["config"] = {"data": "ptb", "seed": 0}

    place.change(change)
    assert place.report() == 0
    told = capsys.readouterr().out
    assert "ptb-b-0-0123abcd: error: holds markup: \"must be <class 'int'>\"" in told
    assert "Missing: 1 run of 1 row without a record;" in told
