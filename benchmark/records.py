"""The result record: its shape, its checks, its provenance, and writing it once.

A record is one JSON object on one line: sorted keys, no NaN. ``results/README.md`` tells its
fields. Reading is strict: whatever is wrong is told with file, line and reason; nothing is guessed.
"""

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.files import sha256_bytes
from benchmark.provenance import code_sha256 as code_sha256
from benchmark.provenance import provenance as provenance

SCHEMA = 1
METRICS = (
    "neg_elbo", "rec", "kl", "mi", "mi_cap", "mi_batch", "marginal_kl", "au", "au_0.05", "au_0.2",
    "iw_nll", "ppl_elbo", "ppl_iw", "ess", "z_use", "bleu", "excess", "recovered", "recovered_mean",
)  # fmt: skip
STATUSES = ("done", "running", "stopped", "failed", "missing")

Record = dict[str, Any]

_REQUIRED: dict[str, type | tuple[type, ...]] = {
    "id": str,
    "config": dict,
    "data": dict,
    "metrics": dict,
    "curve": list,
    "kl_spectrum": (list, type(None)),
    "loss_by_position": (list, type(None)),
    "updates": dict,
    "best_step": int,
    "parameters": int,
    "cost": dict,
    "provenance": dict,
}
_NESTED: dict[str, tuple[str, ...]] = {
    "config": ("data", "baseline", "seed", "precision", "params", "model", "train", "evaluate"),
    "data": ("name", "sha256"),
    "metrics": ("valid", "test", "last"),
    "updates": ("encoder", "decoder", "passes"),
    "cost": ("seconds", "tokens", "tokens_per_second", "peak_mb", "device"),
    "provenance": ("commit", "code_sha256", "dirty", "python", "torch", "cpu", "threads"),
}


def default_runs() -> Path:
    """The runs folder: ``$PCBENCH_RUNS``, or ``results/runs`` below the current folder."""
    return Path(os.environ.get("PCBENCH_RUNS") or "results/runs")


def validate(record: object, where: str) -> None:
    """Check a complete record's shape.

    Args:
        record: what was parsed or is about to be written.
        where: file and line, for the message.

    Raises:
        UserError: unknown schema, a missing key, a wrong type, NaN or an infinite number.
    """
    if not isinstance(record, dict):
        raise UserError(f"{where}: a record must be a JSON object")
    _check_schema(record, where)
    for key, kind in _REQUIRED.items():
        if key not in record:
            raise UserError(f"{where}: the record lacks '{key}'")
        _check_type(record[key], kind, f"{where}: {key}")
    for key, names in _NESTED.items():
        for name in names:
            if name not in record[key]:
                raise UserError(f"{where}: {key} lacks '{name}'")
    _check_finite(record, where, "record")
    _check_samples(record, where)
    for split in _NESTED["metrics"]:
        _check_metrics(record["metrics"][split], f"{where}: metrics.{split}")
    for point in record["curve"]:
        if not isinstance(point, dict) or "step" not in point:
            raise UserError(f"{where}: curve: each point must be a table with a 'step'")


def validate_line(line: object, where: str) -> None:
    """Check one line of a collected file: a record, or the status of a run that has none.

    Raises:
        UserError: see `validate`; or an unknown status, or a missing id.
    """
    status = line.get("status", "done") if isinstance(line, dict) else "done"
    if status == "done":
        validate(line, where)
        return
    assert isinstance(line, dict)
    _check_schema(line, where)
    if status not in STATUSES:
        raise UserError(f"{where}: unknown status {status!r}; known: {', '.join(STATUSES)}")
    if not isinstance(line.get("id"), str):
        raise UserError(f"{where}: the line lacks 'id'")
    _check_finite(line, where, "line")


def _check_schema(record: Record, where: str) -> None:
    schema = record.get("schema")
    if schema != SCHEMA or isinstance(schema, bool):
        raise UserError(f"{where}: unknown schema {schema!r}; this version reads schema {SCHEMA}")


def _check_samples(record: Record, where: str) -> None:
    if "samples" not in record:
        return
    _check_type(record["samples"], dict, f"{where}: samples")
    if "entropy" not in record["data"]:
        raise UserError(f"{where}: samples: of an exact language only; other text is not ours")


def _check_type(value: object, kind: type | tuple[type, ...], where: str) -> None:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(k.__name__ for k in kinds)
        raise UserError(f"{where}: must be {wanted}, not {type(value).__name__}")


