"""Settings from tables, strictly: what is unknown or of a wrong type is told with its place."""

import types
import typing
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields
from typing import Any, Literal, TypeVar

from benchmark.core.errors import UserError, suggest

T = TypeVar("T")


def build(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """A dataclass from a table, strictly.

    Raises:
        UserError: an unknown key (with the nearest known one), a wrong type, a bad value.
    """
    hints = typing.get_type_hints(cls)
    kinds = {f.name: hints[f.name] for f in fields(cls) if f.init}  # type: ignore[arg-type]
    refuse_unknown(table_of(table, where), kinds, where)
    values = {key: typed(value, kinds[key], f"{where}.{key}") for key, value in table.items()}
    try:
        return cls(**values)
    except FrozenInstanceError as error:
        raise UserError(
            f"{where}: {error}: settings do not change; a weight follows from the step alone, and "
            "what must survive a step lives in run.memory"
        ) from error
    except (ValueError, TypeError) as error:
        raise UserError(f"{where}: {error}") from error


def table_of(value: Any, where: str) -> Mapping[str, Any]:
    """The value, or UserError unless it is a table."""
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: {value!r} is not a table")
    return value


def refuse_unknown(table: Mapping[str, Any], known: Any, where: str) -> None:
    """Raise UserError on a key that is not known, naming the nearest that is."""
    for key in table:
        if key not in known:
            raise UserError(f"{where}.{key}: unknown key; {suggest(key, known)}")


def typed(value: Any, hint: Any, where: str) -> Any:
    """``value`` as a field of type ``hint`` takes it; an integer may stand for a float."""
    if typing.get_origin(hint) is Literal:
        if value not in typing.get_args(hint):
            raise UserError(f"{where}: {value!r}; {suggest(str(value), typing.get_args(hint))}")
        return value
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = [o for o in typing.get_args(hint) if o is not type(None)]
        return None if value is None else typed(value, options[0], where)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        mend = "; write true or false" if hint is bool else ""
        name = getattr(hint, "__name__", hint)
        raise UserError(f"{where}: {value!r} is not of type {name}{mend}")
    if hint is float and not (float("-inf") < value < float("inf")):
        raise UserError(f"{where}: {value!r} is not a finite number")
    return value
