"""What figures read from records: runs, which rows are references, and the truth."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.core.records import is_done

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]
Row = dict[str, Any]

REFERENCES = ("lstm_lm", "none")  # differences are taken to these


@dataclass(frozen=True)
class Run:
    """A run with a record.

    Attributes:
        place: of its row in the study; of a second coding's rows after all those of the first.
        label: of its row, with the coding where there are several.
        role: "lstm_lm" (the language model that differences are taken to), "none" (the plain VAE,
            likewise), "end" (an end point without likelihood, such as the auto-encoder, which may
            be left out of an axis) or "".
        data: its data set's name.
        seed: runs of one seed and data set are paired.
        record: its line.
    """

    place: int
    label: str
    role: str
    data: str
    seed: int
    record: Record

    @property
    def test(self) -> Record:
        """Metrics of the test split."""
        metrics: Record = self.record["metrics"]["test"]
        return metrics

    def number(self, metric: str) -> float:
        """A metric of the test split; NaN where there is none."""
        return number(self.test.get(metric))

    @property
    def latent(self) -> bool:
        """Whether the model has a latent variable."""
        return self.test.get("mi") is not None

    def row(self) -> Row:
        """The columns by which a figure knows the run's row."""
        return {"place": self.place, "label": self.label, "role": self.role}


def number(value: Any) -> float:
    """A figure of a record; NaN for null."""
    return math.nan if value is None else float(value)


def runs(lines: Sequence[Record]) -> list[Run]:
    """The runs of a group that have a record, in its order."""
    codings = list(dict.fromkeys(line["config"]["data"] for line in lines))
    done = [line for line in lines if is_done(line)]
    width = 1 + max((line["row"] for line in lines), default=0)
    likely = any(_has(line, "mi") and _has(line, "iw_nll") for line in done)
    first = {line["config"].get("baseline"): line["row"] for line in reversed(done)}
    found = []
    for line in done:
        data, baseline = line["config"]["data"], line["config"].get("baseline")
        role = baseline if baseline in REFERENCES and first[baseline] == line["row"] else ""
        if not role and likely and _has(line, "mi") and not _has(line, "iw_nll"):
            role = "end"
        place = line["row"] + width * codings.index(data)
        found.append(Run(place, line["label"], role, data, line["config"].get("seed", 0), line))
    return found


def _has(line: Record, metric: str) -> bool:
    return line["metrics"]["test"].get(metric) is not None


@dataclass(frozen=True)
class Truth:
    """Of an exact language: ``entropy`` and ``information`` I(x; c), and the ``nll`` of the test
    split's own sentences, which a model is to be compared with; NaN where records lack it.
    """

    entropy: float
    information: float
    nll: float


def truth(found: Iterable[Run]) -> Truth | None:
    """The truth of the runs' language, if it is an exact one."""
    known = [run for run in found if (run.record.get("data") or {}).get("entropy") is not None]
    if not known:
        return None
    # the same number in each record: IW-NLL minus its excess over the true -log p(x)
    nll = [run.number("iw_nll") - run.number("excess") for run in known]
    data = known[0].record["data"]
    return Truth(
        entropy=number(data["entropy"]),
        information=number(data.get("information")),
        nll=next((value for value in nll if math.isfinite(value)), math.nan),
    )


TRUTH: Row = {"place": None, "label": "truth", "role": "truth"}


def frame(rows: Sequence[Row], columns: Sequence[str]) -> "pd.DataFrame":
    """A table of numbers with these columns, integers kept as such beside absent ones."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(columns))
    for name in ("place", "seed", "step", "position", "rank", "n", "tokens"):
        if name in table:
            table[name] = table[name].astype("Int64")
    return table
