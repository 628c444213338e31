"""From text to token ids: which vocabulary, and what it cannot say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.data.corpus import Split
from benchmark.data.vocabulary import SPECIALS, Vocabulary, WordVocabulary, from_text


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


def code(text: Text) -> tuple[Vocabulary, dict[str, Split], dict[str, Any]]:
    """Vocabulary, token ids, and what the prepared folder must remember of the coding.

    Without a vocabulary of the corpus's own, ids go by descending frequency in the training
    sentences, ties by first appearance.

    Raises:
        UserError: the text holds a reserved word.
    """
    vocabulary: Vocabulary
    if text.words is None:
        vocabulary = from_text(line.split() for line in text.lines["train"])
    else:
        vocabulary = WordVocabulary([*SPECIALS, *text.words], text.unknown)
    splits, lost = {}, {}
    for name, lines in text.lines.items():
        ids = [vocabulary.encode(line) for line in lines]
        splits[name] = Split.of(ids)
        lost[name] = sum(_lost(vocabulary, *pair) for pair in zip(lines, ids, strict=True))
    words = {name: sum(len(line.split()) + 1 for line in text.lines[name]) for name in splits}
    meta = {"files": text.files, "unknown": text.unknown, "words": words, "substituted": lost}
    return vocabulary, splits, meta


def _lost(vocabulary: Vocabulary, line: str, ids: Sequence[int]) -> int:
    """Words of a sentence that its ids do not bring back."""
    back = vocabulary.decode(ids)
    if back == line:
        return 0
    before, after = line.split(), back.split()
    changed = sum(a != b for a, b in zip(before, after, strict=False))
    return changed + abs(len(before) - len(after))
