"""Find what cannot be among published numbers, and whether the file marks just that.

    python tests/tools/misprints.py [paper/published.csv]

The checks are those that records pass, and some of whole tables. A printed number is only as exact
as its last digit, so each check allows what rounding can do. Perplexity is exp(nats / tokens per
sentence). Tokens per sentence are known of Penn Treebank and Yahoo in words. Of other texts they
follow from pairs of nats and the perplexity of those nats, if a paper's pairs agree; else its
perplexities are only asked to be possible with one count.

Prints each misprint that the file does not mark, as its column ``misprint`` should say it, and each
mark that no check finds. Exit status 1 if there is one.
"""

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median

from benchmark.report.paper.literature import FILE, Misprint, Printed, Value, read, rows

SENTENCES = {"ptb": 3761, "yahoo": 10000, "yelp": 10000}  # of the test splits
BATCH = 32  # sentences of a batch over which `mi_batch` is averaged
# Scored tokens (words and the sentence's end) per sentence of the test splits.
TOKENS = {("ptb", "words"): 82430 / 3761, ("yahoo", "words"): 798673 / 10000}
DRAW = 0.5  # nats: -log p(x) is hardly below the reconstruction, measured by one draw a sentence
# A perplexity as near as this to that of the ELBO, nats, though the KL is large, is that.
GAP, LARGE = 0.1, 1.0
# Perplexities and the nats that they are of.
PAIRS = (("ppl_elbo", "neg_elbo"), ("ppl_iw", "iw_nll"), ("ppl_rec", "rec"), ("ppl", "nll"))


@dataclass(frozen=True)
class Range:
    """Tokens per sentence that a printed perplexity leaves open, from ``low`` to ``high``."""

    value: Value
    low: float
    high: float

    @staticmethod
    def of(ppl: Value, low: float, high: float) -> "Range":
        """Return the tokens if the perplexity is of ``low`` to ``high`` nats."""
        least, most = math.log(ppl.number - ppl.half), math.log(ppl.number + ppl.half)
        return Range(ppl, low / most, high / least)

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2


def check(values: Sequence[Value]) -> list[Misprint]:
    """Return all misprints, in the order of the file."""
    printed = rows(values)
    groups: dict[tuple[str, str, str], list[Printed]] = defaultdict(list)
    for row in printed:
        first = next(iter(row.values()))
        groups[first.paper, first.dataset, first.coding].append(row)
    found = [one for row in printed for rule in (_sum, _mi, _per_token) for one in rule(row)]
    found += [*_perplexities(groups), *_repeated(groups), *_twice(values)]
    place = {id(value): number for number, value in enumerate(values)}
    return sorted(found, key=lambda one: place[id(one.value)])


def main(path: Path) -> int:
    """Print where the file's marks and the checks differ."""
    values = read(path)
    found, marked = check(values), [one for value in values for one in value.misprints]
    for title, some, others in (
        ("NOT MARKED", found, marked), ("MARKED, BUT FOUND NO MORE", marked, found),
    ):  # fmt: skip
        for one in some:
            if one not in others:
                print(f"{title}: {one.value.paper}, {one.value.place}: {one.kind}: {one.text}")
    print(f"{len(values)} values, {len(found)} misprints")
    return int(found != marked)


# Of one row ---------------------------------------------------------------------------------------


def _sum(row: Printed) -> Iterator[Misprint]:
    """The bound is the sum of its two parts; an importance-weighted one is no looser."""
    if {"neg_elbo", "rec", "kl"} <= row.keys():
        total, rec, kl = row["neg_elbo"], row["rec"], row["kl"]
        apart = abs(rec.number + kl.number - total.number)
        if apart > total.half + rec.half + kl.half + 1e-9:
            parts = f"rec {rec.value} + kl {kl.value} is {rec.number + kl.number:.2f}"
            text = f"{parts}, neg_elbo is {total.value}: {apart:.2f} nats apart"
            yield Misprint(total, "sum", text)
    if {"neg_elbo", "iw_nll"} <= row.keys():
        total, tight = row["neg_elbo"], row["iw_nll"]
        over = tight.number - total.number
        if over > total.half + tight.half + DRAW:
            yield Misprint(tight, "sum", f"iw_nll {tight.value} is {over:.2f} nats above neg_elbo")


