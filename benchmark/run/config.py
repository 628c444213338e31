"""What a run is: frozen settings, strict reading, presets, and the id.

The id's digest covers only what differs from the defaults below, so a new field renames no run.
Whoever changes a default or a meaning raises `PROTOCOL`; a golden test of all defaults reminds.
"""

import hashlib
import json
import re
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from benchmark import data as corpora
from benchmark.core.errors import UserError, suggest
from benchmark.core.files import sha256_file
from benchmark.core.settings import SECTIONS, EvaluateConfig, ModelConfig, TrainConfig
from benchmark.core.strict import build as build
from benchmark.core.strict import refuse_unknown, table_of, typed
from benchmark.model import registry
from benchmark.model.baseline import Baseline
from benchmark.run.presets import PRESETS

PROTOCOL = 1  # rises when a default or the meaning of a field changes
EVALUATION = 2  # the same, for evaluation: 2 since z_use has random strangers

Precision = Literal["fp32", "bf16"]
_EPOCHS = re.compile(r"(\d+(?:\.\d+)?) epochs?")


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run's result. Build it with `resolve`."""

    data: str
    baseline: str
    seed: int
    params: Mapping[str, Any] = field(default_factory=dict)  # the baseline's, all of them
    precision: str = "fp32"
    preset: str | None = None  # where the settings below come from; not part of the id
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    file: str | None = None  # a baseline outside the folder

    def method(self) -> Baseline:
        """The baseline with this run's hyper-parameters, whatever becomes of its file."""
        return self._method

    @cached_property
    def _method(self) -> Baseline:
        found = registry.load(self.baseline, Path(self.file) if self.file else None)
        return build(found, self.params, f"baseline.{self.baseline}")

    @cached_property
    def file_sha256(self) -> str | None:
        """Digest of the baseline's file where it is outside the folder."""
        return sha256_file(Path(self.file)) if self.file else None

    @cached_property
    def method_sha256(self) -> str:
        """Digest of what the baseline's file does, and its version; not part of the id."""
        return registry.digest(self.baseline, Path(self.file) if self.file else None)

    @cached_property
    def digest(self) -> str:
        """sha256 over what differs from the defaults, and over what the data and code mean."""
        method = self.method()
        content = {
            "baseline": self.baseline,
            "params": _changed(method),
            "version": type(method).version,
            "data": corpora.identity(self.data),
            "seed": self.seed,
            "precision": self.precision,
            "protocol": PROTOCOL,
            "model": _changed(self.model),
            "train": _changed(self.train),
        }
        if self.file:
            content["file"] = self.file_sha256
        return _sha256(content)

    @property
    def evaluation_digest(self) -> str:
        """Eight digits over the evaluation settings and what they mean today."""
        return self.evaluation_digest_of(EVALUATION)

    def evaluation_digest_of(self, version: int) -> str:
        """The same for a record measured when `EVALUATION` was ``version``."""
        return _sha256({"evaluation": version, **_changed(self.evaluate)})[:8]

    @property
    def id(self) -> str:
        """``data-baseline-seed-digest8``: names the run's folder and record."""
        return f"{corpora.slug(self.data)}-{self.baseline}-{self.seed}-{self.digest[:8]}"

    def to_dict(self) -> dict[str, Any]:
        """All settings, for the record and for a manifest."""
        out = asdict(self)
        out["params"] = asdict(self.method())
        return out

    @staticmethod
    def from_dict(table: Mapping[str, Any], where: str = "config") -> "RunConfig":
        """The inverse of `to_dict`; UserError on anything unknown."""
        table = dict(table)
        sections = {name: table.pop(name, {}) for name in SECTIONS}
        names = {"data", "baseline", "seed", "params", "precision", "preset", "file"}
        refuse_unknown(table, names, where)
        for name in ("data", "baseline", "seed"):
            if name not in table:
                raise UserError(f"{where}: lacks '{name}'")
        return resolve(where=where, sections=sections, **table)


