"""From text to token ids: how the vocabulary is chosen, and what it cannot say."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from benchmark.core.errors import UserError
from benchmark.core.files import sha256_bytes
from benchmark.core.tokens import SPECIALS
from benchmark.data.settings import Settings
from benchmark.data.store import Prepared, Split
from benchmark.data.vocabulary import PieceVocabulary, Vocabulary, WordVocabulary

VERSION = 1  # raised when equal text and settings would become other token ids


class Coding(Settings):
    """How text becomes tokens; the defaults are a corpus's own words."""

    vocabulary: Literal["word", "sentencepiece"] = "word"
    size: Annotated[int, Field(ge=0)] = 0  # units beside the specials; 0 for all words
    min_count: Annotated[int, Field(ge=1)] = 1  # rarer words of the training text are unknown

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.vocabulary == "sentencepiece" and not self.size:
            raise ValueError("sentencepiece needs a size; add one such as size=4000")
        if self.vocabulary == "sentencepiece" and self.min_count > 1:
            raise ValueError("min_count goes with vocabulary=word; leave it out")
        return self

    @property
    def changed(self) -> list[str]:
        """The settings that differ from the defaults."""
        return self.overrides(PLAIN)

    def identity(self, text: str) -> str:
        """Return the sha256 of a text under this coding; ``text`` is the text's own."""
        if not self.changed:
            return text
        content = {"text": text, "coding": self.changed, "version": VERSION}
        return sha256_bytes(json.dumps(content, sort_keys=True).encode())


PLAIN = Coding()


@dataclass(frozen=True)
class Text:
    """Sentences before a vocabulary makes token ids of them.

    Attributes:
        lines: the sentences by split, single blanks between words.
        files: sha256 of each file read, by its name.
        words: the corpus's own vocabulary in the order of its ids, without our specials; None
            where the training sentences give it.
        unknown: the word that stands for words outside the vocabulary.
    """

    lines: dict[str, list[str]]
    files: dict[str, str]
    words: list[str] | None = None
    unknown: str = "<unk>"


def code(text: Text, coding: Coding, name: str) -> Prepared:
    """Turn text into token ids, and note what the vocabulary loses of it.

    Args:
        text: all of it.
        coding: the settings.
        name: the data set's, for messages.

    Returns:
        What is to be stored. Its ``meta`` holds ``files``, ``segmentation``,
        ``vocabulary_sha256``, ``unknown``, and by split ``words`` (scored: each sentence's and one
        for its end), ``substituted`` (words that the ids do not bring back), ``in_train``
        (sentences that stand in the training split too) and ``in_train_words`` (theirs).

    Raises:
        UserError: the text supports no vocabulary of this size.
    """
    train = text.lines["train"]
    vocabulary: Vocabulary
    try:
        if coding.vocabulary == "sentencepiece":
            whole = any(text.unknown in line.split() for line in train)
            vocabulary = PieceVocabulary.train(train, coding.size, text.unknown if whole else None)
        elif text.words is not None:
            vocabulary = WordVocabulary([*SPECIALS, *text.words], text.unknown)
        else:
            words = (line.split() for line in train)
            vocabulary = WordVocabulary.train(words, text.unknown, coding.size, coding.min_count)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    splits, substituted = {}, {}
    for split, lines in text.lines.items():
        ids = [vocabulary.encode(line) for line in lines]
        splits[split] = Split.of(ids)
        pairs = zip(lines, map(vocabulary.decode, ids), strict=True)
        substituted[split] = sum(_lost(line, back) for line, back in pairs)
    known = set(train)
    repeated = {
        split: [line for line in lines if line in known]
        for split, lines in text.lines.items()
        if split != "train"
    }
    meta: dict[str, Any] = {
        "files": text.files,
        "segmentation": vocabulary.segmentation,
        "vocabulary_sha256": vocabulary.sha256,
        "unknown": text.unknown,
        "words": {split: _words(lines) for split, lines in text.lines.items()},
        "substituted": substituted,
        "in_train": {split: len(lines) for split, lines in repeated.items()},
        "in_train_words": {split: _words(lines) for split, lines in repeated.items()},
    }
    return Prepared(vocabulary.words, splits, meta, getattr(vocabulary, "model", None))


def vocabulary_of(prepared: Prepared) -> Vocabulary:
    """Return the vocabulary of prepared data."""
    words, meta = prepared.words, prepared.meta
    if prepared.model is not None:
        return PieceVocabulary(words, prepared.model, meta["vocabulary_sha256"])
    return WordVocabulary(words, meta.get("unknown", "<unk>"))


def _words(lines: Iterable[str]) -> int:
    return sum(len(line.split()) + 1 for line in lines)


def _lost(line: str, back: str) -> int:
    """Count the words of a sentence that differ in what its ids bring back."""
    if back == line:
        return 0
    before, after = line.split(), back.split()
    changed = sum(a != b for a, b in zip(before, after, strict=False))
    return max(1, changed + abs(len(before) - len(after)))
