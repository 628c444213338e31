"""What cannot be among published figures: the checks that records pass, and some of whole tables.

A printed figure is only as exact as its last digit, so each check allows what rounding can do.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import median

from benchmark.report.literature import Misprint, Printed, Value, rows
from benchmark.report.perplexities import DRAW, perplexities

SENTENCES = {"ptb": 3761, "yahoo": 10000, "yelp": 10000}  # of the test splits
BATCH = 32  # sentences of a batch over which `mi_batch` is averaged


def check(values: Sequence[Value]) -> list[Misprint]:
    """All misprints, in the order of the file."""
    printed = list(rows(values).values())
    found = [
        one for row in printed for rule in (_sum, _information, _per_token) for one in rule(row)
    ]
    found += [*perplexities(printed), *_repeated(printed), *_twice(values)]
    place = {id(value): number for number, value in enumerate(values)}
    return sorted(found, key=lambda one: place[id(one.value)])


def listing(values: Sequence[Value]) -> tuple[str, bool]:
    """The misprints for a reader, and whether they are those that the file marks."""
    found = check(values)
    parts: list[str] = []
    for paper in dict.fromkeys(one.value.paper for one in found):
        parts.append(f"\n{paper}")
        for one in (one for one in found if one.value.paper == paper):
            mark = "" if one.known else "NOT MARKED: "
            parts.append(f"- {mark}{one.value.place}: {one.text}")
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


def _per_token(row: Printed) -> Iterator[Misprint]:
    """Perplexity follows from nats per token."""
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
