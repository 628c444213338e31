"""What models write, side by side: a few recorded texts of one run a row, escaped.

Records hold texts of the exact languages only; runs without any, and those of before records had
them, are left out.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmark.report import comparable
from benchmark.report.page.markup import code, name, text

Record = Mapping[str, Any]

MOST = 2  # reconstructions, and samples from the prior, of each run

_Rows = list[tuple[str, ...]]


def section(lines: Sequence[dict[str, Any]]) -> str:
    """The gallery, a fold for each table's runs; nothing where there are no texts.

    Args:
        lines: of a study's collected file.
    """
    groups = [(group.title, _chosen(group.lines)) for group in comparable.groups(lines)]
    groups = [(title, runs) for title, runs in groups if runs]
    if not groups:
        return ""
    folds = [
        f"<details{' open' if i == 0 else ''}><summary><h3>{text(title)}</h3></summary>"
        f"{_group(runs)}</details>"
        for i, (title, runs) in enumerate(groups)
    ]
    return (
        '<section id="gallery"><h2>What the models write</h2>'
        "<p>One run of each row that has texts on record. A model with "
        "a latent variable decodes greedily, so texts differ by z alone; a language model draws "
        f"each word. […] marks a text cut at its greatest length.</p>{''.join(folds)}</section>"
    )


def _chosen(lines: Iterable[Record]) -> list[Record]:
    """Of each row the first seed that has texts."""
    found: dict[str, Record] = {}
    for line in lines:
        if line.get("samples"):
            found.setdefault(line["label"], line)
    return list(found.values())


def _group(runs: Sequence[Record]) -> str:
    given: dict[str, _Rows] = defaultdict(list)
    prior: _Rows = []
    between = []
    for run in runs:
        title, samples = f"{run['label']}, seed {run['config']['seed']}", run["samples"]
        for one in samples.get("reconstructions", [])[:MOST]:
            given[one["text"]].append((title, one["mean"], one["sample"]))
        prior += [(title, written) for written in samples.get("prior", [])[:MOST]]
        between += [_between(title, one) for one in samples.get("interpolations", [])[:1]]
    parts = [
        f"<h4>Reconstructions of {code(sentence)}</h4>"
        + _table(("from the posterior’s mean", "from one draw of the posterior"), rows)
        for sentence, rows in given.items()
    ]
    if prior:
        parts += ["<h4>From the prior</h4>", _table(("z ~ N(0, I)",), prior)]
    if between:
        parts += ["<h4>Between the posterior means of two sentences</h4>", *between]
    return "".join(parts)


def _between(title: str, found: Record) -> str:
    steps = "".join(f"<li>{code(step)}</li>" for step in found["steps"])
    return (
        f"<details><summary>{text(title)}</summary><p>From {code(found['from'])}</p>"
        f"<ol>{steps}</ol><p>to {code(found['to'])}</p></details>"
    )


def _table(heads: Sequence[str], rows: _Rows) -> str:
    """A row a text; a name stands once for the rows that it begins."""
    head = "".join(f'<th scope="col">{text(title)}</th>' for title in ("baseline", *heads))
    body, last = [], None
    for row, *texts in rows:
        cells = "".join(f"<td>{code(written)}</td>" for written in texts)
        body.append(f'<tr><th scope="row">{name(row) if row != last else ""}</th>{cells}</tr>')
        last = row
    return (
        '<div class="box" tabindex="0"><table class="texts"><thead><tr>'
        f"{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )
