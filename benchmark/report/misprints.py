"""What cannot be among published figures: the same checks that records pass, and a few of tables.

A printed figure is only as exact as its last digit, so each check allows what rounding can do.
Tokens per sentence are known of Penn Treebank and Yahoo in words; of other sets they follow from
exact pairs of nats and perplexity that agree, or are only asked to be one number for a whole paper.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import median

from benchmark.report.published import Printed, Value, rows

# Scored tokens (words and the sentence's end) and sentences of the test splits.
TOKENS = {("ptb", "words"): 82430 / 3761, ("yahoo", "words"): 798673 / 10000}
SENTENCES = {"ptb": 3761, "yahoo": 10000, "yelp": 10000}
BATCH = 32  # sentences of a batch over which `mi_batch` is averaged
# -log p(x) is hardly below the reconstruction, which one draw a sentence measures: nats.
DRAW = 0.5
# A perplexity as near as this to that of the ELBO, nats, though the KL is large, is that.
GAP, LARGE = 0.1, 1.0
# Perplexities and the nats that they are of.
PAIRS = (("ppl_elbo", "neg_elbo"), ("ppl_iw", "iw_nll"), ("ppl_rec", "rec"), ("ppl", "nll"))


@dataclass(frozen=True)
class Misprint:
    """``value`` fails the check ``kind``; ``text`` says what is wrong and by how much."""

    value: Value
    kind: str
    text: str

    @property
    def known(self) -> bool:
        """Whether the file marks it: then it is printed so, and no mistake of ours."""
        return self.kind in self.value.kinds


@dataclass(frozen=True)
class Range:
    """Tokens per sentence that a printed row leaves open, from ``low`` to ``high``."""

    value: Value
    low: float
    high: float


def check(values: Sequence[Value]) -> list[Misprint]:
    """All misprints, in the order of the file."""
    printed = list(rows(values).values())
    found = [one for row in printed for rule in (_sum, _information) for one in rule(row)]
    found += [*_perplexities(printed), *_repeated(printed), *_twice(values)]
    place = {id(value): number for number, value in enumerate(values)}
    return sorted(found, key=lambda one: place[id(one.value)])


def listing(values: Sequence[Value]) -> tuple[str, bool]:
    """The misprints for a reader, and whether they are those that the file marks."""
    found = check(values)
    parts: list[str] = []
    for paper in dict.fromkeys(one.value.paper for one in found):
        parts.append(f"\n{paper}")
        for one in (one for one in found if one.value.paper == paper):
            new = "" if one.known else "NOT MARKED: "
            parts.append(f"- {new}{one.value.place}: {one.text}")
    seen = {(id(one.value), one.kind) for one in found}
    lost = [
        f"- MARKED, BUT FOUND NO MORE: {value.paper}, {value.place}: {value.metric}: {kind}"
        for value in values
        for kind in value.kinds
        if (id(value), kind) not in seen
    ]
    new = sum(not one.known for one in found)
    right = not lost and not new
    papers = len({value.paper for value in values})
    state = "all marked in its source's row" if right else f"{new} not marked, {len(lost)} lost"
    head = f"{len(values)} published values of {papers} sources; {len(found)} misprints, {state}."
    return "\n".join([head, *parts, *lost]), right


def _sum(row: Printed) -> Iterator[Misprint]:
    """The bound is the sum of its two parts; an importance-weighted one is no looser."""
    if {"neg_elbo", "rec", "kl"} <= row.keys():
        total, rec, kl = row["neg_elbo"], row["rec"], row["kl"]
        apart = rec.number + kl.number - total.number
        if abs(apart) > total.half + rec.half + kl.half + 1e-9:
            told = f"rec {rec.value} + kl {kl.value} is {rec.number + kl.number:.2f}, neg_elbo is"
            yield Misprint(total, "sum", f"{told} {total.value}: {abs(apart):.2f} nats apart")
    if {"neg_elbo", "iw_nll"} <= row.keys():
        total, tight = row["neg_elbo"], row["iw_nll"]
        if tight.number - total.number > total.half + tight.half + DRAW:
            over = tight.number - total.number
            yield Misprint(tight, "sum", f"iw_nll {tight.value} is {over:.2f} nats above neg_elbo")


def _information(row: Printed) -> Iterator[Misprint]:
    """I(x; z) is at most the KL, and at most the logarithm of the sentences it is taken over."""
    for name in ("mi", "mi_batch"):
        mi, kl = row.get(name), row.get("kl")
        if mi is None:
            continue
        size = BATCH if name == "mi_batch" else SENTENCES.get(mi.dataset)
        texts = []
        if kl is not None and mi.number - kl.number > mi.half + kl.half + 1e-9:
            texts.append(f"{mi.number - kl.number:.2f} nats above kl {kl.value}")
        if size is not None and mi.number - math.log(size) > mi.half:
            over = mi.number - math.log(size)
            texts.append(f"{over:.2f} nats above ln {size:,} = {math.log(size):.2f}")
        if texts:
            yield Misprint(mi, "mi", f"{name} {mi.value} is {' and '.join(texts)}")


def _perplexities(printed: Sequence[Printed]) -> Iterator[Misprint]:
    """Perplexity is exp(nats per sentence / tokens per sentence), of one text one count."""
    groups: dict[tuple[str, str, str], list[Printed]] = defaultdict(list)
    for row in printed:
        first = next(iter(row.values()))
        groups[first.paper, first.dataset, first.coding].append(row)
    counts = {**_derived(groups), **TOKENS}
    for (_, dataset, coding), members in groups.items():
        exact = [_pair(row) for row in members]
        pairs = [pair for pair in exact if pair is not None]
        bounds = [found for row, pair in zip(members, exact, strict=True) if pair is None
                  for found in [_bound(row)] if found is not None]  # fmt: skip
        tokens = counts.get((dataset, coding))
        if tokens is None:
            yield from _disagreeing(pairs)
            yield from _outside(bounds)
        else:
            yield from _otherwise(pairs, tokens)
            yield from _beyond(bounds, tokens)
            yield from _column(members, tokens)
        for row in members:
            yield from _per_token(row)


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


def _derived(
    groups: dict[tuple[str, str, str], list[Printed]],
) -> dict[tuple[str, str], float]:
    """Tokens per sentence of a text by the most exact pairs of a paper whose pairs agree."""
    best: dict[tuple[str, str], Range] = {}
    for (_, dataset, coding), members in groups.items():
        pairs = [pair for pair in map(_pair, members) if pair is not None]
        if not pairs or not _agree(pairs):
            continue
        exact = min(pairs, key=lambda pair: pair.high - pair.low)
        known = best.setdefault((dataset, coding), exact)
        if exact.high - exact.low < known.high - known.low:
            best[dataset, coding] = exact
    return {text: (pair.low + pair.high) / 2 for text, pair in best.items()}


def _agree(ranges: Iterable[Range]) -> bool:
    """Whether one count lies in all ranges, of which a thousandth is allowed for the mean's way."""
    ranges = list(ranges)
    low, high = max(one.low for one in ranges), min(one.high for one in ranges)
    return low <= high * 1.001