def _mi(row: Printed) -> Iterator[Misprint]:
    """I(x; z) is at most the KL, and at most the logarithm of the sentences it is taken over."""
    for mi in (row[name] for name in ("mi", "mi_batch") if name in row):
        kl, texts = row.get("kl"), []
        size = BATCH if mi.metric == "mi_batch" else SENTENCES.get(mi.dataset)
        if kl is not None and mi.number - kl.number > mi.half + kl.half + 1e-9:
            texts.append(f"{mi.number - kl.number:.2f} nats above kl {kl.value}")
        if size is not None and mi.number - math.log(size) > mi.half:
            over = mi.number - math.log(size)
            texts.append(f"{over:.2f} nats above ln {size:,} = {math.log(size):.2f}")
        if texts:
            yield Misprint(mi, "mi", f"{mi.metric} {mi.value} is {' and '.join(texts)}")


def _per_token(row: Printed) -> Iterator[Misprint]:
    """Perplexity follows from nats per token."""
    if {"ppl_elbo", "rec_per_token", "kl_per_token"} <= row.keys():
        ppl, parts = row["ppl_elbo"], (row["rec_per_token"], row["kl_per_token"])
        nats, half = sum(part.number for part in parts), sum(part.half for part in parts)
        if abs(math.log(ppl.number) - nats) > half + ppl.half / ppl.number:
            text = f"ppl_elbo {ppl.value} does not follow from {nats:.2f} nats a token"
            yield Misprint(ppl, "ppl", f"{text} ({math.exp(nats):.2f})")


# Of whole tables ----------------------------------------------------------------------------------


def _repeated(groups: dict[tuple[str, str, str], list[Printed]]) -> Iterator[Misprint]:
    """Two long numbers of one paper that are equal on two texts were copied.

    The copy is the row that lies farther from the other rows of its text.
    """
    usual, papers = {}, defaultdict(list)
    for key, members in groups.items():
        bounded = [row for row in members if "neg_elbo" in row]
        usual[key] = median([row["neg_elbo"].number for row in bounded] or [1.0])
        papers[key[0]] += [(row, key) for row in bounded]
    pairs = (pair for members in papers.values() for pair in combinations(members, 2))
    for pair in pairs:
        unusual = [abs(math.log(row["neg_elbo"].number / usual[key])) for row, key in pair]
        (source, other), (copy, at) = pair if unusual[0] <= unusual[1] else reversed(pair)
        equal = [name for name in ("neg_elbo", "rec", "iw_nll", "ppl_iw") if name in copy
                 and name in source and copy[name].number == source[name].number]  # fmt: skip
        if at[1] != other[1] and len(equal) >= 2:
            numbers = ", ".join(f"{name} {copy[name].value}" for name in equal)
            text = f"repeats {numbers} of {source['neg_elbo'].place}"
            yield Misprint(copy["neg_elbo"], "repeat", text)


def _twice(values: Sequence[Value]) -> Iterator[Misprint]:
    """A number that a paper prints in two tables is one number."""
    first: dict[tuple[str, ...], Value] = {}
    for value in values:
        key = (value.paper, value.dataset, value.coding, value.method, value.metric)
        known = first.setdefault(key, value)
        if abs(known.number - value.number) > known.half + value.half + 1e-9:
            text = f"{value.metric} is {value.value} here and {known.value} in {known.table}"
            yield Misprint(value, "twice", text)


# Perplexities -------------------------------------------------------------------------------------


def _perplexities(groups: dict[tuple[str, str, str], list[Printed]]) -> Iterator[Misprint]:
    """Perplexities that do not follow, or are of other nats than their column says."""
    exact = {key: [one for row in of if (one := _exact(row))] for key, of in groups.items()}
    agreeing: dict[tuple[str, str], list[Range]] = defaultdict(list)
    for key, pairs in exact.items():
        if pairs and _agree(pairs):
            agreeing[key[1:]] += pairs
    counts = {
        text: min(pairs, key=lambda pair: pair.high - pair.low).middle
        for text, pairs in agreeing.items()
    } | TOKENS
    for key, members in groups.items():
        bounds = [one for row in members if not _exact(row) and (one := _between(row))]
        tokens = counts.get(key[1:])
        if tokens is None:
            yield from _with_one_count(exact[key], bounds)
        else:
            yield from _with_tokens(exact[key], bounds, tokens)
            yield from _column(members, tokens)


def _exact(row: Printed) -> Range | None:
    """Return tokens per sentence by a perplexity and the very nats that it is of."""
    for name, of in PAIRS:
        if name in row and of in row:
            nats = row[of]
            return Range.of(row[name], nats.number - nats.half, nats.number + nats.half)
    return None


