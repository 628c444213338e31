"""A study file: which baselines, data sets and seeds make up one table.

::

    [study]
    data = ["ptb"]
    seeds = [0, 1, 2, 3, 4]
    preset = "fu2019_ptb"            # any field of it may be set in [model], [train], [evaluate]
    precision = "fp32"               # or "bf16"; a row may have its own
    [train]
    epochs = 40
    [[baseline]]
    name = "delayed_linear"
    label = "delayed_linear_late"    # default: the name; not part of the id
    delay = "10 epochs"              # the baseline's own hyper-parameters; a fraction of training
    train = {lr = 5e-4}              # [model] and [train] of this row alone
"""

import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.core.errors import UserError, suggest
from benchmark.core.files import plain
from benchmark.core.ids import complete
from benchmark.core.provenance import checkout
from benchmark.core.records import marked
from benchmark.core.settings import SECTIONS
from benchmark.model import registry
from benchmark.run.config import RunConfig, resolve

SHARE = "share/posterior-collapse-benchmark"  # where pip puts the studies, below its prefix
_TABLES = ("study", "baseline", *SECTIONS)
_STUDY = ("data", "seeds", "preset", "precision")
_ROW = registry.RESERVED


@dataclass(frozen=True)
class Labelled:
    """One run of a study: its settings and the table row it belongs to."""

    label: str
    config: RunConfig

    @property
    def id(self) -> str:
        """The run's id; the label is no part of it."""
        return self.config.id


@dataclass(frozen=True)
class Study:
    """A study: ``configs`` hold all rows of the first seed, then all of the second, and so on."""

    name: str
    path: Path
    configs: tuple[Labelled, ...]

    @property
    def labels(self) -> list[str]:
        """The table's rows in the order of the file."""
        return list(dict.fromkeys(run.label for run in self.configs))

    def of_seeds(self, wanted: Sequence[int] | None) -> list[Labelled]:
        """The runs of some seeds, or of all where ``wanted`` is None.

        Raises:
            UserError: the study lacks one of them.
        """
        seeds = list(dict.fromkeys(run.config.seed for run in self.configs))
        chosen = _choose(seeds, wanted, self.path)
        return [run for run in self.configs if run.config.seed in chosen]

    def find(self, run_id: str) -> Labelled:
        """The run with an id, or with the one id that begins so.

        Raises:
            UserError: the study has none, or several.
        """
        ids = {run.id: run for run in self.configs}
        return ids[complete(run_id, ids, str(self.path), "`pcbench sweep --list` prints them")]

    def only(self, names: Sequence[str]) -> "Study":
        """The part of the study that rows, or the beginnings of ids, name; all of it for no name.

        Raises:
            UserError: a name is neither.
        """
        chosen: set[str] = set()
        for name in names:
            runs = [r for r in self.configs if r.label == name]
            runs = runs or [r for r in self.configs if name and r.id.startswith(name)]
            if not runs:
                raise UserError(f"{self.path}: no row '{name}'; {suggest(name, self.labels)}")
            chosen |= {run.id for run in runs}
        kept = (run for run in self.configs if not names or run.id in chosen)
        return replace(self, configs=tuple(kept))


def locate(named: Path | str) -> Path:
    """The file of a study: a path, or the name of one in ``paper/`` here, or of this project's."""
    if Path(named).exists() or Path(named).name != str(named):
        return Path(named)
    places = (Path("paper"), Path(), checkout() / "paper", Path(sys.prefix) / SHARE)
    files = (place / f"{str(named).removesuffix('.toml')}.toml" for place in places)
    return next((file for file in files if file.exists()), Path(named))


