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
ACTIVE = 0.01  # variance of a dimension's posterior mean from which it is active
FIRST_WORDS = 4  # tokens whose loss tells apart what a model says first
SIGNS = {-1: "≤", 0: "", 1: "≥"}  # of `bound`, as printed

NATS = "nats per sentence"


@dataclass(frozen=True)
class Measure:
    """One number of a trained model, in the mean over a split.

    Attributes:
        name: its key in a record's ``metrics``, or in the tables' data frame.
        title: as tables and figures write it.
        meaning: in a sentence or two; the page shows it, and ``docs/metrics.md`` lists it.
        unit: of its values; logarithms are natural.
        better: 1 if a higher value is better, -1 if a lower one is; 0 if it describes a model
            without ranking it.
        digits: decimals in tables.
        exact: known for exact languages only, where the true distribution is known.
        recorded: False if the report derives it from what a record holds.
        optional: a table has a column for it only if some record has the number.
    """

    name: str
    title: str
    meaning: str
    unit: str = NATS
    better: int = 0
    digits: int = 2
    exact: bool = False
    recorded: bool = True
    optional: bool = False


def _active(name: str, title: str, threshold: float) -> Measure:
    """Return the count of active units at a threshold."""
    meaning = (
        f"Active units: latent dimensions whose posterior mean has a variance above {threshold}."
    )
    return Measure(name, title, meaning, "units", digits=1)


def _probe(what: str) -> Measure:
    """Return what a linear probe reads from z about the length or a word of a sentence."""
    meaning = f"What a linear probe reads of {what} from samples of z, beyond its frequencies."
    name = what.removeprefix("the ")
    key = f"recovered_{name.replace(' ', '_')}"
    return Measure(key, f"recovered ({name})", meaning, optional=True)


# In the order in which the page and `pcbench reproduce` list them.
_ALL = (
    Measure(
        "neg_elbo", "−ELBO", "The negative evidence lower bound: rec plus KL, at KL weight 1 "
        "whatever the weight in training.", better=-1,
    ),
    Measure("rec", "rec", "The reconstruction loss, −log p(x|z): the distortion."),
    Measure("kl", "KL", "KL(q(z|x) ‖ p(z)): the rate, what the code of a sentence costs."),
    Measure(
        "mi", "MI", "Mutual information I(x; z) of sentence and latent. Its estimate cannot exceed "
        f"ln N; within {SATURATION:g} nats of that it is a lower bound (≥).",
    ),
    Measure("mi_cap", "MI cap", "ln N of N sentences, which MI cannot exceed."),
    Measure(
        "mi_given_length", "MI given length", "I(x; z) among sentences of equal length: what the "
        "latent holds beyond the length.", optional=True,
    ),
    Measure(
        "mi_given_length_cap", "MI given length, cap", "What MI given length cannot exceed.",
        optional=True,
    ),
    Measure(
        "mi_batch", "MI (batches)", "I(x; z) within batches, as He et al. 2019 estimate it; not "
        "comparable with MI.",
    ),
    Measure(
        "marginal_kl", "marginal KL", "KL − MI: how far the average posterior is from the prior.",
    ),
    _active("au", "AU", ACTIVE),
    _active("au_0.05", "AU (0.05)", 0.05),
    _active("au_0.2", "AU (0.2)", 0.2),
    Measure(
        "iw_nll", "IW-NLL", "Importance-weighted negative log-likelihood: lower is better. It is "
        f"an upper bound, marked ≤ where more samples would still lower it by over {CONVERGED} "
        "nats. A language model's is exact.", better=-1,
    ),
    Measure("ppl_elbo", "PPL (ELBO)", "Perplexity a token by the bound.", "per token", better=-1),
    Measure(
        "ppl_iw", "PPL (IW)", "Perplexity a token by the importance-weighted likelihood: another "
        "quantity than that by the bound.", "per token", better=-1,
    ),
    Measure("ess", "ESS", "The effective sample size of IW-NLL's draws.", "samples"),
    Measure(
        "z_use", "z_use", "What reconstruction loses with the latent of a stranger, a random other "
        "sentence of equal length: what the decoder reads from z.",
    ),
    Measure("bleu", "BLEU", "BLEU of greedy reconstructions.", "points from 0 to 100", better=1),
    Measure(
        "excess", "excess", "IW-NLL above the true −log p(x) of the exact language, on the same "
        "sentences.", better=-1, exact=True,
    ),
    Measure(
        "recovered", "recovered", "What a linear probe reads of the exact language's class from "
        "samples of z.", better=1, exact=True,
    ),
    Measure(
        "recovered_mean", "recovered (mean)", "The same from posterior means, which even a "
        "collapsed model has.", better=1, exact=True,
    ),
    *map(_probe, ("the length", "word 1", "word 2", "word 3", "word 4")),
    Measure(
        "elbo", "ELBO", "The evidence lower bound on log p(x): higher is better.", better=1,
        recorded=False,
    ),
    Measure(
        "z_use_next", "z_use (next)", "As z_use, with the latent of the next sentence of equal "
        "length in the file: z_use of records before evaluation 2.", recorded=False, optional=True,
    ),
    Measure(
        "first_words", "first words", f"Reconstruction loss of the first {FIRST_WORDS} tokens.",
        "nats per token", recorded=False,
    ),
)  # fmt: skip
MEASURES = {measure.name: measure for measure in _ALL}
METRICS = tuple(measure.name for measure in _ALL if measure.recorded)


def bound(numbers: Mapping[Any, Any], metric: str) -> int:
    """Return 1 if a number bounds the true value from below, -1 if from above, otherwise 0."""
    value, cap = numbers.get(metric), numbers.get(f"{metric}_cap")
    if metric in CAPPED and value is not None and cap is not None:
        return int(value > cap - SATURATION)
    # In a data frame the flag may be NaN, which is true but not equal to True.
    return -int(metric in UPPER and numbers.get("iw_upper_bound") == True)  # noqa: E712


def perplexity(nats: float, tokens: float) -> float:
    """Return exp(nats / tokens), both of a sentence or both of a split; infinite on overflow."""
    try:
        return math.exp(nats / tokens)
    except OverflowError:
        return math.inf
