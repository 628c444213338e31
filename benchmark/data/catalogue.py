"""Data sets by name: check, identify, prepare, load, describe."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data import coding, public, settings, store
from benchmark.data.corpus import Corpus, Split
from benchmark.data.exact import ExactLanguage
from benchmark.data.streams import TEST, TRAIN, VALID
from benchmark.data.vocabulary import Vocabulary, WordVocabulary
from benchmark.errors import UserError, suggest

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
    """Names of all data sets, the quickstart's first."""
    return list(descriptions())


def descriptions() -> dict[str, str]:
    """One line on each data set, by name."""
    known = {name: corpus.description for name, corpus in public.CORPORA.items()}
    return settings.DESCRIPTIONS | known


def check(spec: str) -> None:
    """Accept a name of a data set, with settings or without.

    Raises:
        UserError: unknown name or setting (the nearest valid one is named), or a bad value.
    """
    _lookup(spec)


def canonical(spec: str) -> str:
    """The same data's shortest name: settings in alphabetical order, defaults left out."""
    found = _lookup(spec)
    if isinstance(found, public.PublicCorpus):
        return found.name
    name, chosen = found
    pairs = [f"{k}={v}" for k, v in settings.overrides_of(name, chosen).items()]
    return ":".join([name, ",".join(pairs)] if pairs else [name])


def slug(spec: str) -> str:
    """The canonical name as part of a file name: letters, digits, ``_ = .`` and ``-``."""
    return canonical(spec).replace(":", "_").replace(",", "_")


def identity(spec: str) -> str:
    """Hexadecimal sha256 that stands for the data in run ids; reads and generates nothing."""
    found = _lookup(spec)
    if isinstance(found, public.PublicCorpus):
        return found.identity
    return settings.identity(found[1])


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
        UserError: bad name, missing or altered source file, network or disk trouble.
    """
    found = _lookup(spec)
    folder = root / slug(spec)
    vocabulary: Vocabulary
    meta: dict[str, Any] = {"spec": canonical(spec), "identity": identity(spec)}
    if isinstance(found, public.PublicCorpus):
        text = public.read(found, root, source, progress)
        vocabulary, splits, told = coding.code(text)
        meta |= told
    else:
        if source is not None:
            raise UserError(f"{spec}: is generated, not read from a folder; leave out --from")
        vocabulary, splits, meta["figures"] = _generate(*found)
    meta["content"] = store.content_sha256(vocabulary.words, splits)
    expected = CONTENT.get(canonical(spec))
    if expected not in (None, meta["content"]):
        raise UserError(
            f"{spec}: generated content has sha256 {meta['content']}, expected {expected}; "
            "the generator or NumPy's bit streams changed: report this with `pcbench doctor`"
        )
    store.save(folder, vocabulary.words, splits, meta)
    return folder


def load(spec: str, root: Path) -> Corpus:
    """Read a prepared data set with NumPy alone; an exact language prepares itself when missing.

    Raises:
        UserError: bad name, data not prepared, or an altered file.
    """
    found = _lookup(spec)
    prepared = _prepared(spec, root)
    if prepared is None:
        if isinstance(found, public.PublicCorpus):
            raise UserError(f"{found.name}: not prepared in {root}; run: {found.mend}")
        prepare(spec, root, progress=False)
        prepared = _prepared(spec, root)
        assert prepared is not None
    language = None if isinstance(found, public.PublicCorpus) else ExactLanguage(found[1])
    return Corpus(
        spec=canonical(spec),
        vocabulary=WordVocabulary(prepared.words, prepared.meta.get("unknown", "<unk>")),
        splits=prepared.splits,
        sha256=identity(spec),
        language=language,
    )


def is_prepared(spec: str, root: Path) -> bool:
    """Whether current prepared data is there; reads the small JSON file only.

    Raises:
        UserError: bad name, or that file is damaged.
    """
    return store.read_meta(root / slug(spec), identity(spec), _mend(spec)) is not None


def describe(spec: str, root: Path) -> dict[str, Any]:
    """Plain figures for ``pcbench data show``; keys are stable, lengths count words.

    Raises:
        UserError: as :func:`load`.
    """
    corpus = load(spec, root)
    meta = store.read_meta(root / slug(spec), identity(spec), _mend(spec)) or {}
    result: dict[str, Any] = {
        "spec": corpus.spec,
        "description": descriptions()[corpus.spec.partition(":")[0]],
        "folder": str(root / slug(spec)),
        "sha256": corpus.sha256,
        "content_sha256": meta.get("content"),
        "types": len(corpus.vocabulary) - 3,
        "splits": {name: _summary(split) for name, split in corpus.splits.items()},
    }
    if corpus.language is not None:
        result["fresh"] = corpus.language.settings.fresh
        result |= meta["figures"]
    return result


def _summary(split: Split) -> dict[str, Any]:
    """Sentences, scored tokens (with ``</s>``) and lengths in words of a split."""
    words = split.lengths - 1
    return {
        "sentences": len(split),
        "tokens": int(split.lengths.sum()),
        "words_min": int(words.min()),
        "words_mean": float(words.mean()),
        "words_median": float(np.median(words)),
        "words_max": int(words.max()),
    }


def _generate(
    name: str, chosen: settings.ExactSettings
) -> tuple[WordVocabulary, dict[str, Split], dict[str, float]]:
    """Vocabulary, splits and true figures (nats) of an exact language."""
    language = ExactLanguage(chosen)
    splits = {
        "train": language.sample(chosen.sentences, TRAIN),
        "valid": language.sample(chosen.valid, VALID),
        "test": language.sample(chosen.test, TEST),
    }
    entropy, information = language.entropy(), language.information()
    figures = {
        "entropy": entropy.value,
        "entropy_error": entropy.error,
        "information": information.value,
        "information_error": information.error,
        "ln_classes": float(np.log(chosen.classes)),
    }
    return language.vocabulary(), splits, figures


def _lookup(spec: str) -> public.PublicCorpus | tuple[str, settings.ExactSettings]:
    """The public corpus, or the exact language's preset and settings, that a name means."""
    name, colon, _ = spec.partition(":")
    if name in public.CORPORA:
        if colon:
            raise UserError(f"{spec}: {name} has no settings; write {name}")
        return public.CORPORA[name]
    if name not in settings.PRESETS:
        raise UserError(f"{name}: unknown data set; {suggest(name, descriptions())}")
    return settings.parse(spec)


def _mend(spec: str) -> str:
    """The command that prepares a data set."""
    found = _lookup(spec)
    if isinstance(found, public.PublicCorpus):
        return found.mend
    return f"pcbench data prepare {canonical(spec)}"


def _prepared(spec: str, root: Path) -> store.Prepared | None:
    """The verified prepared form, or None."""
    return store.load(root / slug(spec), identity(spec), _mend(spec))