def _between(row: Printed) -> Range | None:
    """Return tokens by a perplexity between those of the reconstruction and of the bound.

    The bound is the larger of that printed and the sum of its parts.
    """
    ppl, total = row.get("ppl_iw") or row.get("ppl"), row.get("neg_elbo")
    rec, kl = (row[name].number if name in row else 0.0 for name in ("rec", "kl"))
    if ppl is None or total is None:
        return None
    least, most = rec or total.number - kl, max(total.number + total.half, rec + kl)
    return Range.of(ppl, max(0.0, least - DRAW), most)


def _agree(ranges: Iterable[Range], leeway: float = 1e-3) -> bool:
    """Return whether one count lies in all ranges, but for a relative leeway: means of means."""
    ranges = list(ranges)
    return max(one.low for one in ranges) <= min(one.high for one in ranges) * (1 + leeway)


def _with_one_count(pairs: list[Range], bounds: list[Range]) -> Iterator[Misprint]:
    """A paper's perplexities of a text whose tokens are not known must agree on one count."""
    if pairs and not _agree(pairs):
        counts = [pair.middle for pair in pairs]
        text = f"{len(pairs)} perplexities follow from their nats with {min(counts):.2f} to " \
               f"{max(counts):.2f} tokens a sentence, not with one count"  # fmt: skip
        yield Misprint(pairs[0].value, "ppl", text)
    if len(bounds) < 3:
        return
    wide = [Range(one.value, one.low, one.high + DRAW / math.log(one.value.number))
            for one in bounds]  # fmt: skip
    # The count that most rows allow; where half of the rows forbid it, none is the odd one out.
    at = max((one.low for one in wide),
             key=lambda count: sum(one.low <= count <= one.high for one in wide))  # fmt: skip
    within = [one for one in wide if one.low <= at <= one.high]
    if 2 * len(within) <= len(wide):
        return
    low, high = max(one.low for one in within), min(one.high for one in within)
    for one in wide:
        if one not in within:
            ppl = one.value
            yield Misprint(
                ppl,
                "ppl",
                f"{ppl.metric} {ppl.value} follows from its nats with {one.low:.2f} to "
                f"{one.high:.2f} tokens a sentence only, the {len(within)} other rows of "
                f"{ppl.dataset} with {low:.2f} to {high:.2f}",
            )


def _with_tokens(pairs: list[Range], bounds: list[Range], tokens: float) -> Iterator[Misprint]:
    """Perplexities follow from their nats, or lie between those of two nats."""
    wrong = [pair for pair in pairs if not _agree([pair, Range(pair.value, tokens, tokens)], 2e-4)]
    if len(wrong) > 2 and len(wrong) == len(pairs) and _agree(wrong):
        text = f"{len(wrong)} perplexities follow from their nats with {wrong[0].middle:.2f} tokens"
        text += f" a sentence, the text has {tokens:.2f}: other tokens are counted"
        yield Misprint(wrong[0].value, "ppl", text)
        wrong = []
    for pair in wrong:
        ppl = pair.value
        implied = ppl.number ** (pair.middle / tokens)
        text = (
            f"{ppl.metric} {ppl.value} does not follow from its nats, of which {tokens:.2f} tokens"
        )
        text += f" a sentence make {implied:.2f}; it needs {pair.middle:.2f} tokens"
        yield Misprint(ppl, "ppl", text)
    for one in bounds:
        ppl, nats = one.value, tokens * math.log(one.value.number)
        if one.high * 1.0005 < tokens:
            over = f"{nats * (1 - one.high / tokens):.2f} above neg_elbo"
        elif tokens < one.low * 0.9995:
            over = f"{nats * (one.low / tokens - 1):.2f} below the reconstruction"
        else:
            continue
        text = f"{ppl.metric} {ppl.value} is {nats:.2f} nats with {tokens:.2f} tokens a sentence"
        yield Misprint(ppl, "ppl", f"{text}: {over}")


def _column(members: Sequence[Printed], tokens: float) -> Iterator[Misprint]:
    """A perplexity of the ELBO among importance-weighted ones: they differ once z is used."""
    for row in members:
        if not {"ppl_iw", "neg_elbo", "kl"} <= row.keys() or "iw_nll" in row:
            continue
        ppl, total, kl = row["ppl_iw"], row["neg_elbo"], row["kl"]
        nats = tokens * math.log(ppl.number)
        if kl.number >= LARGE and abs(total.number - nats) < GAP:
            text = f"ppl_iw {ppl.value} is that of neg_elbo {total.value} ({nats:.2f} nats), " \
                   f"not importance-weighted, though kl is {kl.value}"  # fmt: skip
            yield Misprint(ppl, "column", text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("file", nargs="?", type=Path, default=FILE)
    sys.exit(main(parser.parse_args().file))