def _check_finite(value: object, where: str, name: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{where}: {name} is {value}; records hold finite numbers or null")
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


def _check_metrics(metrics: object, where: str) -> None:
    if not isinstance(metrics, dict):
        raise UserError(f"{where}: must be a table of metrics")
    for name in ("neg_elbo", "rec", "kl"):
        if name not in metrics:
            raise UserError(f"{where}: lacks '{name}'")
    for name in METRICS:
        value = metrics.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise UserError(f"{where}.{name}: must be a number or null, not {value!r}")


def dumps(record: Record) -> str:
    """One line of JSON: sorted keys, no NaN, no blanks, without the line's end."""
    return json.dumps(
        record, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":")
    )


def digest(record: Record) -> str:
    """Hexadecimal sha256 of a record as written, without what collecting adds to its line."""
    added = ("digest", "status", "label", "row")
    return sha256_bytes(dumps({k: v for k, v in record.items() if k not in added}).encode())


def loads(text: str, where: str) -> Any:
    """Parse strict JSON (NaN and Infinity are refused).

    Raises:
        UserError: the text is damaged or cut off; ``where`` says which file and line.
    """

    def refuse(constant: str) -> float:
        raise ValueError(f"{constant} is no number")

    try:
        return json.loads(text, parse_constant=refuse)
    except ValueError as error:
        raise UserError(f"{where}: damaged or cut off ({error}); restore the file") from None


def read(path: Path) -> Record:
    """Read and check one record file.

    Raises:
        UserError: it is missing, damaged, or not a valid record.
    """
    record: Record = loads(_text(path), str(path))
    validate(record, str(path))
    return record


def read_jsonl(path: Path) -> list[Record]:
    """Read and check a collected file, one line a run.

    Raises:
        UserError: with file, line number and reason; also when an id occurs twice.
    """
    lines: list[Record] = []
    seen: dict[str, int] = {}
    for number, text in enumerate(_text(path).splitlines(), start=1):
        where = f"{path}:{number}"
        line = loads(text, where)
        validate_line(line, where)
        if line["id"] in seen:
            raise UserError(f"{where}: {line['id']} stands on line {seen[line['id']]} already")
        seen[line["id"]] = number
        lines.append(line)
    return lines


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None


def differences(first: Record, second: Record) -> list[str]:
    """What differs between two records of one run, in what is deterministic: id, config, metrics.

    Returns:
        One text a difference, "metrics.test.kl: 1.0 against 1.1"; empty when they agree.
    """
    found: list[str] = []

    def compare(a: object, b: object, name: str) -> None:
        if isinstance(a, dict) and isinstance(b, dict):
            for key in sorted(a.keys() | b.keys()):
                compare(a.get(key), b.get(key), f"{name}.{key}" if name else str(key))
        elif a != b:
            found.append(f"{name}: {a} against {b}")

    for key in ("id", "config", "metrics"):
        compare(first.get(key), second.get(key), key)
    return found


def write_exclusive(folder: Path, record: Record) -> bool:
    """Write ``folder/record.json`` completely or not at all, and never over another.

    The first complete record wins. The temporary file is linked to its name, which fails when the
    name exists; on file systems without hard links it is renamed after a look.

    Returns:
        True if this record was written; False if an equal one (id, config, metrics) was there.

    Raises:
        UserError: the record is invalid, the folder cannot be written, or another record is there.
    """
    path = folder / "record.json"
    # Through JSON, so that tuples, ints and floats compare as they will be read.
    record = json.loads(json.dumps(record))
    validate(record, str(path))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".record.", suffix=".tmp") as temporary:
            temporary.write((dumps(record) + "\n").encode())
            temporary.flush()
            os.fsync(temporary.fileno())
            os.chmod(temporary.name, 0o644)
            if _link(Path(temporary.name), path):
                return True
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); free or choose another folder"
        ) from error
    different = differences(read(path), record)
    if not different:
        return False
    shown = "; ".join(different[:3]) + ("; ..." if len(different) > 3 else "")
    raise UserError(
        f"{path}: a record exists already and is kept; this run's differs in "
        f"{len(different)} places ({shown})"
    )


def _link(temporary: Path, path: Path) -> bool:
    """Give the complete file its name unless the name is taken; False if it is."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:
        if path.exists():
            return False
        copy = temporary.with_suffix(".copy")
        copy.write_bytes(temporary.read_bytes())
        os.replace(copy, path)
    return True
