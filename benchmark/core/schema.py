"""The shape of a result record: which keys, of which types. ``results/README.md`` tells them."""

import math
import re
from collections.abc import Mapping
from typing import Any

from benchmark.core.errors import UserError
from benchmark.core.measures import METRICS as METRICS

SCHEMA = 1
STATUSES = ("done", "running", "stopped", "failed", "missing")
SPLITS = ("valid", "test", "last")
# No figure of a run is larger: float32 ends at 3e38. A perplexity may be, but not without bound.
LARGEST, LARGEST_PERPLEXITY = 1e100, 1e300

Record = dict[str, Any]

_NAME = re.compile(r"\w[\w=.,:+-]*")  # an id is a folder's name
_NUMBER = (int, float)
_NULL = type(None)

# Keys that must be there; a table tells those of a nested one.
_REQUIRED: dict[str, Any] = {
    "id": str,
    "config": {
        "data": str, "baseline": str, "seed": int, "precision": str, "params": dict, "model": dict,
        "train": dict, "evaluate": dict,
    },
    "data": {"name": str, "sha256": str},
    "metrics": dict.fromkeys(SPLITS, dict),
    "curve": list,
    "kl_spectrum": (list, _NULL),
    "loss_by_position": (list, _NULL),
    "updates": {"encoder": int, "decoder": int, "passes": _NUMBER},
    "best_step": int,
    "parameters": int,
    "cost": {
        "seconds": _NUMBER, "tokens": int, "tokens_per_second": _NUMBER, "peak_mb": _NUMBER,
        "device": str,
    },
    "provenance": {
        "commit": (str, _NULL), "code_sha256": str, "dirty": (bool, _NULL), "python": str,
        "torch": str, "cpu": str, "threads": int,
    },
}  # fmt: skip
# Keys that records of before them lack.
_OPTIONAL: dict[str, Any] = {
    "data": {
        "text_sha256": str, "segmentation": str, "vocabulary": int, "vocabulary_sha256": str,
        "lossless": dict, "entropy": _NUMBER, "entropy_se": _NUMBER, "information": _NUMBER,
        "information_se": _NUMBER, "classes": int,
    },
    "config": {"preset": (str, _NULL), "file": (str, _NULL), "file_sha256": str},
    "provenance": {
        "code_sha256_resumed": list, "finished": str, "resumed": int, "method_sha256": str,
        "processor": str, "measured": {
            "commit": (str, _NULL), "code_sha256": str, "dirty": (bool, _NULL),
        },
    },
    "evaluation": int,
    "evaluation_digest": str,
    "weight_path": (list, _NULL),
    "digest": str,
    "steps": int,
    "samples": dict,
    "label": str,
    "row": (int, _NULL),
}  # fmt: skip


def validate(record: object, where: str) -> None:
    """Check a complete record's shape.

    Args:
        record: what was parsed or is about to be written.
        where: file and line, for the message.

    Raises:
        UserError: unknown schema, a missing key, a wrong type, NaN, an infinite number or one that
            no run can have.
    """
    if not isinstance(record, dict):
        raise UserError(f"{where}: a record must be a JSON object")
    _check_schema(record, where)
    _check_keys(record, _REQUIRED, where, "the record", needed=True)
    _check_keys(record, _OPTIONAL, where, "the record", needed=False)
    _check_id(record, where)
    _check_finite(record, where, "record")
    _check_sizes(record["data"], where)
    if "samples" in record and "entropy" not in record["data"]:
        raise UserError(f"{where}: samples: of an exact language only; other text is not ours")
    for split in SPLITS:
        _check_metrics(record["metrics"][split], f"{where}: metrics.{split}")
    _check_lists(record, where)


def validate_line(line: object, where: str) -> None:
    """Check one line of a collected file: a record, or the status of a run that has none.

    Raises:
        UserError: see `validate`; or an unknown status, or a missing id.
    """
    if not isinstance(line, dict) or is_done(line):
        validate(line, where)
    else:
        _check_absent(line, where)
    assert isinstance(line, dict)
    if line.get("row") is not None and "label" not in line:
        raise UserError(f"{where}: the line lacks 'label'")


def is_done(line: Record) -> bool:
    """Whether a collected line is a record, not the status of a run without one."""
    return bool(line.get("status", "done") == "done")


def _check_absent(line: Record, where: str) -> None:
    """Check the line of a run without a record."""
    _check_schema(line, where)
    if line["status"] not in STATUSES:
        known = ", ".join(STATUSES)
        raise UserError(f"{where}: unknown status {line['status']!r}; known: {known}")
    needed = {"id": str, "config": {"data": str, "seed": int}}
    _check_keys(line, needed, where, "the line", needed=True)
    _check_keys(line, {"error": str, **_OPTIONAL}, where, "the line", needed=False)
    _check_id(line, where)
    _check_finite(line, where, "line")


