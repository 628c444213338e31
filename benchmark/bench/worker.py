"""The two sides of a comparison, and the random sentences that both are measured on.

Each side runs in a process of its own and measures when it is asked to, so that neither slows the
other down.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.bench import plain
from benchmark.core.tokens import SPECIALS
from benchmark.data.batches import Batch
from benchmark.data.corpus import Corpus, Split
from benchmark.data.vocabulary import WordVocabulary
from benchmark.model.device import open_device, peak_mb, prepare_device
from benchmark.model.lowprecision import has_bf16
from benchmark.run.config import RunConfig, resolve
from benchmark.run.encoding import Measured, encode
from benchmark.run.evaluation import evaluate, measure_bucket, validate
from benchmark.run.training import Training

BATCH = 32
SAMPLES = 500  # of importance sampling
MATRIX = {"cpu": 2048, "cuda": 8192}  # rows of the square that measures the machine


@dataclass(frozen=True)
class Size:
    """Sizes of a corpus and its model."""

    preset: str  # the protocol whose model and optimiser are used
    vocabulary: int  # words, including the three special ones
    lengths: tuple[int, ...]  # scored tokens of the training sentences, 32 of each
    test: int  # sentences of each length to evaluate
    scored: int  # sentences of the middle length that importance sampling scores at a time

    @property
    def middle(self) -> int:
        return self.lengths[len(self.lengths) // 2]

    def config(self, precision: str) -> RunConfig:
        """Return the plain VAE of the protocol; the data's name stands for no data here."""
        return resolve("exact_small", "none", 0, precision=precision, preset=self.preset)

    def corpus(self) -> Corpus:
        """Return random words in sentences of the lengths."""
        noise = np.random.default_rng(0)
        words = [*SPECIALS, *(f"w{i}" for i in range(3, self.vocabulary))]

        def split(each: int) -> Split:
            lengths = np.repeat(self.lengths, each)
            return Split.of([noise.integers(3, self.vocabulary, n - 1).tolist() for n in lengths])

        splits = {"train": split(BATCH), "valid": split(self.test), "test": split(self.test)}
        return Corpus("random", WordVocabulary(words), splits, "none")

    def flops_a_token(self) -> float:
        """Return the floating-point operations of one training step, a token."""
        # Three forward passes, in which each weight is one multiplication and one addition. The two
        # LSTMs and the output layer count; the rest is small.
        model = self.config("fp32").model
        encoder = 4 * model.hidden * (model.embedding + model.hidden)
        decoder = 4 * model.hidden * (model.embedding + model.latent + model.hidden)
        return 6.0 * (encoder + decoder + model.hidden * self.vocabulary)


# The lengths are about the deciles of Penn Treebank's tokens, and the mean of Yahoo's.
SIZES = {
    "ptb": Size("li2019_ptb", 10_002, (8, 12, 15, 18, 20, 22, 24, 27, 31, 38), 100, 6),
    "yahoo": Size("he2019_yahoo", 20_001, (80,), 128, 1),
    "exact": Size("exact_small", 43, (5, 8, 11, 15, 20, 27), 100, 32),
}


class Ours:
    """This project's code, called as a run calls it.

    Each method does some work and returns its amount, in tokens or sentences.
    """

    def __init__(self, size: Size, precision: str, threads: int, device: str) -> None:
        self.device = prepare_device(device, threads, precision)
        self.run = Training(size.config(precision), size.corpus(), self.device)
        self.batches = [self.run.epochs.batch(0, i) for i in range(len(size.lengths))]
        self.test = Measured("test", self.run.corpus.splits["test"], 0, self.device)
        few = slice(0, size.scored)
        middle = next(b for b in self.test.buckets if b.tokens.shape[1] == size.middle + 1)
        self.scored = Batch(middle.index[few], middle.tokens[few])
        self.encoded = encode(self.run.model, self.test)

    def train(self) -> int:
        """Update on a batch of each length."""
        for batch in self.batches:
            self.run.update(batch)
        return _tokens(self.batches)

    def iw(self, samples: int = SAMPLES) -> int:
        """Score some sentences of the middle length by importance samples."""
        with self._measuring():
            measure_bucket(self.run.model, self.test, self.encoded, self.scored, samples, 0)
        return len(self.scored.index)

    def validate(self) -> int:
        """Run a validation: one encoder and one decoder pass, and their metrics."""
        with self._measuring():
            validate(self.run.model, self.test)
        return len(self.test.split)

    def evaluate(self) -> int:
        """Run a test evaluation without importance sampling and greedy decoding."""
        with self._measuring():
            evaluate(self.run.model, self.run.corpus, self.test, 0, 0)
        return len(self.test.split)

    def matrix(self) -> int:
        """Multiply matrices as the run does; return the operations."""
        low = self.run.config.precision == "bf16" and (self.device.type != "cpu" or has_bf16())
        rows, dtype = MATRIX[self.device.type], torch.bfloat16 if low else torch.float32
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
    """The same model as it is usually written, `benchmark.bench.plain`, with the methods of `Ours`.

    Its precision is fp32.
    """

    def __init__(self, size: Size, precision: str, threads: int, device: str) -> None:
        torch.set_num_threads(threads)
        self.device = open_device(device)
        config = size.config("fp32")
        model = config.model
        self.model = plain.Vae(size.vocabulary, model.embedding, model.hidden, model.latent)
        self.model.to(self.device)
        kind = torch.optim.SGD if config.train.optimiser == "sgd" else torch.optim.Adam
        self.optimiser = kind(self.model.parameters(), lr=config.train.lr)
        self.batches, self.test = (
            [bucket.tokens.to(self.device) for bucket in Measured(n, split, 0, self.device).buckets]
            for n, split in size.corpus().splits.items()
            if n != "valid"
        )
        middle = next(tokens for tokens in self.test if tokens.shape[1] == size.middle + 1)
        self.scored = middle[: max(1, size.scored // 4)]

    def train(self) -> int:
        for tokens in self.batches:
            plain.train_step(self.model, self.optimiser, tokens)
        return _tokens(self.batches)

    def iw(self) -> int:
        self.model.eval()
        for sentence in torch.split(self.scored, 1):
            plain.importance_weighted_nll(self.model, sentence, SAMPLES).sum().item()
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


def _tokens(batches: list[Tensor]) -> int:
    """Return the scored tokens of batches (B, T + 1)."""
    return sum(len(batch) * (batch.shape[1] - 1) for batch in batches)


@cache
def _side(kind: type[Ours | Yardstick], *given: Any) -> Ours | Yardstick:
    return kind(*given)


def start(
    stack: ExitStack, kind: type[Ours | Yardstick], size: str, precision: str, threads: int,
    device: str,
) -> Callable[..., Future[tuple[float, float]]]:  # fmt: skip
    """Start a process for a side; it ends with the stack, and is called as `measure` is."""
    pool = ProcessPoolExecutor(1, get_context("spawn"))  # a fork would share torch's threads
    stack.enter_context(pool)
    made_of = (kind, SIZES[size], precision, threads, device)
    return lambda what, *arguments: pool.submit(measure, made_of, what, *arguments)


def measure(made_of: tuple[Any, ...], what: str, *arguments: int) -> tuple[float, float]:
    """Return the rate per second of a side's method, and this process's peak memory, MB."""
    side = _side(*made_of)
    begin = time.perf_counter()
    amount = getattr(side, what)(*arguments)
    if side.device.type == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - begin
    return amount / seconds, peak_mb(side.device)
