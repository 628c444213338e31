"""What a study is, in a few facts that its records agree or differ on."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from benchmark.core.records import is_done
from benchmark.report.page.markup import code, figure, text

Record = dict[str, Any]


def facts(lines: Sequence[Record]) -> str:
    """Pairs of a name and what the runs say of it, as HTML."""
    done = [line for line in lines if is_done(line)]
    counts = Counter(line.get("status", "done") for line in lines)
    runs = ", ".join(f"{n} {text(status)}" for status, n in sorted(counts.items()))
    labels = {line.get("label") for line in lines if line.get("row") is not None}
    hours = sum(line.get("cost", {}).get("seconds") or 0 for line in done) / 3600
    configs = [line.get("config", {}) for line in lines]
    origins = [line.get("provenance", {}) for line in done]
    finished = sorted(str(o["finished"])[:10] for o in origins if o.get("finished"))
    days = dict.fromkeys((finished[0], finished[-1])) if finished else ()
    found = {
        "Runs": runs,
        "Rows": text(len(labels)),
        "Data": _all(c.get("data") for c in configs),
        "Seeds": _all(sorted({c["seed"] for c in configs if "seed" in c})),
        "Preset": _all(c.get("preset") for c in configs),
        "Precision": _all(c.get("precision") for c in configs),
        "Device": _all(line.get("cost", {}).get("device") for line in done),
        "Time on it": text(f"{hours:.2f} hours"),
        "torch": _all(o.get("torch") for o in origins),
        "Code": _all((o.get("commit") or "")[:10] for o in origins) or "not committed",
        "Finished": text(" to ".join(days)),
    }
    return "".join(
        f"<div><dt>{name}</dt><dd>{told}</dd></div>" for name, told in found.items() if told
    )


def _all(values: Iterable[Any]) -> str:
    """Each value once, in the order found."""
    known = [value for value in values if value is not None and value != ""]
    return ", ".join(code(figure(value)) for value in dict.fromkeys(known))
