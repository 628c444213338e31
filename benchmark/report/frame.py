"""Collected lines as a data frame: one row a run.

Figures are of the test split, in nats per sentence, natural logarithm.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]

FIRST_WORDS = 4  # positions whose loss stands in the tables
COLLAPSED = 0.1  # nats of test MI and of z_use below which a model has collapsed


def frame(lines: Sequence[Record]) -> "pd.DataFrame":
    """One row a run of the study, with or without a record; metrics of the test split.

    Columns: id, status, data, baseline, label, row, seed, error; the metrics (``elbo`` is minus
    ``neg_elbo``), iw_upper_bound; collapsed; first_words; encoder, decoder (updates), seconds.
    """
    import pandas as pd

    rows = []
    for line in lines:
        row = {key: line.get(key) for key in ("id", "label", "row", "error")}
        row |= {"status": line.get("status", "done")}
        row |= {key: line.get("config", {}).get(key) for key in ("data", "baseline", "seed")}
        if row["status"] == "done":
            test = line["metrics"]["test"]
            row |= {k: v for k, v in test.items() if v is None or isinstance(v, int | float)}
            if test.get("mi") is None:  # no latent variable: a dash, not a KL of 0
                row["kl"] = None
            row |= _per_word(line["data"], test)
            row |= {"elbo": -test["neg_elbo"], "seconds": line["cost"]["seconds"]}
            row |= {"first_words": _first_words(line["loss_by_position"])}
            row |= {"collapsed": collapsed(test)}
            row |= {name: line["updates"][name] for name in ("encoder", "decoder")}
        rows.append(row)
    table = pd.DataFrame(rows)
    return table[table["row"].notna()].sort_values(["row", "seed"], kind="stable")


def collapsed(test: Record) -> bool | None:
    """Whether z tells next to nothing and is not used either; None where that is not known."""
    mi, use = test.get("mi"), test.get("z_use")
    return None if mi is None or use is None else mi < COLLAPSED and use < COLLAPSED


def _per_word(data: Record, test: Record) -> Record:
    """Perplexities of pieces, a word: exp(nats / words), each sentence's end a word."""
    if data.get("segmentation") != "sentencepiece":
        return {}
    words = data["test_words"] / data["test_sentences"]
    pairs = (("ppl_elbo", "neg_elbo"), ("ppl_iw", "iw_nll"))
    nats = {name: test.get(of) for name, of in pairs}
    return {  # e^700 still fits a float
        name: None if n is None or n / words > 700 else math.exp(n / words)
        for name, n in nats.items()
    }


def _first_words(positions: Sequence[Sequence[float]] | None) -> float | None:
    """Reconstruction loss a token over a sentence's first words, nats."""
    first = (positions or [])[:FIRST_WORDS]
    tokens = sum(number for _, number in first)
    return math.fsum(mean * number for mean, number in first) / tokens if tokens else None
