"""Corpora: the exact language and public text, prepared once, read with NumPy alone."""

from benchmark.data.catalogue import (
    absolute,
    canonical,
    check,
    default_root,
    describe,
    descriptions,
    doubts,
    identity,
    is_prepared,
    is_text,
    load,
    names,
    prepare,
    recorded,
    slug,
)
from benchmark.data.corpus import BOS, EOS, PAD, Corpus, Split
from benchmark.data.folder import DESCRIPTION as OWN_TEXT
from benchmark.data.vocabulary import Vocabulary, WordVocabulary

__all__ = [
    "BOS",
    "EOS",
    "OWN_TEXT",
    "PAD",
    "Corpus",
    "Split",
    "Vocabulary",
    "WordVocabulary",
    "absolute",
    "canonical",
    "check",
    "default_root",
    "describe",
    "descriptions",
    "doubts",
    "identity",
    "is_prepared",
    "is_text",
    "load",
    "names",
    "prepare",
    "recorded",
    "slug",
]
