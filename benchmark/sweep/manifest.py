"""Manifests: the resolved runs of a sweep, frozen in one file, so that an index means one run.

``<runs>/manifests/<study>-<digest>.json`` is written once and never changed; its name holds the
digest of its content, so a changed one is recognised. Whatever happens to the study afterwards,
`pcbench task` and the report job read this file alone. A baseline's file outside the checkout is
kept beside it, under its own digest.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core.errors import UserError, suggest
from benchmark.core.files import sha256_bytes, write_atomic

if TYPE_CHECKING:
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
        """How the run is called in messages."""
        return f"{self.label}, {self.config['data']}, seed {self.config['seed']}"

    def resolve(self) -> "RunConfig":
        """The settings.

        Raises:
            UserError: the code no longer takes them, or they now mean another run.
        """
        from benchmark.run.config import RunConfig

        config = RunConfig.from_dict(self.config, self.id)
        if config.id != self.id:
            raise UserError(
                f"{self.id}: its settings now give the id {config.id}: the code, a baseline's "
                "version or the data changed since it was submitted; submit the study again"
            )
        return config


@dataclass(frozen=True)
class Options:
    """What a task and the report job need to know beside the runs; folders are absolute."""

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
        """The entry with an id.

        Raises:
            UserError: there is none.
        """
        found = {entry.id: entry for entry in self.entries}
        if run_id not in found:
            raise UserError(f"{self.path}: no run '{run_id}'; {suggest(run_id, found)}")
        return found[run_id]

    def task(self, index: int, pack: int) -> tuple[Entry, ...]:
        """The entries of the array task ``index``, ``pack`` a task.

        Raises:
            UserError: there is no such task.
        """
        tasks = -(-len(self.entries) // pack)
        if not 0 <= index < tasks:
            raise UserError(
                f"{self.path}: index {index}: out of range; {len(self.entries)} runs, {pack} a "
                f"task, make the tasks 0 to {tasks - 1}"
            )
        return self.entries[index * pack : (index + 1) * pack]

    def restore(self) -> "Study":
        """The study as it was when the manifest was written.

        Raises:
            UserError: see `Entry.resolve`.
        """
        from benchmark.sweep.study import Labelled, Study

        runs = sorted((*self.entries, *self.rest), key=lambda entry: entry.place)
        configs = tuple(Labelled(entry.label, entry.resolve()) for entry in runs)
        return Study(self.study, Path(self.study_path), configs)


def build(study: "Study", todo: Sequence["Labelled"], runs: Path, options: Options) -> Manifest:
    """The manifest of a study's runs ``todo``; nothing is written, see `write`."""
    wanted = {run.id for run in todo}
    entries = [
        Entry(run.id, run.label, place, _settings(run.config, runs))
        for place, run in enumerate(study.configs)
    ]
    content = {
        "format": FORMAT,
        "study": study.name,
        "study_path": str(study.path.absolute()),
        "options": asdict(options),
        "entries": [asdict(entry) for entry in entries if entry.id in wanted],
        "rest": [asdict(entry) for entry in entries if entry.id not in wanted],
    }
    data = _dumps(content)
    path = runs.absolute() / FOLDER / f"{study.name}-{sha256_bytes(data)[:12]}.json"
    return _parse(path, data)


def write(manifest: Manifest, study: "Study") -> None:
    """Write a manifest, once, and beside it the study's baseline files from outside the checkout.

    Raises:
        UserError: the runs folder cannot be written, or a baseline's file changed meanwhile.
    """
    for run in study.configs:
        kept = _kept(run.config, manifest.runs)
        if run.config.file is not None and kept is not None and not kept.exists():
            source = Path(run.config.file).read_bytes()
            if sha256_bytes(source) != run.config.file_sha256:
                raise UserError(f"{run.config.file}: changed meanwhile; start again")
            write_atomic(kept, source)
    if not manifest.path.exists():
        write_atomic(manifest.path, _dumps(_content(manifest)))


def read(path: Path) -> Manifest:
    """Read a manifest and check that it is as it was written.

    Raises:
        UserError: it is missing, no manifest, or was changed.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: no manifest can be read here ({error.strerror}); `pcbench submit` writes them"
        ) from error
    return _parse(path.absolute(), data)


def _parse(path: Path, data: bytes) -> Manifest:
    foreign = UserError(f"{path}: no manifest of this program; `pcbench submit` writes them")
    try:
        content = json.loads(data)
    except ValueError:
        raise foreign from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise foreign
    if path.stem != f"{content.get('study')}-{sha256_bytes(data)[:12]}":
        raise UserError(
            f"{path}: was changed or renamed since it was written, so its indices mean nothing; "
            "submit the study again"
        )
    return Manifest(
        path,
        content["study"],
        content["study_path"],
        Options(**content["options"]),
        tuple(Entry(**entry) for entry in content["entries"]),
        tuple(Entry(**entry) for entry in content["rest"]),
    )


def _content(manifest: Manifest) -> dict[str, Any]:
    fields = asdict(manifest)
    del fields["path"]
    return {"format": FORMAT, **fields}


def _dumps(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _settings(config: "RunConfig", runs: Path) -> dict[str, Any]:
    """All settings, paths absolute: with the kept copy of a baseline's file from outside."""
    from benchmark.data import absolute

    out = config.to_dict() | {"data": absolute(config.data)}
    kept = _kept(config, runs)
    return out if kept is None else out | {"file": str(kept)}


def _kept(config: "RunConfig", runs: Path) -> Path | None:
    """Where a baseline's file from outside the checkout is kept: under its content's digest."""
    if config.file is None or config.file_sha256 is None:
        return None
    return runs.absolute() / FOLDER / "files" / config.file_sha256[:16] / Path(config.file).name
