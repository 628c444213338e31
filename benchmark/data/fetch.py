"""The files of public corpora: found or downloaded, verified, read through ``datasets``."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core.errors import UserError, library
from benchmark.core.files import sha256_file

if TYPE_CHECKING:
    from benchmark.data.public import PublicCorpus


def files(
    corpus: PublicCorpus, source: Path | None, folder: Path, progress: bool, mend: str
) -> dict[str, Path]:
    """The verified files of a corpus by part (``train``, ``valid``, ``test``, ``vocab``).

    Args:
        corpus: which.
        source: a folder that holds the files, or None to download them.
        folder: where downloads go.
        progress: say on standard error what is done.
        mend: the command that reads the files from a folder, for messages.

    Raises:
        UserError: a file is missing, unreadable or not the right one, or the network fails.
    """
    paths = {
        part: _find(corpus, part, source, mend)
        if source
        else _download(corpus, part, folder, progress, mend)
        for part in corpus.files
    }
    for part, path in paths.items():
        _verify(corpus, part, path)
    return paths


def _find(corpus: PublicCorpus, part: str, source: Path, mend: str) -> Path:
    """The file of a part in the user's folder."""
    names = ", ".join(corpus.files.values())
    try:
        present = {path.name for path in source.iterdir()}
    except OSError as error:
        raise UserError(
            f"{source}: cannot be read as a folder ({error.strerror}); "
            f"name the folder that holds {names}: {mend}"
        ) from None
    name = corpus.files[part]
    if name not in present:
        what = "the folder is empty" if not present else f"there is no {name}"
        raise UserError(f"{source}: {what}; name the folder that holds {names}: {mend}")
    return source / name


def _download(corpus: PublicCorpus, part: str, folder: Path, progress: bool, mend: str) -> Path:
    """Download a file of the corpus into a folder.

    ``datasets`` itself takes an address only where ``aiohttp`` is installed, which it no longer
    requires; the session of ``huggingface_hub`` always comes with it.
    """
    from huggingface_hub import get_session

    url = corpus.url + corpus.files[part]
    if progress:
        print(f"downloading {url}", file=sys.stderr)
    try:
        response = get_session().get(url, timeout=60, follow_redirects=True)
        response.raise_for_status()
    except Exception as error:  # whatever the network library of the day raises
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{url}: cannot be downloaded ({reason}); check the network, or fetch "
            f"{', '.join(corpus.files.values())} elsewhere: {mend}"
        ) from error
    path = folder / corpus.files[part]
    path.write_bytes(response.content)
    return path


def _verify(corpus: PublicCorpus, part: str, path: Path) -> None:
    """Refuse a file that is not the one known."""
    for kind, expected in corpus.digests(part).items():
        try:
            digest = _DIGESTS[kind](path)
        except OSError as error:
            raise UserError(
                f"{path}: cannot be read ({error.strerror}); mend its permissions"
            ) from None
        if digest != expected:
            raise UserError(
                f"{path}: is not the {corpus.files[part]} of {corpus.name}: {kind} {digest}, "
                f"expected {expected}; get the original from {corpus.url} or another copy"
            )


def md5(path: Path) -> str:
    """Hexadecimal md5 of a file: says which file is meant, protects from nobody."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def git_blob(path: Path) -> str:
    """Hexadecimal sha1 by which git names a file's content, its size included."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


_DIGESTS: dict[str, Callable[[Path], str]] = {
    "sha256": sha256_file,
    "md5": md5,
    "git blob": git_blob,
}


def sentences(paths: dict[str, Path], cache: Path) -> dict[str, list[str]]:
    """Read text files through ``datasets``: each line that has a word, single blanks between them.

    Args:
        paths: UTF-8 files by split.
        cache: a folder that will be removed.

    Raises:
        UserError: there is no room.
    """
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
    spaced = {split: (" ".join(line.split()) for line in text) for split, text in lines.items()}
    return {split: [line for line in text if line] for split, text in spaced.items()}


@contextlib.contextmanager
def scratch(root: Path, name: str) -> Iterator[Path]:
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
    datasets = library("datasets", "prepare the data where it is installed and copy the folder")
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
