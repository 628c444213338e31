"""The data sets, and what a name such as ``exact:mix=0.2`` or ``text:DIR`` means."""

import os
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import UserError, suggest
from benchmark.core.files import plain
from benchmark.data import coding, folder, prepared, public, settings
from benchmark.data.coding import PLAIN, Coding
from benchmark.data.exact import TEST, TRAIN, VALID, ExactLanguage
from benchmark.data.prepared import Prepared
from benchmark.data.public import PublicCorpus
from benchmark.data.settings import ExactSettings

OWN_TEXT = "your own folder of train.txt, valid.txt and test.txt, one sentence a line"


def default_root() -> Path:
    """Return where prepared data lives: ``$PCBENCH_DATA``, or ``.data`` in the current folder."""
    return Path(os.environ.get("PCBENCH_DATA") or ".data")


@dataclass(frozen=True)
class DataSet:
    """What a name means: a generated language, a public corpus or a reader's folder of text."""

    spec: str  # as it was given
    name: str  # canonical: settings in alphabetical order, defaults left out, no path
    description: str
    kind: ExactSettings | PublicCorpus | Path  # the folder as the user wrote it
    coding: Coding = PLAIN

    @property
    def text_sha256(self) -> str:
        """Hexadecimal sha256 that stands for the sentences, whatever their coding."""
        return folder.identity(self.kind) if isinstance(self.kind, Path) else self.kind.identity

    @property
    def identity(self) -> str:
        """Hexadecimal sha256 that stands for the data, coding included, in run ids."""
        return self.coding.identity(self.text_sha256)

    @property
    def slug(self) -> str:
        """The name as part of a file name: letters, digits, ``_ = .`` and ``-``."""
        if not isinstance(self.kind, Path):
            return self.name.replace(":", "_").replace(",", "_")
        # With eight digits of the text, for folders of one name.
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", os.path.basename(os.path.abspath(self.kind)))[:40]
        return "_".join(["text", name, self.text_sha256[:8], *self.coding.changed])

    @property
    def recorded(self) -> str:
        """The name as a record holds it: as given, but no path of this machine."""
        return self.name if isinstance(self.kind, Path) else self.spec

    @property
    def absolute(self) -> str:
        """The name from any current folder, for what stays on this machine."""
        return self.at(os.path.abspath(self.kind)) if isinstance(self.kind, Path) else self.spec

    @property
    def language(self) -> ExactLanguage | None:
        """The process that generates it, or None for real text."""
        return ExactLanguage(self.kind) if isinstance(self.kind, ExactSettings) else None

    def at(self, path: str | Path) -> str:
        """Return the name of the text with ``path`` as its folder."""
        return ",".join([f"text:{path}", *self.coding.changed])

    def command(self, root: Path) -> str:
        """Return the command that prepares the data set in ``root``."""
        name = shlex.quote(self.at(self.kind)) if isinstance(self.kind, Path) else self.name
        where = "" if root == default_root() else f" --data-dir {shlex.quote(str(root))}"
        return f"pcbench data prepare {name}{where}"

    def meta(self, root: Path) -> dict[str, Any]:
        """Return the JSON of the prepared data; empty if nothing current is prepared."""
        return prepared.read_meta(root / self.slug, self.identity, self.command(root)) or {}

    def make(self, root: Path, source: Path | None, progress: bool) -> Prepared:
        """Return the data, downloaded, read or generated; for the arguments see `prepare`."""
        if isinstance(self.kind, PublicCorpus):
            text = public.read(self.kind, root, source, progress, self.command(root))
            return coding.code(text, self.coding, self.name)
        if source is not None:
            raise UserError(f"{self.name}: --from is for public corpora only; leave it out")
        if isinstance(self.kind, Path):
            return coding.code(folder.read(self.kind), self.coding, self.name)
        language, sizes = ExactLanguage(self.kind), self.kind
        splits = {
            "train": language.sample(sizes.sentences, TRAIN),
            "valid": language.sample(sizes.valid, VALID),
            "test": language.sample(sizes.test, TEST),
        }
        entropy, information = language.entropy(), language.information()
        truth = {
            "entropy": entropy.value,
            "entropy_error": entropy.error,
            "information": information.value,
            "information_error": information.error,
            "ln_classes": float(np.log(sizes.classes)),
        }
        return Prepared(language.vocabulary().words, splits, {"figures": truth})


def descriptions() -> dict[str, str]:
    """Return one line on each data set that has a name, the quickstart's first."""
    known = {name: corpus.description for name, corpus in public.CORPORA.items()}
    return settings.DESCRIPTIONS | known


def find(spec: str) -> DataSet:
    """Return the data set that a name means, with settings or without; read no file.

    Raises:
        UserError: unknown name or setting (the nearest valid one is named), or a bad value.
    """
    name, colon, text = spec.partition(":")
    items = text.split(",") if colon else []
    if name == "text":
        path, items = folder.parse(spec)
        dataset = DataSet(spec, "", OWN_TEXT, path, settings.read(PLAIN, spec, items))
        # The folder's name stands for its path, so that a record may hold it.
        return replace(dataset, name=dataset.at(plain(os.path.basename(os.path.abspath(path)))))
    if name not in descriptions():
        raise UserError(f"{name}: unknown data set; {suggest(name, [*descriptions(), 'text:DIR'])}")
    kind: ExactSettings | PublicCorpus
    if name in public.CORPORA:
        kind, how = public.CORPORA[name], settings.read(PLAIN, spec, items)
        if how.vocabulary == "word" and how.size:
            raise UserError(
                f"{spec}: its words are those that the papers use; give a size only with "
                "vocabulary=sentencepiece"
            )
        changed = how.changed
    else:
        preset, how = settings.PRESETS[name], PLAIN
        kind = settings.read(preset, spec, items)
        changed = settings.overrides(kind, preset)
    canonical = f"{name}:{','.join(changed)}" if changed else name
    return DataSet(spec, canonical, descriptions()[name], kind, how)
