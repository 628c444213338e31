"""Between text and token ids; callers see only :class:`Vocabulary`, whatever the segmentation."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, final

from benchmark.core.errors import UserError
from benchmark.core.files import sha256_bytes
from benchmark.core.tokens import BOS as BOS
from benchmark.core.tokens import EOS as EOS
from benchmark.core.tokens import PAD as PAD

SPECIALS = ("<pad>", "<s>", "</s>")


class Vocabulary(ABC):
    """Token ids of a corpus: 0 ``<pad>``, 1 ``<s>``, 2 ``</s>``, then the units of text."""

    segmentation: ClassVar[str]
    words: list[str]

    @property
    @abstractmethod
    def sha256(self) -> str:
        """Hexadecimal digest of the units and of what else decides the segmentation."""

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

    segmentation: ClassVar[str] = "word"
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

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the words, one a line, without the specials."""
        return sha256_bytes("".join(f"{word}\n" for word in self.words[len(SPECIALS) :]).encode())

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
                    f"use its {len(self._ids)} words"
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


def from_text(
    sentences: Iterable[Sequence[str]], unknown: str = "<unk>", size: int = 0, min_count: int = 1
) -> WordVocabulary:
    """The vocabulary of training sentences: most frequent word first, ties by first appearance.

    Args:
        sentences: words of each.
        unknown: stands for other words; it is added where the sentences lack it.
        size: how many words, ``unknown`` among them; 0 for all.
        min_count: rarer words are left out.

    Raises:
        UserError: a special name occurs as a word, or there are fewer words than ``size``.
    """
    counts = Counter(word for sentence in sentences for word in sentence)
    for special in SPECIALS:
        if special in counts:
            raise UserError(
                f"the text contains {special!r}, which is reserved; remove it from the source"
            )
    words = [word for word, n in counts.most_common() if n >= min_count or word == unknown]
    words += [unknown] if unknown not in counts else []
    if size > len(words):
        raise UserError(
            f"the training text supports a vocabulary of {len(words)} words, {unknown} among them; "
            f"use size={len(words)} or less"
        )
    if size and unknown not in words[:size]:
        words = [*words[: size - 1], unknown]
    return WordVocabulary([*SPECIALS, *words[: size or None]], unknown)
