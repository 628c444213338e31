"""Where the figures of a row come from: what its runs were, and the commands that repeat them."""

import json
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.core.records import METRICS, is_done
from benchmark.report.frame import figures
from benchmark.report.page.markup import anchor, code, figure, link, text

Record = dict[str, Any]

_METHOD = ("baseline", "params.")


def settings(line: Record) -> dict[str, str]:
    """A run's settings without its seed, as JSON by dotted name, the method's own first."""
    found = dict(_flat(line.get("config", {})))
    found.pop("seed", None)
    names = sorted(found, key=lambda name: (not name.startswith(_METHOD), name))
    return {name: json.dumps(found[name], ensure_ascii=False) for name in names}


def usual(rows: Iterable[Sequence[Record]]) -> dict[str, str]:
    """The values that more than half of the rows which state a setting share.

    Records of before a setting was added do not state it.

    Args:
        rows: the runs of each row.
    """
    firsts = [settings(runs[0]) for runs in rows if runs]
    stated = Counter(name for found in firsts for name in found)
    counts = Counter(item for found in firsts for item in found.items())
    return {name: value for (name, value), n in counts.items() if 2 * n > stated[name]}


@dataclass(frozen=True)
class Origin:
    """What a page is made of, as seen from the folder in which it is made.

    Attributes:
        file: of the study.
        results: the folder of the collected records.
        command: that makes the page.
    """

    file: str
    results: str
    command: str


def panel(origin: Origin, label: str, runs: Sequence[Record], common: Mapping[str, str]) -> str:
    """What is known of the runs of a row.

    Args:
        origin: of the page.
        label: the row's.
        runs: the row's lines of the collected file, with or without a record.
        common: the settings of most rows (`usual`).
    """
    number = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    return "".join((
        f"<h3>{text(label)}: {number}</h3>",
        "<h4>Run it again</h4>", _commands(origin, runs),
        _settings(runs, common),
        "<h4>Provenance and figures of each seed</h4>", _facts(runs),
    ))  # fmt: skip


def links(ids: Iterable[str]) -> str:
    """Links to runs that another row's panel tells of."""
    found = "".join(f"<li>{link(f'run-{i}', code(i))}</li>" for i in ids)
    return f"<h4>Runs</h4><ul>{found}</ul>"


def _commands(origin: Origin, runs: Sequence[Record]) -> str:
    """The command of each run, with a button that copies it."""
    rows = (
        f"<li><span>{_seed(line)}</span>"
        f'<button type="button" class="copy">Copy</button>{code(_command(origin, line))}</li>'
        for line in runs
    )
    why = (
        "<p>In the folder where this page was made, after the data is prepared there: "
        f"{code('reproduce')} trains a run anew, beside what is there, and compares every figure "
        f"with the record; {code('run')} makes a record that is missing.</p>"
    )
    return f'{why}<ul class="commands">{"".join(rows)}</ul>'


def _command(origin: Origin, line: Record) -> str:
    """What trains a run; a finished one again, which `pcbench run` refuses."""
    if not is_done(line):
        return shlex.join(["pcbench", "run", origin.file, "--id", line["id"]])
    words = ["pcbench", "reproduce", line["id"]]
    words += ["--results", origin.results] if origin.results != "results" else []
    if (data := line["config"]["data"]).startswith("text:"):  # the record keeps no path
        words += ["--text", data.removeprefix("text:").partition(",")[0]]
    if line["config"].get("file"):
        words += ["--file", str(Path(origin.file).parent / line["config"]["file"])]
    return shlex.join(words)


def _settings(runs: Sequence[Record], common: Mapping[str, str]) -> str:
    """What sets the row apart, then all settings; nothing where no run has a record."""
    known = [line for line in runs if is_done(line)]
    if not known:
        return ""
    found = settings(known[0])
    own = {
        name: value
        for name, value in found.items()
        if name.startswith(_METHOD) or common.get(name) != value
    }
    return (
        f"<h4>The method, and settings unlike most rows’</h4>{_pairs(own)}"
        f"<details><summary>All {len(found)} settings</summary>{_pairs(found)}</details>"
    )


def _pairs(found: Mapping[str, str]) -> str:
    pairs = "".join(f"<li>{code(f'{name} = {value}')}</li>" for name, value in found.items())
    return f'<ul class="settings">{pairs}</ul>'


