"""What a data set's name means: an exact language, a public corpus, or a reader's own folder."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmark.core.errors import UserError, suggest
from benchmark.core.files import plain
from benchmark.data import coding, folder, public, settings
from benchmark.data.coding import Coding
from benchmark.data.corpus import Split
from benchmark.data.exact import ExactLanguage
from benchmark.data.folder import Folder
from benchmark.data.public import PublicCorpus
from benchmark.data.settings import ExactSettings
from benchmark.data.streams import TEST, TRAIN, VALID
from benchmark.data.vocabulary import Vocabulary


@dataclass(frozen=True)
class Made:
    """Fresh content: ``vocabulary``, ``splits``, and what ``meta`` shall remember of them."""

    vocabulary: Vocabulary
    splits: dict[str, Split]
    meta: Mapping[str, Any] = field(default_factory=dict)


class Source(ABC):
    """A data set with its settings."""

    prepares_itself: ClassVar[bool] = False

    @property
    def language(self) -> ExactLanguage | None:
        """The process that generates it, or None for real text."""
        return None

    @property
    @abstractmethod
    def name(self) -> str:
        """The canonical name: settings in alphabetical order, defaults left out, no path."""

    @property
    def slug(self) -> str:
        """The name as part of a file name: letters, digits, ``_ = .`` and ``-``."""
        return self.name.replace(":", "_").replace(",", "_")

    @property
    @abstractmethod
    def identity(self) -> str:
        """Hexadecimal sha256 that stands for the data, its coding included, in run ids."""

    @property
    def text_sha256(self) -> str:
        """Hexadecimal sha256 that stands for the sentences, whatever their coding."""
        return self.identity

    @property
    @abstractmethod
    def description(self) -> str:
        """One line."""

    @property
    @abstractmethod
    def mend(self) -> str:
        """The command that prepares it."""

    @abstractmethod
    def make(self, root: Path, source: Path | None, progress: bool) -> Made:
        """Download, read or generate it; see `benchmark.data.prepare`."""


@dataclass(frozen=True)
class Exact(Source):
    """A generated language: a ``preset`` and its settings."""

    prepares_itself: ClassVar[bool] = True
    preset: str
    chosen: ExactSettings

    @property
    def language(self) -> ExactLanguage:
        """The process that generates it."""
        return ExactLanguage(self.chosen)

    @property
    def name(self) -> str:
        """The preset's, with the settings that differ from it."""
        pairs = [f"{k}={v}" for k, v in settings.overrides_of(self.preset, self.chosen).items()]
        return ":".join([self.preset, ",".join(pairs)] if pairs else [self.preset])

    @property
    def identity(self) -> str:
        """From the settings; names play no part."""
        return settings.identity(self.chosen)

    @property
    def description(self) -> str:
        """The preset's."""
        return settings.DESCRIPTIONS[self.preset]

    @property
    def mend(self) -> str:
        """It needs no files."""
        return f"pcbench data prepare {self.name}"

    def make(self, root: Path, source: Path | None, progress: bool) -> Made:
        """Vocabulary, splits and true figures (nats)."""
        if source is not None:
            raise UserError(f"{self.name}: is generated, not read from a folder; leave out --from")
        language, chosen = self.language, self.chosen
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
        return Made(language.vocabulary(), splits, {"figures": figures})


@dataclass(frozen=True)
class Public(Source):
    """A ``corpus`` that others publish, and how it is coded."""

    corpus: PublicCorpus
    coding: Coding

    @property
    def name(self) -> str:
        """The corpus's, with the coding's settings."""
        pairs = self.coding.overrides
        return ":".join([self.corpus.name, ",".join(pairs)] if pairs else [self.corpus.name])

    @property
    def identity(self) -> str:
        """From the known digests of the files; reads nothing."""
        return self.coding.identity(self.text_sha256)

    @property
    def text_sha256(self) -> str:
        """From the known digests of the files alone."""
        return self.corpus.identity

    @property
    def description(self) -> str:
        """The corpus's."""
        return self.corpus.description

    @property
    def mend(self) -> str:
        """It downloads."""
        return f"pcbench data prepare {self.name}"

    def make(self, root: Path, source: Path | None, progress: bool) -> Made:
        """Fetch, verify and code it."""
        text = public.read(self.corpus, root, source, progress, f"{self.mend} --from DIR")
        return Made(*coding.code(text, self.coding, self.name))


@dataclass(frozen=True)
class Own(Source):
    """A reader's ``folder``."""

    folder: Folder

    @property
    def name(self) -> str:
        """With the folder's name in place of its path: a record may hold it."""
        return self.folder.spec(plain(self.folder.absolute.name))

    @property
    def slug(self) -> str:
        """With eight digits of the text, for folders of one name."""
        return self.folder.slug

    @property
    def identity(self) -> str:
        """From the files' content; where the folder lies plays no part."""
        return self.folder.coding.identity(self.text_sha256)

    @property
    def text_sha256(self) -> str:
        """From the files' content alone."""
        return self.folder.text_sha256

    @property
    def description(self) -> str:
        """What such a folder is."""
        return folder.DESCRIPTION

    @property
    def mend(self) -> str:
        """With the folder as the user wrote it."""
        return f"pcbench data prepare {shlex.quote(self.folder.spec(self.folder.path))}"

    def make(self, root: Path, source: Path | None, progress: bool) -> Made:
        """Read and code it."""
        if source is not None:
            raise UserError(f"{self.name}: names its folder itself; leave out --from")
        return Made(*coding.code(self.folder.read(), self.folder.coding, self.name))


def descriptions() -> dict[str, str]:
    """One line on each data set that has a name, the quickstart's first."""
    known = {name: corpus.description for name, corpus in public.CORPORA.items()}
    return settings.DESCRIPTIONS | known


def find(spec: str) -> Source:
    """What a name, with settings or without, means; reads no file.

    Raises:
        UserError: unknown name or setting (the nearest valid one is named), or a bad value.
    """
    name, colon, text = spec.partition(":")
    if name == "text":
        return Own(folder.parse(spec))
    if name in public.CORPORA:
        items = text.split(",") if colon else []
        return Public(public.CORPORA[name], coding.parse(spec, items, fixed=True))
    if name not in settings.PRESETS:
        hint = suggest(name, [*descriptions(), "text:DIR"])
        raise UserError(f"{name}: unknown data set; {hint}")
    return Exact(*settings.parse(spec))
