"""The page for contributors keeps its word: its edit works, its commands and files exist."""

import re
import shlex
import textwrap
from pathlib import Path

import pytest

from benchmark.cli import methods, parser
from benchmark.model import registry

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
README = (ROOT / "README.md").read_text()
BLOCKS = [
    (language, textwrap.dedent(text))
    for language, text in re.findall(r"^ *```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL | re.MULTILINE)
]
LINES = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
COMMANDS = [line for line in LINES if line.startswith("pcbench")]


def test_the_edit_of_the_page_makes_the_baseline_of_the_readme(tmp_path: Path) -> None:
    methods.write("quadratic_walk", tmp_path)
    file = tmp_path / "quadratic_walk.py"
    (edit,) = re.findall(r"`(\*\* \d)` after its `ramp\(\.\.\.\)`", PAGE)
    head, found, tail = file.read_text().rpartition(")\n")
    file.write_text(f"{head}) {edit}\n{tail}")
    (code,) = [text for text in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
               if "class Quadratic(Baseline)" in text]  # fmt: skip
    (tmp_path / "quadratic.py").write_text(code)
    loaded = [registry.load(path.stem, path)() for path in (file, tmp_path / "quadratic.py")]
    ours, readmes = ([method.weight(step, 16) for step in range(17)] for method in loaded)
    assert ours == readmes
    assert found


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_is_understood(line: str) -> None:
    parser().parse_args(shlex.split(line, comments=True)[1:])


def test_what_is_named_is_there() -> None:
    assert len(COMMANDS) >= 5
    rules = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert {"install", "lint", "test"} <= set(re.findall(r"\bmake ([a-z]+)", PAGE)) <= rules
    named = re.findall(r"`((?:tests|benchmark|slurm)/[\w/]+\.\w+)`", PAGE)
    assert {"tests/tools/origin.py", "benchmark/model/baseline.py"} <= set(named)
    for name in named:
        assert (ROOT / name).is_file()
