"""Checks that any honest record passes, applied before its figures are shown."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmark.records import digest

Record = dict[str, Any]
Figures = dict[str, Any]

ERRORS = 4.0  # standard errors that sampled comparisons are allowed
SATURATION = 3.0  # nats below its cap from which on MI is a lower bound
ROUNDING = 1e-3  # nats: sums kept in other orders
# Standard deviation of the coupled estimator of MI, at most, with 3,761 sentences; it falls as
# the root of their number. Used where a record states no error of its own.
MI_DEVIATION, MI_SENTENCES = 0.04, 3761


def check(lines: Sequence[Record]) -> list[tuple[str, str]]:
    """All findings on complete records: (id, message), in the order of the lines."""
    found = []
    for line in lines:
        if line.get("status", "done") != "done":
            continue
        if line.get("digest", digest(line)) != digest(line):
            found.append((line["id"], "record: changed since its run wrote it"))
        for split in ("valid", "test", "last"):
            figures = line["metrics"][split]
            problems = [text for rule in _RULES for text in rule(figures)]
            problems += _perplexities(figures, _tokens(line, split))
            problems += _cap(figures, _size(line, split, "sentences"))
            found += [(line["id"], f"{split}: {text}") for text in problems]
    return found + _repeated(lines) + _codings(lines)


def _sum(figures: Figures) -> Iterator[str]:
    """The bound is the sum of its two parts."""
    total = figures["rec"] + figures["kl"]
    if abs(total - figures["neg_elbo"]) > ROUNDING:
        yield f"rec + kl is {total:.4f}, neg_elbo {figures['neg_elbo']:.4f}"


def _bound(figures: Figures) -> Iterator[str]:
    """More importance samples cannot loosen the bound."""
    if figures.get("iw_nll") is None:
        return
    error = figures.get("iw_gap_se") or 0.0
    if figures["iw_nll"] > figures["neg_elbo"] + ERRORS * error + ROUNDING:
        yield f"iw_nll {figures['iw_nll']:.4f} is above neg_elbo {figures['neg_elbo']:.4f}"


def _curve(figures: Figures) -> Iterator[str]:
    """Blocks of the same draws: the curve falls exactly, and ends at IW-NLL."""
    curve = figures.get("iw_curve") or []
    values = [value for _, value in curve]
    if any(later > earlier + ROUNDING for earlier, later in itertools.pairwise(values)):
        yield f"iw_curve rises: {', '.join(f'{value:.4f}' for value in values)}"
    if values and abs(values[-1] - figures["iw_nll"]) > ROUNDING:
        yield f"iw_curve ends at {values[-1]:.4f}, iw_nll is {figures['iw_nll']:.4f}"


def _information(figures: Figures) -> Iterator[str]:
    """I(x; z) is at most the KL, and at most ln N."""
    mi, cap = figures.get("mi"), figures.get("mi_cap")
    if mi is None:
        return
    if cap is not None and mi > cap + ROUNDING:
        yield f"mi {mi:.4f} is above its cap {cap:.4f}"
    if mi > figures["kl"] + ERRORS * _mi_error(figures) + ROUNDING:
        yield f"mi {mi:.4f} is above kl {figures['kl']:.4f}"


def _mi_error(figures: Figures) -> float:
    """The standard error of MI: stated, or from the number of sentences, of which the cap is ln."""
    if figures.get("mi_se") is not None:
        return float(figures["mi_se"])
    cap = figures.get("mi_cap")
    sentences = math.exp(cap) if cap is not None else MI_SENTENCES
    return MI_DEVIATION * math.sqrt(MI_SENTENCES / sentences)


def _recovery(figures: Figures) -> Iterator[str]:
    """What a probe finds of the class in z is at most what z knows of the sentence."""
    recovered, mi, cap = (figures.get(name) for name in ("recovered", "mi", "mi_cap"))
    if recovered is None or mi is None or (cap is not None and mi > cap - SATURATION):
        return
    error = math.hypot(figures.get("recovered_se") or 0.0, _mi_error(figures))
    if recovered > mi + ERRORS * error + ROUNDING:
        yield f"recovered {recovered:.4f} is above mi {mi:.4f}"


def _excess(figures: Figures) -> Iterator[str]:
    """No model is better than the language itself."""
    excess = figures.get("excess")
    if excess is not None and excess < -ERRORS * (figures.get("excess_se") or 0.0) - ROUNDING:
        yield f"excess {excess:.4f} is below 0 beyond {ERRORS:.0f} standard errors"


_RULES: tuple[Callable[[Figures], Iterator[str]], ...] = (
    _sum,
    _bound,
    _curve,
    _information,
    _recovery,
    _excess,
)


def _size(line: Record, split: str, what: str) -> int | None:
    """Sentences or tokens of the split that a group of metrics was measured on."""
    size: int | None = line["data"].get(f"{'valid' if split == 'valid' else 'test'}_{what}")
    return size


def _tokens(line: Record, split: str) -> float | None:
    """Scored tokens per sentence."""
    tokens, sentences = (_size(line, split, what) for what in ("tokens", "sentences"))
    return tokens / sentences if tokens and sentences else None


def _cap(figures: Figures, sentences: int | None) -> Iterator[str]:
    """The cap of MI is ln N of the split."""
    cap = figures.get("mi_cap")
    if cap is not None and sentences and abs(cap - math.log(sentences)) > ROUNDING:
        yield f"mi_cap {cap:.4f} is not ln {sentences:,} ({math.log(sentences):.4f})"


def _perplexities(figures: Figures, tokens: float | None) -> Iterator[str]:
    """Perplexity is exp(nats per sentence / tokens per sentence)."""
    for name, of in (("ppl_elbo", "neg_elbo"), ("ppl_iw", "iw_nll")):
        stated, nats = figures.get(name), figures.get(of)
        if stated is None or nats is None or tokens is None:
            continue
        implied = math.exp(nats / tokens)
        if abs(stated - implied) > 1e-3 * implied:
            yield f"{name} {stated:.3f} does not follow from {nats:.3f} nats and {tokens:.3f} " \
                  f"tokens a sentence ({implied:.3f})"  # fmt: skip


def _repeated(lines: Sequence[Record]) -> list[tuple[str, str]]:
    """Two runs whose test figures are all equal are one run copied."""
    seen: dict[str, str] = {}
    found = []
    for line in lines:
        if line.get("status", "done") != "done":
            continue
        figures = repr(sorted(line["metrics"]["test"].items()))
        if figures in seen:
            found.append((line["id"], f"test: repeats every figure of {seen[figures]}"))
        seen.setdefault(figures, line["id"])
    return found


def _codings(lines: Sequence[Record]) -> list[tuple[str, str]]:
    """Records of one data set tell the same of it; another library may make other pieces."""
    first: dict[str, Record] = {}
    found = []
    for line in lines:
        if line.get("status", "done") != "done":
            continue
        data, known = line["data"], first.setdefault(line["data"]["sha256"], line)
        for key in ("vocabulary", "vocabulary_sha256", "test_sentences", "test_tokens"):
            if key in data and data[key] != known["data"].get(key, data[key]):
                told = f"{data[key]}, of {known['id']} with the same data {known['data'][key]}"
                found.append((line["id"], f"data: {key} is {told}"))
    return found
