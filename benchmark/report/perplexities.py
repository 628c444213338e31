"""Whether published perplexities follow from published nats: exp(nats / tokens per sentence).

Tokens per sentence are known of Penn Treebank and Yahoo in words. Of other texts they follow from
pairs of nats and the perplexity of those nats, if a paper's pairs agree; else its perplexities are
only asked to be possible with one count.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmark.report.literature import Misprint, Printed, Value

# Scored tokens (words and the sentence's end) per sentence of the test splits.
TOKENS = {("ptb", "words"): 82430 / 3761, ("yahoo", "words"): 798673 / 10000}
# -log p(x) is hardly below the reconstruction, which one draw a sentence measures: nats.
DRAW = 0.5
# A perplexity as near as this to that of the ELBO, nats, though the KL is large, is that.
GAP, LARGE = 0.1, 1.0
# Perplexities and the nats that they are of.
PAIRS = (("ppl_elbo", "neg_elbo"), ("ppl_iw", "iw_nll"), ("ppl_rec", "rec"), ("ppl", "nll"))


@dataclass(frozen=True)
class Range:
    """Tokens per sentence that a printed row leaves open, from ``low`` to ``high``."""

    value: Value
    low: float
    high: float

    @property
    def middle(self) -> float:
        """Their mean."""
        return (self.low + self.high) / 2


def perplexities(printed: Sequence[Printed]) -> Iterator[Misprint]:
    """Perplexities that do not follow, or are of other nats than their column says."""
    groups: dict[tuple[str, str, str], list[Printed]] = defaultdict(list)
    for row in printed:
        first = next(iter(row.values()))
        groups[first.paper, first.dataset, first.coding].append(row)
    exact = {key: [pair for row in rows if (pair := _pair(row))] for key, rows in groups.items()}
    counts = _derived(exact) | TOKENS
    for key, rows in groups.items():
        pairs = exact[key]
        bounds = [found for row in rows if not _pair(row) and (found := _bound(row))]
        tokens = counts.get(key[1:])
        if tokens is None:
            yield from _disagreeing(pairs)
            yield from _outside(bounds)
        else:
            yield from _otherwise(pairs, tokens)
            yield from _beyond(bounds, tokens)
            yield from _column(rows, tokens)


def _pair(row: Printed) -> Range | None:
    """Tokens per sentence by a perplexity and the very nats that it is of."""
    for name, of in PAIRS:
        if name in row and of in row:
            nats = row[of]
            return _range(row[name], nats.number - nats.half, nats.number + nats.half)
    return None


def _bound(row: Printed) -> Range | None:
    """Tokens by a perplexity between those of the reconstruction and of the bound.

    The bound is the larger of that printed and the sum of its parts.
    """
    ppl, total = row.get("ppl_iw") or row.get("ppl"), row.get("neg_elbo")
    rec, kl = (row[name].number if name in row else 0.0 for name in ("rec", "kl"))
    if ppl is None or total is None:
        return None
    least, most = rec or total.number - kl, max(total.number + total.half, rec + kl)
    return _range(ppl, max(0.0, least - DRAW), most)


def _range(ppl: Value, low: float, high: float) -> Range:
    return Range(ppl, low / math.log(ppl.number + ppl.half), high / math.log(ppl.number - ppl.half))


def _derived(exact: Mapping[tuple[str, str, str], list[Range]]) -> dict[tuple[str, str], float]:
    """Tokens per sentence of a text by the most exact pairs of a paper whose pairs agree."""
    agreeing: dict[tuple[str, str], list[Range]] = defaultdict(list)
    for key, pairs in exact.items():
        if pairs and _agree(pairs):
            agreeing[key[1:]] += pairs
    return {
        text: min(pairs, key=lambda pair: pair.high - pair.low).middle
        for text, pairs in agreeing.items()
    }


def _agree(ranges: Iterable[Range], leeway: float = 1e-3) -> bool:
    """Whether one count lies in all ranges, but for a relative leeway: means of means."""
    ranges = list(ranges)
    low, high = max(one.low for one in ranges), min(one.high for one in ranges)
    return low <= high * (1 + leeway)


def _disagreeing(pairs: list[Range]) -> Iterator[Misprint]:
    """A paper's exact pairs of a text whose tokens are not known must agree on one count."""
    if pairs and not _agree(pairs):
        counts = [pair.middle for pair in pairs]
        text = f"{len(pairs)} perplexities follow from their nats with {min(counts):.2f} to " \
               f"{max(counts):.2f} tokens a sentence, not with one count"  # fmt: skip
        yield Misprint(pairs[0].value, "ppl", text)


