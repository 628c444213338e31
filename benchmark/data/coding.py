"""From text to token ids: the settings of a vocabulary, and what it cannot say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from benchmark.core.errors import UserError, suggest
from benchmark.core.files import sha256_bytes
from benchmark.data import pieces, settings
from benchmark.data.corpus import Split
from benchmark.data.pieces import PieceVocabulary
from benchmark.data.vocabulary import SPECIALS, Vocabulary, WordVocabulary, from_text

VERSION = 1  # raised when equal text and settings would become other token ids
SEGMENTATIONS = ("word", "sentencepiece")


@dataclass(frozen=True)
class Coding:
    """How text becomes tokens; the defaults are a corpus's own words.

    Attributes:
        vocabulary: ``word`` or ``sentencepiece``.
        size: units beside the specials; 0 for all words.
        min_count: words that are rarer in the training text become the unknown word.
    """

    vocabulary: str = "word"
    size: int = 0
    min_count: int = 1

    @property
    def overrides(self) -> list[str]:
        """The settings that differ from the defaults, ``key=value``, in alphabetical order."""
        default = asdict(Coding())
        changed = {key: value for key, value in asdict(self).items() if value != default[key]}
        return [f"{key}={changed[key]}" for key in sorted(changed)]

    def identity(self, text: str) -> str:
        """Hexadecimal sha256 of a text under this coding; ``text`` is the text's own."""
        if not self.overrides:
            return text
        content = {"text": text, "coding": self.overrides, "version": VERSION}
        return sha256_bytes(json.dumps(content, sort_keys=True).encode())


def parse(spec: str, items: Iterable[str], fixed: bool) -> Coding:
    """Read ``key=value`` settings.

    Args:
        spec: for messages.
        items: such as ``size=4000``.
        fixed: the corpus's words are those of its papers, and cannot be chosen.

    Raises:
        UserError: an unknown setting, a bad value, or settings that do not go together.
    """
    kinds = {field.name: type(field.default) for field in fields(Coding)}
    if fixed:
        del kinds["min_count"]
    found = Coding(**settings.read(spec, items, kinds))  # type: ignore[arg-type]
    if found.vocabulary not in SEGMENTATIONS:
        hint = suggest(found.vocabulary, SEGMENTATIONS)
        raise UserError(f"{spec}: vocabulary: {found.vocabulary!r} is unknown; {hint}")
    if found.size < 0 or found.min_count < 1:
        raise UserError(f"{spec}: size and min_count count from 1")
    if found.vocabulary == "sentencepiece":
        if not found.size:
            raise UserError(f"{spec}: sentencepiece needs a size; add one such as size=4000")
        if found.min_count > 1:
            raise UserError(f"{spec}: min_count goes with vocabulary=word; leave it out")
    elif fixed and found.size:
        raise UserError(
            f"{spec}: its words are those of the papers; size goes with vocabulary=sentencepiece"
        )
    return found


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


def code(
    text: Text, how: Coding, where: str
) -> tuple[Vocabulary, dict[str, Split], dict[str, Any]]:
    """Vocabulary, token ids, and what the prepared folder must remember of the coding.

    Without a vocabulary of the corpus's own, word ids go by descending frequency in the training
    sentences, ties by first appearance.

    Args:
        text: all of it.
        how: the settings.
        where: the data set's name, for messages.

    Returns:
        The vocabulary; the splits; ``files``, ``segmentation``, ``vocabulary_sha256``, ``unknown``,
        and by split ``words`` (scored: each sentence's and one for its end), ``substituted``
        (words that the ids do not bring back), ``in_train`` (sentences that stand in the training
        split too) and ``in_train_words`` (theirs).

    Raises:
        UserError: the text holds a reserved word, or supports no vocabulary of this size.
    """
    try:
        vocabulary = _vocabulary(text, how)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    train = set(text.lines["train"])
    splits, lost = {}, {}
    for name, lines in text.lines.items():
        ids = [vocabulary.encode(line) for line in lines]
        splits[name] = Split.of(ids)
        lost[name] = sum(_lost(vocabulary, *pair) for pair in zip(lines, ids, strict=True))
    return (
        vocabulary,
        splits,
        {
            "files": text.files,
            "segmentation": vocabulary.segmentation,
            "vocabulary_sha256": vocabulary.sha256,
            "unknown": text.unknown,
            "words": {name: _words(lines) for name, lines in text.lines.items()},
            "substituted": lost,
            "in_train": {
                name: [line in train for line in lines].count(True)
                for name, lines in text.lines.items()
                if name != "train"
            },
            "in_train_words": {
                name: _words(line for line in lines if line in train)
                for name, lines in text.lines.items()
                if name != "train"
            },
        },
    )


def decoder(words: list[str], model: bytes | None, meta: dict[str, Any]) -> Vocabulary:
    """The vocabulary of prepared data."""
    if model is not None:
        return PieceVocabulary(words, model, meta["vocabulary_sha256"])
    return WordVocabulary(words, meta.get("unknown", "<unk>"))


def _vocabulary(text: Text, how: Coding) -> Vocabulary:
    train = text.lines["train"]
    if how.vocabulary == "sentencepiece":
        whole = any(text.unknown in line.split() for line in train)
        return pieces.train(train, how.size, text.unknown if whole else None)
    if text.words is not None:
        return WordVocabulary([*SPECIALS, *text.words], text.unknown)
    return from_text((line.split() for line in train), text.unknown, how.size, how.min_count)


def _words(lines: Iterable[str]) -> int:
    return sum(len(line.split()) + 1 for line in lines)


def _lost(vocabulary: Vocabulary, line: str, ids: Sequence[int]) -> int:
    """Words of a sentence that its ids do not bring back."""
    back = vocabulary.decode(ids)
    if back == line:
        return 0
    before, after = line.split(), back.split()
    changed = sum(a != b for a, b in zip(before, after, strict=False))
    return max(1, changed + abs(len(before) - len(after)))
