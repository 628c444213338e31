"""What models write, side by side: texts as recorded, escaped."""

from collections import defaultdict
from collections.abc import Sequence

from benchmark.report.gallery import Exhibit
from benchmark.report.page.markup import code, name, text

_Rows = list[tuple[str, ...]]


def section(gallery: Sequence[Exhibit]) -> str:
    """The gallery, a fold for each table's runs; nothing where there are no texts."""
    if not gallery:
        return ""
    groups: dict[str, list[Exhibit]] = defaultdict(list)
    for exhibit in gallery:
        groups[exhibit.group].append(exhibit)
    folds = [
        f"<details{' open' if i == 0 else ''}><summary><h3>{text(title)}</h3></summary>"
        f"{_group(exhibits)}</details>"
        for i, (title, exhibits) in enumerate(groups.items())
    ]
    return (
        '<section id="gallery"><h2>What the models write</h2>'
        "<p>One run of each row that has texts on record. A model with "
        "a latent variable decodes greedily, so texts differ by z alone; a language model draws "
        f"each word. […] marks a text cut at its greatest length.</p>{''.join(folds)}</section>"
    )


def _group(exhibits: Sequence[Exhibit]) -> str:
    given: dict[str, _Rows] = defaultdict(list)
    for exhibit in exhibits:
        for one in exhibit.reconstructions:
            given[one.text].append((_name(exhibit), one.mean, one.sample))
    parts = [
        f"<h4>Reconstructions of {code(sentence)}</h4>"
        + _table(("from the posterior’s mean", "from one draw of the posterior"), rows)
        for sentence, rows in given.items()
    ]
    prior: _Rows = [(_name(e), written) for e in exhibits for written in e.prior]
    if prior:
        parts += ["<h4>From the prior</h4>", _table(("z ~ N(0, I)",), prior)]
    between = [e for e in exhibits if e.interpolation]
    if between:
        parts += ["<h4>Between the posterior means of two sentences</h4>", *map(_between, between)]
    return "".join(parts)


def _between(exhibit: Exhibit) -> str:
    found = exhibit.interpolation
    assert found is not None
    steps = "".join(f"<li>{code(step)}</li>" for step in found.steps)
    return (
        f"<details><summary>{text(_name(exhibit))}</summary><p>From {code(found.start)}</p>"
        f"<ol>{steps}</ol><p>to {code(found.end)}</p></details>"
    )


def _name(exhibit: Exhibit) -> str:
    return f"{exhibit.label}, seed {exhibit.seed}"


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
