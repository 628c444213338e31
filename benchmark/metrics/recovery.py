"""How much of the exact language's class the latent variable holds, by a linear probe."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmark.metrics.likelihood import mean_and_error

RIDGE = 1e-4
STEPS = 200


def recovered(
    train_z: Tensor,
    train_c: Tensor | NDArray[np.integer],
    test_z: Tensor,
    test_c: Tensor | NDArray[np.integer],
    classes: int,
) -> tuple[float, float]:
    """Return ln C minus the held-out cross-entropy of a linear probe from z to the class, nats.

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
    """
    # A probe needs gradients, also when evaluation runs without them.
    with torch.inference_mode(False), torch.enable_grad():
        # Cloned, since tensors made in inference mode cannot enter a gradient.
        inputs, held_out = (z.detach().cpu().to(torch.float64).clone() for z in (train_z, test_z))
        labels, held_out_labels = (
            torch.as_tensor(c).cpu().to(torch.int64).clone() for c in (train_c, test_c)
        )
        mean, scale = inputs.mean(0), inputs.std(0, correction=0)
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        weight, bias = _fit((inputs - mean) / scale, labels, classes)
        logits = ((held_out - mean) / scale) @ weight + bias
        loss = cross_entropy(logits, held_out_labels, reduction="none")
    return mean_and_error(math.log(classes) - loss)


def _fit(inputs: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Fit the weight (Z, C) and bias (C,) of the probe."""
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

    step: Callable[[Callable[[], float]], object] = optimizer.step  # torch leaves it untyped
    step(closure)
    return weight.detach(), bias.detach()