def resolve(
    data: str,
    baseline: str,
    seed: int,
    params: Mapping[str, Any] | None = None,
    precision: str = "fp32",
    preset: str | None = None,
    sections: Mapping[str, Mapping[str, Any]] | None = None,
    file: str | None = None,
    where: str = "command line",
) -> RunConfig:
    """A complete, checked `RunConfig`: defaults, then the preset, then ``sections``.

    Args:
        data: a data set, with settings for an exact language (``exact_small:mix=0.2``).
        baseline: a file of ``baselines/``, or with ``file`` any name.
        seed: of initialisation, order, noise and evaluation.
        params: the baseline's hyper-parameters that differ from its defaults; a part of training
            may be given as ``"10 epochs"``.
        precision: ``"fp32"`` or ``"bf16"``.
        preset: a name of `PRESETS`; by default the data's own, where there is one of its name.
        sections: settings of ``model``, ``train`` and ``evaluate`` above the preset's.
        file: the file of a baseline outside the folder.
        where: how messages name the place, such as ``paper/main.toml``.

    Raises:
        UserError: anything unknown, of the wrong type or out of range.
    """
    typed(baseline, str, f"{where}: baseline")
    corpora.check(typed(data, str, f"{where}: data"))
    if type(seed) is not int or seed < 0:
        raise UserError(f"{where}: seed: {seed!r} is not an integer of at least 0")
    if precision not in typing.get_args(Precision):
        raise UserError(f"{where}: precision: {precision!r}; there are bf16, fp32")
    name = preset if preset is not None else data.split(":")[0]
    if name not in PRESETS and preset is not None:
        raise UserError(f"{where}: preset '{preset}': unknown; {suggest(preset, PRESETS)}")
    given = sections or {}
    refuse_unknown(given, SECTIONS, where)
    refuse_unknown(PRESETS.get(name, {}), SECTIONS, f"{where}: preset '{name}'")
    built: dict[str, Any] = {
        key: build(
            cls,
            {
                **PRESETS.get(name, {}).get(key, {}),
                **table_of(given.get(key, {}), f"{where}: {key}"),
            },
            f"{where}: {key}",
        )
        for key, cls in SECTIONS.items()
    }
    method = registry.load(baseline, Path(file) if file else None)
    table = table_of(params or {}, f"{where}: baseline.{baseline}")
    _of_no_section(table, method, f"{where}: baseline.{baseline}")
    fractions = _epochs_as_fractions(table, built["train"].epochs)
    try:
        full = build(method, fractions, f"{where}: baseline.{baseline}")
    except UserError as error:
        raise UserError(f"{error}{_in_epochs(table, str(error.__cause__ or ''))}") from error
    return RunConfig(
        data=data,
        baseline=baseline,
        seed=seed,
        params=asdict(full),
        precision=precision,
        preset=name if name in PRESETS else None,
        file=file,
        **built,
    )


def _of_no_section(params: Mapping[str, Any], method: type[Baseline], where: str) -> None:
    """Refuse a setting of a section among a baseline's, and name its section."""
    homes = {f.name: f"{name}.{f.name}" for name, cls in SECTIONS.items() for f in fields(cls)}
    for key in params.keys() - {f.name for f in fields(method)}:
        if key in homes:
            raise UserError(f"{where}.{key}: unknown key; did you mean '{homes[key]}'?")


def _in_epochs(params: Mapping[str, Any], reason: str) -> str:
    """How to give in epochs what was refused as a part of training."""
    for key, value in params.items():
        if type(value) in (int, float) and value > 1 and re.search(rf"\b{key}\b", reason):
            return f'; for a number of epochs write {key} = "{value:g} epochs"'
    return ""


def _epochs_as_fractions(params: Mapping[str, Any], epochs: int) -> dict[str, Any]:
    """``"10 epochs"`` as the fraction of training that it is."""
    found = {key: _EPOCHS.fullmatch(value) for key, value in params.items() if type(value) is str}
    return {**params, **{key: float(m[1]) / epochs for key, m in found.items() if m}}


def _changed(settings: Any) -> dict[str, Any]:
    """The fields that differ from their defaults."""
    default = type(settings)()
    return {
        f.name: getattr(settings, f.name)
        for f in fields(settings)
        if getattr(settings, f.name) != getattr(default, f.name)
    }


def _sha256(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
