"""What figures read from records: the runs, which rows are references, and the truth."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmark.report.grouping import Group

METRICS = ("iw_nll", "kl", "mi", "rec", "neg_elbo", "excess")
ROW = ("place", "label", "role", "baseline")  # by which a figure knows a run's row
LEAST_SWEEP = 3  # values of a hyper-parameter that make a sweep
SWEEP = ("sweep", "parameter", "setting")  # of a row that is part of one
TRUTH = {"place": None, "label": "truth", "role": "truth", "baseline": ""}


def runs(group: Group) -> pd.DataFrame:
    """Return the runs of a table that have a record: the columns of `frame`, and ``latent``.

    ``latent`` says whether the model has a latent variable; without one, rec is no number of a
    plane of KL and reconstruction.
    """
    known = group.runs[group.runs["status"] == "done"]
    known = known.reindex(columns=list(dict.fromkeys([*known.columns, *METRICS])))
    known = known.astype(dict.fromkeys(METRICS, float)).assign(latent=known["mi"].notna())
    return known.assign(rec=known["rec"].where(known["latent"]))


def having(known: pd.DataFrame, field: str) -> pd.DataFrame:
    """Return the runs whose record has a value under a name."""
    return known[known["record"].map(lambda record: bool(record.get(field))).astype(bool)]


def sweeps(known: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return `SWEEP` by label of the rows that sweep one numeric hyper-parameter of a method.

    They share data, settings of network and training, and all other hyper-parameters, and have at
    least `LEAST_SWEEP` values of this one. A sweep is called after its method, or after its first
    row where its method has several. A row is in one sweep at most, the longest.
    """
    alike: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for run in known.drop_duplicates("label").to_dict("records"):
        for name, value in run["method"].items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                rest = {key: other for key, other in run["method"].items() if key != name}
                key = (run["method"]["baseline"], name, run["data"], repr((rest, run["settings"])))
                alike[key][run["label"]] = value
    taken: set[str] = set()
    chosen = []
    for (method, name, *_), settings in sorted(alike.items(), key=lambda one: -len(one[1])):
        if len(set(settings.values())) >= LEAST_SWEEP and not taken & set(settings):
            taken |= set(settings)
            chosen.append((method, name, settings))
    methods = [method for method, _, _ in chosen]
    return {
        label: dict(zip(SWEEP, (title, name, float(setting)), strict=True))
        for method, name, settings in chosen
        for title in [method if methods.count(method) == 1 else f"{next(iter(settings))}, …"]
        for label, setting in settings.items()
    }


def number(value: Any) -> float:
    """Return a number of a record; NaN for null."""
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
