"""The measures of a record: the one list of their names, titles, units and digits; thresholds.

Tables and figures choose from it and keep no titles of their own. ``results/README.md`` says how
each one is estimated.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COLLAPSED = 0.1  # nats of MI and of z_use: below, a latent is collapsed
SATURATION = 3.0  # nats: closer to its cap, MI is a lower bound only
CONVERGED = 0.1  # nats: if the last step of IW-NLL's curve falls further, it is an upper bound only
CAPPED = ("mi", "mi_given_length")  # by what so many sentences can show: NAME_cap
UPPER = ("iw_nll", "ppl_iw", "excess")  # more importance samples would lower them
SIGNS = {-1: "≤", 0: "", 1: "≥"}  # of `bound`, as printed

NATS = "nats per sentence"


@dataclass(frozen=True)
class Measure:
    """One figure of a trained model, in the mean over a split.

    Attributes:
        name: its key in a record's ``metrics``, or in the tables' data frame.
        title: as tables and figures write it.
        unit: of its values; logarithms are natural.
        better: 1 if a higher value is better, -1 if a lower one is; 0 if it describes a model
            without ranking it.
        digits: decimals in tables.
        exact: known for exact languages only, where the true distribution is known.
        recorded: False if the report derives it from what a record holds.
        optional: a table has a column for it only if some record has the figure.
    """

    name: str
    title: str
    unit: str = NATS
    better: int = 0
    digits: int = 2
    exact: bool = False
    recorded: bool = True
    optional: bool = False


# In the order in which the page and `pcbench reproduce` list them.
_ALL = (
    Measure("neg_elbo", "−ELBO", better=-1),
    Measure("rec", "rec"),
    Measure("kl", "KL"),
    Measure("mi", "MI"),
    Measure("mi_cap", "MI cap"),
    Measure("mi_given_length", "MI given length", optional=True),
    Measure("mi_given_length_cap", "MI given length, cap", optional=True),
    Measure("mi_batch", "MI (batches)"),
    Measure("marginal_kl", "marginal KL"),
    Measure("au", "AU", "units", digits=1),
    Measure("au_0.05", "AU (0.05)", "units", digits=1),
    Measure("au_0.2", "AU (0.2)", "units", digits=1),
    Measure("iw_nll", "IW-NLL", better=-1),
    Measure("ppl_elbo", "PPL (ELBO)", "per token", better=-1),
    Measure("ppl_iw", "PPL (IW)", "per token", better=-1),
    Measure("ess", "ESS", "samples"),
    Measure("z_use", "z_use"),
    Measure("bleu", "BLEU", "points from 0 to 100", better=1),
    Measure("excess", "excess", better=-1, exact=True),
    Measure("recovered", "recovered", better=1, exact=True),
    Measure("recovered_mean", "recovered (mean)", better=1, exact=True),
    Measure("recovered_length", "recovered (length)", optional=True),
    Measure("recovered_word_1", "recovered (word 1)", optional=True),
    Measure("recovered_word_2", "recovered (word 2)", optional=True),
    Measure("recovered_word_3", "recovered (word 3)", optional=True),
    Measure("recovered_word_4", "recovered (word 4)", optional=True),
    Measure("elbo", "ELBO", better=1, recorded=False),
    # `z_use` of records before evaluation 2: given the z of the next sentence of equal length.
    Measure("z_use_next", "z_use (next)", recorded=False, optional=True),
    Measure("first_words", "first words", "nats per token", recorded=False),
)
MEASURES = {measure.name: measure for measure in _ALL}
METRICS = tuple(measure.name for measure in _ALL if measure.recorded)


def bound(figures: Mapping[Any, Any], metric: str) -> int:
    """Return 1 if a figure bounds the true value from below, -1 if from above, otherwise 0."""
    value, cap = figures.get(metric), figures.get(f"{metric}_cap")
    if metric in CAPPED and value is not None and cap is not None:
        return int(value > cap - SATURATION)
    # In a data frame the flag may be NaN, which is true but not equal to True.
    return -int(metric in UPPER and figures.get("iw_upper_bound") == True)  # noqa: E712


def perplexity(nats: float, tokens: float) -> float:
    """Return exp(nats / tokens), both of a sentence or both of a split; infinite on overflow."""
    try:
        return math.exp(nats / tokens)
    except OverflowError:
        return math.inf
