"""What figures read from records: the runs, which rows are references, and the truth."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmark.core.records import is_done

Record = dict[str, Any]

REFERENCES = ("lstm_lm", "none")  # differences are taken to these
METRICS = ("iw_nll", "kl", "mi", "rec", "neg_elbo", "excess")
ROW = ("place", "label", "role")  # by which a figure knows a run's row
TRUTH = {"place": None, "label": "truth", "role": "truth"}


def runs(lines: Sequence[Record]) -> pd.DataFrame:
    """Return a line for each run of a group that has a record, in the group's order.

    Columns: ``place`` of its row in the study (a second coding's rows come after all those of the
    first), ``label``, ``role``, ``data`` and ``seed``, by which runs are paired, the ``record``,
    ``latent`` (whether the model has one) and `METRICS` of the test split. The role is "lstm_lm" or
    "none" (the rows that differences are taken to), "end" (an end point without likelihood, such as
    the auto-encoder, which may be left out of an axis) or "".
    """
    done = [line for line in lines if is_done(line)]
    config = [line["config"] for line in done]
    table = pd.DataFrame({
        "row": pd.Series([line["row"] for line in done], dtype=int),
        "label": [line["label"] for line in done],
        "role": [of.get("baseline") for of in config],
        "data": [of["data"] for of in config],
        "seed": [of.get("seed", 0) for of in config],
        "record": done,
    })  # fmt: skip
    for metric in METRICS:
        values = [number(line["metrics"]["test"].get(metric)) for line in done]
        table[metric] = pd.Series(values, dtype=float)
    table["latent"] = table["mi"].notna()
    table.loc[~table["latent"], ["kl", "rec"]] = math.nan  # no latent: no KL, rather than one of 0
    codings = list(dict.fromkeys(line["config"]["data"] for line in lines))
    width = 1 + max((line["row"] for line in lines), default=0)
    table["place"] = table["row"] + [width * codings.index(data) for data in table["data"]]
    first = table["row"] == table.groupby("role")["row"].transform("first")
    likely = table["latent"] & table["iw_nll"].notna()
    table["role"] = table["role"].where(first & table["role"].isin(REFERENCES), "")
    if likely.any():
        end = table["latent"] & table["iw_nll"].isna() & (table["role"] == "")
        table.loc[end, "role"] = "end"
    return table


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
    for name in ("place", "seed", "step", "position", "rank", "n", "tokens"):
        if name in table:
            table[name] = table[name].astype("Int64")
    return table
