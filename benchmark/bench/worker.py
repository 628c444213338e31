"""One side of a comparison, in a process of its own: it measures when it is told to.

``python -m benchmark.bench.worker SIDE SIZE PRECISION THREADS DEVICE``; each line of standard input
names a measurement, each line of standard output is its result, in JSON.
"""

import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import Tensor

from benchmark.bench.sizes import SIZES, config, corpus
from benchmark.core.provenance import of_checkout
from benchmark.data.batches import Batch
from benchmark.model.device import open_device, peak_mb, prepare_device
from benchmark.model.lowprecision import has_bf16
from benchmark.run.encoding import Measured, encode
from benchmark.run.evaluation import evaluate, measure_bucket, validate
from benchmark.run.training import Training

SAMPLES = 500
MATRIX = {"cpu": 2048, "cuda": 8192}  # rows of the square that measures the machine


class Side(Protocol):
    """What both sides can be asked for; each returns an amount: tokens or sentences."""

    device: torch.device

    def train(self) -> int:
        """Optimiser steps on a batch of each length; tokens."""

    def iw(self) -> int:
        """Importance-weighted NLL of some sentences of the middle length; sentences."""

    def plain(self) -> int:
        """An encoder and a decoder pass over the test split, no figures; sentences."""


class Ours:
    """The benchmark's own code, called as a run calls it."""

    def __init__(self, size: str, precision: str, threads: int, device: str) -> None:
        self.device = prepare_device(device, threads, precision)
        self.size = SIZES[size]
        self.run = Training(config(self.size, precision), corpus(self.size), self.device)
        self.batches = [self.run.epochs.batch(0, i) for i in range(len(self.size.lengths))]
        self.test = Measured("test", self.run.corpus.splits["test"], 0, self.device)
        few = slice(0, self.size.scored)
        middle = next(b for b in self.test.buckets if _length(b.tokens) == self.size.middle)
        self.scored = Batch(middle.index[few], middle.tokens[few])
        self.encoded = encode(self.run.model, self.test)

    def train(self) -> int:
        for batch in self.batches:
            self.run.update(batch)
        return _tokens(self.batches)

    def iw(self) -> int:
        with self._measuring():
            measure_bucket(self.run.model, self.test, self.encoded, self.scored, SAMPLES, 0)
        return len(self.scored.index)

    def plain(self) -> int:
        with self._measuring():
            for bucket in self.test.buckets:
                tokens = bucket.tokens.to(self.device)
                mu, _ = self.run.model.encode(tokens)
                self.run.model.nll(tokens, mu.unsqueeze(1)).sum()
        return len(self.test.split)

    def validate(self) -> int:
        """What every epoch ends with: one encoder and one decoder pass, and their figures."""
        with self._measuring():
            validate(self.run.model, self.test)
        return len(self.test.split)

    def evaluate(self) -> int:
        """All of a test evaluation but importance sampling and greedy decoding."""
        with self._measuring():
            evaluate(self.run.model, self.run.corpus, self.test, 0, 0)
        return len(self.test.split)

    def matrix(self) -> int:
        """Matrix products as the run makes them, operations: what the machine can do."""
        low = self.run.config.precision == "bf16" and (self.device.type != "cpu" or has_bf16())
        dtype = torch.bfloat16 if low else torch.float32
        rows = MATRIX[self.device.type]
        square = torch.randn(rows, rows, device=self.device).to(dtype)
        for _ in range(4):
            square @ square
        return 4 * 2 * rows**3

    @contextmanager
    def _measuring(self) -> Iterator[None]:
        self.run.model.eval()
        with torch.no_grad(), self.run.autocast():
            yield
        self.run.model.train()


class Yardstick:
    """The same model as it is usually written: ``tests/tools/yardstick.py`` of the checkout."""

    def __init__(self, size: str, precision: str, threads: int, device: str) -> None:
        torch.set_num_threads(threads)
        self.code, self.device = _yardstick(), open_device(device)
        sizes, data = SIZES[size], corpus(SIZES[size])
        model = config(sizes, "fp32").model
        self.model = self.code.Vae(
            sizes.vocabulary, model.embedding, model.hidden, model.latent
        ).to(self.device)
        train = config(sizes, "fp32").train
        kind = torch.optim.SGD if train.optimiser == "sgd" else torch.optim.Adam
        self.optimiser = kind(self.model.parameters(), lr=train.lr)
        device_ = self.device
        test = Measured("test", data.splits["test"], 0, device_)
        train_split = Measured("train", data.splits["train"], 0, device_)
        self.batches = [bucket.tokens.to(device_) for bucket in train_split.buckets]
        self.test = [bucket.tokens.to(device_) for bucket in test.buckets]
        middle = next(tokens for tokens in self.test if _length(tokens) == sizes.middle)
        self.scored = middle[: max(1, sizes.scored // 4)]

    def train(self) -> int:
        for batch in self.batches:
            self.code.train_step(self.model, self.optimiser, batch)
        return _tokens(self.batches)

    @torch.no_grad()
    def iw(self) -> int:
        self.model.eval()
        for sentence in torch.split(self.scored, 1):
            self.code.importance_weighted_nll(self.model, sentence, SAMPLES).sum().item()
        self.model.train()
        return len(self.scored)

    @torch.no_grad()
    def plain(self) -> int:
        self.model.eval()
        for tokens in self.test:
            mu, _ = self.model.encode(tokens)
            self.model.nll(tokens, mu.unsqueeze(1)).sum().item()
        self.model.train()
        return sum(map(len, self.test))


def _yardstick() -> ModuleType:
    path = of_checkout("tests/tools/yardstick.py")
    spec = importlib.util.spec_from_file_location("yardstick", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _length(tokens: Tensor) -> int:
    """Scored tokens of each sentence of a batch (B, T + 1)."""
    return tokens.shape[1] - 1


def _tokens(batches: list[Tensor]) -> int:
    return sum(len(batch) * _length(batch) for batch in batches)


def timed(device: torch.device, work: Callable[[], int]) -> tuple[int, float]:
    """An amount of work, and the seconds until the device has done it."""
    begin = time.perf_counter()
    amount = work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return amount, time.perf_counter() - begin


def main(arguments: list[str]) -> None:
    """Serve measurements until standard input ends."""
    which, size, precision, threads, device = arguments
    sides: dict[str, Any] = {"ours": Ours, "yardstick": Yardstick}
    side = sides[which](size, precision, int(threads), device)
    for line in sys.stdin:
        amount, seconds = timed(side.device, getattr(side, line.strip()))
        told = {"amount": amount, "seconds": seconds, "peak_mb": peak_mb(side.device)}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
