"""Pairs of measurements, taken in turns, and the table of their ratios."""

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import torch
from tqdm import tqdm

from benchmark.bench.worker import SAMPLES, SIZES, Ours, Yardstick, start
from benchmark.core.errors import UserError
from benchmark.core.provenance import provenance
from benchmark.model.device import device_name

HEAD = ["what", "this code", "yardstick", "ratio", "range", "of the matrix rate", "peak MB"]
KINDS = (  # what is measured, the method of each side, the unit
    ("training", "train", "train", "tokens/s"),
    (f"IW-NLL, {SAMPLES} samples", "iw", "iw", "sentences/s"),
    ("validation, against one pass", "validate", "plain", "sentences/s"),
    ("test evaluation, against one pass", "evaluate", "plain", "sentences/s"),
)
Sides = Sequence[Callable[..., Future[tuple[float, float]]]]


def rows(
    size: str, precisions: Sequence[str], threads: int, device: str, pairs: int, together: int
) -> list[list[str]]:
    """Measure all rows of one size: training, importance sampling, evaluation, runs together.

    Args:
        size: a name of `SIZES`.
        precisions: of this code; the yardstick is fp32.
        threads: of each process.
        device: cpu or cuda.
        pairs: measurements of each row, after one to warm up.
        together: runs at a time in the last row of a precision; 1 leaves it out.
    """
    os.environ["OMP_NUM_THREADS"] = str(threads)  # of the processes that begin here
    table = []
    with ExitStack() as stack:
        other = [start(stack, Yardstick, size, "fp32", threads, device) for _ in range(together)]
        for precision in precisions:
            ours = [start(stack, Ours, size, precision, threads, device) for _ in range(together)]
            machine = median(_rate(ours[:1], "matrix")[0] for _ in range(3))
            limit = machine / SIZES[size].flops_a_token()
            runs = f"training, {together} runs at a time"
            kinds = [*KINDS, (runs, "train", "train", "tokens/s")] if together > 1 else KINDS
            for title, mine, theirs, unit in kinds:
                number = together if title == runs else 1
                rates: tuple[list[float], list[float]] = ([], [])
                peaks = [0.0, 0.0]
                name = f"{size} {precision}: {title}"
                for turn in tqdm(range(pairs + 1), name, False, disable=not sys.stderr.isatty()):
                    for i, side in enumerate(((ours, mine), (other, theirs))):
                        rate, peaks[i] = _rate(side[0][:number], side[1])
                        if turn:  # the first one warms up
                            rates[i].append(rate)
                table.append(
                    cells(name, unit, *rates, peaks, limit if title == "training" else None)
                )
    return table


def _rate(sides: Sides, what: str) -> tuple[float, float]:
    """Measure sides at the same time; return the sum of their rates, and the first one's peak."""
    futures = [side(what) for side in sides]
    try:
        answers = [future.result() for future in futures]
    except RuntimeError as error:  # the process ended, or its device has too little memory
        reason = str(error).splitlines()[0]
        raise UserError(f"bench: a measurement failed ({reason})") from error
    return sum(rate for rate, _ in answers), answers[0][1]


def cells(
    title: str, unit: str, ours: Sequence[float], other: Sequence[float], peaks: Sequence[float],
    limit: float | None = None,
) -> list[str]:  # fmt: skip
    """Return a row of the table from the rates of both sides, pair by pair.

    ``limit`` is the rate that the machine's matrix products would allow, where that is known.
    """
    middle = median(ours), median(other)
    ratios = [one / two for one, two in zip(ours, other, strict=True)]
    return [
        title,
        *(f"{rate:{',.0f' if rate >= 100 else '.3g'}} {unit}" for rate in middle),
        f"{median(ratios):.2f}",
        f"{min(ratios):.2f} to {max(ratios):.2f}",
        f"{100 * middle[0] / limit:.0f} %" if limit else "–",
        f"{peaks[0]:,.0f} / {peaks[1]:,.0f}",
    ]


def machine(threads: int, device: str) -> str:
    """Return one line that describes the machine and its software."""
    known = provenance()
    info = Path("/proc/cpuinfo")
    flags = info.read_text(errors="replace") if info.exists() else ""
    bf16 = ", ".join(f for f in ("amx_bf16", "avx512_bf16") if f in flags) or "no bf16 instructions"
    where = f"{known['processor']} ({bf16})"
    if device != "cpu":
        where = device_name(torch.device(device))
    return (
        f"{where}, {os.cpu_count()} cores, {threads} thread{'s' * (threads > 1)} a process; "
        f"torch {known['torch']}, {known['cpu']}; load before: {os.getloadavg()[0]:.1f}; commit "
        f"{(known['commit'] or 'unknown')[:12]}{' with changes' if known['dirty'] else ''}"
    )
