"""A study file: which baselines, data sets and seeds make up one table.

::

    [study]
    data = ["ptb"]
    seeds = [0, 1, 2, 3, 4]
    preset = "fu2019_ptb"            # any field of it may be set in [model], [train], [evaluate]
    precision = "fp32"               # or "bf16"; a row may have its own
    contrasts = [["cyclical", "none"]]   # rows whose difference is tested; decide before training
    [train]
    epochs = 40
    [[baseline]]
    name = "delayed_linear"
    label = "delayed_linear_late"    # default: the name; not part of the id
    delay = "10 epochs"              # the baseline's own hyper-parameters; a fraction of training
    train = {lr = 5e-4}              # [model] and [train] of this row alone
"""

import itertools
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator

from benchmark.core.errors import UserError, suggest
from benchmark.core.files import plain
from benchmark.core.id_prefixes import complete
from benchmark.core.provenance import checkout
from benchmark.core.records import marked
from benchmark.core.settings import SECTIONS, Mistakes, build
from benchmark.model import registry
from benchmark.run.config import DataSet, Precision, Preset, RunConfig, Seed, method_of, resolve

SHARE = "share/posterior-collapse-benchmark"  # where pip puts the studies, below its prefix
T = TypeVar("T")


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
        """Return the runs of some seeds, or of all for None; UserError if a seed is not there."""
        seeds = list(dict.fromkeys(run.config.seed for run in self.configs))
        absent = [seed for seed in wanted or () if seed not in seeds]
        if absent or (wanted is not None and not wanted):
            raise UserError(
                f"{self.path}: has no seed {absent[0] if absent else '(none given)'}; it has "
                f"{', '.join(map(str, seeds))}"
            )
        return [run for run in self.configs if wanted is None or run.config.seed in wanted]

    def find(self, run_id: str) -> Labelled:
        """Return the run with an id, or with the one id that begins so; see `complete`."""
        ids = {run.id: run for run in self.configs}
        return ids[complete(run_id, ids, str(self.path), "`pcbench sweep --list` prints them")]

    def only(self, names: Sequence[str]) -> "Study":
        """Return the part of the study with these rows, or ids that begin so; all for none."""
        chosen: set[str] = set()
        for name in names:
            runs = [r for r in self.configs if r.label == name]
            runs = runs or [r for r in self.configs if name and r.id.startswith(name)]
            if not runs:
                raise UserError(f"{self.path}: no row '{name}'; {suggest(name, self.labels)}")
            chosen |= {run.id for run in runs}
        kept = (run for run in self.configs if not names or run.id in chosen)
        return replace(self, configs=tuple(kept))


def _distinct(values: list[T]) -> list[T]:
    if not values:
        raise ValueError("the list is empty; add an entry")
    if twice := [value for value in values if values.count(value) > 1]:
        raise ValueError(f"{twice[0]!r} occurs twice; name it once")
    return values


def _label(text: str) -> str:
    if not text.strip() or marked(text):
        raise ValueError(f"{text!r} is empty or holds markup; a label must be plain text")
    return text


def _two(labels: list[str]) -> list[str]:
    if len(set(labels)) != 2 or len(labels) != 2:
        raise ValueError(f'{labels!r} is no contrast; give two different rows, ["one", "other"]')
    return labels


Contrast = Annotated[list[str], AfterValidator(_two)]


@dataclass(frozen=True)
class _Planned:
    """The part of the table [study] that a report needs."""

    contrasts: list[Contrast] = field(default_factory=list)


@dataclass(frozen=True)
class _Head:
    """The table [study]."""

    data: Annotated[list[DataSet], AfterValidator(_distinct)]
    seeds: Annotated[list[Seed], AfterValidator(_distinct)]
    preset: Preset | None = None
    precision: Precision = "fp32"
    contrasts: list[Contrast] = field(default_factory=list)  # see the function


@dataclass(frozen=True)
class _Row:
    """A table [[baseline]]; its other keys are the baseline's hyper-parameters, ``params``."""

    name: str
    label: Annotated[str, AfterValidator(_label)] = ""
    file: str | None = None
    precision: Precision | None = None
    model: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)  # the baseline's


