"""Vocabularies between text and token ids: words, or pieces of words by sentencepiece.

Source of the pieces: Kudo, Subword Regularization, 2018, arXiv 1804.10959 (the unigram model); Kudo
& Richardson, SentencePiece, 2018, arXiv 1808.06226. Training and encoding need the library;
decoding does not, so that a machine that only trains needs none.
"""

import io
import re
import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import Any, ClassVar

from benchmark.core.errors import UserError, library
from benchmark.core.files import sha256_bytes
from benchmark.core.tokens import EOS, SPECIALS

_BLANK = "\u2581"  # how pieces write the blank before a word
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_OFFSET = len(SPECIALS) - 1  # from its ids to ours: its id 0, <UNK>, never occurs and has none


class Vocabulary(ABC):
    """Token ids of a corpus: 0 ``<pad>``, 1 ``<s>``, 2 ``</s>``, then the units of text."""

    segmentation: ClassVar[str]
    words: list[str]

    @property
    @abstractmethod
    def sha256(self) -> str:
        """Hexadecimal digest of the units and of what else decides the segmentation."""

    def __len__(self) -> int:
        """Return the number of ids, the three specials included."""
        return len(self.words)

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Return the ids of a sentence's text, without ``<s>`` and ``</s>``.

        Raises:
            UserError: a word outside a vocabulary of words that has none to stand for it.
        """

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of the ids up to the first ``</s>``; special ids have no text."""

    def _units(self, ids: Iterable[int]) -> list[str]:
        return [self.words[int(i)] for i in takewhile(lambda i: i != EOS, ids) if i > EOS]


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

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words) if i > EOS}

    @property
    def sha256(self) -> str:  # of the words, one a line, without the specials
        return sha256_bytes("".join(f"{word}\n" for word in self.words[len(SPECIALS) :]).encode())

    def encode(self, text: str) -> list[int]:
        unknown = self._ids.get(self.unknown)
        ids = []
        for word in text.split():
            number = self._ids.get(word, unknown)
            if number is None:
                raise UserError(
                    f"word {word!r} is not in the vocabulary, which has no {self.unknown}; "
                    f"use only its {len(self._ids)} words"
                )
            ids.append(number)
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        return " ".join(self._units(ids))

    @staticmethod
    def train(lines: Iterable[str], unknown: str = "<unk>", size: int = 0) -> "WordVocabulary":
        """Return the words of training sentences: most frequent first, ties by first appearance.

        Args:
            lines: sentences.
            unknown: stands for other words; it is added where the sentences lack it.
            size: how many words, ``unknown`` among them; 0 for all.
        """
        counts = Counter(word for line in lines for word in line.split())
        words = [word for word, _ in counts.most_common()]
        words += [unknown] if unknown not in counts else []
        if size > len(words):
            raise UserError(
                f"the training text has {len(words)} different words, with {unknown}; "
                f"use size={len(words)} or less"
            )
        if size and unknown not in words[:size]:
            words = [*words[: size - 1], unknown]
        return WordVocabulary([*SPECIALS, *words[: size or None]], unknown)


@dataclass(frozen=True)
class PieceVocabulary(Vocabulary):
    """Pieces of words, and bytes for characters that the training text lacks: any text has ids.

    Text comes back up to its blanks, unless it holds U+2581, by which pieces write a blank.

    Args:
        words: every piece by id, the three specials first.
        model: sentencepiece's serialised model.
        sha256: of its ``.vocab``: pieces and scores, but no path.
    """

    segmentation: ClassVar[str] = "sentencepiece"
    words: list[str]
    model: bytes = field(repr=False)
    sha256: str = ""

    @cached_property
    def _processor(self) -> Any:
        return _library().SentencePieceProcessor(model_proto=self.model)

    def encode(self, text: str) -> list[int]:
        return [number + _OFFSET for number in self._processor.encode(" ".join(text.split()))]

    def decode(self, ids: Iterable[int]) -> str:
        written = bytearray()
        for piece in self._units(ids):
            byte = _BYTE.fullmatch(piece)
            written += bytes([int(byte[1], 16)]) if byte else piece.encode()
        # A model may write bytes that are no UTF-8: they become U+FFFD.
        return " ".join(written.decode(errors="replace").replace(_BLANK, " ").split())

    @staticmethod
    def train(lines: Iterable[str], size: int, whole: str | None) -> "PieceVocabulary":
        """Return the unigram model of sentences, the same for the same text and library.

        Args:
            lines: sentences.
            size: pieces, the 256 bytes among them.
            whole: a word that is never cut: the text's own unknown word.
        """
        buffer = io.BytesIO()
        try:
            _library().SentencePieceTrainer.train(
                sentence_iterator=iter(lines),
                model_writer=buffer,
                model_type="unigram",
                vocab_size=size + 1,  # and <UNK>
                character_coverage=1.0,
                byte_fallback=True,
                normalization_rule_name="identity",
                unk_id=0,
                unk_piece="<UNK>",  # so that a text's own <unk> is text
                user_defined_symbols=[whole] if whole else [],
                bos_id=-1,
                eos_id=-1,
                pad_id=-1,
                num_threads=1,  # the result depends on their number
                shuffle_input_sentence=False,
                max_sentence_length=1 << 24,  # bytes; longer ones would be left out silently
                minloglevel=2,
            )
        except RuntimeError as error:
            raise UserError(_refusal(str(error))) from None
        model = buffer.getvalue()
        trained = _library().SentencePieceProcessor(model_proto=model)
        numbers = range(trained.get_piece_size())
        pieces = [trained.id_to_piece(i) for i in numbers]
        # As sentencepiece writes a .vocab file.
        scores = "".join(f"{pieces[i]}\t{trained.get_score(i):g}\n" for i in numbers)
        return PieceVocabulary([*SPECIALS, *pieces[1:]], model, sha256_bytes(scores.encode()))


def _refusal(message: str) -> str:
    """Return the user's version of sentencepiece's error: what size would do."""
    if most := re.search(r"too high .*<= (\d+)", message):
        number = int(most[1]) - 1
        return f"the training text supports at most {number} pieces; use size={number} or less"
    if least := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        number = int(least[1]) - 1
        return f"its characters and the 256 bytes make {number} pieces; use size={number} or more"
    return f"sentencepiece cannot be trained on this text ({message.strip()}); correct the text"


def _library() -> Any:
    with warnings.catch_warnings():  # of its binding, from Python 3.12 on
        warnings.simplefilter("ignore", DeprecationWarning)
        return library(
            "sentencepiece", "prepare the data where it is installed and copy the folder"
        )