def _disagreeing(pairs: list[Range]) -> Iterator[Misprint]:
    """A paper's exact pairs of a text whose tokens are not known must agree on one count."""
    if pairs and not _agree(pairs):
        counts = [(pair.low + pair.high) / 2 for pair in pairs]
        text = f"{len(pairs)} perplexities follow from their nats with {min(counts):.2f} to " \
               f"{max(counts):.2f} tokens a sentence, not with one count"  # fmt: skip
        yield Misprint(pairs[0].value, "ppl", text)


def _otherwise(pairs: list[Range], tokens: float) -> Iterator[Misprint]:
    """Exact pairs follow with the known count; several that agree on another count otherwise."""
    wrong = [pair for pair in pairs if not _agree([pair, Range(pair.value, tokens, tokens)])]
    if len(wrong) > 2 and len(wrong) == len(pairs) and _agree(wrong):
        count = (wrong[0].low + wrong[0].high) / 2
        text = f"{len(wrong)} perplexities follow from their nats with {count:.2f} tokens a " \
               f"sentence, the text has {tokens:.2f}: other tokens are counted"  # fmt: skip
        yield Misprint(wrong[0].value, "ppl", text)
        return
    for pair in wrong:
        count, ppl = (pair.low + pair.high) / 2, pair.value
        implied = ppl.number ** (count / tokens)
        yield Misprint(
            ppl,
            "ppl",
            f"{ppl.metric} {ppl.value} does not follow from its nats, of which {tokens:.2f} tokens "
            f"a sentence make {implied:.2f}; it needs {count:.2f} tokens",
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


def _per_token(row: Printed) -> Iterator[Misprint]:
    """Perplexity from nats per token."""
    if {"ppl_elbo", "rec_per_token", "kl_per_token"} <= row.keys():
        ppl, parts = row["ppl_elbo"], (row["rec_per_token"], row["kl_per_token"])
        nats, half = sum(part.number for part in parts), sum(part.half for part in parts)
        if abs(math.log(ppl.number) - nats) > half + ppl.half / ppl.number:
            text = f"ppl_elbo {ppl.value} does not follow from {nats:.2f} nats a token"
            yield Misprint(ppl, "ppl", f"{text} ({math.exp(nats):.2f})")


def _repeated(printed: Sequence[Printed]) -> Iterator[Misprint]:
    """Two long figures of one paper that are equal on two texts were copied.

    Of the two rows the one farther from its text's other rows is told.
    """
    bounds: dict[tuple[str, ...], list[float]] = defaultdict(list)
    papers: dict[str, list[Printed]] = defaultdict(list)
    for row in printed:
        first = next(iter(row.values()))
        papers[first.paper].append(row)
        if "neg_elbo" in row:
            bounds[first.paper, first.dataset, first.coding].append(row["neg_elbo"].number)

    def strange(row: Printed) -> float:
        total = row["neg_elbo"]
        usual = median(bounds[total.paper, total.dataset, total.coding])
        return abs(math.log(total.number / usual))

    for members in papers.values():
        for one, two in combinations((row for row in members if "neg_elbo" in row), 2):
            equal = [name for name in ("neg_elbo", "rec", "iw_nll", "ppl_iw") if name in one
                     and name in two and one[name].number == two[name].number]  # fmt: skip
            if one["neg_elbo"].dataset == two["neg_elbo"].dataset or len(equal) < 2:
                continue
            copy, source = (one, two) if strange(one) > strange(two) else (two, one)
            told = ", ".join(f"{name} {copy[name].value}" for name in equal)
            yield Misprint(copy["neg_elbo"], "repeat", f"repeats {told} of "
                           f"{source['neg_elbo'].place}")  # fmt: skip


def _twice(values: Sequence[Value]) -> Iterator[Misprint]:
    """A figure that a paper prints in two tables is one figure."""
    first: dict[tuple[str, ...], Value] = {}
    for value in values:
        key = (value.paper, value.dataset, value.coding, value.method, value.metric)
        known = first.setdefault(key, value)
        apart = abs(known.number - value.number)
        if apart > known.half + value.half + 1e-9:
            text = f"{value.metric} is {value.value} here and {known.value} in {known.table}"
            yield Misprint(value, "twice", text)
