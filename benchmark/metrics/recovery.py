"""What the exact language lets one measure: excess nats, and how much of the class z holds."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

RIDGE = 1e-4
STEPS = 200


def excess(nll: Tensor, log_prob: Tensor | NDArray[np.float64]) -> tuple[float, float]:
    """Mean of (model NLL + true log p(x)) over the same sentences, nats per sentence.

    An unbiased, paired estimate of KL(p || model); the entropy itself is not subtracted, since a
    sentence's log p varies by tens of nats.

    Args:
        nll: (N,) the model's (importance-weighted) NLL, nats.
        log_prob: (N,) the true log p(x), nats.

    Returns:
        The mean and its standard error (nan for a single sentence).

    Raises:
        ValueError: the two are not (N,) alike, or empty.
    """
    truth = torch.as_tensor(log_prob).to(nll.device, torch.float64)
    if nll.dim() != 1 or nll.shape != truth.shape or nll.numel() == 0:
        raise ValueError(f"nll and log_prob differ: {tuple(nll.shape)}, {tuple(truth.shape)}")
    return _mean_and_error(nll.detach().to(torch.float64) + truth)


def recovered(
    train_z: Tensor,
    train_c: Tensor | NDArray[np.integer],
    test_z: Tensor,
    test_c: Tensor | NDArray[np.integer],
    classes: int,
) -> tuple[float, float]:
    """ln C minus the held-out cross-entropy of a linear probe from z to the class, nats.

    For equally likely classes a lower bound, in expectation, of I(z; c), hence of I_q(x; z); a
    little below 0 where z holds nothing, by what the probe over-fits. Pass *samples* z ~ q(z|x):
    a probe on posterior means decodes the class even of a collapsed model (``recovered_mean``).

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

    Raises:
        ValueError: shapes that do not fit, an empty set, or a class outside 0..C-1.
    """
    # A probe needs gradients, also when evaluation runs without them.
    with torch.inference_mode(False), torch.enable_grad():
        inputs, labels = _checked(train_z, train_c, classes)
        held_out, held_out_labels = _checked(test_z, test_c, classes)
        if inputs.shape[1] != held_out.shape[1]:
            raise ValueError(f"train and test z differ: {inputs.shape[1]}, {held_out.shape[1]}")
        mean, scale = inputs.mean(0), inputs.std(0, correction=0)
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        weight, bias = _fit((inputs - mean) / scale, labels, classes)
        logits = ((held_out - mean) / scale) @ weight + bias
        loss = cross_entropy(logits, held_out_labels, reduction="none")
    return _mean_and_error(math.log(classes) - loss)


def _fit(inputs: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Weight (Z, C) and bias (C,) of the probe."""
    weight = torch.zeros(inputs.shape[1], classes, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=STEPS,
        tolerance_grad=1e-6,
        tolerance_change=1e-9,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        optimizer.zero_grad()
        loss = cross_entropy(inputs @ weight + bias, labels) + RIDGE / 2 * weight.square().sum()
        torch.autograd.backward(loss)
        return loss.item()

    step: Callable[[Callable[[], float]], object] = optimizer.step
    step(closure)
    return weight.detach(), bias.detach()


def _checked(z: Tensor, c: Tensor | NDArray[np.integer], classes: int) -> tuple[Tensor, Tensor]:
    """(N, Z) float64 and (N,) int64 on the CPU, never inference tensors."""
    inputs = z.detach().cpu().to(torch.float64).clone()
    labels = torch.as_tensor(c).cpu().to(torch.int64).clone()
    if inputs.dim() != 2 or labels.shape != inputs.shape[:1] or inputs.shape[0] == 0:
        raise ValueError(f"z (N, Z) and c (N,): got {tuple(inputs.shape)}, {tuple(labels.shape)}")
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise ValueError(f"classes must lie in 0..{classes - 1}")
    return inputs, labels


def _mean_and_error(values: Tensor) -> tuple[float, float]:
    """Mean and standard error of the mean."""
    count = values.numel()
    error = values.std().item() / math.sqrt(count) if count > 1 else math.nan
    return values.mean().item(), error