def _otherwise(pairs: list[Range], tokens: float) -> Iterator[Misprint]:
    """Exact pairs follow with the known count; several that agree on another count otherwise."""
    known = [Range(pair.value, tokens, tokens) for pair in pairs]
    wrong = [pair for pair, one in zip(pairs, known, strict=True) if not _agree([pair, one], 2e-4)]
    if len(wrong) > 2 and len(wrong) == len(pairs) and _agree(wrong):
        count = wrong[0].middle
        text = f"{len(wrong)} perplexities follow from their nats with {count:.2f} tokens a " \
               f"sentence, the text has {tokens:.2f}: other tokens are counted"  # fmt: skip
        yield Misprint(wrong[0].value, "ppl", text)
        return
    for pair in wrong:
        ppl = pair.value
        implied = ppl.number ** (pair.middle / tokens)
        yield Misprint(
            ppl,
            "ppl",
            f"{ppl.metric} {ppl.value} does not follow from its nats, of which {tokens:.2f} tokens "
            f"a sentence make {implied:.2f}; it needs {pair.middle:.2f} tokens",
        )


def _beyond(bounds: list[Range], tokens: float) -> Iterator[Misprint]:
    """A perplexity lies between those of the reconstruction and of the bound."""
    for one in bounds:
        nats = tokens * math.log(one.value.number)
        if one.high * 1.0005 < tokens:
            over = nats * (1 - one.high / tokens)
            word, of = "above", "neg_elbo"
        elif tokens < one.low * 0.9995:
            over = nats * (one.low / tokens - 1)
            word, of = "below", "the reconstruction"
        else:
            continue
        ppl = one.value
        yield Misprint(ppl, "ppl", f"{ppl.metric} {ppl.value} is {nats:.2f} nats with {tokens:.2f} "
                       f"tokens a sentence: {over:.2f} {word} {of}")  # fmt: skip


def _outside(bounds: list[Range]) -> Iterator[Misprint]:
    """Rows whose perplexity needs another count than most of the paper's rows of the text do."""
    if len(bounds) < 3:
        return
    bounds = [replace(one, high=one.high + DRAW / math.log(one.value.number)) for one in bounds]
    at = max((one.low for one in bounds),
             key=lambda count: sum(one.low <= count <= one.high for one in bounds))  # fmt: skip
    within = [one for one in bounds if one.low <= at <= one.high]
    if 2 * len(within) <= len(bounds):
        return
    low, high = max(one.low for one in within), min(one.high for one in within)
    for one in bounds:
        if one not in within:
            ppl = one.value
            yield Misprint(
                ppl,
                "ppl",
                f"{ppl.metric} {ppl.value} follows from its nats with {one.low:.2f} to "
                f"{one.high:.2f} tokens a sentence only, the {len(within)} other rows of "
                f"{ppl.dataset} with {low:.2f} to {high:.2f}",
            )


def _column(members: Sequence[Printed], tokens: float) -> Iterator[Misprint]:
    """A perplexity of the ELBO among importance-weighted ones: they differ once z is used."""
    for row in members:
        ppl, total, kl = row.get("ppl_iw"), row.get("neg_elbo"), row.get("kl")
        if ppl is None or total is None or kl is None or kl.number < LARGE or "iw_nll" in row:
            continue
        nats = tokens * math.log(ppl.number)
        if abs(total.number - nats) < GAP:
            text = f"ppl_iw {ppl.value} is that of neg_elbo {total.value} ({nats:.2f} nats), " \
                   f"not importance-weighted, though kl is {kl.value}"  # fmt: skip
            yield Misprint(ppl, "column", text)