def load(
    path: Path | str,
    seeds: Sequence[int] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Study:
    """Read a study, strictly.

    Args:
        path: the TOML file, or its name, see `locate`; its stem is the study's name.
        seeds: keep only these of the study's seeds; None keeps all.
        settings: of the sections ``model``, ``train``, ``evaluate``, in place of the study's.

    Raises:
        UserError: naming file, key and nearest valid name: damaged TOML, anything unknown or of a
            wrong type, an empty study, a label used twice, two rows that are one run.
    """
    path = locate(path)
    table = _read(path)
    _known(table, _TABLES, str(path))
    head, rows = table.get("study", {}), table.get("baseline", [])
    if not isinstance(head, dict):
        raise UserError(f"{path}: study: must be a table, [study]")
    _known(head, _STUDY, f"{path}: study")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{path}: baseline: must be an array of tables, [[baseline]]")
    data = _list(head, "data", str, path)
    chosen = _choose(_list(head, "seeds", int, path), seeds, path)
    if not rows:
        raise UserError(f"{path}: the study is empty; add a [[baseline]] table with a name")
    named = [_row(row, number, path) for number, row in enumerate(rows, start=1)]
    _unique([label for label, _ in named], "label", path, "give one of the rows another label")
    sections = {name: _section(table, name, path) for name in SECTIONS if name in table}
    for name, values in (settings or {}).items():
        sections[name] = {**sections.get(name, {}), **values}
    common = {key: _text(head, key, path) for key in ("preset", "precision") if key in head}
    configs = tuple(
        Labelled(label, _resolve(row, corpus, seed, common, sections, path))
        for seed in chosen
        for corpus in data
        for label, row in named
    )
    _one_id_each(configs, path)
    return Study(plain(path.stem), path, configs)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        here = sorted(file.stem for file in Path("paper").glob("*.toml"))
        near = f"; {suggest(path.stem, here)}" if path.name == str(path) and here else ""
        where = ", nor a study of that name in paper/" if path.name == str(path) else ""
        raise UserError(f"{path}: no such study file{where}{near}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None


def _known(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise UserError(f"{where}{'.' if ': ' in where else ': '}{key}: unknown key; "
                            f"{suggest(key, known)}")  # fmt: skip


def _list(head: Mapping[str, Any], key: str, kind: type, path: Path) -> list[Any]:
    """A list without repetition, of texts or of integers of at least 0."""
    if key not in head:
        raise UserError(f"{path}: study.{key}: missing; give a list")
    value = head[key]
    if not isinstance(value, list) or not all(type(item) is kind for item in value):
        words = {str: "texts", int: "integers"}
        raise UserError(f"{path}: study.{key}: {value!r} is not a list of {words[kind]}")
    if not value:
        raise UserError(f"{path}: study.{key}: the study is empty; the list must have an entry")
    _unique(value, f"study.{key}", path, "name it once")
    return value


def _text(head: Mapping[str, Any], key: str, path: Path) -> str:
    if not isinstance(head[key], str):
        raise UserError(f"{path}: study.{key}: {head[key]!r} is not a text")
    return str(head[key])


def _section(table: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    if not isinstance(table[name], dict):
        raise UserError(f"{path}: {name}: must be a table, [{name}]")
    return dict(table[name])


def _choose(seeds: list[int], wanted: Sequence[int] | None, path: Path) -> list[int]:
    if wanted is None:
        return seeds
    absent = [seed for seed in wanted if seed not in seeds]
    if absent or not wanted:
        raise UserError(f"{path}: has no seed {absent[0] if absent else '(none given)'}; it has "
                        f"{', '.join(map(str, seeds))}")  # fmt: skip
    return [seed for seed in seeds if seed in wanted]


def _row(row: dict[str, Any], number: int, path: Path) -> tuple[str, dict[str, Any]]:
    where = f"{path}: baseline {number}"
    if not isinstance(row.get("name"), str):
        raise UserError(f"{where}: 'name' must be a text")
    label = row.get("label", row["name"])
    if not isinstance(label, str) or not label.strip():
        raise UserError(f"{where}: 'label' must be a text")
    if marked(label):
        raise UserError(f"{where}: 'label' {label!r} holds markup, which no report shows")
    if not isinstance(row.get("file", ""), str):
        raise UserError(f"{where}: 'file' must be a text")
    if not isinstance(row.get("precision", ""), str):
        raise UserError(f"{where}: 'precision' must be a text")
    for key in ("model", "train"):
        if not isinstance(row.get(key, {}), dict):
            raise UserError(f"{where}: '{key}' must be a table")
    return label, {key: value for key, value in row.items() if key != "label"}


def _resolve(
    row: Mapping[str, Any],
    data: str,
    seed: int,
    common: Mapping[str, str],
    sections: Mapping[str, Mapping[str, Any]],
    path: Path,
) -> RunConfig:
    params = {key: value for key, value in row.items() if key not in _ROW}
    own = {key: row[key] for key in ("model", "train") if key in row}
    sections = {**sections, **{key: {**sections.get(key, {}), **own[key]} for key in own}}
    file = str(path.parent / row["file"]) if "file" in row else None
    common = {**common, **{key: row[key] for key in ("precision",) if key in row}}
    try:
        return resolve(data=data, baseline=row["name"], seed=seed, params=params, file=file,
                       sections=sections, where=str(path), **common)  # fmt: skip
    except UserError as error:
        message = str(error)
        raise UserError(
            message if message.startswith(str(path)) else f"{path}: {message}"
        ) from None


def _unique(values: Sequence[object], what: str, path: Path, mend: str) -> None:
    for value in values:
        if values.count(value) > 1:
            raise UserError(f"{path}: {what} {value!r} occurs twice; {mend}")


def _one_id_each(configs: Sequence[Labelled], path: Path) -> None:
    seen: dict[str, str] = {}
    for run in configs:
        if run.id in seen:
            raise UserError(f"{path}: rows '{seen[run.id]}' and '{run.label}' are one run "
                            f"({run.id}); remove one or change its settings")  # fmt: skip
        seen[run.id] = run.label
