"""Do whole runs in bf16 agree with those in fp32? By the runs of paper/precision.toml.

    python tests/equivalence.py results/precision.jsonl

For each row and its twin in bf16, and each metric: the mean of bf16 - fp32 paired by seed, its 90 %
t interval, and whether that lies within the margin fixed before the runs. Test split, nats per
sentence; active units in units. Exit status 1 if one does not.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.records import read_jsonl
from benchmark.report.statistics import Equivalence, equivalence

MARGINS = {"neg_elbo": 0.2, "iw_nll": 0.2, "kl": 0.2, "mi": 0.2, "au": 1.0}


def twins(lines: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """For each fp32 row: its label, and the test metrics of both precisions by seed."""
    rows: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for line in lines:
        config = line["config"]
        if line["status"] == "done":
            row = (line["label"].removesuffix(", bf16"), config["precision"])
            rows.setdefault(row, {})[config["seed"]] = line["metrics"]["test"]
    for label, precision in rows:
        if precision == "fp32" and (label, "bf16") in rows:
            both = [rows[label, "fp32"], rows[label, "bf16"]]
            seeds = sorted(both[0].keys() & both[1].keys())
            yield label, [{"fp32": both[0][seed], "bf16": both[1][seed]} for seed in seeds]


def judged(lines: list[dict[str, Any]]) -> list[tuple[str, str, Equivalence]]:
    """(row, metric, verdict) for all rows and metrics."""
    found = []
    for label, pairs in twins(lines):
        for metric, margin in MARGINS.items():
            low = [float(pair["bf16"][metric]) for pair in pairs]
            full = [float(pair["fp32"][metric]) for pair in pairs]
            found.append((label, metric, equivalence(low, full, margin)))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("records", type=Path)
    verdicts = judged(read_jsonl(parser.parse_args().records))
    for label, metric, found in verdicts:
        assert found.low is not None
        assert found.high is not None
        print(f"{label:<12} {metric:<9} n = {found.n}: {found.mean:+.3f}, 90 % interval "
              f"[{found.low:+.3f}, {found.high:+.3f}], margin {found.margin:g}: "
              f"{'equivalent' if found.equivalent else 'NOT shown equivalent'}")  # fmt: skip
    return 0 if verdicts and all(found.equivalent for _, _, found in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
