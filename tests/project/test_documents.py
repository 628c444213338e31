r"""The documents keep their word: links, commands, names of files, and every number.

A number in the prose of README.md or of docs/ is followed by a comment that says where it is from:

* ``35<!-- = published:misprints -->`` is looked up (`Quantities`, or `LOCAL` below);
* ``0.02<!-- < bf16: interval -->`` is an upper bound of what is looked up;
* ``<!-- checked: quickstart:none:collapsed = 5 -->`` is a statement that must be true;
* ``<!-- measured: ... -->`` covers its paragraph: measured once, with the place.

Years, 0 and 1 need none; code and generated tables have tests of their own.
"""

import importlib
import inspect
import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml
from equivalence import beginnings, judged

from benchmark.cli import parser
from benchmark.core.measures import MEASURES
from benchmark.core.records import read_jsonl
from benchmark.report import report
from benchmark.report.paper.macros import holds, statements
from benchmark.report.paper.quantities import Quantities

ROOT = Path(__file__).parents[2]
PAPER, RESULTS = ROOT / "paper", ROOT / "results"
GENERATED = "docs/leaderboard.md"
PAGES = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if path != ROOT / GENERATED
]
DOCUMENTS = [
    *PAGES,
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "slurm/README.md")),
    *(ROOT / name for name in ("results/README.md", "tests/tools/README.md")),
    PAPER / "analysis_plan.md",
]
KNOWN = Quantities(PAPER, RESULTS)
BLOCK = re.compile(
    r"^<!-- ((?:results|leaderboard|bench|measures)\S*) -->\n.*?^<!-- /\1 -->$", re.M | re.S
)
FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.M | re.S)
NUMBER = re.compile(
    r"(?<![\w.,^-])(?P<number>[−-]?\d+(?:,\d{3})*(?:\.\d+)?)(?P<percent> %)?(?![\w.-]*\w)"
)
COMMENT = re.compile(r"\s*<!-- (=|<) ([^<>]+) -->")
FREE = re.compile(r"[01]|(19|20)\d\d")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def written(path: Path) -> str:
    """A page without what a command put there."""
    return BLOCK.sub("", path.read_text(encoding="utf-8"))


# Links -------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    text = FENCED.sub("", path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.M):
        plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = sum(1 for other in found if re.fullmatch(rf"{re.escape(plain)}(-\d+)?", other))
        found.add(plain if not number else f"{plain}-{number}")
    return found


def broken(path: Path) -> Iterator[str]:
    """Yield the links of a page to files or headings that are not there."""
    text = re.sub(r"`[^`\n]*`", "", FENCED.sub("", path.read_text(encoding="utf-8")))
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    for target in targets:
        if re.match(r"\w+:", target):
            continue  # elsewhere on the web
        file, _, anchor = target.partition("#")
        to = (path.parent / file).resolve() if file else path
        if not to.is_relative_to(ROOT) or not to.exists():
            yield f"{target}: no such file"
        elif anchor and to.suffix == ".md" and to.exists() and anchor not in anchors(to):
            yield f"{target}: no such heading"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    assert list(broken(path)) == []


def test_a_broken_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_documents.ROOT", tmp_path)
    page = tmp_path / "a.md"
    page.write_text(
        "# Two words\n[a](b.md) [c](#two-words) [d](#two) `[e](f)` ![g](h.png)\n"
        '[i](a.md#two-words)\n<img src="j.png">\n[k](../../outside.md)\n```sh\n[l](m)\n```\n'
    )
    assert list(broken(page)) == [
        "b.md: no such file", "#two: no such heading", "h.png: no such file",
        "../../outside.md: no such file", "j.png: no such file",
    ]  # fmt: skip


def test_each_page_of_docs_is_linked_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[^)#]+)\)", (ROOT / "README.md").read_text()))
    assert {name(path) for path in PAGES[1:]} <= linked


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_files_and_targets_that_are_named_exist(path: Path) -> None:
    text = written(path)
    folders = "benchmark|tests|slurm|paper|results"
    for file in re.findall(rf"\b((?:{folders})/[\w./]+\.(?:py|sh|md|toml|csv|tex|jsonl))\b", text):
        assert (ROOT / file).is_file() or (path.name == "methods.md" and "quadratic" in file)
    rules = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert set(re.findall(r"\bmake (?:PYTHON=\S+ )?([a-z][\w-]*)[`\s]", code(text))) <= rules


def code(text: str) -> str:
    return "\n".join(
        [*re.findall(r"`[^`\n]+`", text), *(shell for _, shell in FENCED.findall(text))]
    )


# Commands -----------------------------------------------------------------------------------------


