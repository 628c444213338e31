"""What figures read from records: the runs, which rows are references, and the truth."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmark.report.grouping import Group

METRICS = ("iw_nll", "kl", "mi", "rec", "neg_elbo", "excess")
ROW = ("place", "label", "role")  # by which a figure knows a run's row
TRUTH = {"place": None, "label": "truth", "role": "truth"}


def runs(group: Group) -> pd.DataFrame:
    """Return the runs of a table that have a record: the columns of `frame`, and ``latent``.

    ``latent`` says whether the model has a latent variable; without one, rec is no figure of a
    plane of KL and reconstruction.
    """
    known = group.runs[group.runs["status"] == "done"]
    known = known.reindex(columns=list(dict.fromkeys([*known.columns, *METRICS])))
    known = known.astype(dict.fromkeys(METRICS, float)).assign(latent=known["mi"].notna())
    return known.assign(rec=known["rec"].where(known["latent"]))


def having(known: pd.DataFrame, field: str) -> pd.DataFrame:
    """Return the runs whose record has something under a name."""
    return known[known["record"].map(lambda record: bool(record.get(field))).astype(bool)]


def number(value: Any) -> float:
    """Return a figure of a record; NaN for null."""
    return math.nan if value is None else float(value)


@dataclass(frozen=True)
class Truth:
    """Of an exact language: ``entropy`` and ``information`` I(x; c), and the ``nll`` of the test
    split's own sentences, which a model is to be compared with; NaN where records lack it.
    """

    entropy: float
    information: float
    nll: float


def truth(known: pd.DataFrame) -> Truth | None:
    """Return the truth of the runs' language, if it is an exact one."""
    data = [record["data"] for record in known["record"] if record.get("data")]
    exact = [of for of in data if of.get("entropy") is not None]
    if not exact:
        return None
    # The same number in each record: IW-NLL minus its excess over the true -log p(x).
    nll = (known["iw_nll"] - known["excess"]).dropna()
    information = number(exact[0].get("information"))
    return Truth(float(exact[0]["entropy"]), information, nll.iloc[0] if len(nll) else math.nan)


def frame(rows: Sequence[Mapping[Any, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return a table of numbers with these columns, integers kept as such beside absent ones."""
    table = pd.DataFrame(rows, columns=list(columns))
    for name in ("place", "seed", "step", "position", "rank", "n", "tokens", "undecided"):
        if name in table:
            table[name] = table[name].astype("Int64")
    return table
