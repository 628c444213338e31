"""Read and write files so that a reader sees the old content or the new, never a mixture."""

import hashlib
import io
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.core.errors import UserError


def write_atomic(path: Path, data: bytes, durable: bool = True, replace: bool = True) -> bool:
    """Write a file through a temporary file in the same folder, which then takes its name.

    A link stays a link: the file that it names is written.

    Args:
        path: the file; its folder is made if it is missing.
        data: all of its content.
        durable: flush it to the disk first, so that it survives a power cut.
        replace: False keeps a file that is there, also one that another process writes meanwhile.

    Returns:
        True if the file was written; False if one was there and is kept.

    Raises:
        UserError: the folder cannot be written (read-only, full disk); the old file is untouched.
    """
    name, path = "", Path(os.path.realpath(path)) if path.is_symlink() else path
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
        os.chmod(name, 0o644)  # only its owner may read a temporary file; data folders are shared
        if not replace:
            try:
                os.link(name, path)  # fails if the name is taken, unlike a look and a rename
            except OSError:
                if path.exists():
                    return False
                os.replace(name, path)  # a file system without hard links
            return True
        os.replace(name, path)
        return True
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); free some space or choose another "
            "folder"
        ) from error
    finally:
        if os.path.exists(name):
            os.unlink(name)


def read_npz(path: Path) -> dict[str, Any]:
    """Read all arrays of a NumPy archive; pickles are refused.

    Raises:
        UserError: there is no such file, or it is damaged.
    """
    import numpy as np

    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: missing or damaged ({' '.join(str(error).split())})") from None


def write_npz(
    path: Path, arrays: Mapping[str, Any], compressed: bool = False, durable: bool = True
) -> None:
    """Write arrays atomically; equal arrays give equal bytes."""
    import numpy as np

    buffer = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(buffer, allow_pickle=False, **arrays)
    write_atomic(path, buffer.getvalue(), durable)


def sha256_bytes(data: bytes) -> str:
    """Return the hexadecimal sha256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the hexadecimal sha256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def plain(name: str) -> str:
    """Return a file's name as UTF-8 text that a record or a page may hold.

    Bytes that are not UTF-8, control characters and ``<`` become escapes, such as ``\\xfc``.
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return re.sub(r"[\x00-\x1f\x7f<]", lambda sign: f"\\x{ord(sign[0]):02x}", text)


def check_linked(folder: Path, option: str) -> None:
    """Refuse a folder whose path holds a broken link; the folder itself may be absent.

    Args:
        folder: what will be read or made.
        option: what chooses another one, such as ``--runs``.
    """
    for link in (folder, *folder.parents):
        if link.is_symlink() and not link.exists():
            raise UserError(
                f"{link}: links to {os.readlink(link)}, which does not exist; create that "
                f"folder, or choose another with {option}"
            )


def check_writable(folder: Path, option: str) -> None:
    """Create a folder; refuse it, before any work is done, if it cannot be written.

    Args:
        folder: where files will go.
        option: what chooses another one, such as ``--runs``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder with {option}"
        ) from error
