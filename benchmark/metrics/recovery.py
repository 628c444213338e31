"""What linear probes read from the latent variable: a class, the length, the first words."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmark.metrics.likelihood import mean_and_error

RIDGE = 1e-4
STEPS = 200
FINE = 1e-9  # nats: the fit ends when a step changes the loss by less
COARSE = 1e-5  # the same, for `recovered_label`, whose result a finer fit does not improve
CALIBRATION = 5  # `recovered_label` scales its probe by a fifth of the training sentences
FEWEST = 500  # training sentences; with fewer, that fifth says too little
LENGTHS = 40  # at most so many classes of length
WORDS = 64  # at most so many classes of words at one position


def recovered(
    train_z: Tensor,
    train_c: Tensor | NDArray[np.integer],
    test_z: Tensor,
    test_c: Tensor | NDArray[np.integer],
    classes: int,
) -> tuple[float, float]:
    """Return ln C minus the held-out cross-entropy of a linear probe from z to the class, nats.

    For equally likely classes this is in expectation a lower bound of I(z; c), hence of I_q(x; z).
    It is a little below 0 where z holds nothing, since the probe over-fits. Pass *samples*
    z ~ q(z|x): a probe on posterior means decodes the class even of a collapsed model
    (``recovered_mean``).

    The probe is multinomial logistic regression on standardised inputs with an l2 penalty of
    1e-4 / 2 |W|^2, fitted by full-batch L-BFGS from 0 in float64 on the CPU: no randomness.

    Source: Barber & Agakov 2003, "The IM algorithm" (the bound); Alain & Bengio 2016,
    "Understanding intermediate layers using linear classifier probes", arXiv 1610.01644.

    Args:
        train_z: (N, Z) what the probe is trained on.
        train_c: (N,) classes, 0 to ``classes`` - 1.
        test_z: (M, Z) held-out.
        test_c: (M,) their classes.
        classes: C.

    Returns:
        The recovered nats and the standard error over the test sentences.
    """
    # A probe needs gradients, also when evaluation runs without them.
    with torch.inference_mode(False), torch.enable_grad():
        inputs, held_out = _standardised(train_z, test_z)
        labels, held_out_labels = _labels(train_c), _labels(test_c)
        even = torch.zeros(classes, dtype=torch.float64)
        weight, bias = _fit(inputs, labels, even, FINE)
        loss = cross_entropy(held_out @ weight + bias, held_out_labels, reduction="none")
    return mean_and_error(math.log(classes) - loss)


@dataclass(frozen=True)
class Labelling:
    """What a probe predicts: a class for each sentence, numbered from 0.

    Attributes:
        train: (N,) classes of the training split.
        test: (M,) classes of the held-out split.
        frequency: (C,) frequencies of the classes in the training split; none is 0.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    frequency: NDArray[np.float64]


