"""The page of a study as text: whole, escaped, the same each time, and told of by its runs."""

import base64
import hashlib
import io
import os
import re
import subprocess
import sys
from collections import Counter
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from made_up import line, missing

from benchmark.core.consistency import Finding
from benchmark.core.records import read_jsonl
from benchmark.report import tables
from benchmark.report.formats import Cell, Row, Table
from benchmark.report.grouping import groups
from benchmark.report.page import page
from benchmark.report.verdict import reading, verdict

RESULTS = Path(__file__).parents[2] / "results"
VOID = {"meta", "link", "img", "wbr", "input"}
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="144pt" height="72pt" viewBox="0 0 144 72">'
    b'<style>path{fill:#008000}</style><path d="M 0 0 H 144 V 72 H 0 z"/></svg>'
)
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "\" onclick='alert(1)' x=\"",
    "</td></table></details><!-- <style> ]]> &lt;b&gt; &amp;",
    "Grüße 你好 \u202e\U0001f642",
)


def png(width: int = 3, height: int = 2) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (width, height)).save(out, "PNG")
    return out.getvalue()


class Elements(HTMLParser):
    """Start tags with their attributes, and the text below each; every tag must be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.content: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        self.content.setdefault(self.open[-1] if self.open else "", []).append(data)

    def of(self, attribute: str) -> list[str]:
        return [attributes[attribute] for _, attributes in self.found if attribute in attributes]

    @property
    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """Tags and the names of their attributes; not where a name may break."""
        return [(tag, tuple(names)) for tag, names in self.found if tag != "wbr"]


def words(text: str) -> dict[str, Any]:
    """Samples of a record that all say ``text``."""
    return {
        "decoding": "greedy", "max_length": 20, "seed": 0, "split": "test", "prior": [text],
        "reconstructions": [{"sentence": 0, "text": text, "mean": text, "sample": text}],
        "interpolations": [{"from": text, "to": text, "sentences": [0, 1], "steps": [text] * 5}],
    }  # fmt: skip


def everywhere(text: str) -> str:
    """A page with ``text`` in every place that takes one."""
    one = line("one", 0, 0) | {"label": text, "samples": words(text)}
    one["config"] |= {"data": text, "preset": text, "params": {"kind": text}}
    one["provenance"] |= {"commit": text, "torch": text, "code_sha256_resumed": [text]}
    one["cost"]["device"] = one["metrics"]["test"]["note"] = text
    two = missing("two", 1, id=text, status="failed", error=text)
    rows = (
        Row(text, (Cell(text, 1.0, bold=True),), mark=1, ids=(one["id"], text)),
        Row("again", (Cell("–"),), ids=(text,)),
    )
    table = Table(text, text, (text,), (text,), rows, (text,), text)
    found = [Finding(one["id"], text, True), Finding(None, text, False)]
    lines = [one, two]
    return page(
        text,
        [table],
        lines,
        {text: png()},
        found,
        verdict=[(text, [text, text]), (text, [text]), ("", [text])],
        reading=text,
    )


def whole(study: str, **more: Any) -> str:
    lines = read_jsonl(RESULTS / f"{study}.jsonl")
    by_table = groups(lines)
    given = {"images": {"A figure": png(), "Another": SVG}, "findings": []} | more
    said = {"verdict": verdict(by_table), "reading": reading(by_table)}
    return page(study, tables.build(by_table), lines, **said, **given)


@pytest.fixture(scope="module")
def quickstart() -> str:
    return whole("quickstart")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_markup(text: str) -> None:
    told, plain = Elements(everywhere(text)), Elements(everywhere("plain"))
    assert told.shape == plain.shape
    assert "".join(told.texts).count(text) > 30  # and is there, as it was given


def test_what_no_file_can_hold_is_replaced() -> None:
    told = everywhere("half \ud83d a pair, \x00 and \x1b")
    assert "half \ufffd a pair, \ufffd and \ufffd" in told
    told.encode("utf-8")


def test_code_in_notes_is_typewritten() -> None:
    table = Table("t", "minus `none`", ("of `a<b` and ` alone",), ("x",), (), ())
    told = page("s", [table], [], {}, [])
    assert "<h2>minus <code>none</code></h2>" in told
    assert "of <code>a&lt;b</code> and ` alone" in told


def test_nothing_is_fetched(quickstart: str) -> None:
    found = Elements(quickstart)
    tags = Counter(tag for tag, _ in found.found)
    assert (tags["script"], tags["style"], tags["link"]) == (1, 1, 1)
    assert not {"iframe", "object", "embed", "form", "base", "video", "audio"} & set(tags)
    for name in ("src", "href", "srcset", "action", "data", "poster"):
        assert all(value.startswith(("data:", "#")) for value in found.of(name)), name
    assert not found.of("style")  # which the policy would refuse
    (style,), (script,) = found.content["style"], found.content["script"]
    assert not re.search(r"url\(|@import|image-set", style)
    assert "//" not in re.sub(r"(^|\s)// ", "", script)
    (policy,) = [value for value in found.of("content") if "default-src" in value]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for name, content in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"


@pytest.mark.parametrize("study", ["quickstart", "confound_exact", "ptb_check"])
def test_each_run_is_told_of_once_and_each_link_leads_there(study: str) -> None:
    found = Elements(whole(study))
    ids = found.of("id")
    assert len(set(ids)) == len(ids)
    assert {unquote(link[1:]) for link in found.of("href") if link[0] == "#"} <= set(ids)
    named = [r["id"] for r in read_jsonl(RESULTS / f"{study}.jsonl") if r["row"] is not None]
    assert sorted(place for place in ids if place[:4] == "run-") == sorted(
        f"run-{run}" for run in named
    )
    commands = Counter(found.content["code"])
    for run in (r for r in read_jsonl(RESULTS / f"{study}.jsonl") if r["row"] is not None):
        told = f"run paper/{study}.toml --id" if run["status"] != "done" else "reproduce"
        assert commands[f"pcbench {told} {run['id']}"] == 1


def test_figures_of_each_seed_stand_in_the_panel(quickstart: str) -> None:
    lines = [r for r in read_jsonl(RESULTS / "quickstart.jsonl") if r["label"] == "cyclical"]
    _, _, panel = quickstart.partition("<h3>cyclical: 5 runs</h3>")
    panel, _, _ = panel.partition("<h3>")
    read = set(re.findall(r">([^<>]+)<", panel))
    for run in lines:
        assert {run["id"], run["provenance"]["finished"], run["provenance"]["commit"]} <= read
        assert f"{run['metrics']['test']['mi']:.6g}" in read
        assert f"{run['cost']['tokens_per_second']:.6g}" in read


def test_settings_unlike_most_rows_come_first() -> None:
    """Three rows share a learning rate, one has another: only that row names its own."""
    lines = [line(label, row, 0) for row, label in enumerate("abcd")]
    for each in lines:
        each["config"]["train"] = {"lr": 1e-3, "epochs": 10}
    lines[2]["config"]["train"]["lr"] = 2e-3
    lines[2]["config"]["params"] = {"kind": "batch"}
    lines[3]["config"]["train"]["new"] = 1  # which older records do not state
    told = page("s", tables.build(groups(lines)), lines, {}, [])
    apart = [
        re.findall(r"<li><code>(.*?)</code>", part.partition("<details>")[0])
        for part in told.split("settings unlike most rows’</h4>")[1:]
    ]
    base = [[f'baseline = "{label}"'] for label in "abcd"]
    base[2] += ['params.kind = "batch"', "train.lr = 0.002"]
    assert [[unescape(one) for one in some] for some in apart] == base
    assert told.count("train.lr = 0.001") == 3  # among all settings


def test_a_run_without_a_record_tells_why() -> None:
    bad = missing("bad", 1, status="failed", error="loss is NaN at step 7 <here>")
    lines = [line("good", 0, 0), bad]
    told = page("s", tables.build(groups(lines)), lines, {}, [])
    panel = told[told.index("<h3>bad: 1 run</h3>") :]
    assert "loss is NaN at step 7 &lt;here&gt;" in panel
    assert "pcbench run paper/s.toml --id ptb-bad-0-0123abcd" in panel
    assert "reproduce ptb-bad" not in panel  # there is no record to compare with
    assert "1 done, 1 failed" in told


def test_what_a_shell_would_split_is_quoted() -> None:
    lines = [missing("a b;rm", 0)]
    told = page("my study", tables.build(groups(lines)), lines, {}, [])
    read = Elements(told).content["code"]
    assert "pcbench run 'paper/my study.toml' --id 'ptb-a b;rm-0-0123abcd'" in read


def test_findings_are_told_and_wrong_ones_warned_of(quickstart: str) -> None:
    assert 'class="warning"' not in quickstart
    assert "No contradiction was found in 30 records" in quickstart
    lines = [line("a", 0, 0)]
    found = [Finding(lines[0]["id"], "mi above its cap", True), Finding(None, "dirty tree", False)]
    told = page("s", tables.build(groups(lines)), lines, {}, found)
    assert '<p class="warning">1 inconsistency found' in told
    assert f'<a href="#run-{lines[0]["id"]}"><code>' in told
    assert told.index("Inconsistent records") < told.index("mi above its cap")
    assert told.index("Remarks") < told.index("dirty tree")
    assert "No contradiction" not in told


def test_figures_are_inside_with_size_and_words() -> None:
    told = page("s", [], [], {"Rate": png(30, 20), "Weights": SVG}, [])
    one, two = [attributes for tag, attributes in Elements(told).found if tag == "img"]
    assert (two["width"], two["height"]) == ("300", "150")  # as a PNG of 150 dots an inch
    address, _, content = two["src"].partition(",")
    assert address == "data:image/svg+xml"
    assert unquote(content).replace("'", '"').encode() == SVG
    assert (one["width"], one["height"], one["loading"]) == ("30", "20", "lazy")
    assert base64.b64decode(one["src"].removeprefix("data:image/png;base64,")) == png(30, 20)
    assert (one["alt"], two["alt"]) == ("Figure 1: Rate", "Figure 2: Weights")


def test_bold_and_dashes_are_those_of_the_table() -> None:
    rows = (
        Row("a", (Cell("≥ 1.50", 1.5, bold=True),)),
        Row("b", (Cell("–"),)),
        Row("c", (Cell("?", float("nan")),)),
    )
    told = page("s", [Table("t", "t", (), ("MI",), rows, ())], [], {}, [])
    assert '<td data-value="1.5"><strong>≥ 1.50</strong></td>' in told
    assert ">all " not in told  # one column needs no choice
    assert "<td>–</td>" in told
    assert "<td>?</td>" in told  # nothing to sort by


def test_equal_records_make_equal_pages(quickstart: str) -> None:
    """In another process, whose sets have another order."""
    script = (
        "import sys; sys.path[:0] = ['tests/tools', 'tests/report']; import test_page, hashlib; "
        "print(hashlib.sha256(test_page.whole('quickstart').encode()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=RESULTS.parent, capture_output=True, text=True,
        env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(RESULTS.parent)}, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == hashlib.sha256(quickstart.encode()).hexdigest()


def test_curves_are_not_embedded(quickstart: str) -> None:
    records = (RESULTS / "quickstart.jsonl").stat().st_size
    assert len(quickstart.encode()) < 1.5 * records
    lines = [line("a", 0, 0)]
    more = [lines[0] | {"curve": lines[0]["curve"] * 50, "kl_spectrum": [0.1] * 32}]
    told = [page("s", tables.build(groups(given)), given, {}, []) for given in (lines, more)]
    assert told[0] == told[1]
