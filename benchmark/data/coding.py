"""From text to token ids: how the vocabulary is chosen, and what it cannot say."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Annotated, Any, Literal

from pydantic import Field

from benchmark.core.errors import UserError
from benchmark.core.files import sha256_bytes
from benchmark.core.tokens import SPECIALS
from benchmark.data.prepared import Prepared, Split
from benchmark.data.settings import overrides
from benchmark.data.vocabulary import PieceVocabulary, Vocabulary, WordVocabulary

VERSION = 1  # raised when equal text and settings would become other token ids


@dataclass(frozen=True)
class Coding:
    """How text becomes tokens; the defaults are a corpus's own words."""

    vocabulary: Literal["word", "sentencepiece"] = "word"
    size: Annotated[int, Field(ge=0)] = 0  # units beside the specials; 0 for all words

    def __post_init__(self) -> None:
        if self.vocabulary == "sentencepiece" and not self.size:
            raise ValueError("sentencepiece needs a size; add one such as size=4000")

    @property
    def changed(self) -> list[str]:
        """The settings that differ from the defaults."""
        return overrides(self, PLAIN)

    def identity(self, text: str) -> str:
        """Return the sha256 of a text in this coding; ``text`` is the digest of the text alone."""
        if not self.changed:
            return text
        content = {"text": text, "coding": self.changed, "version": VERSION}
        return sha256_bytes(json.dumps(content, sort_keys=True).encode())


PLAIN = Coding()


@dataclass(frozen=True)
class Text:
    """Sentences before a vocabulary makes token ids of them."""

    lines: dict[str, list[str]]  # by split, single blanks between words
    files: dict[str, str]  # sha256 of each file read, by its name
    # The corpus's own vocabulary by id, without our specials; None: the training sentences give it.
    words: list[str] | None = None
    unknown: str = "<unk>"  # stands for words outside the vocabulary


def code(text: Text, coding: Coding, name: str) -> Prepared:
    """Return a text as token ids, with counts of what the vocabulary loses.

    Raises:
        UserError: the text supports no vocabulary of this size; ``name`` is the data set's.
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
            vocabulary = WordVocabulary.train(train, text.unknown, coding.size)
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
        # By split, each sentence's words and one for its end: what nats a word refer to.
        "words": {split: _words(lines) for split, lines in text.lines.items()},
        "substituted": substituted,  # words that the ids do not bring back
        "in_train": {split: len(lines) for split, lines in repeated.items()},  # sentences
        "in_train_words": {split: _words(lines) for split, lines in repeated.items()},
    }
    return Prepared(vocabulary.words, splits, meta, getattr(vocabulary, "model", None))


def vocabulary_of(prepared: Prepared) -> Vocabulary:
    """Return the vocabulary of prepared data."""
    if prepared.model is None:
        return WordVocabulary(prepared.words, prepared.meta.get("unknown", "<unk>"))
    return PieceVocabulary(prepared.words, prepared.model, prepared.meta["vocabulary_sha256"])


def _words(lines: Iterable[str]) -> int:
    return sum(len(line.split()) + 1 for line in lines)


def _lost(line: str, back: str) -> int:
    """Return how many words of a sentence its ids do not bring back."""
    if back == line:
        return 0
    # At least 1: two texts may differ in their blanks alone.
    pairs = zip_longest(line.split(), back.split())
    return max(1, [before != after for before, after in pairs].count(True))
