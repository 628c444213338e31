"""The README keeps its word: its example baseline is complete, its commands and links exist."""

import re
import shlex
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmark.cli import parser
from benchmark.model import registry
from benchmark.report import report

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)


def test_the_example_baseline_is_one_short_complete_file(tmp_path: Path) -> None:
    (code,) = [text for language, text in BLOCKS if language == "python" and "(Baseline)" in text]
    assert len(code.splitlines()) <= 30
    assert re.search(r"Source: .*\b20\d\d,\narXiv \d{4}\.\d{5}", code)  # as the contract asks
    file = tmp_path / "quadratic.py"
    file.write_text(code)
    method = registry.load("quadratic", file)(warmup=0.5)
    assert asdict(method) == {"warmup": 0.5}
    assert [method.weight(step, 8) for step in range(6)] == [0, 1 / 16, 1 / 4, 9 / 16, 1, 1]


def commands() -> list[str]:
    shell = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
    return [*shell, *re.findall(r"`(pcbench run [^`]*)`", README)]


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("pcbench")])
def test_each_command_is_understood(line: str) -> None:
    arguments = parser().parse_args(shlex.split(line, comments=True)[1:])
    study = getattr(arguments, "study", None)
    assert study is None or (ROOT / study).is_file()


def test_links_and_make_targets_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).is_file()
    rules = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"\bmake (?:PYTHON=\S+ )?([a-z][\w-]*)", README))
    assert {"demo", "test"} <= named <= rules


def test_the_tables_are_those_of_the_committed_records() -> None:
    """Also in other pages than this one, wherever markers stand."""
    marked = [
        (page, name)
        for page in sorted(ROOT.rglob("*.md"))
        if not {part for part in page.relative_to(ROOT).parts if part.startswith(".")}
        for name in re.findall(r"^<!-- results:(\S+) -->$", page.read_text(), flags=re.MULTILINE)
    ]
    assert (ROOT / "README.md", "quickstart") in marked
    for page, name in marked:
        found = report.read(name, ROOT / "results")
        assert found.unlike(page) == [], f"run: pcbench report {name} --readme {page.name}"


def test_the_table_stands_before_the_commands() -> None:
    assert README.index("<!-- /results:quickstart -->") < README.index("make demo    #")
