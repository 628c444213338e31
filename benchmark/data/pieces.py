"""Sentencepiece: a vocabulary of pieces of words, trained on the training split.

Source: Kudo, Subword Regularization, 2018, arXiv 1804.10959 (the unigram model); Kudo & Richardson,
SentencePiece, 2018, arXiv 1808.06226. Training and encoding need the library; decoding does not.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

from benchmark.core.errors import UserError, library
from benchmark.core.files import sha256_bytes
from benchmark.data.vocabulary import EOS, SPECIALS, Vocabulary

_BLANK = "\u2581"  # how pieces write the blank before a word
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_OFFSET = len(SPECIALS) - 1  # from its ids to ours: its id 0, <UNK>, never occurs and has none


@final
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
    _loaded: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    def encode(self, text: str) -> list[int]:
        """Ids of the pieces of a sentence; needs the library sentencepiece."""
        if not self._loaded:
            self._loaded.append(_library().SentencePieceProcessor(model_proto=self.model))
        spaced = " ".join(text.split())
        return [number + _OFFSET for number in self._loaded[0].encode(spaced)]

    def decode(self, ids: Iterable[int]) -> str:
        """Words joined by blanks, up to the first ``</s>``; special ids have no text.

        Bytes that are no UTF-8, as a model may write them, become U+FFFD.
        """
        written = bytearray()
        for number in ids:
            if number == EOS:
                break
            if number > EOS:
                piece = self.words[int(number)]
                byte = _BYTE.fullmatch(piece)
                written += bytes([int(byte[1], 16)]) if byte else piece.encode()
        text = written.decode(errors="replace")
        return " ".join(text.replace(_BLANK, " ").split())


def train(lines: Iterable[str], size: int, whole: str | None) -> PieceVocabulary:
    """The unigram model of training sentences, the same for the same text and library.

    Args:
        lines: sentences.
        size: pieces, the 256 bytes among them.
        whole: a word that is never cut: the text's own unknown word.

    Raises:
        UserError: the text supports no vocabulary of this size.
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
    found = _library().SentencePieceProcessor(model_proto=model)
    numbers = range(found.get_piece_size())
    pieces = [found.id_to_piece(number) for number in numbers]
    # As sentencepiece writes a .vocab file.
    scores = "".join(f"{pieces[number]}\t{found.get_score(number):g}\n" for number in numbers)
    return PieceVocabulary([*SPECIALS, *pieces[1:]], model, sha256_bytes(scores.encode()))


def _refusal(message: str) -> str:
    """Sentencepiece's reason in our words and counts."""
    if most := re.search(r"too high .*<= (\d+)", message):
        number = int(most[1]) - 1
        return f"the training text supports at most {number} pieces; use size={number} or less"
    if least := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        number = int(least[1]) - 1
        return f"its characters and the 256 bytes are {number} pieces; use size={number} or more"
    return f"sentencepiece cannot be trained on this text ({message.strip()}); mend the text"


def _library() -> Any:
    with warnings.catch_warnings():  # of its binding, from Python 3.12 on
        warnings.simplefilter("ignore", DeprecationWarning)
        return library(
            "sentencepiece", "prepare the data where it is installed and copy the folder"
        )
