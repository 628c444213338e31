"""What the figures of one split of one honest record fulfil; each rule yields what is wrong."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

from benchmark.core.measures import SATURATION
from benchmark.core.measures import SIGNS as SIGNS
from benchmark.core.measures import UPPER as UPPER
from benchmark.core.measures import bound as bound

Figures = dict[str, Any]

ERRORS = 4.0  # standard errors that sampled comparisons are allowed
FEW = 30  # sentences: of fewer, a standard error is itself too uncertain to refuse a record by
ROUNDING = 1e-3  # nats: sums kept in other orders
# Standard deviation of the coupled estimator of MI, at most, with 3,761 sentences; it falls as
# the root of their number. Used where a record states no error of its own.
MI_DEVIATION, MI_SENTENCES = 0.04, 3761


def problems(figures: Figures, tokens: float | None, sentences: int | None) -> list[str]:
    """What is wrong with the figures of a split.

    Args:
        figures: its metrics, as `results/README.md` tells them.
        tokens: scored tokens per sentence; None where the record does not tell.
        sentences: of the split; None likewise.
    """
    few = sentences is not None and sentences < FEW
    found = [text for rule in (_EXACT if few else _EXACT + _SAMPLED) for text in rule(figures)]
    return [*found, *_perplexities(figures, tokens), *_cap(figures, sentences)]


def perplexity(nats: float, tokens: float) -> float:
    """exp(nats per sentence / tokens per sentence), infinite where that overflows."""
    try:
        return math.exp(nats / tokens)
    except OverflowError:
        return math.inf


def _sum(figures: Figures) -> Iterator[str]:
    """The bound is the sum of its two parts, neither of which is negative."""
    total = figures["rec"] + figures["kl"]
    if abs(total - figures["neg_elbo"]) > ROUNDING:
        yield f"rec + kl is {total:.4f}, neg_elbo {figures['neg_elbo']:.4f}"
    for name in ("rec", "kl"):
        if figures[name] < -ROUNDING:
            yield f"{name} {figures[name]:.4f} is below 0"


def _bound(figures: Figures) -> Iterator[str]:
    """More importance samples cannot loosen the bound."""
    sampled, error = figures.get("iw_curve") is not None, figures.get("iw_gap_se")
    if figures.get("iw_nll") is None or (sampled and error is None):
        return
    error = error or 0.0  # a likelihood without a latent is exact
    if figures["iw_nll"] > figures["neg_elbo"] + ERRORS * error + ROUNDING:
        yield f"iw_nll {figures['iw_nll']:.4f} is above neg_elbo {figures['neg_elbo']:.4f}"


def _curve(figures: Figures) -> Iterator[str]:
    """Blocks of the same draws: the curve falls exactly, and ends at IW-NLL."""
    curve = figures.get("iw_curve") or []
    values = [value for _, value in curve]
    if values and figures.get("iw_nll") is None:
        yield "iw_curve without iw_nll"
        return
    if any(later > earlier + ROUNDING for earlier, later in itertools.pairwise(values)):
        yield f"iw_curve rises: {', '.join(f'{value:.4f}' for value in values)}"
    if values and abs(values[-1] - figures["iw_nll"]) > ROUNDING:
        yield f"iw_curve ends at {values[-1]:.4f}, iw_nll is {figures['iw_nll']:.4f}"


def _information(figures: Figures) -> Iterator[str]:
    """I(x; z) is at most ln N, and what it leaves of the KL is the marginal KL."""
    mi, cap, rest = (figures.get(name) for name in ("mi", "mi_cap", "marginal_kl"))
    if mi is None:
        return
    if cap is not None and mi > cap + ROUNDING:
        yield f"mi {mi:.4f} is above its cap {cap:.4f}"
    if rest is not None and abs(figures["kl"] - mi - rest) > ROUNDING:
        yield f"kl - mi is {figures['kl'] - mi:.4f}, marginal_kl {rest:.4f}"


def _mi_of_kl(figures: Figures) -> Iterator[str]:
    """I(x; z) is at most the KL."""
    mi = figures.get("mi")
    if mi is not None and mi > figures["kl"] + ERRORS * _mi_error(figures) + ROUNDING:
        yield f"mi {mi:.4f} is above kl {figures['kl']:.4f}"


def _mi_error(figures: Figures) -> float:
    """The standard error of MI: stated, or from the number of sentences, of which the cap is ln."""
    if figures.get("mi_se") is not None:
        return float(figures["mi_se"])
    cap = figures.get("mi_cap")
    sentences = math.exp(min(cap, 50.0)) if cap is not None else MI_SENTENCES
    return MI_DEVIATION * math.sqrt(MI_SENTENCES / sentences)


def _ranges(figures: Figures) -> Iterator[str]:
    """What is counted or shared is not negative, and no larger than its whole."""
    cap = figures.get("mi_cap")
    limits = {"au": (0, None), "au_0.05": (0, None), "au_0.2": (0, None), "bleu": (0, 100),
              "ess": (1, None), "mi_batch": (None, cap)}  # fmt: skip
    for name, (low, high) in limits.items():
        value = figures.get(name)
        if value is not None and low is not None and value < low - ROUNDING:
            yield f"{name} {value:.4f} is below {low}"
        if value is not None and high is not None and value > high + ROUNDING:
            yield f"{name} {value:.4f} is above {high:.4f}"


def _active(figures: Figures) -> Iterator[str]:
    """A higher threshold leaves no more units active."""
    names = [name for name in ("au", "au_0.05", "au_0.2") if figures.get(name) is not None]
    for low, high in itertools.pairwise(names):
        if figures[high] > figures[low]:
            yield f"{high} {figures[high]} is above {low} {figures[low]}"


def _recovery(figures: Figures) -> Iterator[str]:
    """What a probe finds of the class in z is at most what z knows of the sentence."""
    recovered, mi, cap = (figures.get(name) for name in ("recovered", "mi", "mi_cap"))
    if recovered is None or mi is None or (cap is not None and mi > cap - SATURATION):
        return
    if figures.get("recovered_se") is None:
        return
    error = math.hypot(figures["recovered_se"], _mi_error(figures))
    if recovered > mi + ERRORS * error + ROUNDING:
        yield f"recovered {recovered:.4f} is above mi {mi:.4f}"


def _excess(figures: Figures) -> Iterator[str]:
    """No model is better than the language itself."""
    excess, error = figures.get("excess"), figures.get("excess_se")
    if excess is not None and error is not None and excess < -ERRORS * error - ROUNDING:
        yield f"excess {excess:.4f} is below 0 beyond {ERRORS:.0f} standard errors"


Rules = tuple[Callable[[Figures], Iterator[str]], ...]
_EXACT: Rules = (_sum, _curve, _information, _ranges, _active)
_SAMPLED: Rules = (_bound, _mi_of_kl, _recovery, _excess)


def _cap(figures: Figures, sentences: int | None) -> Iterator[str]:
    """The cap of MI is ln N of the split."""
    cap = figures.get("mi_cap")
    if cap is not None and sentences and abs(cap - math.log(sentences)) > ROUNDING:
        yield f"mi_cap {cap:.4f} is not ln {sentences:,} ({math.log(sentences):.4f})"


def _perplexities(figures: Figures, tokens: float | None) -> Iterator[str]:
    """Perplexity is exp(nats per sentence / tokens per sentence), of words or of pieces."""
    for name, of in (("ppl_elbo", "neg_elbo"), ("ppl_iw", "iw_nll")):
        stated, nats = figures.get(name), figures.get(of)
        if stated is not None and nats is None:
            yield f"{name} {stated:.3f} without {of}"
        if stated is None or nats is None or tokens is None:
            continue
        implied = perplexity(nats, tokens)
        if not abs(stated - implied) <= 1e-3 * implied < math.inf:
            yield f"{name} {stated:.3f} does not follow from {nats:.3f} nats and {tokens:.3f} " \
                  f"tokens a sentence ({implied:.3f})"  # fmt: skip
