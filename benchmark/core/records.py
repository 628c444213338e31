"""The result record: reading it strictly, its digest, and writing it once.

A record is one JSON object on one line: sorted keys, no NaN. Whatever is wrong with a file is told
with line and reason; nothing is guessed. `benchmark.schema` tells what is right.
"""

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any, Literal

from benchmark.core.errors import UserError
from benchmark.core.files import sha256_bytes
from benchmark.core.provenance import code_sha256 as code_sha256
from benchmark.core.provenance import provenance as provenance
from benchmark.core.schema import METRICS as METRICS
from benchmark.core.schema import SCHEMA as SCHEMA
from benchmark.core.schema import STATUSES as STATUSES
from benchmark.core.schema import Record as Record
from benchmark.core.schema import is_done as is_done
from benchmark.core.schema import validate as validate
from benchmark.core.schema import validate_line as validate_line

_CONFLICT = (b"<<<<<<< ", b"=======", b">>>>>>> ", b"||||||| ")  # git's marks
# HTML, or what steers a terminal; the tokens that begin and end a sentence are neither.
_MARKUP = re.compile(r"<(?!/?s>|unk>)[!/?]?[a-z]|[\x00-\x08\x0b-\x1f\x7f]", re.IGNORECASE)


def default_runs() -> Path:
    """The runs folder: ``$PCBENCH_RUNS``, or ``results/runs`` below the current folder."""
    return Path(os.environ.get("PCBENCH_RUNS") or "results/runs")


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
    """Parse strict JSON: NaN, Infinity and a key that stands twice are refused.

    Raises:
        UserError: the text is damaged or cut off; ``where`` says which file and line.
    """

    def refuse(constant: str) -> float:
        raise ValueError(f"{constant} is no number")

    def once(pairs: list[tuple[str, Any]]) -> Record:
        table = dict(pairs)
        if len(table) < len(pairs):
            names = [name for name, _ in pairs]
            raise ValueError(f"'{next(n for n in names if names.count(n) > 1)}' stands twice")
        return table

    if not text.strip():
        raise UserError(f"{where}: the line is empty; restore the file")
    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        reason = str(error).split(";")[0]
        raise UserError(f"{where}: damaged or cut off ({reason}); restore the file") from None


def marked(text: str) -> bool:
    """Whether a browser or a terminal could take the text for more than text."""
    return _MARKUP.search(text) is not None


def read(path: Path) -> Record:
    """Read and check one record file.

    Raises:
        UserError: it is missing, damaged, or not a valid record.
    """
    record: Record = loads(_decoded(_bytes(path), str(path)), str(path))
    validate(record, str(path))
    return record


def read_jsonl(path: Path) -> list[Record]:
    """Read and check a collected file, one line a run.

    Raises:
        UserError: with file, line number and reason; also when an id occurs twice.
    """
    lines: list[Record] = []
    seen: dict[str, int] = {}
    content = _bytes(path)
    # Lines end with a line feed alone: a text may hold other ends, such as U+2028.
    raws = content.removesuffix(b"\n").split(b"\n") if content else []
    for number, raw in enumerate(raws, start=1):
        where = f"{path}:{number}"
        if raw.startswith(_CONFLICT):
            raise UserError(
                f"{where}: git left a conflict here; keep one side and collect the other: "
                f"git show :3:./{path.name} >/tmp/theirs.jsonl; git checkout --ours {path.name} "
                f"(both in {path.parent}); pcbench collect {path.stem} --from /tmp/theirs.jsonl"
            )
        line = loads(_decoded(raw, where), where)
        validate_line(line, where)
        if line["id"] in seen:
            raise UserError(f"{where}: {line['id']} stands on line {seen[line['id']]} already")
        seen[line["id"]] = number
        lines.append(line)
    return lines


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error})") from None


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 at byte {error.start + 1}"
        raise UserError(f"{where}: damaged ({reason}); restore the file") from None


def differences(
    first: Record, second: Record, *parts: Literal["id", "config", "metrics"]
) -> list[str]:
    """What differs between two records of one run, in what is deterministic: id, config, metrics.

    ``parts`` restricts the comparison to some of the three.

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

    for key in parts or ("id", "config", "metrics"):
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
