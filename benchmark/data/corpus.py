"""What a run reads: sentences as flat arrays, and the corpus that holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.data.vocabulary import BOS, EOS, PAD, Vocabulary

if TYPE_CHECKING:
    from benchmark.data.exact import ExactLanguage

__all__ = ["BOS", "EOS", "PAD", "Corpus", "Split"]


@dataclass(frozen=True, eq=False)
class Split:
    """Sentences, one after the other; each is stored as ``<s> w1 .. wn </s>``.

    Attributes:
        tokens: int32, all sentences joined.
        offsets: int64 (N + 1,), where sentence i begins; the last entry is ``len(tokens)``.
        classes: int16 (N,), the class of each sentence; exact language only.
        log_prob: float64 (N,), true log p(x) in nats per sentence; exact language only.
    """

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]
    classes: NDArray[np.int16] | None = None
    log_prob: NDArray[np.float64] | None = None

    @staticmethod
    def of(sentences: Sequence[Sequence[int]]) -> Split:
        """A split of sentences given by their word ids, without ``<s>`` and ``</s>``."""
        rows = [np.array([BOS, *words, EOS], dtype=np.int32) for words in sentences]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        tokens = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int32)
        return Split(tokens, offsets)

    def __len__(self) -> int:
        """Number of sentences."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Scored tokens of each sentence, (N,): its words and ``</s>``, not ``<s>``."""
        return np.diff(self.offsets) - 1

    def sentence(self, i: int) -> NDArray[np.int32]:
        """Sentence i with ``<s>`` and ``</s>``; i counts from 0.

        Raises:
            IndexError: no such sentence.
        """
        if not 0 <= i < len(self):
            raise IndexError(f"sentence {i} of {len(self)}")
        return self.tokens[self.offsets[i] : self.offsets[i + 1]]


@dataclass(frozen=True, eq=False)
class Corpus:
    """A data set as training and evaluation see it.

    Attributes:
        spec: its canonical name with settings, such as ``exact_small:fresh=true,mix=0.2``.
        vocabulary: between ids and text.
        splits: ``train``, ``valid`` and ``test``.
        sha256: the identity of the data, equal to ``benchmark.data.identity(spec)``.
        language: the process that generated it, or None for real text.
        text_sha256: the identity of the text, whatever its vocabulary; empty: ``sha256``.
        words: scored words by split, each sentence's and one for its end; empty: the tokens.
        substituted: words by split that the tokens do not bring back; empty: none.
    """

    spec: str
    vocabulary: Vocabulary
    splits: dict[str, Split]
    sha256: str
    language: ExactLanguage | None = None
    text_sha256: str = ""
    words: Mapping[str, int] = field(default_factory=dict)
    substituted: Mapping[str, int] = field(default_factory=dict)

    def scored_words(self, split: str) -> int:
        """Words of a split and an end for each sentence: what nats a word are counted by."""
        return self.words.get(split, int(self.splits[split].lengths.sum()))

    def training_split(self, seed: int, epoch: int) -> Split:
        """Training sentences of an epoch, a pure function of the data, the seed and the epoch.

        The same split in every epoch, or newly drawn sentences where the settings say ``fresh``.
        """
        if self.language is not None and self.language.settings.fresh:
            return self.language.fresh(seed, epoch)
        return self.splits["train"]
