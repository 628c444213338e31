"""Manifests: frozen, complete, recognised when changed."""

import json
import shutil
from pathlib import Path

import pytest

from benchmark.core.errors import UserError
from benchmark.sweep import manifest, study

TOML = """[study]
data = ["exact_small"]
seeds = [0, 1, 2]
[train]
epochs = 3
[[baseline]]
name = "none"
[[baseline]]
name = "cyclical"
label = "mine"
cycles = 2
"""
OUTSIDE = """
[[baseline]]
name = "flat"
file = "flat.py"
"""
FLAT = '''"""Flat."""
from dataclasses import dataclass
from benchmark.model.baseline import Baseline

@dataclass(frozen=True)
class Flat(Baseline):
    height: float = 0.25

    def weight(self, step, total):
        return self.height
'''


def write(root: Path, toml: str = TOML, first: int = 0) -> manifest.Manifest:
    """The manifest of a study's runs from ``first`` on, written and read back."""
    path = root / "mine.toml"
    path.write_text(toml)
    (root / "flat.py").write_text(FLAT)
    loaded = study.load(path)
    options = manifest.Options(str(root / "data"), seeds=[0, 1, 2])
    built = manifest.build(loaded, loaded.configs[first:], root / "runs", options)
    manifest.write(built, loaded)
    assert manifest.read(built.path).path == built.path
    return manifest.read(built.path)


def test_a_manifest_holds_the_whole_study_whatever_becomes_of_its_file(tmp_path: Path) -> None:
    frozen = write(tmp_path, first=2)
    expected = study.load(tmp_path / "mine.toml")
    (tmp_path / "mine.toml").write_text("[study]\n")
    assert [entry.id for entry in frozen.entries] == [run.id for run in expected.configs[2:]]
    for entry, run in zip(frozen.entries, expected.configs[2:], strict=True):
        assert entry.resolve() == run.config
    restored = frozen.restore()
    assert (restored.name, restored.configs) == ("mine", expected.configs)
    assert restored.labels == ["none", "mine"]
    assert frozen.runs == tmp_path / "runs"


def test_a_file_from_outside_is_kept_as_it_was(tmp_path: Path) -> None:
    frozen = write(tmp_path, TOML + OUTSIDE)
    original = study.load(tmp_path / "mine.toml").configs[2]
    (tmp_path / "flat.py").write_text(FLAT.replace("0.25", "0.75"))
    config = frozen.entries[2].resolve()
    assert config.id == original.id
    assert config.method().weight(0, 1) == 0.25
    assert config.file is not None
    assert Path(config.file).name == "flat.py"  # what the record tells of it
    Path(config.file).write_text(FLAT.replace("0.25", "0.75"))
    with pytest.raises(UserError, match=r"now give the id .* changed since it was submitted"):
        frozen.entries[2].resolve()


def test_it_is_written_once_under_a_name_of_its_content(tmp_path: Path) -> None:
    first = write(tmp_path)
    before = first.path.stat()
    assert write(tmp_path).path == first.path
    assert first.path.stat() == before  # not even written again
    assert write(tmp_path, first=1).path != first.path
    assert first.path.parent == tmp_path / "runs" / "manifests"
    assert first.path.name.startswith("mine-")


def test_it_may_be_moved_with_the_runs_folder(tmp_path: Path) -> None:
    frozen = write(tmp_path)
    shutil.copytree(tmp_path / "runs", tmp_path / "elsewhere")
    moved = manifest.read(tmp_path / "elsewhere" / "manifests" / frozen.path.name)
    assert moved.runs == tmp_path / "elsewhere"
    assert moved.entries == frozen.entries


@pytest.mark.parametrize("pack", [1, 2, 4, 6, 7])
def test_each_run_belongs_to_one_task(tmp_path: Path, pack: int) -> None:
    frozen = write(tmp_path)  # of six runs
    tasks = {1: 6, 2: 3, 4: 2, 6: 1, 7: 1}[pack]
    parts = [frozen.task(index, pack) for index in range(tasks)]
    assert [entry for part in parts for entry in part] == list(frozen.entries)
    assert max(len(part) for part in parts) <= pack
    for index in (-1, tasks):
        with pytest.raises(
            UserError, match=f"index {index}: out of range; 6 runs, {pack} to a task"
        ):
            frozen.task(index, pack)


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    frozen = write(tmp_path)
    with pytest.raises(UserError, match=r"nowhere\.json: is not a manifest \(No such"):
        manifest.read(tmp_path / "nowhere.json")
    with pytest.raises(UserError, match="is not a manifest"):
        manifest.read(tmp_path / "mine.toml")
    (tmp_path / "foreign.json").write_text('{"entries": []}')
    with pytest.raises(UserError, match="is not a manifest"):
        manifest.read(tmp_path / "foreign.json")
    with pytest.raises(UserError, match=r"no run 'exact_small-mine'; "):
        frozen.find("exact_small-mine")
    content = json.loads(frozen.path.read_bytes())
    content["entries"].reverse()
    frozen.path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="was changed or renamed since it was written"):
        manifest.read(frozen.path)
