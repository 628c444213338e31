"""The report of a study: its table, written and returned, and what its records give to doubt."""

from pathlib import Path

from benchmark import sentences
from benchmark.errors import UserError
from benchmark.files import write_atomic
from benchmark.records import read_jsonl
from benchmark.report import checkpoints, consistency, render, tables

DOUBT = "\nInconsistent records, so nothing was written:\n"  # what stands before what is wrong


def report(study: str, results: Path, out: Path, readme: Path | None = None) -> str:
    """Write ``out/<study>.{md,tex,csv}`` from ``results/<study>.jsonl``, unless that is wrong.

    Args:
        study: a study file or its name.
        results: folder of collected files.
        out: folder of the tables.
        readme: a page in which the short table goes between the study's markers.

    Returns:
        The tables in Markdown, below them the remarks of `consistency.check`, and below those, with
        file and line, what it finds wrong.

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
    arrays = checkpoints.load(sentences.path_of(results, name), lines)
    built = tables.build(name, lines, arrays)
    found = consistency.check(lines)
    remarks = [f"{one.id}: {one.text}" if one.id else one.text for one in found if not one.wrong]
    text = render.markdown(name, built, tables.remarks(lines) + remarks)
    wrong = [one.told(path) for one in found if one.wrong]
    if wrong:
        return text + DOUBT + "\n".join(f"- {one}" for one in wrong)
    for kind, content in (
        ("md", text),
        ("tex", render.latex(name, built)),
        ("csv", render.csv(built)),
    ):
        write_atomic(out / f"{name}.{kind}", content.encode())
    if readme is not None:
        fill(readme, name, render.short(built))
    return text.rstrip("\n")


def fill(page: Path, name: str, text: str) -> None:
    """Put ``text`` between ``<!-- results:NAME -->`` and ``<!-- /results:NAME -->`` in a page.

    Raises:
        UserError: the page cannot be read or written, or lacks the markers.
    """
    start, end = f"<!-- results:{name} -->", f"<!-- /results:{name} -->"
    try:
        before = page.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{page}: cannot be read ({error.strerror})") from error
    head, opened, rest = before.partition(start)
    _, closed, tail = rest.partition(end)
    if not (opened and closed):
        raise UserError(f"{page}: lacks the lines {start} and {end}; add them where the table goes")
    write_atomic(page, f"{head}{start}\n{text}\n{end}{tail}".encode())