def _facts(runs: Sequence[Record]) -> str:
    """A column a run: provenance, then the metrics of the test split."""
    places = [anchor(f"run-{line['id']}") for line in runs]
    heads = "".join(
        f'<th scope="col" id="{place}">{_seed(line)}</th>'
        for place, line in zip(places, runs, strict=True)
    )
    told = {title: [tell(line) for line in runs] for title, tell in _FACTS.items()}
    rows = [_row(title, cells) for title, cells in told.items() if any(cells)]
    tests = [figures(line, "test") if is_done(line) else {} for line in runs]
    names = {name for test in tests for name in test}
    ordered = [name for name in METRICS if name in names] + sorted(names - set(METRICS))
    if ordered:
        head = '<th scope="rowgroup" class="part">Test split</th>'
        rows.append(f'<tr>{head}<td colspan="{len(runs)}"></td></tr>')
    rows += [_row(code(name), [text(_metric(test, name)) for test in tests]) for name in ordered]
    return (
        '<div class="box" tabindex="0"><table class="facts"><thead><tr><td></td>'
        f"{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(title: str, cells: Sequence[str]) -> str:
    """A row of HTML cells, a dash for an empty one; what all runs share is said once."""
    cells = [cell or "–" for cell in cells]
    if len(cells) > 1 and len(set(cells)) == 1:
        told = f'<td colspan="{len(cells)}" class="shared">{cells[0]}</td>'
    else:
        told = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><th scope="row">{title}</th>{told}</tr>'


def _metric(test: Record, name: str) -> str:
    value = test.get(name)
    if name == "iw_curve" and value:
        return ", ".join(f"{samples:,}: {nats:.3f}" for samples, nats in value)
    return figure(value)


def _at(*path: str, style: Callable[[object], str] = text) -> Callable[[Record], str]:
    """Reads a value of a record as HTML; empty where there is none."""

    def tell(line: Record) -> str:
        value: Any = line
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return "" if value is None or value == [] else style(figure(value))

    return tell


def _hours(line: Record) -> str:
    seconds = line.get("cost", {}).get("seconds")
    return "" if seconds is None else text(f"{seconds / 3600:.3f} ({seconds:,.0f} s)")


def _steps(line: Record) -> str:
    if not is_done(line):
        return ""
    return text(f"{figure(line.get('best_step'))} of {figure(line.get('steps'))}")


def _updates(line: Record) -> str:
    updates = line.get("updates", {})
    return " / ".join(text(figure(updates[of])) for of in ("encoder", "decoder") if of in updates)


def _seed(line: Record) -> str:
    return f"seed {text(line['config'].get('seed', '?'))}"


def _flat(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Leaves by dotted name."""
    found: list[tuple[str, Any]] = []
    for key, value in config.items():
        name = f"{prefix}{key}"
        found += _flat(value, f"{name}.") if isinstance(value, dict) else [(name, value)]
    return found


_FACTS: dict[str, Callable[[Record], str]] = {
    "id": _at("id", style=code),
    "status": _at("status"),
    "error": _at("error"),
    "commit": _at("provenance", "commit", style=code),
    "uncommitted changes": _at("provenance", "dirty"),
    "code digest": _at("provenance", "code_sha256", style=code),
    "method digest": _at("provenance", "method_sha256", style=code),
    "code digest when resumed": _at("provenance", "code_sha256_resumed", style=code),
    "times resumed": _at("provenance", "resumed"),
    "Python": _at("provenance", "python"),
    "torch": _at("provenance", "torch"),
    "processor": _at("provenance", "processor"),
    "vector instructions": _at("provenance", "cpu"),
    "threads": _at("provenance", "threads"),
    "device": _at("cost", "device"),
    "hours": _hours,
    "tokens a second": _at("cost", "tokens_per_second"),
    "peak memory, MB": _at("cost", "peak_mb"),
    "finished": _at("provenance", "finished"),
    "best step": _steps,
    "updates (encoder / decoder)": _updates,
    "passes over the data": _at("updates", "passes"),
    "parameters": _at("parameters"),
    "evaluation": _at("evaluation"),
    "data digest": _at("data", "sha256", style=code),
    "record digest": _at("digest", style=code),
}
