"""A study as one HTML file: its verdict, tables that sort, figures, and where each row comes from.

The file is complete: it fetches no script, style, font or image, and its policy forbids it to.
Equal records make equal files. `templates/page.html.jinja` says what a reader sees; this module
prepares what the template is given. Scripts are needed only to sort and to copy, and to place a
definition beside its button.
"""

import base64
import hashlib
import json
import math
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from benchmark.core.consistency import Finding
from benchmark.core.measures import METRICS
from benchmark.core.records import is_done
from benchmark.core.schema import Record
from benchmark.report import collapse, grouping
from benchmark.report.formats import LEGEND, STATES, Row, Table, default, definition
from benchmark.report.frame import measured
from benchmark.report.tables import remarks

TEMPLATES = Path(__file__).parent / "templates"
TEXTS = 2  # reconstructions, and samples from the prior, that the gallery shows of a run
DPI = 150  # of figures, as `benchmark.report.figures.style` has it, whose import takes a second
_UNQUOTED = " !$'()*+,-./:;=?@_~|[]{}^`"  # in an address that stands between "
_METHOD = ("baseline", "params.")  # settings that make up the method
# Control characters and halves of surrogate pairs: no HTML file may hold them.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def page(
    study: str,
    tables: Sequence[Table],
    lines: Sequence[Record],
    images: Mapping[str, bytes],
    findings: Sequence[Finding],
    file: str = "",
    results: str = "results",
    command: str = "",
    verdict: Sequence[tuple[str, list[str]]] = (),
    reading: str = "",
) -> str:
    """Return the page of a study.

    Args:
        study: its name.
        tables: in reading order; a row without ids shows no runs.
        lines: of the collected file.
        images: SVG or PNG files of figures, by title.
        findings: of `consistency.check`.
        file: of the study, as seen from the folder in which the page is made.
        results: the folder of the collected file.
        command: that makes the page.
        verdict: of `benchmark.report.verdict.verdict`.
        reading: what their words rest on.
    """
    findings = [*findings, *(Finding(None, text, False) for text in remarks(lines))]
    shown, sections = _sections(tables, lines)
    filters = {
        "anchor": lambda name: re.sub(r"\s", "_", _printable(name)),
        "base64": _base64,
        "command": partial(_command, file=file or f"paper/{study}.toml", results=results),
        "number": _number,
        "finite": lambda value: value is not None and math.isfinite(value),
        "size": _size,
        "source": _source,
    }
    return rendered(
        "page", filters,
        study=study, command=command or f"pcbench report {study}", lines=lines, images=images,
        source=f"{results}/{study}.jsonl", legend=LEGEND, sections=sections, shown=shown,
        contents=_contents(tables), gallery=_gallery(lines), tips=_tips(tables),
        verdict=verdict, reading=reading,
        wrong=[finding for finding in findings if finding.wrong],
        known=[finding for finding in findings if not finding.wrong],
        done=sum(map(is_done, lines)),
    )  # fmt: skip


def rendered(name: str, filters: Mapping[str, Any], **content: Any) -> str:
    """Return a complete page of a template, with its style and script and those that all share.

    Args:
        name: of ``NAME.html.jinja``, ``NAME.css`` and ``NAME.js`` among the templates.
        filters: of this template, beside ``digest``, ``label`` and ``prose``.
        content: what the template is given.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "digest": lambda text: _base64(hashlib.sha256(text.encode()).digest()),
        # A long label may break after the signs that it is put together with.
        "label": lambda name: Markup(re.sub(r"([_,:=])", r"\1<wbr>", str(escape(name)))),
        "prose": lambda text: Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))),
        **filters,
    }
    style, script = (
        Markup("".join((TEMPLATES / file).read_text(encoding="utf-8") for file in files))
        for files in (("base.css", f"{name}.css"), ("sort.js", f"{name}.js"))
    )
    template = environment.get_template(f"{name}.html.jinja")
    return _printable(template.render(style=style, script=script, **content))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _source(image: bytes) -> str:
    """Return an image as a data URL."""
    if image.startswith(b"\x89PNG"):
        return f"data:image/png;base64,{_base64(image)}"
    # In base64 it would be a third longer. Nothing is left that ends an attribute between ".
    text = image.decode().replace('"', "'")
    return Markup(f"data:image/svg+xml,{quote(text, safe=_UNQUOTED)}")


def _size(image: bytes) -> list[int]:
    """Return width and height in pixels: stated, so that nothing moves when the image is drawn."""
    if image.startswith(b"\x89PNG"):
        return [int.from_bytes(image[i : i + 4], "big") for i in (16, 20)]
    points = re.findall(r'(?:width|height)="([\d.]+)pt"', image[:1000].decode(errors="ignore"))
    return [round(float(size) * DPI / 72) for size in points[:2]]


def _tips(tables: Sequence[Table]) -> dict[str, str]:
    """Return the definitions of columns by title."""
    titles = dict.fromkeys(title for table in tables for title in table.columns)
    return {title: text for title in titles if (text := definition(title))}


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _number(value: object) -> str:
    """Return a record's number as text: six digits, "yes", a dash for None, JSON for the rest."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        text = f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
        return re.sub("^-", "−", text)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _sections(
    tables: Sequence[Table], lines: Sequence[Record]
) -> tuple[set[str], list[dict[str, Any]]]:
    """Return the ids of all runs that the page shows, and each table with its rows' panels.

    A run is shown once, in the first row that has it; other rows link to it.
    """
    by_id = {line["id"]: line for line in lines}
    shown: set[str] = set()
    sections = []
    for table in tables:
        runs = [[by_id[name] for name in row.ids if name in by_id] for row in table.rows]
        stated = [_settings(of_row[0]) for of_row in runs if of_row]
        names = Counter(name for settings in stated for name in settings)
        items = Counter(item for settings in stated for item in settings.items())
        # Shared by most rows that state a setting: a record from before it was added does not.
        usual = {item for item, count in items.items() if 2 * count > names[item[0]]}
        first = default(table)
        places = [*first, *(i for i in range(len(table.columns)) if i not in first)]
        rows = []
        for row, of_row in zip(table.rows, runs, strict=True):
            links = [name for name in row.ids if name in shown]
            new = [run for run in of_row if run["id"] not in shown]
            shown |= {run["id"] for run in new}
            cells = [(row.cells[i], _chips(table, row, i), i not in first) for i in places]
            rows.append((row, cells, _panel(new, usual) if new else None, links))
        heads = [(table.columns[i], i not in first) for i in places]
        sections.append({"table": table, "heads": heads, "rows": rows})
    return shown, sections


