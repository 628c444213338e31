"""The two terms of the negative evidence lower bound, and `VAELoss`, which returns both."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.tokens import PAD
from benchmark.model.lowprecision import Logits

Penalty = Callable[[Tensor], Tensor]


def gaussian_kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """Return KL(N(mu, exp(logvar)) || N(0, 1)), dimension by dimension.

    Args:
        mu: posterior means, (B, Z).
        logvar: log variances, (B, Z).

    Returns:
        (B, Z), nats, at least 0, in float32 at least: halves would lose most of a small KL.

    References:
        Kingma & Welling, Auto-Encoding Variational Bayes, 2013, arXiv 1312.6114, appendix B.
    """
    mu, logvar = _single(mu), _single(logvar)
    return 0.5 * (mu.square() + logvar.expm1() - logvar)


def token_nll(logits: Tensor | Logits, targets: Tensor, ignore_index: int = PAD) -> Tensor:
    """Return the negative log-probability of each target token.

    Args:
        logits: (B, T, V), of any floating type, or `Logits`, which computes them; the log-softmax
            is taken in float32.
        targets: (B, T), integers of any width.
        ignore_index: the padding token; it costs 0.

    Returns:
        (B, T), nats, float32.
    """
    targets = targets.long()
    if isinstance(logits, Logits):
        return logits.nll(targets, ignore_index)
    wide = logits.flatten(0, -2).float()
    flat = F.cross_entropy(wide, targets.flatten(), ignore_index=ignore_index, reduction="none")
    return flat.view(targets.shape)


class VAELoss(nn.Module):
    """Computes the reconstruction and the KL on one scale.

    ``criterion(x, x0, mu, logvar) -> (bce, kld)``: the reconstruction first, the target second.
    A floating ``x0`` is a Bernoulli target and ``x`` holds probabilities of the same shape
    (B, ...). An integer ``x0`` (B, T) holds tokens and ``x`` their logits (B, T, V).

    Args:
        reduction: ``"sum"``: both terms in nats per example (summed over elements, tokens and
            dimensions, averaged over the batch), so that their sum is the negative bound.
            ``"mean"``: the reconstruction averaged over elements or tokens beside the same KL,
            as in much published code. The KL then counts more, by the number of elements of an
            example. For comparison only.
        penalty: maps the KL (B, Z) to its cost (B,), which is averaged; by default the sum.
        ignore_index: the padding token of integer targets.

    Raises:
        ValueError: an unknown reduction, shapes that do not match, a penalty that does not return
            (B,), or probabilities outside [0, 1].

    References:
        Kingma & Welling, Auto-Encoding Variational Bayes, 2013, arXiv 1312.6114.
        The interface is that of the small library vae-annealing (MIT licence), whose code swaps
        reconstruction and target; see CHANGELOG.md.
    """

    def __init__(
        self,
        reduction: Literal["sum", "mean"] = "sum",
        penalty: Penalty | None = None,
        ignore_index: int = PAD,
    ) -> None:
        super().__init__()
        if reduction not in ("sum", "mean"):
            raise ValueError(f"reduction must be 'sum' or 'mean', not {reduction!r}")
        self.reduction = reduction
        self.penalty: Penalty = penalty or total_kl
        self.ignore_index = ignore_index

    def forward(
        self, x: Tensor | Logits, x0: Tensor, mu: Tensor, logvar: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return ``(bce, kld)``, two scalars in nats per example, on the scale of `reduction`."""
        elements, count = self._reconstruction(x, x0)  # (B,), ()
        if mu.shape != logvar.shape:
            raise ValueError(
                f"mu {tuple(mu.shape)} and logvar {tuple(logvar.shape)} differ in shape"
            )
        kl = gaussian_kl(mu, logvar)
        with torch.autocast(kl.device.type, enabled=False):  # a penalty may hold a product
            paid = self.penalty(kl)
        if not isinstance(paid, Tensor) or paid.shape != kl.shape[:1]:
            shape = tuple(paid.shape) if isinstance(paid, Tensor) else repr(paid)
            raise ValueError(
                f"penalty returned {shape}; expected ({len(kl)},), one number for each example, "
                f"from the KL {tuple(kl.shape)}"
            )
        kld = _single(paid).mean()
        if self.reduction == "mean":
            return elements.sum() / count, kld
        return elements.mean(), kld

    def extra_repr(self) -> str:
        """Return the text between the parentheses of the module's ``repr``."""
        penalty = getattr(self.penalty, "__qualname__", repr(self.penalty))
        return f"{self.reduction!r}, penalty={penalty}, ignore_index={self.ignore_index}"

    def _reconstruction(self, x: Tensor | Logits, x0: Tensor) -> tuple[Tensor, Tensor | int]:
        """Return the nats of each example and the number of elements in the batch."""
        if x0.is_floating_point():
            if isinstance(x, Logits):
                raise ValueError("logits need integer targets")
            if x.shape != x0.shape:
                raise ValueError(f"x {tuple(x.shape)} and x0 {tuple(x0.shape)} differ in shape")
            if bool(((x < 0) | (x > 1)).any()):
                low, high = (float(value) for value in x.detach().aminmax())
                raise ValueError(
                    f"x holds {low:.4g} to {high:.4g}; a floating x0 needs probabilities from 0 "
                    "to 1: apply torch.sigmoid to logits"
                )
            losses = F.binary_cross_entropy(_single(x), _single(x0), reduction="none")
            return losses.flatten(1).sum(-1), x0.numel()
        if x.shape[:-1] != x0.shape:
            raise ValueError(
                f"logits {tuple(x.shape)} need tokens {tuple(x.shape[:-1])}, not {tuple(x0.shape)}"
            )
        tokens = x0.long()
        nll = token_nll(x, tokens, self.ignore_index)
        return nll.sum(-1), (tokens != self.ignore_index).sum().clamp(min=1)


def total_kl(kl: Tensor) -> Tensor:
    """Return the plain KL of each example: (B, Z) -> (B,), summed over dimensions."""
    return kl.sum(-1)


def _single(x: Tensor) -> Tensor:
    """Return half precision as float32; leave float32 and float64 unchanged."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
