"""Between text and token ids; callers see only :class:`Vocabulary`, whatever the segmentation."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import final

from benchmark.errors import UserError

PAD, BOS, EOS = 0, 1, 2
SPECIALS = ("<pad>", "<s>", "</s>")


class Vocabulary(ABC):
    """Token ids of a corpus: 0 ``<pad>``, 1 ``<s>``, 2 ``</s>``, then the units of text."""

    words: list[str]

    def __len__(self) -> int:
        """Number of ids, the three specials included."""
        return len(self.words)

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Ids of a sentence's text, without ``<s>`` and ``</s>``."""

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """Text of the ids up to the first ``</s>``; special ids have no text."""


@final
@dataclass(frozen=True)
class WordVocabulary(Vocabulary):
    """One id a word; words are what single blanks separate.

    Args:
        words: every word by id, the three specials first.
        unknown: the word that stands for words outside the vocabulary, if it is one of them.
    """

    words: list[str]
    unknown: str = "<unk>"
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the words."""
        if tuple(self.words[:3]) != SPECIALS:
            raise ValueError(f"the first three words must be {SPECIALS}, got {self.words[:3]}")
        ids = {word: number for number, word in enumerate(self.words) if number >= len(SPECIALS)}
        if len(ids) + len(SPECIALS) != len(self.words):
            raise ValueError("a word appears twice in the vocabulary")
        object.__setattr__(self, "_ids", ids)

    def encode(self, text: str) -> list[int]:
        """Ids of a sentence's words; ``unknown`` stands for others, where it is a word.

        Raises:
            UserError: a word outside the vocabulary, and nothing to stand for it.
        """
        unknown = self._ids.get(self.unknown)
        ids = []
        for word in text.split():
            number = self._ids.get(word, unknown)
            if number is None:
                raise UserError(
                    f"word {word!r} is not in the vocabulary, which has no {self.unknown}; "
                    f"use its {len(self)} words"
                )
            ids.append(number)
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Words joined by blanks, up to the first ``</s>``; special ids have no text."""
        words = []
        for number in ids:
            if number == EOS:
                break
            if number > EOS:
                words.append(self.words[int(number)])
        return " ".join(words)


def from_text(sentences: Iterable[Sequence[str]]) -> WordVocabulary:
    """The vocabulary of training sentences: most frequent word first, ties by first appearance.

    Raises:
        UserError: the text contains one of the special names as a word.
    """
    counts = Counter(word for sentence in sentences for word in sentence)
    for special in SPECIALS:
        if special in counts:
            raise UserError(
                f"the text contains {special!r}, which is reserved; remove it from the source"
            )
    return WordVocabulary([*SPECIALS, *(word for word, _ in counts.most_common())])
