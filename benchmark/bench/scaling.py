"""Measure how cost grows with tokens, sentences and importance samples, over a factor 16."""

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from statistics import median

import torch

from benchmark.bench.worker import SIZES, Ours, start
from benchmark.core.seeds import generator
from benchmark.metrics import coupled_mi
from benchmark.model.device import prepare_device
from benchmark.model.vae import build

FACTORS = (1, 2, 4, 8, 16)
LENGTH, SENTENCES, SAMPLES = 8, 512, 50


def rows(device: str, threads: int) -> list[list[str]]:
    """Measure seconds and peak memory at 1 to 16 times the size; the first row is the head."""
    place = prepare_device(device, threads, "bf16")
    peaks = []
    for factor in FACTORS:  # each in a process of its own: a peak never falls
        with ExitStack() as stack:
            ours = start(stack, Ours, "ptb", "bf16", threads, device)
            peaks.append(ours("iw", SAMPLES * factor).result()[1])
    return [
        ["what", *(f"x {factor}" for factor in FACTORS), "exponent"],
        _growth("score a sentence of 8 to 128 tokens, s", partial(_score, place)),
        _growth("mutual information of 512 to 8,192 sentences, s", partial(_information, place)),
        ["peak memory with 50 to 800 samples, MB", *(f"{peak:,.0f}" for peak in peaks), "–"],
    ]


def _growth(name: str, work: Callable[[int], Callable[[], object]]) -> list[str]:
    """Return the median seconds by factor, and the exponent between the middle and the largest."""
    jobs = [work(factor) for factor in FACTORS]
    seconds: list[list[float]] = [[] for _ in jobs]
    for _ in range(4):  # in turns; the first warms up
        for job, times in zip(jobs, seconds, strict=True):
            begin = time.perf_counter()
            job()
            times.append(time.perf_counter() - begin)
    medians = [median(times[1:]) for times in seconds]
    return [name, *(f"{s:.3g}" for s in medians), f"{math.log(medians[-1] / medians[-3], 4):.2f}"]


def _score(place: torch.device, factor: int) -> Callable[[], object]:
    """Return the work of scoring 16 sentences under 4 samples of z, at PTB's sizes, in bf16."""
    size = SIZES["ptb"]
    config = size.config("bf16")
    model = build(config.model, config.method(), size.vocabulary, generator(0, "init"))
    model.to(place).eval()
    noise = generator(0, "bench")
    tokens = torch.randint(3, size.vocabulary, (16, LENGTH * factor + 1), generator=noise)
    z = torch.randn(16, 4, model.latent, generator=noise)

    def work() -> object:
        with torch.no_grad(), torch.autocast(place.type, torch.bfloat16):
            return model.nll(tokens.to(place), z.to(place)).sum().item()

    return work


def _information(place: torch.device, factor: int) -> Callable[[], object]:
    """Return the work of estimating mutual information."""
    noise = generator(0, "bench")
    mu = torch.randn(SENTENCES * factor, 32, generator=noise)
    logvar = torch.zeros_like(mu)
    z = mu.double() + torch.randn(mu.shape, generator=noise)
    return partial(coupled_mi, mu.to(place), logvar.to(place), z.to(place))
