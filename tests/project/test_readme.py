"""The README's example baseline is complete, short, and that of the page on methods."""

import re
from dataclasses import asdict
from pathlib import Path

from benchmark.model import registry

ROOT = Path(__file__).parents[2]


def example(page: str) -> str:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)
    (code,) = [text for text in blocks if "(Baseline)" in text]
    return str(code)


def test_the_example_baseline_is_one_short_complete_file(tmp_path: Path) -> None:
    code = example("README.md")
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 12
    assert re.search(r"^Source: .*\b20\d\d, arXiv \d{4}\.\d{5}", code, re.M)  # as the contract asks
    file = tmp_path / "quadratic.py"
    file.write_text(code)
    method = registry.load("quadratic", file)(warmup=0.5)
    assert asdict(method) == {"warmup": 0.5}
    assert [method.weight(step, 8) for step in range(6)] == [0, 1 / 16, 1 / 4, 9 / 16, 1, 1]


def test_the_longer_form_of_the_example_does_the_same(tmp_path: Path) -> None:
    weights = []
    for page in ("README.md", "docs/methods.md"):
        file = tmp_path / f"{Path(page).stem.lower()}.py"
        file.write_text(example(page))
        method = registry.load(file.stem, file)()
        weights.append([method.weight(step, 16) for step in range(17)])
    assert weights[0] == weights[1]
