"""Data sets by name: check, identify, prepare, load, describe."""

import os
import shlex
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import UserError
from benchmark.data import coding, sources, store
from benchmark.data.corpus import Corpus
from benchmark.data.sources import Own, Source

REPEATED = 0.1  # of a split's words: from here on sentences that stand in train too are told
# Content of the presets as generated; a difference means that the generator changed.
CONTENT = {
    "exact_small": "6619309a4ca23800222ae472900637a7eff781640c12e7e7d6e8b9b395068e84",
    "exact": "4e0b8bc9f9657247473eb264eafb5d04f52e71e5c87226e7980d1b556012498d",
    "exact_medium": "bdd83e1bc1f6b0de5eee00d4f94d2be59b5114942d144f89cebc26836c974852",
    "exact_hard": "274f7ef81cc2c84c3e2af34f6b2475d078fc483d957bb48f0adb63380e3df2c4",
}


def default_root() -> Path:
    """Where prepared data lives: ``$PCBENCH_DATA``, or ``.data`` in the current folder."""
    return Path(os.environ.get("PCBENCH_DATA") or ".data")


def names() -> list[str]:
    """Names of all data sets, the quickstart's first; ``text:DIR`` has none."""
    return list(descriptions())


def descriptions() -> dict[str, str]:
    """One line on each data set, by name."""
    return sources.descriptions()


def check(spec: str) -> None:
    """Accept a data set's name, with settings or without; the files of ``text:DIR`` are there.

    Raises:
        UserError: unknown name or setting (the nearest valid one is named), or a bad value; no
            such folder of text, or a file is not there.
    """
    _ = sources.find(spec).identity


def canonical(spec: str) -> str:
    """The same data's shortest name: settings in alphabetical order, defaults left out.

    Of ``text:DIR`` the folder's name stands for its path, so that a record may hold it.
    """
    return sources.find(spec).name


def recorded(spec: str) -> str:
    """A data set's name as a record holds it: as given, but no path of this machine."""
    found = sources.find(spec)
    return found.name if isinstance(found, Own) else spec


def is_text(spec: str) -> bool:
    """Whether the data are a reader's own text, ``text:DIR``."""
    return isinstance(sources.find(spec), Own)


def absolute(spec: str) -> str:
    """The same data from any current folder, for what stays on this machine."""
    found = sources.find(spec)
    return found.folder.spec(found.folder.absolute) if isinstance(found, Own) else spec


def slug(spec: str) -> str:
    """The canonical name as part of a file name: letters, digits, ``_ = .`` and ``-``."""
    return sources.find(spec).slug


def identity(spec: str) -> str:
    """Hexadecimal sha256 that stands for the data in run ids.

    It generates nothing, and reads nothing but the files of ``text:DIR``.
    """
    return sources.find(spec).identity


def prepare(spec: str, root: Path, source: Path | None = None, progress: bool = True) -> Path:
    """Download, read or generate a data set, verify it and write it to ``root/<slug>``.

    Args:
        spec: name, with settings or without.
        root: folder of prepared data.
        source: a folder that holds a public corpus's files; None downloads them.
        progress: say on standard error what is done.

    Returns:
        The folder written.

    Raises:
        UserError: bad name, missing or altered source file, network or disk trouble, text that
            cannot be read, a vocabulary that the text does not support.
    """
    found = sources.find(spec)
    folder = root / found.slug
    meta: dict[str, Any] = {"spec": found.name, "identity": found.identity}
    made = found.make(root, source, progress)
    meta |= made.meta
    words = made.vocabulary.words
    meta["content"] = store.content_sha256(words, made.splits)
    expected = CONTENT.get(found.name)
    if expected not in (None, meta["content"]):
        raise UserError(
            f"{spec}: generated content has sha256 {meta['content']}, expected {expected}; "
            "the generator or NumPy's bit streams changed: report this with `pcbench doctor`"
        )
    store.save(folder, words, made.splits, meta, getattr(made.vocabulary, "model", None))
    return folder


