"""The sections of a run's settings, and the strict reading of settings from users and files.

A run's id covers what differs from these defaults, so a new field renames no run. Whoever changes a
default or a meaning raises `PROTOCOL` of `benchmark.run.config`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING, FrozenInstanceError, fields
from functools import lru_cache
from typing import Annotated, Any, Literal, NotRequired, TypeVar, get_type_hints

from pydantic import ConfigDict, Field, PydanticUserError, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict  # typing's own is refused by pydantic before Python 3.12

from benchmark.core.errors import UserError, suggest

T = TypeVar("T")
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]

# An integer may stand for a float; a bool is no number, and a text is neither.
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """The LSTM text VAE. The defaults are Fu et al. 2019 (arXiv 1903.10145) on PTB."""

    embedding: Positive = 256
    hidden: Positive = 256
    latent: Positive = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5  # on embeddings and before the output layer
    feed: Literal["hidden", "cell"] = "hidden"  # h0 = Linear(z), c0 = 0; or c0, h0 = tanh(c0)
    bias: bool = True  # of the posterior, latent and output layers
    init: Rate = 0.1  # weights from U(-init, init)
    init_embedding: Rate = 0.1


@dataclass(frozen=True, config=STRICT)
class TrainConfig:
    """How the model is trained."""

    epochs: Positive = 40
    batch_size: Positive = 32  # sentences of exactly equal length
    optimiser: Literal["adam", "sgd"] = "adam"
    lr: Rate = 1e-3
    clip: Rate = 5.0  # norm of the gradient of all parameters together
    lr_schedule: Literal["constant", "cooldown", "halving", "cosine_restarts"] = "constant"
    patience: Positive = 2  # halving: evaluations without improvement, the weight having settled
    halve_from: Annotated[int, Field(ge=0)] = 15  # halving: the first epoch that may halve the rate
    halvings: Positive = 5  # halving: the last one stops training
    restart_epochs: Positive = 10  # cosine_restarts: epochs of a cycle
    cooldown: Annotated[float, Field(gt=0, le=1)] = (
        0.5  # last part of training: the rate falls to 0
    )


@dataclass(frozen=True, config=STRICT)
class EvaluateConfig:
    """How the chosen model is measured; its digest is separate, so it renames no run."""

    iw_samples: Positive = 500  # importance samples a sentence
    bleu: bool = True  # greedy reconstruction
    max_length: Positive = 200  # of a greedy reconstruction, tokens


SECTIONS = {"model": ModelConfig, "train": TrainConfig, "evaluate": EvaluateConfig}
_HOMES = {f.name: f"{name}.{f.name}" for name, cls in SECTIONS.items() for f in fields(cls)}


class Mistakes:
    """Collects the mistakes of several checks, to report them together."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def of(self, check: Callable[..., T], *arguments: Any) -> T | None:
        """Return ``check(*arguments)``, or None if it raises UserError, whose lines are kept."""
        try:
            return check(*arguments)
        except UserError as error:
            self.lines += str(error).splitlines()
            return None

    def error(self) -> UserError:
        """Return one error with a line for each mistake."""
        return UserError("\n".join(dict.fromkeys(self.lines)))


def build(cls: type[T], table: object, where: str, *place: str) -> T:
    """Return an instance of the dataclass ``cls`` with the values of a TOML or JSON table.

    Raises:
        UserError: a line for each mistake: ``where`` it is, by file and keys (``place`` leads to
            the table), what is wrong, and the nearest valid name.
    """
    known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    try:
        return cls(**_adapter(cls).validate_python(table))  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [_line(mistake, known, where, place) for mistake in error.errors()]
        raise UserError("\n".join(lines)) from error
    except PydanticUserError as error:  # a field of a baseline whose type is no setting
        reason = str(error).splitlines()[0]
        raise UserError(f"{where}: {'.'.join(place)}: {reason}") from error
    except FrozenInstanceError as error:
        reason = (
            f"{error}: settings cannot change; compute a weight from the step alone, and keep "
            "other state in run.memory"
        )
        raise UserError(f"{where}: {'.'.join(place)}: {reason}") from error
    except (ValueError, TypeError) as error:  # raised by the class's __post_init__
        parts = [where, ".".join(place), " ".join(str(error).split())]
        raise UserError(": ".join(part for part in parts if part)) from error


@lru_cache(maxsize=64)
def _adapter(cls: Any) -> TypeAdapter[dict[str, Any]]:
    # Of a table with the fields of `cls`: `cls` may be an author's plain dataclass, and for those
    # pydantic's strict mode takes no table.
    hints, keys = get_type_hints(cls, include_extras=True), {}
    for field in fields(cls):
        optional = field.default is not MISSING or field.default_factory is not MISSING
        keys[field.name] = NotRequired[hints[field.name]] if optional else hints[field.name]
    typed_dict: Any = TypedDict  # mypy takes none whose keys it cannot read
    table = typed_dict(cls.__name__, keys)
    table.__pydantic_config__ = STRICT
    return TypeAdapter(table)


def _line(mistake: Any, known: list[str], where: str, place: Sequence[str]) -> str:
    """Return the line that reports one of pydantic's mistakes."""
    value, path = mistake["input"], [*place, *mistake["loc"]]
    text = str(mistake["msg"]).replace("Input", repr(value), 1)  # "Input should be a valid integer"
    match mistake["type"]:
        case "extra_forbidden":
            section = _HOMES.get(path[-1])  # the setting of that name elsewhere
            near = f"did you mean '{section}'?" if section else suggest(path[-1], known)
            text = f"unknown key; {near}"
        case "literal_error":
            options = re.findall(r"'([^']*)'", mistake["ctx"]["expected"])
            near = suggest(str(value), options) if options else mistake["ctx"]["expected"]
            text = f"{value!r}; {near}"
        case "value_error":  # of a check of ours
            text = str(mistake["ctx"]["error"])
        case "bool_type":
            text += "; write true or false"
        case "dict_type":
            text = f"{value!r} is not a table"
        case "missing":
            text = "missing"
    key = "".join(f" {part + 1}" if isinstance(part, int) else f".{part}" for part in path)
    return " ".join(f"{where}: {key[1:]}{': ' if key else ''}{text}".split())
