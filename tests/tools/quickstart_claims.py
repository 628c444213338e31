"""Check on records what the README says of the quickstart.

    python tests/tools/quickstart_claims.py FILE

FILE is a collected file (results/quickstart.jsonl) with at least three seeds a row. Status 1 when
a claim does not hold.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy import stats

from benchmark.core import records

COLLAPSED, ERRORS = 0.1, 1.96  # nats below which the upper ends of test MI and z_use both lie


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean and the ends of its 95 % Student t interval."""
    mean, error = float(np.mean(values)), float(stats.sem(values))
    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return mean, mean - half, mean + half


def check(lines: list[records.Record]) -> list[tuple[bool, str]]:
    """Each claim: whether it holds, and its numbers."""
    done = [line for line in lines if line.get("status", "done") == "done"]
    test: dict[str, list[dict[str, float]]] = {}
    for line in done:
        test.setdefault(line["config"]["baseline"], []).append(line["metrics"]["test"])
    found = [(len(done) == len(lines), f"{len(done)} of {len(lines)} runs have a record")]

    none = test.get("none", [])
    ends = [[m[of] + ERRORS * m[f"{of}_se"] for of in ("mi", "z_use")] for m in none]
    collapsed = sum(max(pair) < COLLAPSED for pair in ends)
    text = ", ".join(f"mi {m['mi']:.3f} z_use {m['z_use']:.3f}" for m in none)
    found.append((0 < len(none) == collapsed, f"none: collapsed {collapsed}/{len(none)} ({text})"))

    cyclical = test.get("cyclical", [])
    if len(cyclical) < 3:
        found.append((False, f"cyclical: {len(cyclical)} seeds; an interval needs 3"))
    else:
        kls = [m["kl"] for m in cyclical]
        text = ", ".join(f"{kl:.3f}" for kl in kls)
        found.append((min(kls) > 1, f"cyclical: KL above 1 nat for every seed ({text})"))
        mean, low, high = interval([m["recovered"] for m in cyclical])
        text = f"{mean:.3f}, 95 % interval {low:.3f} to {high:.3f}, n = {len(cyclical)}"
        found.append((low > 0.1, f"cyclical: recovered above 0.1 nats ({text})"))

    scores = [
        (m["excess"] / m["excess_se"], name, m["excess"], m["excess_se"])
        for name, rows in test.items()
        for m in rows
        if m.get("excess") is not None
    ]
    if scores:
        least = min(scores)
        text = f"least: {least[1]} {least[2]:.3f} nats, {least[0]:.1f} standard errors"
        found.append((least[0] > -4, f"excess: none of {len(scores)} below 0 beyond 4 ({text})"))
    else:
        found.append((False, "excess: no run has it"))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="a collected file of the quickstart")
    found = check(records.read_jsonl(parser.parse_args().file))
    for holds, text in found:
        print("holds " if holds else "FAILS ", text)
    return 0 if all(holds for holds, _ in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
