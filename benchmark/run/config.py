"""The settings of a run, how they are resolved, and the id that names the run.

The id's digest covers only what differs from the defaults, so a new field renames no run. Whoever
changes a default or a meaning raises `PROTOCOL`; a golden test of all defaults reminds.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, InstanceOf, ValidationError

from benchmark import data as corpora
from benchmark.core.errors import UserError, suggest
from benchmark.core.files import sha256_file
from benchmark.core.settings import (
    SECTIONS,
    EvaluateConfig,
    Mistakes,
    ModelConfig,
    TrainConfig,
    build,
)
from benchmark.model import registry
from benchmark.model.baseline import Baseline
from benchmark.run.presets import PRESETS

PROTOCOL = 1  # rises when a default or the meaning of a field changes
EVALUATION = 2  # the same, for evaluation: 2 since z_use has random strangers


def _data_set(spec: str) -> str:
    try:
        _ = corpora.find(spec).identity  # reads the files of a text
    except UserError as error:
        # The name of a folder may hold bytes that are no UTF-8, which pydantic's messages may not.
        raise ValueError(str(error).encode("utf-8", "backslashreplace").decode()) from error
    return spec


def _preset(name: str) -> str:
    if name not in PRESETS:
        raise ValueError(f"'{name}': unknown; {suggest(name, PRESETS)}")
    return name


Text = InstanceOf[str]  # unlike str, also one with such bytes
DataSet = Annotated[Text, AfterValidator(_data_set)]
Preset = Annotated[str, AfterValidator(_preset)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run's result. Build it with `resolve`."""

    data: DataSet
    baseline: Text
    seed: Seed
    params: Mapping[str, Any] = field(default_factory=dict)  # the baseline's, all of them
    precision: Precision = "fp32"
    preset: Preset | None = None  # where the settings below come from; not part of the id
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    file: Text | None = None  # a baseline outside the folder

    def method(self) -> Baseline:
        """Return the baseline with this run's hyper-parameters."""
        return self._method

    # Cached, as the digests are: what a run is stays, whatever becomes of the file while it trains.
    @cached_property
    def _method(self) -> Baseline:
        return registry.load(self.baseline, self.file)(**self.params)

    @cached_property
    def file_sha256(self) -> str | None:
        """Return the digest of the baseline's file if it is outside the folder."""
        return sha256_file(Path(self.file)) if self.file else None

    @cached_property
    def method_sha256(self) -> str:
        """Return the digest of the baseline's code and version; not part of the id."""
        return registry.digest(self.baseline, self.file)

    @cached_property
    def digest(self) -> str:
        """Return the sha256 of all that differs from the defaults, and of data and versions."""
        method = self.method()
        content = {
            "baseline": self.baseline,
            "params": _changed(method),
            "version": type(method).version,
            "data": corpora.find(self.data).identity,
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
        """Return eight digits over the evaluation settings and what they mean today."""
        return self.evaluation_digest_of(EVALUATION)

    def evaluation_digest_of(self, version: int) -> str:
        """Return the evaluation digest of a record measured when `EVALUATION` was ``version``."""
        return _sha256({"evaluation": version, **_changed(self.evaluate)})[:8]

    @property
    def id(self) -> str:
        """Return ``data-baseline-seed-digest8``, which names the run's folder and record."""
        return f"{corpora.find(self.data).slug}-{self.baseline}-{self.seed}-{self.digest[:8]}"

    def to_dict(self) -> dict[str, Any]:
        """Return all settings, for the record and for a manifest."""
        return asdict(self)

    @staticmethod
    def from_dict(table: Mapping[str, Any], where: str = "config") -> "RunConfig":
        """Return the checked run of a table, as `to_dict` makes it; see `resolve`."""
        mistakes, values = Mistakes(), dict(table)
        preset, params = values.get("preset"), values.pop("params", {})
        name = str(values.get("data")).split(":")[0] if preset is None else str(preset)
        for key, cls in SECTIONS.items():
            section = values.get(key, {})
            if isinstance(section, Mapping):
                section = {**PRESETS.get(name, {}).get(key, {}), **section}
            # The defaults replace a wrong section, so that the other mistakes are reported too.
            values[key] = mistakes.of(build, cls, section, where, key) or cls()
        config: RunConfig | None = mistakes.of(build, RunConfig, values, where)
        if config is None:
            raise mistakes.error()
        source = config.baseline, config.file
        method = mistakes.of(method_of, *source, params, config.train.epochs, where)
        if method is None or mistakes.lines:
            raise mistakes.error()
        preset = name if name in PRESETS else None
        return replace(config, params=asdict(method), preset=preset)


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
    """Return a complete, checked `RunConfig`: defaults, then the preset, then ``sections``.

    Args:
        data: a data set, with settings for an exact language (``exact_small:mix=0.2``).
        baseline: a file of ``baselines/``, or with ``file`` any name.
        seed: of initialisation, order, noise and evaluation.
        params: hyper-parameters of the baseline; ``"10 epochs"`` becomes a fraction of training.
        precision: ``"fp32"`` or ``"bf16"``.
        preset: a name of `PRESETS`; by default the data's own, if there is one of its name.
        sections: settings of ``model``, ``train`` and ``evaluate`` above the preset's.
        file: the file of a baseline outside the folder.
        where: the place as messages name it, such as ``paper/main.toml``.

    Raises:
        UserError: one line for each setting that is unknown, of the wrong type or out of range.
    """
    table = {"data": data, "baseline": baseline, "seed": seed, "params": params or {}}
    table |= {"precision": precision, "preset": preset, "file": file}
    return RunConfig.from_dict({**(sections or {}), **table}, where)


def method_of(name: str, file: str | None, params: Any, epochs: int, where: str) -> Baseline:
    """Return a baseline with hyper-parameters from a table.

    A value such as ``"10 epochs"`` becomes a fraction of ``epochs``.

    Raises:
        UserError: no such baseline, a broken one, or a line for each mistake of the table.
    """
    try:
        cls = registry.load(name, file)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    if isinstance(params, Mapping):
        params = {key: _part(value, epochs) for key, value in params.items()}
    try:
        return build(cls, params, where, "baseline", name)
    except UserError as error:
        if isinstance(error.__cause__, ValidationError):  # of types: no check of the baseline's own
            raise
        for key, value in params.items():
            is_count = type(value) in (int, float) and value > 1
            if is_count and re.search(rf"\b{key}\b", str(error)):
                hint = f'for a number of epochs write {key} = "{value:g} epochs"'
                raise UserError(f"{error}; {hint}") from error
        raise


def _part(value: Any, epochs: int) -> Any:
    """Return ``"10 epochs"`` as a fraction of training; any other value as it is."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) epochs?", value) if isinstance(value, str) else None
    return float(match[1]) / epochs if match else value


def _changed(settings: Any) -> dict[str, Any]:
    """Return the fields that differ from their defaults."""
    default = type(settings)()
    values = ((f.name, getattr(settings, f.name)) for f in fields(settings))
    return {name: value for name, value in values if value != getattr(default, name)}


def _sha256(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
