"""A study as one HTML file: tables that sort, figures, texts, and where each row comes from.

The file is complete: no script, style, font or image is fetched, and its policy forbids it. It is
the same for the same records. It needs scripts only to sort and to copy.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from benchmark.core.consistency import Finding
from benchmark.core.records import is_done
from benchmark.report.page import gallery, head
from benchmark.report.page.markup import link, prose, text
from benchmark.report.page.runs import Origin as Origin
from benchmark.report.page.tables import Sections
from benchmark.report.render import LEGEND, Table
from benchmark.report.tables import remarks

Record = dict[str, Any]


def page(
    study: str,
    tables: Sequence[Table],
    lines: Sequence[Record],
    images: Mapping[str, bytes],
    findings: Sequence[Finding],
    origin: Origin | None = None,
) -> str:
    """The page of a study.

    Args:
        study: its name.
        tables: in reading order; rows without ids tell of no runs.
        lines: of the collected file.
        images: title of a figure to its PNG.
        findings: of `consistency.check`.
        origin: what it is made of; None: what the repository keeps.
    """
    origin = origin or Origin(f"paper/{study}.toml", "results", f"pcbench report {study}")
    sections = Sections(origin, lines)
    parts = {f"table-{table.name}": (table.title, sections.section(table)) for table in tables}
    parts["figures"] = ("Figures", _figures(images))
    parts["gallery"] = ("What the models write", gallery.section(lines))
    parts["findings"] = ("Checks of the records", _findings(lines, findings, sections.told))
    parts = {name: part for name, part in parts.items() if part[1]}
    contents = "".join(f"<li>{link(name, prose(title))}</li>" for name, (title, _) in parts.items())
    style, script = _file("page.css"), _file("page.js")
    return Template(_file("page.html")).substitute(
        title=text(study),
        policy=f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src "
        f"'{_digest(script)}'; base-uri 'none'; form-action 'none'",
        style=style,
        script=script,
        facts=head.facts(lines),
        warning=_warning(findings),
        command=text(origin.command),
        source=text(f"{origin.results}/{study}.jsonl"),
        legend=prose(LEGEND),
        contents=contents,
        body="".join(part for _, part in parts.values()),
    )


def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    """As a Content-Security-Policy names an inline script or style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _figures(images: Mapping[str, bytes]) -> str:
    found = "".join(
        f'<figure><img loading="lazy" decoding="async" alt="Figure {i}: {text(title)}"'
        f'{_size(png)} src="data:image/png;base64,{base64.b64encode(png).decode()}">'
        f"<figcaption>Figure {i}. {prose(title)}</figcaption></figure>"
        for i, (title, png) in enumerate(images.items(), start=1)
    )
    if not found:
        return ""
    return f'<section id="figures"><h2>Figures</h2><div class="figures">{found}</div></section>'


def _size(png: bytes) -> str:
    """Width and height, so that nothing moves when it is drawn."""
    width, height = (int.from_bytes(png[i : i + 4], "big") for i in (16, 20))
    return f' width="{width}" height="{height}"'


def _warning(findings: Sequence[Finding]) -> str:
    wrong = sum(finding.wrong for finding in findings)
    if not wrong:
        return ""
    count = "1 inconsistency" if wrong == 1 else f"{wrong} inconsistencies"
    return (
        f'<p class="warning">{count} found in the records: do not trust the figures before you '
        f"have read {link('findings', 'what the checks say')}.</p>"
    )


def _findings(lines: Sequence[Record], findings: Sequence[Finding], told: set[str]) -> str:
    """What is wrong, what must be known, and what the study no longer names."""
    wrong = [_finding(finding, told) for finding in findings if finding.wrong]
    known = [_finding(finding, told) for finding in findings if not finding.wrong]
    known += [f"<li>{prose(remark)}</li>" for remark in remarks(lines)]
    done = sum(is_done(line) for line in lines)
    passed = "" if wrong else f"<p>No contradiction was found in {done} records.</p>"
    lists = (("Inconsistent records", "wrong", wrong), ("Remarks", "remarks", known))
    return (
        f'<section id="findings"><h2>Checks of the records</h2>{passed}'
        + "".join(
            f'<h3>{title}</h3><ul class="{kind}">{"".join(items)}</ul>'
            for title, kind, items in lists
            if items
        )
        + "</section>"
    )


def _finding(finding: Finding, told: set[str]) -> str:
    if finding.id is None:
        return f"<li>{prose(finding.text)}</li>"
    run = f"<code>{text(finding.id)}</code>"
    run = link(f"run-{finding.id}", run) if finding.id in told else run
    return f"<li>{run}: {prose(finding.text)}</li>"
