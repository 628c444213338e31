"""Which batch stands at which step: a pure function of (data, seed, epoch, position)."""

import torch
from torch import Tensor

from benchmark.data.batches import epoch_order, same_length_batches
from benchmark.data.corpus import Corpus


class Epochs:
    """The batches of a whole run, epoch by epoch.

    Args:
        corpus: its training split may be fresh in every epoch.
        seed: of the order.
        epochs: how many.
        size: sentences in a batch at most.
        device: where the tokens shall lie.

    Attributes:
        ends: the step at which each epoch ends.
        sentences: in one epoch.
    """

    def __init__(
        self, corpus: Corpus, seed: int, epochs: int, size: int, device: torch.device
    ) -> None:
        self._corpus, self._seed, self._size, self._device = corpus, seed, size, device
        self._cached: tuple[int, object, list[Tensor]] = (-1, None, [])
        self._ordered: tuple[int, list[Tensor]] = (-1, [])
        self.sentences = len(corpus.splits["train"])
        self.ends: list[int] = []
        for epoch in range(epochs):
            begin = self.ends[-1] if self.ends else 0
            self.ends.append(begin + len(self._batches(epoch)))

    def batch(self, epoch: int, position: int) -> Tensor:
        """``<s> ... </s>`` of the batch at a position of an epoch, (B, T + 1), on the device."""
        if self._ordered[0] != epoch:
            batches = self._batches(epoch)
            order = epoch_order(len(batches), self._seed, epoch)
            self._ordered = epoch, [batches[i] for i in order.tolist()]
        return self._ordered[1][position]

    def any(self, epoch: int, noise: torch.Generator) -> Tensor:
        """A batch of an epoch at random, each equally likely, (B, T + 1), on the device."""
        batches = self._batches(epoch)
        drawn = torch.randint(len(batches), (1,), generator=noise, device=noise.device)
        return batches[int(drawn)]

    def _batches(self, epoch: int) -> list[Tensor]:
        if self._cached[0] != epoch:
            split, (_, known, tokens) = self._corpus.training_split(self._seed, epoch), self._cached
            if split is not known:  # in most data every epoch has the same
                batches = same_length_batches(split, self._size)
                tokens = [batch.tokens.to(self._device) for batch in batches]
            self._cached = epoch, split, tokens
        return self._cached[2]
