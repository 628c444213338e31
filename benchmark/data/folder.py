"""A reader's own text: ``text:DIR``, a folder of train.txt, valid.txt and test.txt."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from benchmark.core.errors import UserError
from benchmark.core.files import sha256_bytes, sha256_file
from benchmark.data import coding
from benchmark.data.coding import Coding, Text
from benchmark.data.vocabulary import SPECIALS

PREPARATION_VERSION = 1  # raised when equal files would become other sentences
FILES = {split: f"{split}.txt" for split in ("train", "valid", "test")}
MAX_WORDS, MAX_CHARACTERS = 1_000, 10_000  # of a line: beyond, it is hardly a sentence
DESCRIPTION = "your own folder of train.txt, valid.txt and test.txt, one sentence a line"

_MARK = b"\xef\xbb\xbf"  # U+FEFF
# What Python would take for a part of a word, or for a blank, and how to mend the file. To read it
# otherwise would make other sentences of files whose runs have their ids.
_FOREIGN = {
    b"\0": "a NUL byte, as UTF-16 without its mark does; convert it: iconv -f UTF-16LE -t UTF-8",
    b"\r": r"a carriage return within the line; end lines by a line feed: tr '\r' '\n'",
    _MARK: r"a byte order mark, U+FEFF, which is no letter; remove it: sed 's/\xEF\xBB\xBF//g'",
}

_digests: dict[tuple[str, int, int], str] = {}  # by path, size and time of change


@dataclass(frozen=True)
class Folder:
    """A folder of text and how it is coded.

    Attributes:
        path: as the user wrote it; a relative one is relative to the current folder.
        coding: its settings.
    """

    path: Path
    coding: Coding

    @property
    def absolute(self) -> Path:
        """The folder from any current folder."""
        return Path(os.path.abspath(self.path))

    @property
    def text_sha256(self) -> str:
        """Hexadecimal sha256 over the three files' digests: another text is another data set.

        Raises:
            UserError: the folder or a file is missing, unreadable or empty.
        """
        parts = [f"{split} {_digest(self._file(split))}" for split in sorted(FILES)]
        return sha256_bytes("\n".join([*parts, f"text {PREPARATION_VERSION}"]).encode())

    @property
    def slug(self) -> str:
        """Part of a file name: the folder's name, and eight digits that tell two of one name."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", self.absolute.name)[:40]
        return "_".join(["text", name, self.text_sha256[:8], *self.coding.overrides])

    def spec(self, folder: Path | str) -> str:
        """``text:...`` with the settings that are not defaults, whatever stands for the folder."""
        return ",".join([f"text:{folder}", *self.coding.overrides])

    def read(self) -> Text:
        """The sentences: lines with a word, whose words are what blanks separate.

        Raises:
            UserError: naming file and line: no UTF-8, a sign that no text has, a line too long, a
                reserved word; or a file without a sentence.
        """
        paths = {split: self._file(split) for split in FILES}
        lines = {split: _sentences(path) for split, path in paths.items()}
        return Text(lines, {path.name: _digest(path) for path in paths.values()})

    def _file(self, split: str) -> Path:
        if not self.path.is_dir():
            relative = "" if self.path.is_absolute() else f" in the current folder {Path.cwd()}"
            raise UserError(
                f"text:{self.path}: there is no such folder{relative}; name one that holds "
                f"{', '.join(FILES.values())}"
            )
        path = self.path / FILES[split]
        if not path.is_file():
            raise UserError(
                f"{self.path}: there is no {path.name}; a text needs {', '.join(FILES.values())}"
            )
        return path


def parse(spec: str) -> Folder:
    """Read ``text:DIR`` or ``text:DIR,key=value,...``.

    Raises:
        UserError: no folder, one whose path cannot be written so, or a bad setting.
    """
    name, *items = spec.partition(":")[2].split(",")
    path = Path(name.strip()).expanduser()
    if not name.strip():
        raise UserError(f"{spec}: name a folder: text:DIR, or text:DIR,size=5000")
    cut = (
        "a folder's path must hold neither ',' nor '=', which separate settings: rename or link it"
    )
    if any(sign in os.path.abspath(path) for sign in ",="):
        raise UserError(f"{spec}: {cut}")
    for item in items:
        if "=" not in item:
            raise UserError(f"{spec}: {item.strip()!r} is no setting; write key=value; {cut}")
    return Folder(path, coding.parse(spec, items, fixed=False))


def _digest(path: Path) -> str:
    try:
        state = path.stat()
        key = (os.path.abspath(path), state.st_size, state.st_mtime_ns)
        if key not in _digests:
            _digests[key] = sha256_file(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); mend its permissions"
        ) from None
    return _digests[key]


def _sentences(path: Path) -> list[str]:
    """The lines with a word, single blanks between the words."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); mend its permissions"
        ) from None
    if sha256_bytes(content) != _digest(path):
        raise UserError(f"{path}: changed meanwhile; leave it alone and try again")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path}: is UTF-16; convert the file: iconv -f UTF-16 -t UTF-8")
    lines = content.removeprefix(_MARK).split(b"\n")
    checked = (_line(f"{path}:{number}", line) for number, line in enumerate(lines, start=1))
    sentences = [line for line in checked if line]
    if not sentences:
        raise UserError(f"{path}: holds no sentence; write one on each line")
    return sentences


def _line(where: str, content: bytes) -> str:
    """A line's words, single blanks between them."""
    for sign, mend in _FOREIGN.items():
        if sign in content.rstrip(b"\r"):
            raise UserError(f"{where}: holds {mend}")
    try:
        words = content.decode().split()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{where}: is not UTF-8 (byte 0x{content[error.start]:02x}); convert the file, "
            "such as with iconv -f LATIN1 -t UTF-8"
        ) from None
    text = " ".join(words)
    if len(words) > MAX_WORDS or len(text) > MAX_CHARACTERS:
        raise UserError(
            f"{where}: holds {len(words):,} words, {len(text):,} characters; at most "
            f"{MAX_WORDS:,} and {MAX_CHARACTERS:,} are read: put each sentence on its own line"
        )
    for special in SPECIALS:
        if special in words:
            raise UserError(f"{where}: holds {special!r}, which is reserved; remove it")
    return text