def locate(named: Path | str) -> Path:
    """Return the file of a study: a path, or a name in ``paper/`` here, or in this project's."""
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
    """Return the study in a file, read strictly.

    Args:
        path: the TOML file, or its name, see `locate`; its stem is the study's name.
        seeds: keep only these of the study's seeds; None keeps all.
        settings: of the sections ``model``, ``train``, ``evaluate``, in place of the study's.

    Raises:
        UserError: no such file, damaged TOML, or a line for each mistake: all that is unknown or of
            a wrong type, an empty study, a label used twice, two rows that are one run.
    """
    path = locate(path)
    where, table, given = str(path), _read(path), settings or {}
    mistakes, known = Mistakes(), ("study", "baseline", *SECTIONS)
    unknown = [key for key in table if key not in known]
    mistakes.lines += [f"{where}: {key}: unknown key; {suggest(key, known)}" for key in unknown]
    head: _Head | None = mistakes.of(build, _Head, table.get("study", {}), where, "study")
    for key, cls in SECTIONS.items():
        mistakes.of(build, cls, table.get(key, {}), where, key)
        mistakes.of(build, cls, given.get(key, {}), "--set", key)
    tables = table.get("baseline", [])
    if not (isinstance(tables, list) and tables and all(isinstance(t, dict) for t in tables)):
        mistakes.lines.append(f"{where}: the study is empty; add tables [[baseline]] with a name")
        tables = []
    checked = [_row(row, number, path, mistakes) for number, row in enumerate(tables, start=1)]
    rows = [row for row in checked if row is not None]
    for label, count in Counter(row.label for row in rows).items():
        if count > 1:
            mistakes.lines.append(
                f"{where}: label '{label}' occurs twice; give one of the rows another"
            )
    if not mistakes.lines:
        mistakes.of(contrasts, table, where)
    if head is None or mistakes.lines:
        raise mistakes.error()

    runs: dict[str, Labelled] = {}
    for seed, data, row in itertools.product(head.seeds, head.data, rows):
        # What is set nearer to the run wins: the file's sections, then --set, then the row's own.
        layers = (table, given, vars(row))
        sections = {
            key: {name: value for layer in layers for name, value in layer.get(key, {}).items()}
            for key in SECTIONS
        }
        config: RunConfig | None = mistakes.of(
            resolve, data, row.name, seed, row.params, row.precision or head.precision,
            head.preset, sections, row.file, where,
        )  # fmt: skip
        if config is None:
            continue
        if config.id in runs:
            names = f"'{runs[config.id].label}' and '{row.label}'"
            mistakes.lines.append(f"{where}: rows {names} are the same run; remove or change one")
        runs[config.id] = Labelled(row.label, config)
    if mistakes.lines:
        raise mistakes.error()
    study = Study(plain(path.stem), path, tuple(runs.values()))
    return replace(study, configs=tuple(study.of_seeds(seeds)))


def contrasts(table: Mapping[str, Any], where: str) -> list[tuple[str, str]]:
    """Return the pairs of rows that a study plans to compare, as labels; the second is subtracted.

    Args:
        table: the content of the study's file.
        where: the file, for messages.

    Raises:
        UserError: no two different rows of the study, rows of unlike precision, or a pair twice.
    """
    head, rows = table.get("study", {}), table.get("baseline", [])
    planned = {key: head[key] for key in ("contrasts",) if key in head}
    pairs = build(_Planned, planned, where, "study").contrasts
    usual = head.get("precision", "fp32")
    precisions = {row.get("label", row.get("name")): row.get("precision", usual) for row in rows}
    mistakes = [
        f"no row '{label}'; {suggest(label, [str(known) for known in precisions])}"
        for label in dict.fromkeys(itertools.chain(*pairs))
        if label not in precisions
    ]
    mistakes += [
        f"'{one}' and '{other}' differ in precision, so no table has both; give them the same"
        for one, other in pairs
        if precisions.get(one) != precisions.get(other)
    ] if not mistakes else []  # fmt: skip
    if len({frozenset(pair) for pair in pairs}) < len(pairs):
        mistakes.append("a pair occurs twice; name it once")
    if mistakes:
        raise UserError("\n".join(f"{where}: study.contrasts: {one}" for one in mistakes))
    return [(one, other) for one, other in pairs]


def planned(path: Path) -> list[tuple[str, str]]:
    """Return the `contrasts` of a study's file; none if there is no file."""
    return contrasts(_read(path), str(path)) if path.exists() else []


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        here = sorted(file.stem for file in Path("paper").glob("*.toml"))
        is_name = path.name == str(path)
        where = ", nor a study of that name in paper/" if is_name else ""
        near = f"; {suggest(path.stem, here)}" if is_name and here else ""
        raise UserError(f"{path}: no such study file{where}{near}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None


def _row(table: dict[str, Any], number: int, path: Path, mistakes: Mistakes) -> _Row | None:
    """Return a checked row; None if it is wrong."""
    where, place = str(path), f"baseline {number}"
    values = {key: table[key] for key in table if key in registry.RESERVED}
    params = {key: table[key] for key in table if key not in registry.RESERVED}
    row: _Row | None = mistakes.of(build, _Row, {**values, "params": params}, where, place)
    for key in ("model", "train"):
        mistakes.of(build, SECTIONS[key], table.get(key, {}), where, place, key)
    if row is None:
        return None
    file = str(path.parent / row.file) if row.file else None
    # What is given in epochs waits for the run's own number of them.
    if not any(isinstance(value, str) and "epoch" in value for value in params.values()):
        mistakes.of(method_of, row.name, file, params, 1, where)
    return replace(row, label=row.label or row.name, file=file)
