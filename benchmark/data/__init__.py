"""Corpora: the exact language and public text, prepared once, read with NumPy alone."""

from benchmark.data.catalogue import (
    canonical,
    check,
    default_root,
    describe,
    descriptions,
    identity,
    is_prepared,
    load,
    names,
    prepare,
    slug,
)
from benchmark.data.corpus import BOS, EOS, PAD, Corpus, Split
from benchmark.data.vocabulary import Vocabulary, WordVocabulary

__all__ = [
    "BOS",
    "EOS",
    "PAD",
    "Corpus",
    "Split",
    "Vocabulary",
    "WordVocabulary",
    "canonical",
    "check",
    "default_root",
    "describe",
    "descriptions",
    "identity",
    "is_prepared",
    "load",
    "names",
    "prepare",
    "slug",
]