def recovered_label(
    train_z: Tensor, rows: NDArray[np.integer], test_z: Tensor, label: Labelling
) -> tuple[float, float]:
    """Return how much better a linear probe from z predicts a label than its frequency does.

    That is the held-out cross-entropy of the training split's class frequencies minus that of the
    probe, nats per sentence: like ``recovered``, where all frequencies are 1 / C. In expectation it
    is a lower bound of I(z; label), apart from what the frequencies lose against those of the
    held-out split.

    Where z holds little, a probe of many classes would lose more by over-fitting than it gains. So
    four fifths of the training sentences fit the probe. The others choose how far, from 0 to 1 in
    steps of 1/20, its logits depart from the log frequencies. Where z holds nothing the number is
    0, or within about 0.01 nats of it from 1,000 training sentences on.

    Source: that of ``recovered``; the scale, chosen by the likelihood of sentences left out, is
    similar to the temperature of Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv
    1706.04599.

    Args:
        train_z: (K, Z) samples z ~ q(z|x) of some sentences of the training split.
        rows: (K,) the indices of these sentences.
        test_z: (M, Z) samples of the held-out split.
        label: the label of all sentences of both splits.

    Returns:
        The recovered nats and the standard error over the test sentences; nan with fewer than
        500 training sentences.
    """
    if len(rows) < FEWEST:
        return math.nan, math.nan
    with torch.inference_mode(False), torch.enable_grad():
        inputs, held_out = _standardised(train_z, test_z)
        labels, held_out_labels = _labels(label.train[rows]), _labels(label.test)
        base = torch.from_numpy(label.frequency).log()
        # A random order, since a text may repeat itself; all Python versions draw the same.
        draw = random.Random(0).random
        order = torch.tensor([draw() for _ in labels], dtype=torch.float64).argsort()
        chosen, others = order[: len(order) // CALIBRATION], order[len(order) // CALIBRATION :]
        weight, bias = _fit(inputs[others], labels[others], base, COARSE)
        shift = inputs[chosen] @ weight + (bias - base)
        losses = [(float(cross_entropy(base + scale * shift, labels[chosen])), scale)
                  for scale in np.linspace(0, 1, 21).tolist()]  # fmt: skip
        logits = base + min(losses)[1] * (held_out @ weight + (bias - base))
        # Computed in the same way, so that the difference is exactly 0 at scale 0.
        plain = cross_entropy(base.expand_as(logits), held_out_labels, reduction="none")
        loss = cross_entropy(logits, held_out_labels, reduction="none")
    return mean_and_error(plain - loss)


def length_label(train: NDArray[np.integer], test: NDArray[np.integer]) -> Labelling:
    """Return lengths as a label of at most 40 classes.

    The rarest class is merged with its rarer neighbour until 40 are left, which pools long
    sentences most. A length that no training sentence has belongs to the next longer class, or to
    the longest.

    Args:
        train: (N,) lengths.
        test: (M,) lengths.
    """
    values, counts = np.unique(train, return_counts=True)
    ends, sizes = values.tolist(), counts.tolist()  # the longest length of each class
    while len(sizes) > LENGTHS:
        rarest = sizes.index(min(sizes))
        below = sizes[rarest - 1] if rarest else math.inf
        above = sizes[rarest + 1] if rarest + 1 < len(sizes) else math.inf
        left = rarest - 1 if below < above else rarest
        sizes[left : left + 2] = [sizes[left] + sizes[left + 1]]
        del ends[left]
    places = [np.minimum(np.searchsorted(ends, x), len(ends) - 1) for x in (train, test)]
    return Labelling(places[0], places[1], np.array(sizes) / len(train))


def word_label(train: NDArray[np.integer], test: NDArray[np.integer]) -> Labelling:
    """Return the words at one position as a label of at most 64 classes.

    Each of the 63 most frequent words of the training split is a class; all others, also those
    that no training sentence has there, share the last. Where there are fewer words, the class of
    the rarest also holds unseen words.

    Args:
        train: (N,) word ids, ``</s>`` among them.
        test: (M,) word ids.
    """
    words, counts = np.unique(train, return_counts=True)
    order = np.lexsort((words, -counts))  # of equally frequent words, the lower id first
    last = min(WORDS, len(words)) - 1
    number = np.full(1 + max(int(train.max()), int(test.max())), last)
    number[words[order[:last]]] = np.arange(last)
    frequency = np.bincount(number[train], minlength=last + 1) / len(train)
    return Labelling(number[train], number[test], frequency)


def _standardised(train_z: Tensor, test_z: Tensor) -> tuple[Tensor, Tensor]:
    """Return both in float64 on the CPU, scaled to mean 0 and variance 1 in training."""
    # Cloned, since tensors made in inference mode cannot enter a gradient.
    inputs, held_out = (z.detach().cpu().to(torch.float64).clone() for z in (train_z, test_z))
    mean, scale = inputs.mean(0), inputs.std(0, correction=0)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return (inputs - mean) / scale, (held_out - mean) / scale


def _labels(classes: Tensor | NDArray[np.integer]) -> Tensor:
    return torch.as_tensor(classes).cpu().to(torch.int64).clone()


def _fit(inputs: Tensor, labels: Tensor, start: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """Return the probe's weight (Z, C), fitted from 0, and bias (C,), from ``start``."""
    classes = len(start)
    weight = torch.zeros(inputs.shape[1], classes, dtype=torch.float64, requires_grad=True)
    bias = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=STEPS,
        tolerance_grad=1e-6,
        tolerance_change=tolerance,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        optimizer.zero_grad()
        loss = cross_entropy(inputs @ weight + bias, labels) + RIDGE / 2 * weight.square().sum()
        torch.autograd.backward(loss)
        return loss.item()

    step: Callable[[Callable[[], float]], object] = optimizer.step  # torch leaves it untyped
    step(closure)
    return weight.detach(), bias.detach()