def commands() -> list[str]:
    lines = []
    for path in PAGES:
        text = written(path)
        shell = "".join(block for language, block in FENCED.findall(text) if language == "sh")
        lines += [*shell.splitlines(), *re.findall(r"`(pcbench (?:run|sweep) [^`]*)`", text)]
    return [line for line in lines if line.startswith("pcbench")]


@pytest.mark.parametrize("line", commands())
def test_each_command_is_understood(line: str) -> None:
    arguments = parser().parse_args(shlex.split(line, comments=True)[1:])
    study = getattr(arguments, "study", None)
    assert study is None or (ROOT / study).is_file()


# Tables ------------------------------------------------------------------------------------------


def test_the_tables_are_those_of_the_committed_records() -> None:
    """Wherever markers stand."""
    marked = [
        (page, study)
        for page in DOCUMENTS
        for study in re.findall(r"^<!-- results:(\S+) -->$", page.read_text(), flags=re.M)
    ]
    assert {study for _, study in marked} >= {"quickstart", "fu2019_ptb"}
    for page, study in marked:
        found = report.read(study, RESULTS)
        assert found.unlike(page) == [], f"run: pcbench report {study} --readme {name(page)}"


# Numbers ------------------------------------------------------------------------------------------


@cache
def worst_of_bf16(what: str) -> float:
    """The largest difference to fp32 that the records show, in nats."""
    if what in ("mean", "interval"):
        found = [one for _, metric, one in judged(read_jsonl(RESULTS / "precision.jsonl"))
                 if metric != "au"]  # fmt: skip
        if what == "mean":
            return max(abs(one.mean) for one in found)
        return max(abs(end) for one in found for end in (one.low, one.high) if end is not None)
    files = (read_jsonl(RESULTS / f"{study}.jsonl") for study in ("ptb_check", "fu2019_ptb"))
    worst = {row.split()[0]: metrics for row, _, metrics in beginnings(*files)}
    return max(nats for metric, nats in worst[what].items() if metric != "au")


def default(rest: str) -> float:
    """A function's default, as in ``report/statistics.py:summarise.level``."""
    file, _, argument = rest.partition(":")
    module = importlib.import_module(f"benchmark.{file.removesuffix('.py').replace('/', '.')}")
    function, argument = argument.split(".")
    return float(inspect.signature(getattr(module, function)).parameters[argument].default)


def pinned(what: str) -> float:
    """Major and minor version of torch's pin, or the least Python."""
    if what == "python":
        found = re.fullmatch(
            r">=(\d+\.\d+)",
            tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"],
        )
    else:
        pins = (ROOT / "constraints.txt").read_text()
        found = re.search(rf"^{what}==(\d+\.\d+)", pins, flags=re.M)
    assert found is not None
    return float(found[1])


LOCAL = {
    "bf16": worst_of_bf16,
    "default": default,
    "margin": lambda metric: importlib.import_module("equivalence").MARGINS[metric],
    "pin": pinned,
    # Of n seeds that fall into one of two modes, all alike have an interval of almost no width.
    "two_modes": lambda n: 1 - 2 / 2 ** int(n),
}  # fmt: skip


def looked_up(key: str) -> list[float]:
    """The values of a key: one, or those of a tuple."""
    kind, _, rest = key.partition(":")
    if kind in LOCAL:
        return [LOCAL[kind](rest.strip())]
    found = KNOWN.find(key)
    if found.value == found.value:
        return [found.value]
    return [float(item) for item in found.text.split(", ")]


def agrees(number: str, percent: bool, sign: str, key: str) -> bool:
    """Whether a printed number is the rounded value of its key, or, with ``<``, above it."""
    plain = number.replace(",", "").replace("−", "-")
    digits = len(plain.partition(".")[2])
    for value in looked_up(key):
        scaled = value * 100 if percent else value
        rounded = round(scaled, digits) + 0.0  # + 0.0: no "-0.00"
        if scaled < float(plain) if sign == "<" else f"{rounded:.{digits}f}" == plain:
            return True
    return False


def prose(path: Path) -> list[str]:
    """The paragraphs of a page without code, links' targets and generated tables."""
    text = FENCED.sub("", written(path))
    for pattern, instead in [
        (r"`[^`\n]*`", "`"), (r"\]\([^)]*\)", "]"), (r"<img [^>]*>", ""), (r"^\d+\. ", ""),
    ]:  # fmt: skip
        text = re.sub(pattern, instead, text, flags=re.M)
    return text.split("\n\n")