def load(spec: str, root: Path) -> Corpus:
    """Read a prepared data set with NumPy alone; an exact language prepares itself when missing.

    Raises:
        UserError: bad name, data not prepared, or an altered file.
    """
    found = sources.find(spec)
    prepared = _prepared(found, root)
    if prepared is None:
        if not found.prepares_itself:
            raise UserError(f"{found.name}: not prepared in {root}; run: {_mend(found, root)}")
        prepare(spec, root, progress=False)
        prepared = _prepared(found, root)
        assert prepared is not None
    return Corpus(
        spec=found.name,
        vocabulary=coding.decoder(prepared.words, prepared.model, prepared.meta),
        splits=prepared.splits,
        sha256=found.identity,
        language=found.language,
        text_sha256=found.text_sha256,
        words=prepared.meta.get("words", {}),
        substituted=prepared.meta.get("substituted", {}),
    )


def is_prepared(spec: str, root: Path) -> bool:
    """Whether current prepared data is there; reads the small JSON file only.

    Raises:
        UserError: bad name, or that file is damaged.
    """
    found = sources.find(spec)
    return store.read_meta(root / found.slug, found.identity, _mend(found, root)) is not None


def describe(spec: str, root: Path) -> dict[str, Any]:
    """Plain figures for ``pcbench data show``; keys are stable.

    Raises:
        UserError: as :func:`load`.
    """
    corpus, found = load(spec, root), sources.find(spec)
    meta = store.read_meta(root / found.slug, found.identity, _mend(found, root)) or {}
    result: dict[str, Any] = {
        "spec": corpus.spec,
        "description": found.description,
        "folder": str(root / found.slug),
        "sha256": corpus.sha256,
        "content_sha256": meta.get("content"),
        "segmentation": corpus.vocabulary.segmentation,
        "vocabulary_sha256": corpus.vocabulary.sha256,
        "types": len(corpus.vocabulary) - 3,
        "splits": {
            name: _summary(corpus, name, meta.get("unknown", "<unk>")) for name in corpus.splits
        },
    }
    for name, number in meta.get("in_train", {}).items():  # absent where prepared before it was
        result["splits"][name]["in_train"] = number
    if corpus.language is not None:
        result["fresh"] = corpus.language.settings.fresh
        result |= meta["figures"]
    return result


def doubts(spec: str, root: Path) -> list[str]:
    """What to know of a prepared text before it is trained on: splits that hold the same sentences.

    Equal short sentences are common in text, so that words are counted, which short ones have few
    of.

    Raises:
        UserError: bad name, or the small JSON file is damaged.
    """
    found = sources.find(spec)
    meta = store.read_meta(root / found.slug, found.identity, _mend(found, root)) or {}
    files = list(meta.get("files", {}).items())
    told = [
        f"{found.name}: {one} and {other} are the same text"
        for i, (one, digest) in enumerate(files)
        for other, again in files[i + 1 :]
        if digest == again
    ]
    for name, words in meta.get("in_train_words", {}).items():
        part = words / meta["words"][name]
        if part > REPEATED:
            told.append(
                f"{found.name}: {meta['in_train'][name]:,} sentences of {name}, {part:.0%} of its "
                "words, stand in train too: its figures reward what was learnt by heart"
            )
    return told


def _summary(corpus: Corpus, name: str, unknown: str) -> dict[str, Any]:
    """Sentences, scored tokens and words, and lengths of a split, without ``</s>``.

    Of text also ``unknown_rate``, the part of its words that is the unknown word, the text's own
    ones included, and ``substituted``, how many of these stand for another word.
    """
    split, vocabulary = corpus.splits[name], corpus.vocabulary
    lengths = split.lengths - 1
    unit = {"word": "words", "sentencepiece": "pieces"}[vocabulary.segmentation]
    result: dict[str, Any] = {
        "sentences": len(split),
        "tokens": int(split.lengths.sum()),
        f"{unit}_min": int(lengths.min()),
        f"{unit}_mean": float(lengths.mean()),
        f"{unit}_median": float(np.median(lengths)),
        f"{unit}_max": int(lengths.max()),
    }
    if corpus.language is None:
        scored = corpus.scored_words(name)
        number = vocabulary.words.index(unknown) if unknown in vocabulary.words else -1
        result |= {
            "scored_words": scored,
            "unknown_rate": float((split.tokens == number).sum()) / (scored - len(split)),
            "substituted": corpus.substituted.get(name, 0),
        }
    return result


def _mend(found: Source, root: Path) -> str:
    """The command that prepares the data in this folder."""
    return found.mend + ("" if root == default_root() else f" --data-dir {shlex.quote(str(root))}")


def _prepared(found: Source, root: Path) -> store.Prepared | None:
    """The verified prepared form, or None."""
    return store.load(root / found.slug, found.identity, _mend(found, root))
