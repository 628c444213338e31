"""The report of a study: its table, written and returned, and what its records give to doubt."""

from pathlib import Path

from benchmark.errors import UserError
from benchmark.files import write_atomic
from benchmark.records import read_jsonl
from benchmark.report import consistency, tables

DOUBT = "\nInconsistent records:\n"  # what stands before the findings


def report(study: str, results: Path, out: Path) -> str:
    """Write ``out/<study>.md`` from ``results/<study>.jsonl``.

    Args:
        study: a study file or its name.
        results: folder of collected files.
        out: folder of tables.

    Returns:
        The table in Markdown, and below it the findings of `consistency.check`.

    Raises:
        UserError: nothing is collected, a line is damaged, or the table cannot be written.
    """
    name = Path(study).stem
    path = results / f"{name}.jsonl"
    if not path.exists():
        raise UserError(f"{path}: no such file; run `pcbench collect {study}` first")
    lines = read_jsonl(path)
    if not lines:
        raise UserError(f"{path}: holds no run; run `pcbench collect {study}` again")
    text = tables.markdown(name, lines)
    write_atomic(out / f"{name}.md", text.encode())
    found = consistency.check(lines)
    if found:
        text += DOUBT + "".join(f"- {i}: {what}\n" for i, what in found)
    return text.rstrip("\n")
