"""Differences between two rows of a study, paired by seed: a script, until the report has them.

    python tests/paired.py results/confound_exact.jsonl "cyclical, constant" "monotonic, constant"

Prints for each metric the mean of first - second over the seeds that both have, half the width of
Student's 95 % interval, and every seed's difference. Test split, nats per sentence.
"""

import argparse
from pathlib import Path

from benchmark.records import read_jsonl
from benchmark.report.statistics import shown, summarise

METRICS = ("neg_elbo", "iw_nll", "kl", "mi", "z_use", "excess", "recovered")


def differences(path: Path, first: str, second: str, data: str | None) -> dict[str, list[float]]:
    """By metric, one difference a seed."""
    rows: dict[str, dict[int, dict[str, float]]] = {first: {}, second: {}}
    for line in read_jsonl(path):
        wanted = line["label"] in rows and data in (None, line["config"]["data"])
        if wanted and line["status"] == "done":
            rows[line["label"]][line["config"]["seed"]] = line["metrics"]["test"]
    seeds = sorted(rows[first].keys() & rows[second].keys())
    if not seeds:
        raise SystemExit(f"{path}: '{first}' and '{second}' have no seed in common")
    return {
        metric: [rows[first][seed][metric] - rows[second][seed][metric] for seed in seeds]
        for metric in METRICS
        if all(rows[row][seed].get(metric) is not None for row in rows for seed in seeds)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("records", type=Path)
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("--data", help="of a study with several data sets")
    given = parser.parse_args()
    print(f"{given.first} minus {given.second}")
    for metric, values in differences(given.records, given.first, given.second, given.data).items():
        each = ", ".join(f"{value:+.3f}" for value in values)
        print(f"  {metric:<10} {shown(summarise(values), 3):>18}   n = {len(values)}: {each}")


if __name__ == "__main__":
    main()