def _check_schema(record: Record, where: str) -> None:
    schema = record.get("schema")
    if schema != SCHEMA or isinstance(schema, bool):
        raise UserError(f"{where}: unknown schema {schema!r}; this version reads schema {SCHEMA}")


def _check_keys(
    table: Mapping[str, Any], wanted: Mapping[str, Any], where: str, name: str, needed: bool
) -> None:
    """Types of the keys ``wanted``, which must be there if ``needed``."""
    for key, kind in wanted.items():
        if key not in table:
            if needed:
                raise UserError(f"{where}: {name} lacks '{key}'")
            continue
        _check_type(table[key], dict if isinstance(kind, dict) else kind, f"{where}: {key}")
        if isinstance(kind, dict):
            _check_keys(table[key], kind, where, key, needed)


def _check_type(value: object, kind: type | tuple[type, ...], where: str) -> None:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        wanted = " or ".join("null" if k is _NULL else k.__name__ for k in kinds)
        raise UserError(f"{where}: must be {wanted}, not {type(value).__name__}")


def _check_id(line: Record, where: str) -> None:
    if not _NAME.fullmatch(line["id"]):
        raise UserError(f"{where}: id {line['id']!r} is no run's: letters, digits and _=.,:+- only")


def _check_finite(value: object, where: str, name: str) -> None:
    """Numbers are finite, and integers not too large for arithmetic with others."""
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{where}: {name} is {value}; records hold finite numbers or null")
    if isinstance(value, int) and abs(value) > 1e300:
        raise UserError(f"{where}: {name} is absurdly large: an integer of over 300 digits")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise UserError(f"{where}: {name} has a key that is not a text: {key!r}")
            _check_finite(item, where, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check_finite(item, where, f"{name}[{index}]")
    elif value is not None and not isinstance(value, str | int | float):
        raise UserError(f"{where}: {name} has a type that JSON lacks: {type(value).__name__}")


def _check_sizes(data: Record, where: str) -> None:
    """Sizes of splits are counts: what is divided by them is a figure a sentence or a token."""
    for key, value in data.items():
        if key.endswith(("_sentences", "_tokens", "_words")):
            _check_type(value, int, f"{where}: data.{key}")
            if value < 1:
                raise UserError(f"{where}: data.{key}: must be at least 1, not {value}")
    for split, whole in data.get("lossless", {}).items():
        _check_type(whole, bool, f"{where}: data.lossless.{split}")


def _check_metrics(metrics: Record, where: str) -> None:
    for name in ("neg_elbo", "rec", "kl"):
        if name not in metrics:
            raise UserError(f"{where}: lacks '{name}'")
    for name, value in metrics.items():
        largest = LARGEST_PERPLEXITY if name.startswith("ppl") else LARGEST
        if name == "iw_curve" and value is not None:
            _check_type(value, list, f"{where}.{name}")
            _check_pairs(value, f"{where}.{name}")
        elif name == "iw_upper_bound" and (value is None or isinstance(value, bool)):
            continue
        elif not _is_number(value) and (value is not None or name in ("neg_elbo", "rec", "kl")):
            raise UserError(f"{where}.{name}: must be a number or null, not {value!r}")
        elif value is not None and abs(value) > largest:
            raise UserError(f"{where}.{name}: {value} is absurdly large")


def _check_lists(record: Record, where: str) -> None:
    for point in record["curve"]:
        if not isinstance(point, dict) or not _is_number(point.get("step")):
            raise UserError(f"{where}: curve: each point must be a table with a 'step'")
        if not all(value is None or _is_number(value) for value in point.values()):
            raise UserError(f"{where}: curve: step {point['step']}: must hold numbers or null")
    if not all(_is_number(value) for value in record["kl_spectrum"] or []):
        raise UserError(f"{where}: kl_spectrum: must hold numbers")
    _check_pairs(record["loss_by_position"] or [], f"{where}: loss_by_position")
    _check_pairs(record.get("weight_path") or [], f"{where}: weight_path")
    for code in record["provenance"].get("code_sha256_resumed", []):
        _check_type(code, str, f"{where}: code_sha256_resumed")


def _check_pairs(pairs: list[Any], where: str) -> None:
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(map(_is_number, pair)):
            raise UserError(f"{where}: must hold pairs of numbers, not {pair!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
