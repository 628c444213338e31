"""The folder of baselines as a registry: new, broken, hidden and outside files."""

import dataclasses
import shutil
import sys
from pathlib import Path

import pytest
import test_baselines as contract
import tiny
from test_baselines import NAMES, ids

from benchmark.core.errors import UserError
from benchmark.model import registry

NEW = '''"""Square root annealing: fast at first.

Source: Nobody et al., A Made-Up Schedule, 2020, arXiv 2001.00001.
"""

from dataclasses import dataclass

from benchmark.model.baseline import Baseline


@dataclass(frozen=True)
class SquareRoot(Baseline):
    """``top`` is the last weight; a moving mean of the loss shows that memory is kept."""

    top: float = 1.0

    def weight(self, step, total):
        return self.top * (step / total) ** 0.5

    def objective(self, run, out):
        loss = super().objective(run, out)
        mean = run.memory.setdefault("mean", loss.detach())
        run.memory["mean"] = 0.9 * mean + 0.1 * loss.detach()
        return loss + 1e-3 * run.memory["mean"] * out.rec.mean()
'''


class Folder:
    """A copy of ``baselines/`` that a test may change."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shutil.copytree(registry.FOLDER, path, ignore=shutil.ignore_patterns("__pycache__"))
        self.path = path
        monkeypatch.setattr(registry, "FOLDER", path)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two versions within one second

    def write(self, name: str, source: str) -> None:
        (self.path / f"{name}.py").write_text(source)
        sys.modules.pop(f"baselines.{name}", None)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    return Folder(tmp_path / "baselines", monkeypatch)


def test_names_are_the_files_and_a_leading_underscore_hides_one(folder: Folder) -> None:
    folder.write("_draft", "this is no Python (")
    files = {path.stem for path in folder.path.glob("*.py")}
    assert registry.names() == sorted(files - {"__init__", "_draft"}) == NAMES


def test_a_new_file_keeps_the_contract_and_renames_nothing(folder: Folder, tmp_path: Path) -> None:
    before = ids()
    assert len(NEW.splitlines()) <= 30
    folder.write("square_root", NEW)
    assert registry.names() == sorted([*NAMES, "square_root"])
    after = ids()
    assert after.pop("square_root").split("-")[1] == "square_root"
    assert after == before
    for check in (
        contract.test_tells_its_source,
        contract.test_is_a_frozen_dataclass_with_defaults,
        contract.test_weight_is_a_pure_function_of_the_step,
        contract.test_each_hook_returns_what_a_run_checks,
        contract.test_five_steps_change_every_parameter_and_keep_it_finite,
    ):
        check("square_root")
    contract.test_survives_a_study_file("square_root", tmp_path)
    contract.test_resumes_to_the_bit("square_root", tmp_path)


def test_a_new_field_with_a_default_renames_nothing(folder: Folder) -> None:
    folder.write("square_root", NEW)
    before = ids(), tiny.config("square_root", params={"top": 0.5}).id
    field = "    top: float = 1.0\n"
    folder.write("square_root", NEW.replace(field, field + "    bottom: float = 0.25\n"))
    assert dataclasses.asdict(registry.load("square_root")())["bottom"] == 0.25
    assert (ids(), tiny.config("square_root", params={"top": 0.5}).id) == before
    assert tiny.config("square_root", params={"bottom": 0.5}).id not in before[0].values()


@pytest.mark.parametrize("section", ["model", "train", "evaluate"])
def test_a_new_setting_with_a_default_renames_nothing(section: str) -> None:
    plain = tiny.config("cyclical")
    old = getattr(plain, section)
    wider = dataclasses.make_dataclass(
        "Wider", [("norm", float, 1.0)], bases=(type(old),), frozen=True
    )
    same = dataclasses.replace(plain, **{section: wider(**dataclasses.asdict(old))})
    other = dataclasses.replace(plain, **{section: wider(**dataclasses.asdict(old), norm=2.0)})
    assert (same.id, same.evaluation_digest) == (plain.id, plain.evaluation_digest)
    assert (other.id != plain.id) == (section != "evaluate")
    assert (other.evaluation_digest != plain.evaluation_digest) == (section == "evaluate")


def test_a_raised_version_renames_its_own_runs_only(folder: Folder) -> None:
    folder.write("square_root", NEW)
    before = ids()
    raised = NEW.replace("    top:", "    version: ClassVar[int] = 2\n    top:")
    folder.write(
        "square_root", raised.replace("\n\nfrom d", "\n\nfrom typing import ClassVar\nfrom d")
    )
    after = ids()
    assert registry.load("square_root").version == 2
    assert {name for name in after if after[name] != before[name]} == {"square_root"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\ny = (\n", "baselines/broken.py:2: syntax error: '(' was never closed"),
        ("import nothing_of_the_kind\n", "cannot be imported: ModuleNotFoundError"),
        (NEW.replace("@dataclass(frozen=True)", "@dataclass"), "non-frozen dataclass"),
        (
            NEW.replace("@dataclass(frozen=True)\n", ""),
            "SquareRoot lacks the decorator @dataclass(frozen=True)",
        ),
        (NEW.partition("@dataclass(")[0], "defines 0 Baseline classes"),
        (NEW + "\n\n@dataclass(frozen=True)\nclass B(Baseline):\n    pass\n", "defines 2 Baseline"),
        (NEW.replace("top: float = 1.0", "top: float"), "top has no default"),
    ],
    ids=["syntax", "import", "thawed", "plain_class", "none", "two", "no_default"],
)
def test_a_broken_file_is_one_clear_line_and_harms_no_other(
    folder: Folder, source: str, message: str
) -> None:
    before = ids()
    folder.write("broken", source)
    assert registry.names() == sorted([*NAMES, "broken"])
    with pytest.raises(UserError) as caught:
        tiny.config("broken")
    said = str(caught.value)
    assert "baselines/broken.py:" in said
    assert message in said
    assert "\n" not in said
    assert {name: tiny.config(name).id for name in NAMES} == before


@pytest.mark.parametrize("content", [b"y = (\n", b"'''\xff'''\n", b"x = '\0'\n"])
def test_a_broken_file_is_described_as_such(folder: Folder, content: bytes) -> None:
    (folder.path / "broken.py").write_bytes(content)
    assert "error" in registry.describe("broken")
    with pytest.raises(UserError, match=r"^baselines/broken\.py"):
        registry.load("broken")


def test_an_outside_name_must_be_fit_for_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="letters, digits and underscores"):
        registry.load("../mine", tmp_path / "mine.py")


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UserError, match="baseline 'cyclicl': unknown; did you mean 'cyclical'"):
        registry.load("cyclicl")


def test_a_file_outside_the_folder_has_its_content_in_the_id(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(NEW)
    run = tiny.config("mine", file=str(path))
    assert run.method().weight(1, 4) == 0.5
    first = run.id
    assert first.split("-")[1] == "mine"
    path.write_text(NEW + "# another byte\n")
    assert tiny.config("mine", file=str(path)).id != first
    assert "mine" not in registry.names()
    with pytest.raises(UserError, match="no such baseline file"):
        tiny.config("mine", file=str(tmp_path / "absent.py"))
