"""The prepared form of a corpus: one file of arrays and one of JSON that holds its sha256.

``meta.json`` names the array file, whose own name holds the beginning of its sha256: processes that
prepare the same data at the same time never pair one's arrays with another's digest.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import UserError
from benchmark.core.files import sha256_bytes, write_atomic
from benchmark.data.corpus import Split

FORMAT = 1  # raised when the files' layout changes
_FIELDS = (("tokens", "<i4"), ("offsets", "<i8"), ("classes", "<i2"), ("log_prob", "<f8"))


@dataclass(frozen=True)
class Prepared:
    """What a prepared folder holds.

    Attributes:
        words: every word by id, specials first.
        splits: sentences by split name.
        meta: the JSON beside them: spec, identity, sha256, content digest, figures.
        model: of sentencepiece, which encodes further text.
    """

    words: list[str]
    splits: dict[str, Split]
    meta: dict[str, Any]
    model: bytes | None = None


def content_sha256(words: list[str], splits: dict[str, Split]) -> str:
    """Digest of words, tokens, offsets and classes, the same on every machine.

    The true log-probabilities are left out: their last bit depends on the machine's logarithm.
    """
    digest = hashlib.sha256("\n".join(words).encode())
    for name in sorted(splits):
        for field, kind in _FIELDS[:3]:
            array = getattr(splits[name], field)
            if array is not None:
                digest.update(f"\0{name}.{field}\0".encode())
                digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
    return digest.hexdigest()


def save(
    folder: Path,
    words: list[str],
    splits: dict[str, Split],
    meta: dict[str, Any],
    model: bytes | None = None,
) -> None:
    """Write a corpus atomically: a reader finds the old one, the new one or none.

    Raises:
        UserError: the folder cannot be written.
    """
    arrays = {"words": np.frombuffer("\n".join(words).encode(), dtype=np.uint8)}
    if model is not None:
        arrays["model"] = np.frombuffer(model, dtype=np.uint8)
    for name, split in splits.items():
        for field, kind in _FIELDS:
            array = getattr(split, field)
            if array is not None:
                arrays[f"{name}.{field}"] = np.asarray(array, dtype=kind)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    data = buffer.getvalue()
    digest = sha256_bytes(data)
    file = f"arrays-{digest[:16]}.npz"
    content = {**meta, "format": FORMAT, "file": file, "sha256": digest, "splits": list(splits)}
    write_atomic(folder / file, data)
    write_atomic(folder / "meta.json", (json.dumps(content, indent=1) + "\n").encode())


def read_meta(folder: Path, identity: str, mend: str) -> dict[str, Any] | None:
    """The JSON of a prepared folder, or None when nothing current is prepared there.

    Args:
        folder: ``root/<slug>``.
        identity: what the data must be; another identity or format counts as not prepared.
        mend: the command that prepares it again, for messages.

    Raises:
        UserError: the file is there and cannot be read.
    """
    path = folder / "meta.json"
    try:
        meta = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); mend its permissions"
        ) from None
    except ValueError:
        raise UserError(f"{path}: is damaged (no JSON); prepare it again: {mend}") from None
    if not isinstance(meta, dict) or not {"format", "identity", "file", "sha256"} <= meta.keys():
        raise UserError(f"{path}: is damaged (keys missing); prepare it again: {mend}")
    if meta["format"] != FORMAT or meta["identity"] != identity:
        return None
    return meta


def load(folder: Path, identity: str, mend: str) -> Prepared | None:
    """Read and verify a prepared corpus; None when nothing current is prepared there.

    Raises:
        UserError: a file is missing, unreadable, or not what was written (both digests are named).
    """
    meta = read_meta(folder, identity, mend)
    if meta is None:
        return None
    path = folder / Path(meta["file"]).name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); prepare it again: {mend}"
        ) from None
    digest = sha256_bytes(data)
    if digest != meta["sha256"]:
        raise UserError(
            f"{path}: was altered: sha256 {digest}, expected {meta['sha256']}; "
            f"prepare it again: {mend}"
        )
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        words = arrays["words"].tobytes().decode().split("\n")
        splits = {name: _split(arrays, name) for name in meta["splits"]}
        model = arrays["model"].tobytes() if "model" in arrays else None
    return Prepared(words, splits, meta, model)


def _split(arrays: Mapping[str, Any], name: str) -> Split:
    """One split out of the file's arrays."""
    return Split(
        tokens=arrays[f"{name}.tokens"],
        offsets=arrays[f"{name}.offsets"],
        classes=arrays.get(f"{name}.classes"),
        log_prob=arrays.get(f"{name}.log_prob"),
    )
