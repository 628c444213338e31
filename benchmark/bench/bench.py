"""Pairs of measurements, taken in turns, and the table of their ratios."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from tqdm import tqdm

from benchmark.bench.sizes import SIZES, config, flops_a_token
from benchmark.core.errors import UserError
from benchmark.core.provenance import checkout
from benchmark.report.render import aligned

SECOND = {"train": "tokens/s", "iw": "sentences/s", "plain": "sentences/s"}


class Worker:
    """A side in its own process; it waits while the other one measures."""

    def __init__(self, side: str, size: str, precision: str, threads: int, device: str) -> None:
        command = [sys.executable, "-m", "benchmark.bench.worker"]
        command += [side, size, precision, str(threads), device]
        limits = {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(checkout())}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **limits},
        )  # fmt: skip
        self.peak_mb = 0.0

    def ask(self, what: str) -> None:
        """Begin a measurement."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()

    def answer(self) -> float:
        """Its rate: amount a second.

        Raises:
            UserError: the process ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise UserError(f"bench: a measurement ended with status {self._process.wait()}; "
                            "what it said stands above")  # fmt: skip
        told = json.loads(line)
        self.peak_mb = max(self.peak_mb, told["peak_mb"])
        return float(told["amount"] / told["seconds"])

    def rate(self, what: str) -> float:
        """Measure and wait."""
        self.ask(what)
        return self.answer()

    def close(self) -> None:
        """End the process."""
        with suppress(BrokenPipeError):  # it has ended already
            self._process.communicate()


@dataclass(frozen=True)
class Row:
    """One line of the table: rates of both sides, pair by pair."""

    what: str
    unit: str
    ours: list[float]
    other: list[float]
    peak: tuple[float, float]
    roofline: float | None = None  # share of what the machine's matrix product reaches

    @property
    def ratios(self) -> list[float]:
        return [a / b for a, b in zip(self.ours, self.other, strict=True)]

    def cells(self) -> list[str]:
        """As the table prints them."""
        ratios = self.ratios
        return [
            self.what,
            f"{_figure(statistics.median(self.ours))} {self.unit}",
            f"{_figure(statistics.median(self.other))} {self.unit}",
            f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
            "–" if self.roofline is None else f"{100 * self.roofline:.0f} %",
            f"{self.peak[0]:,.0f} / {self.peak[1]:,.0f}",
        ]


HEAD = (
    "what", "this code", "yardstick", "ratio", "range", "of the matrix rate", "peak MB",
)  # fmt: skip


def measure(
    size: str, precisions: Sequence[str], threads: int, device: str, pairs: int, together: int
) -> list[Row]:
    """All rows of one size: training, importance sampling, evaluation; runs side by side.

    Args:
        size: a name of `SIZES`.
        precisions: of this code; the yardstick is fp32.
        threads: of each process.
        device: cpu or cuda.
        pairs: measurements of each row, after one to warm up.
        together: runs at a time in the last row of a precision; 1 leaves it out.
    """
    rows = []
    with ExitStack() as stack:

        def worker(side: str, precision: str) -> Worker:
            made = Worker(side, size, precision, threads, device)
            stack.callback(made.close)
            return made

        other = [worker("yardstick", "fp32") for _ in range(max(1, together))]
        for precision in precisions:
            ours = [worker("ours", precision) for _ in range(max(1, together))]
            machine = statistics.median(ours[0].rate("matrix") for _ in range(3))
            name = f"{size} {precision}"
            found = config(SIZES[size], precision)
            work = flops_a_token(found, SIZES[size].vocabulary)
            train = _row(f"{name}: training", ours[:1], other[:1], "train", "train", pairs)
            share = statistics.median(train.ours) * work / machine
            rows.append(Row(**{**vars(train), "roofline": share}))
            rows.append(
                _row(f"{name}: IW-NLL, 500 samples", ours[:1], other[:1], "iw", "iw", pairs)
            )
            for what, title in (
                ("validate", "validation, against one pass"),
                ("evaluate", "test evaluation, against one pass"),
            ):
                rows.append(_row(f"{name}: {title}", ours[:1], other[:1], what, "plain", pairs))
            if together > 1:
                title = f"{name}: training, {together} runs at a time"
                rows.append(_row(title, ours, other, "train", "train", pairs))
    return rows


def _row(
    title: str, ours: list[Worker], other: list[Worker], mine: str, theirs: str, pairs: int
) -> Row:
    """Rates of ``pairs`` turns; those of several workers at a time are added."""
    rates: tuple[list[float], list[float]] = ([], [])
    bar = tqdm(range(pairs + 1), desc=title, leave=False, disable=not sys.stderr.isatty())
    for turn in bar:
        for workers, what, found in ((ours, mine, rates[0]), (other, theirs, rates[1])):
            for worker in workers:
                worker.ask(what)
            rate = sum([worker.answer() for worker in workers])
            if turn:  # the first one warms up
                found.append(rate)
    unit = SECOND[theirs]
    return Row(title, unit, *rates, (ours[0].peak_mb, other[0].peak_mb))


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""
    return aligned([list(HEAD), *(row.cells() for row in rows)])


def machine(threads: int, device: str) -> str:
    """What it was measured on, in one line."""
    import torch

    from benchmark.core.provenance import provenance
    from benchmark.model.device import device_name

    told = provenance()
    where = device_name(torch.device(device)) if device != "cpu" else _processor()
    load = os.getloadavg()[0]
    return (
        f"{where}, {os.cpu_count()} cores, {threads} thread{'s' * (threads > 1)} a process; "
        f"torch {told['torch']}, {told['cpu']}; load before: {load:.1f}; commit "
        f"{(told['commit'] or 'unknown')[:12]}{' with changes' if told['dirty'] else ''}"
    )


def _processor() -> str:
    """The processor's family, and whether it multiplies bf16 matrices."""
    try:
        with open("/proc/cpuinfo", errors="replace") as file:
            text = file.read()
    except OSError:
        return "CPU"
    names = [line.split(":")[1].strip() for line in text.splitlines() if "model name" in line]
    known = [flag for flag in ("amx_bf16", "avx512_bf16") if flag in text]
    return f"{names[0] if names else 'CPU'} ({', '.join(known) or 'no bf16 instructions'})"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
