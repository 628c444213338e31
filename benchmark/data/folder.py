"""A reader's own text: ``text:DIR``, a folder of train.txt, valid.txt and test.txt."""

import os
from functools import lru_cache
from pathlib import Path

from benchmark.core.errors import UserError
from benchmark.core.files import sha256_bytes, sha256_file
from benchmark.core.tokens import SPECIALS
from benchmark.data.coding import Text

PREPARATION_VERSION = 1  # raised when equal files would become other sentences
FILES = {split: f"{split}.txt" for split in ("train", "valid", "test")}
MAX_WORDS, MAX_CHARACTERS = 1_000, 10_000  # of a line: beyond, it is hardly a sentence

_MARK = b"\xef\xbb\xbf"  # U+FEFF
# What Python would take for a part of a word, or for a blank, and how to mend the file. To read it
# otherwise would make other sentences of files whose runs have their ids.
_FOREIGN = {
    b"\0": "a NUL byte, as in UTF-16 without its mark; convert it: iconv -f UTF-16LE -t UTF-8",
    b"\r": r"a carriage return within the line; end lines with a line feed: tr '\r' '\n'",
    _MARK: r"a byte order mark, U+FEFF, which is not text; remove it: sed 's/\xEF\xBB\xBF//g'",
}


def parse(spec: str) -> tuple[Path, list[str]]:
    """Return the folder, as written, and the settings of a name ``text:DIR,key=value,...``.

    Raises:
        UserError: there is no folder, or its path holds ``,`` or ``=``.
    """
    name, *items = spec.partition(":")[2].split(",")
    path = Path(name.strip()).expanduser()
    if not name.strip():
        raise UserError(f"{spec}: the folder is missing; write text:DIR, or text:DIR,size=5000")
    rest = [item.strip() for item in items if "=" not in item]
    if rest or any(sign in os.path.abspath(path) for sign in ",="):
        problem = f"{rest[0]!r} is not a setting; write key=value; " if rest else ""
        raise UserError(
            f"{spec}: {problem}a folder's path must hold neither ',' nor '=', which separate "
            "settings; rename the folder, or link to it"
        )
    return path, items


def identity(folder: Path) -> str:
    """Return the sha256 over the three files' digests: another text is another data set.

    Raises:
        UserError: the folder or a file is missing.
    """
    digests = {split: _digest(path) for split, path in _files(folder).items()}
    parts = [f"{split} {digests[split]}" for split in sorted(digests)]
    return sha256_bytes("\n".join([*parts, f"text {PREPARATION_VERSION}"]).encode())


def read(folder: Path) -> Text:
    """Return the sentences: the lines that hold a word. Blanks separate words.

    Raises:
        UserError: a line is not UTF-8, is too long, or holds a character that no text has or a
            reserved word (the message names file and line); or a file has no sentence.
    """
    paths = _files(folder)
    lines = {split: _sentences(path) for split, path in paths.items()}
    return Text(lines, {path.name: _digest(path) for path in paths.values()})


def _files(folder: Path) -> dict[str, Path]:
    needed = ", ".join(FILES.values())
    if not folder.is_dir():
        relative = "" if folder.is_absolute() else f" in the current folder {Path.cwd()}"
        raise UserError(
            f"text:{folder}: there is no such folder{relative}; name one that holds {needed}"
        )
    paths = {split: folder / name for split, name in FILES.items()}
    for path in paths.values():
        if not path.is_file():
            raise UserError(f"{folder}: there is no {path.name}; a text needs {needed}")
    return paths


def _digest(path: Path) -> str:
    state = path.stat()
    return _digest_of(os.path.abspath(path), state.st_size, state.st_mtime_ns)


@lru_cache
def _digest_of(path: str, size: int, changed: int) -> str:
    """Return a file's digest, computed again only if its size or time of change differs."""
    return sha256_file(Path(path))


def _sentences(path: Path) -> list[str]:
    content = path.read_bytes()
    if sha256_bytes(content) != _digest(path):
        raise UserError(f"{path}: changed while it was read; try again once it no longer changes")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path}: is UTF-16; convert the file: iconv -f UTF-16 -t UTF-8")
    lines = content.removeprefix(_MARK).split(b"\n")
    checked = (_sentence(f"{path}:{number}", line) for number, line in enumerate(lines, start=1))
    sentences = [line for line in checked if line]
    if not sentences:
        raise UserError(f"{path}: holds no sentence; write one sentence on each line")
    return sentences


def _sentence(where: str, line: bytes) -> str:
    """Return a line's words, separated by single blanks."""
    for sign, problem in _FOREIGN.items():
        if sign in line.rstrip(b"\r"):
            raise UserError(f"{where}: holds {problem}")
    try:
        words = line.decode().split()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{where}: is not UTF-8 (byte 0x{line[error.start]:02x}); convert the file, "
            "such as with iconv -f LATIN1 -t UTF-8"
        ) from None
    text = " ".join(words)
    if len(words) > MAX_WORDS or len(text) > MAX_CHARACTERS:
        raise UserError(
            f"{where}: the line has {len(words):,} words and {len(text):,} characters; at most "
            f"{MAX_WORDS:,} and {MAX_CHARACTERS:,} are read: put each sentence on its own line"
        )
    for special in SPECIALS:
        if special in words:
            raise UserError(f"{where}: holds {special!r}, which is reserved; remove it")
    return text