def faults(paragraph: str) -> Iterator[str]:
    """Yield each number that has no source, or another value than its source."""
    if re.search(r"<!-- measured: \S", paragraph):
        return
    text = re.sub(r"<!-- checked: .*? -->", "", paragraph)
    spans = [match.span() for match in re.finditer(r"<!--.*?-->", text)]
    for match in NUMBER.finditer(text):
        if any(start <= match.start() < end for start, end in spans):
            continue
        marked = COMMENT.match(text, match.end())
        if marked is None:
            if not FREE.fullmatch(match["number"]):
                yield f"{match[0]}: of what? ...{text[max(0, match.start() - 40) : match.end()]}"
        elif not agrees(match["number"], bool(match["percent"]), marked[1], marked[2]):
            yield f"{match[0]}: {marked[2]} is {looked_up(marked[2])}"


def test_the_measures_are_those_of_the_code() -> None:
    cells = [("name", "in tables", "meaning", "unit"), ("---",) * 4]
    cells += [(f"`{one.name}`", one.title, one.meaning, one.unit) for one in MEASURES.values()]
    rows = (" | ".join(cell.replace("|", r"\|") for cell in row) for row in cells)
    table = "\n".join(f"| {row} |" for row in rows)
    marked = f"<!-- measures -->\n{table}\n<!-- /measures -->"
    assert marked in (ROOT / "docs/metrics.md").read_text(), f"docs/metrics.md: write\n{marked}"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_number_has_its_source(path: Path) -> None:
    assert [fault for paragraph in prose(path) for fault in faults(paragraph)] == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_statement_holds(path: Path) -> None:
    for text in re.findall(r"<!-- checked: (.*?) -->", path.read_text(), flags=re.S):
        for statement in statements(text):
            assert holds(statement, KNOWN), statement


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("36<!-- = published:misprints --> of them", "36: published:misprints is [35.0]"),
        ("about 35 of them", "35: of what?"),
        ("0.001<!-- < bf16: interval --> nats", "0.001: bf16: interval is"),
        ("0.04<!-- = code:report/collapse.py:OTHER_THRESHOLDS --> nats", "is [0.03, 0.3]"),
        (
            "90 %<!-- = default:report/statistics.py:summarise.level -->",
            "summarise.level is [0.95]",
        ),
    ],
)
def test_a_wrong_number_is_found(text: str, problem: str) -> None:
    (fault,) = faults(text)
    assert problem in fault


def test_what_is_no_claim_needs_no_source() -> None:
    assert not list(
        faults("In bf16, Fu et al. 2019 raise the weight from 0 to 1; AVX-512, UTF-16.")
    )
    assert not list(faults("4.2 GB once.\n<!-- measured: by hand -->"))


# The first screen ---------------------------------------------------------------------------------


def test_the_readme_is_short_and_begins_with_what_matters() -> None:
    readme = ROOT / "README.md"
    text = re.sub(r"<!--.*?-->", "", written(readme), flags=re.S)
    assert len(text.split()) <= 1000
    assert text.startswith("# posterior-collapse-benchmark\n")
    assert {"make demo", "make test", 'alt="KL', "Penn Treebank", "researchers"} <= {
        wanted
        for wanted in ("make demo", "make test", 'alt="KL', "Penn Treebank", "researchers")
        if wanted in "\n".join(text.splitlines()[:20])
    }


# Versions, files for other machines ---------------------------------------------------------------


def test_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    newest = re.search(r"^## (\S+), (\S+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)
    assert newest is not None
    assert (project["version"], citation["version"]) == (newest[1], newest[1])
    assert citation["date-released"] == newest[2]


def test_the_workflow_runs_what_every_change_must_pass() -> None:
    (job,) = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step][-1] == ".ci/run"
    assert os.access(ROOT / ".ci/run", os.X_OK)
    (checkout,) = [step for step in job["steps"] if "actions/checkout" in step.get("uses", "")]
    assert checkout["with"] == {"fetch-depth": 0}  # records name commits of the history
    assert job["container"]["image"].startswith(f"python:{pinned('python')}")


def test_the_container_takes_the_pins_and_no_installed_thing() -> None:
    lines = (ROOT / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    assert f"FROM python:{pinned('python')}-slim" in lines
    installs = [line for line in lines if "pip install" in line]
    assert installs
    assert all("-c constraints.txt" in line for line in installs)
    ignored = (ROOT / ".containerignore").read_text().split()
    assert {".venv", ".data", ".demo", "results/runs"} <= set(ignored)


@pytest.mark.parametrize("file", [".github/workflows/ci.yml", "Containerfile"])
def test_what_could_not_be_tried_is_said_to_be_so(file: str) -> None:
    assert "Written, not tried" in (ROOT / file).read_text()
    assert Path(file).name in (ROOT / "docs" / "limits.md").read_text()
