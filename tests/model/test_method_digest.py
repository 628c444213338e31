"""The digest of what a method does: changed by what changes results, by nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from benchmark.core.errors import UserError
from benchmark.model import registry

METHOD = '''"""A method for a test."""

from dataclasses import dataclass

from benchmark.model.annealing import ramp
from benchmark.model.baseline import Baseline


@dataclass(frozen=True)
class Mine(Baseline):
    """The weight rises over ``warmup``."""

    warmup: float = 0.25

    def weight(self, step, total):
        """Rise once."""
        return ramp(step, total, length=self.warmup)

    def penalty(self, kl):
        text = "said"
        return kl.sum(-1) if text else None
'''


def digest(folder: Path, text: str) -> str:
    path = folder / "mine.py"
    path.write_text(text)
    return registry.digest("mine", path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a method for a test".capitalize(), "Quite another description"),
        ('    """The weight rises over ``warmup``."""\n\n', ""),
        ('        """Rise once."""\n', ""),
        ("    def weight", "    # A comment.\n\n    def weight"),
        ("(step, total, length=self.warmup)", "(\n   step, total, length=self.warmup,\n   )"),
        ('"said"', "'said'"),
        ("0.25", "2.5e-1"),
        ("kl.sum(-1) if text", "(kl.sum(-1)) if (text)"),
    ],
)  # fmt: skip
def test_words_and_layout_leave_it_as_it_is(tmp_path: Path, old: str, new: str) -> None:
    assert METHOD.count(old) == 1
    assert digest(tmp_path, METHOD.replace(old, new)) == digest(tmp_path, METHOD)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.25", "0.26"),
        ("0.25", "'0.25'"),
        ("    warmup: float", "    version = 2\n    warmup: float"),
        ("length=self.warmup", "start=self.warmup"),
        ("length=self.warmup", "length=-self.warmup"),
        ("kl.sum(-1)", "kl.sum(1)"),
        ('"said"', '"said otherwise"'),
        ("text else None", "text else 0"),
        ("text else None", "text else False"),
        ("if text", "if not text"),
        ("def penalty(self, kl)", "def penalty(self, kl=None)"),
        ("frozen=True", "frozen=True, order=True"),
        ("import ramp", "import cosine as ramp"),
    ],
)
def test_what_changes_results_changes_it(tmp_path: Path, old: str, new: str) -> None:
    assert METHOD.count(old) == 1
    assert digest(tmp_path, METHOD.replace(old, new)) != digest(tmp_path, METHOD)


def test_a_docstring_is_left_out_where_it_documents_only(tmp_path: Path) -> None:
    later = METHOD.replace('text = "said"\n', 'text = "said"\n        "no docstring"\n')
    assert digest(tmp_path, later) != digest(tmp_path, METHOD)


def test_every_method_has_its_own_and_the_same_in_another_process() -> None:
    names = registry.names()
    found = {name: registry.digest(name) for name in names}
    assert len(set(found.values())) == len(names)
    code = (
        "from benchmark.model import registry\n"
        "for name in registry.names(): print(name, registry.digest(name))"
    )
    path = {"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)}
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=path
    )
    assert dict(line.split() for line in said.stdout.splitlines()) == found


def test_it_is_the_configs_and_no_part_of_the_id(tmp_path: Path) -> None:
    """A copy outside the folder that is only laid out otherwise is the same method."""
    inside = tiny.config("cyclical", params={"cycles": 2})
    assert inside.method_sha256 == registry.digest("cyclical")
    assert tiny.config("cyclical", seed=3).method_sha256 == inside.method_sha256
    file = tmp_path / "cyclical_too.py"
    file.write_text((registry.FOLDER / "cyclical.py").read_text() + "\n# The end.\n")
    outside = tiny.config("cyclical_too", file=str(file))
    assert outside.method_sha256 == inside.method_sha256
    assert outside.id != inside.id


def test_a_broken_file_has_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mine\.py"):
        digest(tmp_path, METHOD.replace("class Mine", "class"))
