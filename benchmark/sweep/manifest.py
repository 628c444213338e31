"""Manifests: the resolved runs of a sweep, frozen in one file, so that an index means one run.

``<runs>/manifests/<study>-<digest>.json`` is written once and never changed; its name holds the
digest of its content, so a changed one is recognised. Whatever happens to the study afterwards,
`pcbench task` and the report job read this file alone. A baseline's file outside the checkout is
copied next to it, under its own digest.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.core.errors import UserError, suggest
from benchmark.core.files import sha256_bytes, write_atomic
from benchmark.data import find
from benchmark.run.config import RunConfig
from benchmark.sweep.study import Labelled, Study

FORMAT = "pcbench-manifest-1"
FOLDER = "manifests"  # inside the runs folder


@dataclass(frozen=True)
class Entry:
    """One run: its id, the study's row, its place in the study, and its settings as a table."""

    id: str
    label: str
    place: int
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The run as messages name it."""
        return f"{self.label}, {self.config['data']}, seed {self.config['seed']}"

    def resolve(self) -> RunConfig:
        """Return the settings; UserError if they are no longer valid or give another id."""
        config = RunConfig.from_dict(self.config, self.id)
        if config.id != self.id:
            raise UserError(
                f"{self.id}: its settings now give the id {config.id}: the code, a baseline's "
                "version or the data changed since it was submitted; submit the study again"
            )
        return config


@dataclass(frozen=True)
class Options:
    """What a task and the report job need to know besides the runs; folders are absolute."""

    data: str
    results: str = ""
    tables: str = ""
    device: str = "cpu"
    checkpoint_seconds: float = 60.0
    seeds: Sequence[int] | None = None  # what the report expects; None: all of the study
    retry_failed: bool = False
    fresh: bool = False  # whether runs with a collected record are run as well


@dataclass(frozen=True)
class Manifest:
    """``entries`` are to be run, an index is a place among them; ``rest`` completes the study."""

    path: Path
    study: str
    study_path: str
    options: Options
    entries: tuple[Entry, ...]
    rest: tuple[Entry, ...]

    @property
    def runs(self) -> Path:
        """The runs folder: the one that holds the manifest, wherever it was moved."""
        return self.path.parent.parent

    def find(self, run_id: str) -> Entry:
        """Return the entry with an id; UserError if there is none."""
        entries = {entry.id: entry for entry in self.entries}
        if run_id not in entries:
            raise UserError(f"{self.path}: no run '{run_id}'; {suggest(run_id, entries)}")
        return entries[run_id]

    def task(self, index: int, pack: int) -> tuple[Entry, ...]:
        """Return the entries of the array task ``index``, ``pack`` a task."""
        tasks = -(-len(self.entries) // pack)
        if not 0 <= index < tasks:
            raise UserError(
                f"{self.path}: index {index}: out of range; {len(self.entries)} runs, {pack} to "
                f"a task, make tasks 0 to {tasks - 1}"
            )
        return self.entries[index * pack : (index + 1) * pack]

    def restore(self) -> Study:
        """Return the study as it was when the manifest was written; see `Entry.resolve`."""
        runs = sorted((*self.entries, *self.rest), key=lambda entry: entry.place)
        configs = tuple(Labelled(entry.label, entry.resolve()) for entry in runs)
        return Study(self.study, Path(self.study_path), configs)


def build(study: Study, todo: Sequence[Labelled], runs: Path, options: Options) -> Manifest:
    """Return the manifest of a study's runs ``todo``; nothing is written, see `write`."""
    wanted = {run.id for run in todo}
    entries = []
    for place, run in enumerate(study.configs):
        settings = run.config.to_dict() | {"data": find(run.config.data).absolute}
        if run.config.file is not None:
            settings["file"] = str(_copy(run.config, runs))
        entries.append(Entry(run.id, run.label, place, settings))
    todo_entries = tuple(entry for entry in entries if entry.id in wanted)
    rest = tuple(entry for entry in entries if entry.id not in wanted)
    path = str(study.path.absolute())
    draft = Manifest(Path(), study.name, path, options, todo_entries, rest)
    name = f"{study.name}-{sha256_bytes(_dumps(draft))[:12]}.json"
    return replace(draft, path=runs.absolute() / FOLDER / name)


def write(manifest: Manifest, study: Study) -> None:
    """Write a manifest, once, and next to it the baseline files from outside the checkout."""
    for config in (run.config for run in study.configs if run.config.file is not None):
        copy, source = _copy(config, manifest.runs), Path(str(config.file))
        if not copy.exists():
            content = source.read_bytes()
            if sha256_bytes(content) != config.file_sha256:
                raise UserError(
                    f"{source}: changed while the manifest was made; run the command again"
                )
            write_atomic(copy, content)
    if not manifest.path.exists():
        write_atomic(manifest.path, _dumps(manifest))


def read(path: Path) -> Manifest:
    """Read a manifest; UserError if it is missing, no manifest, or was changed."""
    try:
        data = path.read_bytes()
        content = json.loads(data)
        if content.pop("format") != FORMAT:
            raise ValueError(FORMAT)
    except (OSError, ValueError, AttributeError, TypeError, KeyError) as error:
        reason = f" ({error.strerror})" if isinstance(error, OSError) else ""
        raise UserError(
            f"{path}: is not a manifest{reason}; `pcbench submit` writes manifests"
        ) from None
    if path.stem != f"{content.get('study')}-{sha256_bytes(data)[:12]}":
        raise UserError(
            f"{path}: was changed or renamed since it was written, so its indices mean nothing; "
            "submit the study again"
        )
    content["options"] = Options(**content["options"])
    for part in ("entries", "rest"):
        content[part] = tuple(Entry(**entry) for entry in content[part])
    return Manifest(path.absolute(), **content)


def _dumps(manifest: Manifest) -> bytes:
    content = {"format": FORMAT, **asdict(manifest)}
    del content["path"]
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _copy(config: RunConfig, runs: Path) -> Path:
    """Return the path of the copy of an outside baseline's file, named by its digest."""
    digest, name = str(config.file_sha256), Path(str(config.file)).name
    return runs.absolute() / FOLDER / "files" / digest[:16] / name
