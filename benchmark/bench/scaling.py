"""How cost grows: with tokens, with sentences, with importance samples; each over a factor 16."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import torch

from benchmark.bench.sizes import SIZES, config
from benchmark.core.seeds import generator
from benchmark.metrics import coupled_mi
from benchmark.model.device import peak_mb, prepare_device
from benchmark.model.vae import build
from benchmark.report.render import aligned

FACTORS = (1, 2, 4, 8, 16)
LENGTH, SENTENCES, SAMPLES = 8, 512, 50


def table(device: str, threads: int) -> str:
    """Seconds and peak memory at 1 to 16 times the size, in Markdown."""
    place = prepare_device(device, threads, "bf16")
    rows = [["what", *(f"x {f}" for f in FACTORS), "exponent"]]
    score, information = partial(_score, place), partial(_information, place)
    rows.append(_growth("score a sentence of 8 to 128 tokens, s", score))
    rows.append(_growth("mutual information of 512 to 8,192 sentences, s", information))
    peaks = [_memory(f, device, threads) for f in FACTORS]
    rows.append(["peak memory with 50 to 800 samples, MB", *(f"{p:,.0f}" for p in peaks), "–"])
    return aligned(rows)


def _growth(name: str, work: Callable[[int], Callable[[], object]]) -> list[str]:
    """Median seconds by factor, and the exponent between the two largest."""
    jobs = [work(factor) for factor in FACTORS]
    seconds: list[list[float]] = [[] for _ in jobs]
    for _ in range(4):  # in turns; the first warms up
        for job, times in zip(jobs, seconds, strict=True):
            begin = time.perf_counter()
            job()
            times.append(time.perf_counter() - begin)
    medians = [statistics.median(times[1:]) for times in seconds]
    exponent = torch.tensor(medians[-1] / medians[-3]).log() / torch.tensor(4.0).log()
    return [name, *(f"{s:.3g}" for s in medians), f"{float(exponent):.2f}"]


def _score(place: torch.device, factor: int) -> Callable[[], object]:
    """NLL of 16 sentences under 4 samples of z, PTB's sizes, bf16."""
    size = SIZES["ptb"]
    found = config(size, "bf16")
    model = build(found.model, found.method(), size.vocabulary, generator(0, "init"))
    model.to(place).eval()
    noise = generator(0, "bench")
    tokens = torch.randint(3, size.vocabulary, (16, LENGTH * factor + 1), generator=noise)
    z = torch.randn(16, 4, model.latent, generator=noise)

    def work() -> object:
        with torch.no_grad(), torch.autocast(place.type, torch.bfloat16):
            return model.nll(tokens.to(place), z.to(place)).sum().item()

    return work


def _information(place: torch.device, factor: int) -> Callable[[], object]:
    noise = generator(0, "bench")
    mu = torch.randn(SENTENCES * factor, 32, generator=noise)
    logvar = torch.zeros_like(mu)
    z = mu.double() + torch.randn(mu.shape, generator=noise)
    mu, logvar, z = (values.to(place) for values in (mu, logvar, z))
    return lambda: coupled_mi(mu, logvar, z)


def _memory(factor: int, device: str, threads: int) -> float:
    """Peak memory of a process that scores a bucket with so many importance samples."""
    command = [sys.executable, "-m", "benchmark.bench.scaling"]
    command += [str(SAMPLES * factor), device, str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(arguments: list[str]) -> None:
    """Score one bucket; print the peak."""
    from benchmark.bench import worker

    samples, device, threads = int(arguments[0]), arguments[1], int(arguments[2])
    worker.SAMPLES = samples
    side = worker.Ours("ptb", "bf16", threads, device)
    side.iw()
    print(peak_mb(side.device))


if __name__ == "__main__":
    main(sys.argv[1:])
