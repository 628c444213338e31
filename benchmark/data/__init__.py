"""Data sets by name: to identify, prepare, load and describe them.

Once prepared, data are read with NumPy alone.
"""

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import UserError
from benchmark.core.files import check_linked
from benchmark.data import coding, prepared
from benchmark.data.catalogue import OWN_TEXT, default_root, descriptions, find
from benchmark.data.corpus import Corpus, Split
from benchmark.data.settings import ExactSettings
from benchmark.data.vocabulary import Vocabulary

__all__ = ["OWN_TEXT", "Corpus", "Split", "Vocabulary", "default_root", "descriptions", "find"]

REPEATED = 0.1  # of a split's words: from here on a warning that sentences stand in train too
# Content of the presets as generated; a difference means that the generator changed.
CONTENT = {
    "exact_small": "6619309a4ca23800222ae472900637a7eff781640c12e7e7d6e8b9b395068e84",
    "exact_learnable": "056fe9b2378e681cb25b57dcfdb9179a14c2d73e4cd23ba376894a9cd38fe63f",
    "exact": "4e0b8bc9f9657247473eb264eafb5d04f52e71e5c87226e7980d1b556012498d",
    "exact_medium": "bdd83e1bc1f6b0de5eee00d4f94d2be59b5114942d144f89cebc26836c974852",
    "exact_hard": "274f7ef81cc2c84c3e2af34f6b2475d078fc483d957bb48f0adb63380e3df2c4",
}


def prepare(spec: str, root: Path, source: Path | None = None, progress: bool = True) -> Path:
    """Download, read or generate a data set, verify it and write it to ``root/<slug>``.

    Args:
        spec: name, with settings or without.
        root: folder of prepared data.
        source: a folder that holds a public corpus's files; None downloads them.
        progress: say on standard error what is done.

    Returns:
        The folder written.
    """
    check_linked(root, "--data-dir")
    dataset = find(spec)
    target, meta = root / dataset.slug, {"spec": dataset.name, "identity": dataset.identity}
    made = dataset.make(root, source, progress)
    content = prepared.content_sha256(made.words, made.splits)
    expected = CONTENT.get(dataset.name, content)
    if content != expected:
        raise UserError(
            f"{spec}: generated content has sha256 {content}, expected {expected}; "
            "the generator or NumPy's bit streams have changed: report this with what "
            "`pcbench doctor` prints"
        )
    prepared.save(target, replace(made, meta={**meta, **made.meta, "content": content}))
    return target


def load(spec: str, root: Path) -> Corpus:
    """Return a prepared data set; an exact language that is missing is generated first.

    Raises:
        UserError: the data is not prepared (the message has the command), or a file was altered.
    """
    dataset = find(spec)
    if isinstance(dataset.kind, ExactSettings) and not dataset.meta(root):
        prepare(spec, root, progress=False)
    command = dataset.command(root)
    data = prepared.load(root / dataset.slug, dataset.identity, command)
    if data is None:
        raise UserError(f"{dataset.name}: not prepared in {root}; run: {command}")
    return Corpus(
        spec=dataset.name,
        vocabulary=coding.vocabulary_of(data),
        splits=data.splits,
        sha256=dataset.identity,
        language=dataset.language,
        text_sha256=dataset.text_sha256,
        words=data.meta.get("words", {}),
        substituted=data.meta.get("substituted", {}),
    )


def describe(spec: str, root: Path) -> dict[str, Any]:
    """Return the numbers that ``pcbench data show`` prints; keys are stable.

    ``words_min`` and the like are without ``</s>``. ``unknown_rate`` is the part of a text's words
    that is the unknown word, its own ones included; ``substituted`` is how many of these stand for
    another word.
    """
    corpus, dataset = load(spec, root), find(spec)
    vocabulary, meta = corpus.vocabulary, dataset.meta(root)
    unit = {"word": "words", "sentencepiece": "pieces"}[vocabulary.segmentation]
    splits: dict[str, dict[str, Any]] = {}
    for name, split in corpus.splits.items():
        lengths = split.lengths - 1
        splits[name] = {
            "sentences": len(split),
            "tokens": int(split.lengths.sum()),
            f"{unit}_min": int(lengths.min()),
            f"{unit}_mean": float(lengths.mean()),
            f"{unit}_median": float(np.median(lengths)),
            f"{unit}_max": int(lengths.max()),
        }
        if corpus.language is None:
            scored, unknown = corpus.scored_words(name), meta.get("unknown", "<unk>")
            number = vocabulary.words.index(unknown) if unknown in vocabulary.words else -1
            splits[name] |= {
                "scored_words": scored,
                "unknown_rate": float((split.tokens == number).sum()) / (scored - len(split)),
                "substituted": corpus.substituted.get(name, 0),
            }
        if name in meta.get("in_train", {}):  # absent in data prepared before it was
            splits[name]["in_train"] = meta["in_train"][name]
    truth = {} if corpus.language is None else {"fresh": corpus.fresh, **meta["figures"]}
    return {
        "spec": corpus.spec,
        "description": dataset.description,
        "folder": str(root / dataset.slug),
        "sha256": corpus.sha256,
        "content_sha256": meta.get("content"),
        "segmentation": vocabulary.segmentation,
        "vocabulary_sha256": vocabulary.sha256,
        "types": len(vocabulary) - 3,
        "splits": splits,
        **truth,
    }


def doubts(spec: str, root: Path) -> list[str]:
    """Return warnings about a prepared text whose splits share sentences."""
    dataset = find(spec)
    meta = dataset.meta(root)
    files = meta.get("files", {})
    messages = [
        f"{dataset.name}: {one} and {other} are the same text"
        for one, other in combinations(files, 2)
        if files[one] == files[other]
    ]
    # Short sentences often recur in a text, so words are counted: short sentences have few.
    for name, words in meta.get("in_train_words", {}).items():
        part = words / meta["words"][name]
        if part > REPEATED:
            messages.append(
                f"{dataset.name}: {meta['in_train'][name]:,} sentences of {name}, {part:.0%} of "
                f"its words, are also in train: numbers on {name} reward memorised sentences"
            )
    return messages
