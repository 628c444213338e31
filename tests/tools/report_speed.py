"""Seconds that a report of many records takes, without figures: a script.

    python tests/tools/report_speed.py [--records 1000] [--limit 10]

Makes up records of 20 rows with 50 seeds, reports them in a process of its own, and prints the
seconds. Exit status 1 when those of the processor are more than the limit; other work on the
machine changes those of the clock.
"""

import argparse
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from made_up import record

from benchmark.core.records import dumps

ROOT = Path(__file__).parents[2]
ROWS = ("none", "lstm_lm", *(f"method{number}" for number in range(18)))


def made_up(number: int) -> list[dict[str, Any]]:
    """Records whose numbers add up and differ, as large as those of a real study."""
    draw = random.Random(0)
    lines = []
    for index in range(number):
        label, seed = ROWS[index % len(ROWS)], index // len(ROWS)
        kl, iw, end = draw.uniform(0.5, 3), draw.uniform(99, 100.4), draw.uniform(0.5, 1)
        tokens = 82430 / 3761
        one = record(
            f"ptb-{label}-{seed}-{index:08x}", kl=kl, rec=100.0, neg_elbo=100 + kl, mi=kl * end,
            marginal_kl=kl * (1 - end), iw_nll=iw, z_use=draw.uniform(0, 3), bleu=draw.random(),
            ppl_elbo=math.exp((100 + kl) / tokens),
            ppl_iw=math.exp(iw / tokens),
        )  # fmt: skip
        one["kl_spectrum"] = [kl / 32] * 32
        one["curve"] = [one["curve"][0] | {"step": step} for step in range(40)]
        one["loss_by_position"] = [[5.0, 3761]] * 50
        lines.append(one | {"label": label, "row": ROWS.index(label), "status": "done"})
    return sorted(lines, key=lambda line: str(line["id"]))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--limit", type=float, default=10.0, metavar="SECONDS")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = made_up(given.records)
        (folder / "many.jsonl").write_text("".join(dumps(line) + "\n" for line in lines))
        words = ["report", "many", "--results", name, "--no-figures", "--page", name]
        begin = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "benchmark", *words], cwd=folder, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        wall = time.perf_counter() - begin
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = used.ru_utime + used.ru_stime
        print(f"{given.records} records, tables and page without figures: {seconds:.1f} s of a "
              f"processor, {wall:.1f} s by the clock")  # fmt: skip
        if done.returncode != 0:
            print(done.stdout[-2000:], done.stderr, sep="\n")
            return 1
        if not (folder / "many.html").exists() or not (folder / "tables" / "many.md").exists():
            print("the table or the page was not written")
            return 1
    return int(seconds > given.limit)


if __name__ == "__main__":
    raise SystemExit(main())
