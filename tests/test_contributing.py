"""The page for contributors keeps its word: its study loads, its commands and files exist."""

import re
import shlex
import textwrap
from pathlib import Path

import pytest

from benchmark import study
from benchmark.cli import parser

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
BLOCKS = [
    (language, textwrap.dedent(text))
    for language, text in re.findall(r"^ *```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL | re.MULTILINE)
]
LINES = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
COMMANDS = [line for line in LINES if line.startswith("pcbench")]


def test_the_study_of_the_page_takes_the_baseline_of_the_readme(tmp_path: Path) -> None:
    (text,) = [text for language, text in BLOCKS if language == "toml"]
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)[
        :1
    ]
    assert "class Quadratic(Baseline)" in code
    (tmp_path / "quadratic.py").write_text(code)
    (tmp_path / "quadratic.toml").write_text(text + 'file = "quadratic.py"\n')
    loaded = study.load(tmp_path / "quadratic.toml")
    assert loaded.labels == ["none", "monotonic", "quadratic"]
    *_, last = loaded.configs
    assert last.config.method().weight(1, 4) == 0.25  # half of the way, squared


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_is_understood(line: str) -> None:
    parser().parse_args(shlex.split(line, comments=True)[1:])


def test_what_is_named_is_there() -> None:
    assert len(COMMANDS) >= 5
    rules = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert {"install", "lint", "test"} <= set(re.findall(r"\bmake ([a-z]+)", PAGE)) <= rules
    named = re.findall(r"`((?:tests|benchmark|slurm)/[\w/]+\.\w+)`", PAGE)
    assert {"tests/origin.py", "benchmark/baseline.py"} <= set(named)
    for name in named:
        assert (ROOT / name).is_file()
