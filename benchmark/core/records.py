"""Reading and writing records: one JSON object on one line, checked on the way in and out."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from benchmark.core.errors import UserError
from benchmark.core.files import write_atomic
from benchmark.core.schema import SCHEMA as SCHEMA
from benchmark.core.schema import Record as Record
from benchmark.core.schema import digest as digest
from benchmark.core.schema import dumps as dumps
from benchmark.core.schema import is_done as is_done
from benchmark.core.schema import validate as validate

FILE = "record.json"  # in a run's folder; it alone means that the run is done
_CONFLICT = (b"<<<<<<< ", b"=======", b">>>>>>> ", b"||||||| ")  # the marks that Git leaves
# HTML, or what steers a terminal; the tokens that begin and end a sentence are neither.
_MARKUP = re.compile(r"<(?!/?s>|unk>)[!/?]?[a-z]|[\x00-\x08\x0b-\x1f\x7f]", re.IGNORECASE)


def default_runs() -> Path:
    """Return the runs folder: ``$PCBENCH_RUNS``, or ``results/runs`` below the current folder."""
    return Path(os.environ.get("PCBENCH_RUNS") or "results/runs")


def finished(folder: Path) -> bool:
    """Return whether the run in a folder is done."""
    return (folder / FILE).exists()


def marked(text: str) -> bool:
    """Return whether a text holds what a browser or a terminal would take for a command."""
    return _MARKUP.search(text) is not None


def texts(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text of a record, keys included, as a pair of its place and the text."""
    if isinstance(value, str):
        yield name or "record", value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield name or "record", key
            yield from texts(item, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item, name)


def read(path: Path) -> Record:
    """Read and check one record file.

    Raises:
        UserError: it is missing, damaged, or not a valid record.
    """
    record = _parse(_bytes(path), str(path))
    validate(record, str(path))
    return record


def read_jsonl(path: Path) -> list[Record]:
    """Read and check a collected file, which has a line for each run.

    Raises:
        UserError: a line is damaged or not valid, or an id occurs twice.
    """
    lines: dict[str, Record] = {}
    content = _bytes(path)
    # Not splitlines: a text may hold other ends of lines, such as U+2028.
    raws = content.removesuffix(b"\n").split(b"\n") if content else []
    for number, raw in enumerate(raws, start=1):
        where = f"{path}:{number}"
        if raw.startswith(_CONFLICT):
            raise UserError(
                f"{where}: git left a conflict here; keep one side and collect the other: "
                f"git show :3:./{path.name} >/tmp/theirs.jsonl; git checkout --ours {path.name} "
                f"(both in {path.parent}); pcbench collect {path.stem} --from /tmp/theirs.jsonl"
            )
        line = _parse(raw, where)
        validate(line, where, absent=True)
        if line["id"] in lines:
            first = list(lines).index(line["id"]) + 1
            raise UserError(f"{where}: {line['id']} is on line {first} already; remove one of them")
        lines[line["id"]] = line
    return list(lines.values())


def _bytes(path: Path) -> bytes:
    # A UserError, since callers that look at many runs go on after a record they cannot read.
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _parse(raw: bytes, where: str) -> Record:
    """Parse a line of JSON in which no object has a key twice."""
    if not raw.strip():
        raise UserError(f"{where}: the line is empty; restore the file")
    try:
        record: Record = json.loads(raw.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        reason = str(error).split(";")[0]
        raise UserError(f"{where}: damaged or cut off ({reason}); restore the file") from None
    return record


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"'{max(names, key=names.count)}' occurs twice")
    return table


def write_exclusive(folder: Path, record: Mapping[str, Any]) -> bool:
    """Write a run's record, unless the run has one; then compare the two.

    The first complete record wins, even if two processes both train the run.

    Returns:
        True if the record was written; False if an equal one (id, config, metrics) was there.

    Raises:
        UserError: the record is invalid, the folder cannot be written, or another record is there.
    """
    path = folder / FILE
    fresh = json.loads(json.dumps(record))  # as it will be read: tuples become lists
    validate(fresh, str(path))
    if write_atomic(path, f"{dumps(fresh)}\n".encode(), replace=False):
        return True
    different = differences(read(path), fresh)
    if different:
        shown = "; ".join(different[:3]) + ("; ..." if len(different) > 3 else "")
        raise UserError(
            f"{path}: a record exists already and is kept; this run's new record "
            f"differs in {len(different)} places ({shown})"
        )
    return False


def differences(
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    *parts: Literal["id", "config", "metrics", "evaluation_digest"],
) -> list[str]:
    """Return where two records of one run differ in ``parts``, by default all deterministic ones.

    Returns:
        A text for each difference, "metrics.test.kl: 1.0 against 1.1"; empty if they agree.
    """
    different: list[str] = []

    def compare(a: object, b: object, name: str) -> None:
        if isinstance(a, dict) and isinstance(b, dict):
            for key in sorted(a.keys() | b.keys()):
                compare(a.get(key), b.get(key), f"{name}.{key}")
        elif a != b:
            different.append(f"{name}: {a} against {b}")

    for key in parts or ("id", "config", "metrics"):
        compare(first.get(key), second.get(key), key)
    return different
