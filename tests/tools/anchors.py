"""Do our runs under the protocol of Li et al. 2019 (arXiv 1909.00868) reach its numbers on PTB?

    python tests/tools/anchors.py results/li2019_ptb.jsonl

The published values come from paper/published.csv, as Li et al. 2020 (Optimus, arXiv 2004.04092)
print them. The margins were fixed before the runs; likelihoods and bounds have 0.4 nats, since a
share of 101 nats wide enough for noise would also pass another protocol. Ours are means over seeds,
of the test split.

CI judges the computation, not the outcome: a missed anchor is a finding. It is printed as MISSED
with both numbers, asks for a committed ablation that tells the cause, and leaves the exit status at
0. A row without records is told and not judged. Exit status 1 where the file cannot be read or
holds nothing to judge.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import UserError
from benchmark.core.records import is_done, read_jsonl
from benchmark.report import collapse
from benchmark.report.paper import literature

SOURCE = "Li et al. 2020 (Optimus, EMNLP)"
NATS = 0.4  # margin of likelihoods and bounds
Rows = dict[str, list[dict[str, Any]]]
Verdict = tuple[bool | None, str]  # None: nothing is recorded


def published(method: str, metric: str) -> float:
    """A printed value of PTB in words."""
    (found,) = [
        value.number
        for value in literature.read()
        if (value.paper, value.dataset, value.coding) == (SOURCE, "ptb", "words")
        and value.method.startswith(method)
        and value.metric == metric
    ]
    return found


def near(rows: Rows, label: str, metric: str, printed: float, margin: float) -> Verdict:
    """Whether a row's mean is within ``margin`` nats of the printed value."""
    ours = mean(rows, label, metric)
    if ours is None:
        return None, f"{label} {metric}: no record"
    off = ours - printed
    text = f"{label} {metric}: {ours:.2f}, published {printed:g}: {off:+.2f}, margin {margin:.2f}"
    return abs(off) <= margin, text


def mean(rows: Rows, label: str, metric: str) -> float | None:
    """Over the seeds that there are; None without one."""
    return float(np.mean([test[metric] for test in rows[label]])) if label in rows else None


def collapsed(rows: Rows, label: str) -> Verdict:
    """Whether every seed is."""
    if label not in rows:
        return None, f"{label} collapsed: no record"
    gone = [collapse.state(test) == "collapsed" for test in rows[label]]
    return all(gone), f"{label} collapsed: {sum(gone)} of {len(gone)} seeds"


def judged(rows: Rows) -> Iterator[Verdict]:
    """Each anchor: whether it is reached, and the numbers."""
    yield near(rows, "lstm_lm", "iw_nll", published("LSTM-LM", "iw_nll"), NATS)
    # The printed row is the monotonic one; without a schedule the latent is lost as well.
    for label in ("none", "monotonic"):
        yield collapsed(rows, label)
        yield near(rows, label, "neg_elbo", published("LSTM VAE M.A.", "neg_elbo"), NATS)
    cap, ours = (mean(rows, "autoencoder", metric) for metric in ("mi_cap", "mi"))
    if cap is None or ours is None:
        yield None, "autoencoder mi: no record"
    else:
        yield cap - ours <= 0.3, f"autoencoder mi: {ours:.3f}, ln N {cap:.3f}, margin 0.3"
    # A reconstruction at weight 0 is no likelihood; its margin is a tenth.
    printed = published("LSTM-AE", "rec")
    yield near(rows, "autoencoder", "rec", printed, 0.1 * printed)
    label = "pretrained_free_bits_5"
    kl, ppl, lm = (
        mean(rows, row, metric)
        for row, metric in ((label, "kl"), (label, "ppl_iw"), ("lstm_lm", "ppl_iw"))
    )
    if kl is None or ppl is None or lm is None:
        yield None, f"{label} kl, ppl_iw: no record"
    else:
        yield 5 <= kl <= 8, f"{label} kl: {kl:.2f}, between 5 and 8"
        yield ppl < lm, f"{label} ppl_iw: {ppl:.2f}, below lstm_lm's {lm:.2f}"


def main(path: Path) -> int:
    """Print each verdict; 1 where nothing could be judged."""
    try:
        lines = read_jsonl(path)
    except (UserError, OSError) as error:
        print(f"anchors: {error}", file=sys.stderr)
        return 1
    rows: Rows = {}
    for line in lines:
        if is_done(line):
            rows.setdefault(line["label"], []).append(line["metrics"]["test"])
    verdicts = list(judged(rows))
    for reached, text in verdicts:
        print({True: "reached", False: "MISSED ", None: "–      "}[reached], text)
    missed = sum(reached is False for reached, _ in verdicts)
    if missed:
        print(f"{missed} missed: commit an ablation, with its records, that tells the cause")
    return 0 if any(reached is not None for reached, _ in verdicts) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("records", type=Path)
    sys.exit(main(parser.parse_args().records))