def _contents(tables: Sequence[Table]) -> list[tuple[Table, list[Table]]]:
    """Return each main table with the tables that stand below it."""
    contents: list[tuple[Table, list[Table]]] = []
    for table in tables:
        if table.kind == "main" or not contents:
            contents.append((table, []))
        else:
            contents[-1][1].append(table)
    return contents


def _chips(table: Table, row: Row, place: int) -> list[tuple[str, str]]:
    """Return pairs of text and state from the cell that counts the seeds in each state."""
    if table.columns[place] != STATES:
        return []
    counts = re.findall(r"\d+", row.cells[place].text)
    pairs = zip(counts, collapse.STATES, strict=False)
    return [(f"{count} {state}", state) for count, state in pairs if count != "0"]


def _settings(line: Record) -> dict[str, str]:
    """Return a run's settings but for its seed, as JSON by dotted name, the method's first."""
    values: dict[str, Any] = {}
    for key, value in line.get("config", {}).items():
        if isinstance(value, dict):
            values |= {f"{key}.{name}": inner for name, inner in value.items()}
        elif key != "seed":
            values[key] = value
    names = sorted(values, key=lambda name: (not name.startswith(_METHOD), name))
    return {name: json.dumps(values[name], ensure_ascii=False) for name in names}


def _panel(runs: Sequence[Record], usual: set[tuple[str, str]]) -> dict[str, Any]:
    """Return what the panel of a row shows of its runs, with or without a record.

    Args:
        runs: lines of the collected file.
        usual: the settings that most rows of the table share, and their values.
    """
    done = [run for run in runs if is_done(run)]
    settings = _settings(done[0]) if done else {}
    tests = [measured(run, "test") if is_done(run) else {} for run in runs]
    for test in tests:
        if test.get("iw_curve"):
            test["iw_curve"] = ", ".join(f"{n:,}: {nats:.3f}" for n, nats in test["iw_curve"])
    names = {name for test in tests for name in test}
    ordered = [name for name in METRICS if name in names] + sorted(names - set(METRICS))
    unusual = {
        name: value
        for name, value in settings.items()
        if name.startswith(_METHOD) or (name, value) not in usual
    }
    return {
        "runs": runs,
        "settings": settings,
        "unusual": unusual,
        "metrics": {name: [test.get(name) for test in tests] for name in ordered},
    }


def _command(line: Record, file: str, results: str) -> str:
    """Return the command that trains a run; a finished one again, which `pcbench run` refuses."""
    if not is_done(line):
        return shlex.join(["pcbench", "run", file, "--id", line["id"]])
    words = ["pcbench", "reproduce", line["id"]]
    words += ["--results", results] if results != "results" else []
    data, outside = line["config"]["data"], line["config"].get("file")
    if data.startswith("text:"):  # the record keeps no path
        words += ["--text", data.removeprefix("text:").partition(",")[0]]
    words += ["--file", str(Path(file).parent / outside)] if outside else []
    return shlex.join(words)


def _gallery(lines: Sequence[Record]) -> list[dict[str, Any]]:
    """Return what the models of each table write: of each row, texts of its first seed with any.

    Records hold texts of the exact languages only.
    """
    gallery = []
    for group in grouping.groups(lines):
        first: dict[str, Record] = {}
        for line in group.lines:
            if line.get("samples"):
                first.setdefault(line["label"], line)
        given: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
        prior, between = [], []
        for line in first.values():
            title, samples = f"{line['label']}, seed {line['config']['seed']}", line["samples"]
            for one in samples.get("reconstructions", [])[:TEXTS]:
                given[one["text"]].append((title, [one["mean"], one["sample"]]))
            prior += [(title, [text]) for text in samples.get("prior", [])[:TEXTS]]
            between += [(title, one) for one in samples.get("interpolations", [])[:1]]
        if first:
            parts = {"given": given, "prior": prior, "between": between}
            gallery.append({"title": group.title, **parts})
    return gallery
