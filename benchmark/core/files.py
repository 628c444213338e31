"""Writing files so that a reader sees the old content or the new, never a half."""

import hashlib
import os
import re
import tempfile
from pathlib import Path

from benchmark.core.errors import UserError


def write_atomic(path: Path, data: bytes, durable: bool = True) -> None:
    """Write ``data`` to ``path`` through a temporary file beside it, then renamed.

    Where ``path`` is a link, what it links to is written.

    Args:
        path: the file.
        data: all of its content.
        durable: flush it to the disk first, so that it survives a power cut too.

    Raises:
        UserError: the folder cannot be written (read-only, full disk); the old file is untouched.
    """
    name, path = None, Path(os.path.realpath(path)) if path.is_symlink() else path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False
        ) as temporary:
            name = temporary.name
            temporary.write(data)
            temporary.flush()
            if durable:
                os.fsync(temporary.fileno())
        os.chmod(name, 0o644)  # a temporary file is its owner's alone; data folders are shared
        os.replace(name, path)
    except OSError as error:
        if name is not None and os.path.exists(name):
            os.unlink(name)
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); free or choose another folder"
        ) from error


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal sha256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal sha256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def plain(name: str) -> str:
    """A file's or folder's name as UTF-8 text that a record or a page may hold.

    Bytes that are not UTF-8, control characters and ``<`` become escapes, such as ``\\xfc``.
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return re.sub(r"[\x00-\x1f\x7f<]", lambda sign: f"\\x{ord(sign[0]):02x}", text)


def check_writable(folder: Path, option: str) -> None:
    """Make a folder, and refuse one that cannot be written before any work is done.

    Args:
        folder: where files will go.
        option: what chooses another, such as ``--runs``.

    Raises:
        UserError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder by {option}"
        ) from error
