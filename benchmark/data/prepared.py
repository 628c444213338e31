"""Sentences as flat arrays, and their prepared form: one file of arrays, one of JSON.

``meta.json`` names the array file, whose own name holds the beginning of its sha256: processes that
prepare the same data at the same time never pair one's arrays with another's digest.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from benchmark.core.errors import UserError
from benchmark.core.files import check_linked, sha256_bytes, write_atomic
from benchmark.core.tokens import BOS, EOS

FORMAT = 1  # raised when the files' layout changes
_FIELDS = {"tokens": "<i4", "offsets": "<i8", "classes": "<i2", "log_prob": "<f8"}


@dataclass(frozen=True, eq=False)
class Split:
    """Sentences, one after the other; each is stored as ``<s> w1 .. wn </s>``.

    Attributes:
        tokens: int32, all sentences joined.
        offsets: int64 (N + 1,), where sentence i begins; the last entry is ``len(tokens)``.
        classes: int16 (N,), the class of each sentence; exact language only.
        log_prob: float64 (N,), true log p(x) in nats per sentence; exact language only.
    """

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]
    classes: NDArray[np.int16] | None = None
    log_prob: NDArray[np.float64] | None = None

    @property
    def places(self) -> NDArray[np.int64]:
        """The place of each token in its sentence, shape (len(tokens),); 0 is ``<s>``."""
        return np.arange(len(self.tokens)) - np.repeat(self.offsets[:-1], np.diff(self.offsets))

    @classmethod
    def of(cls, sentences: Sequence[Sequence[int]]) -> Self:
        """Return a split of sentences given by their word ids, without ``<s>`` and ``</s>``."""
        rows = [np.array([BOS, *words, EOS], dtype=np.int32) for words in sentences]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        return cls(np.concatenate(rows) if rows else np.zeros(0, dtype=np.int32), offsets)

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Scored tokens of each sentence, (N,): its words and ``</s>``, not ``<s>``."""
        return np.diff(self.offsets) - 1

    def sentence(self, i: int) -> NDArray[np.int32]:
        """Return sentence i with ``<s>`` and ``</s>``; i counts from 0."""
        if not 0 <= i < len(self):
            raise IndexError(f"sentence {i} of {len(self)}")
        return self.tokens[self.offsets[i] : self.offsets[i + 1]]


@dataclass(frozen=True)
class Prepared:
    """What a prepared folder holds."""

    words: list[str]  # by id, specials first
    splits: dict[str, Split]
    meta: dict[str, Any]  # the JSON beside them: spec, identity, digests, numbers
    model: bytes | None = None  # of sentencepiece, which encodes further text


def content_sha256(words: list[str], splits: dict[str, Split]) -> str:
    """Return the digest of words, tokens, offsets and classes, the same on every machine."""
    digest = hashlib.sha256("\n".join(words).encode())
    for name in sorted(splits):
        # Without the true log-probabilities, whose last bit depends on the machine's logarithm.
        for field in ("tokens", "offsets", "classes"):
            array = getattr(splits[name], field)
            if array is not None:
                digest.update(f"\0{name}.{field}\0".encode())
                digest.update(np.ascontiguousarray(array, dtype=_FIELDS[field]).tobytes())
    return digest.hexdigest()


def save(folder: Path, prepared: Prepared) -> None:
    """Write a corpus atomically: a reader finds the old one, the new one or none."""
    text = "\n".join(prepared.words).encode()
    arrays = {"words": np.frombuffer(text, dtype=np.uint8)}
    if prepared.model is not None:
        arrays["model"] = np.frombuffer(prepared.model, dtype=np.uint8)
    for name, split in prepared.splits.items():
        for field, kind in _FIELDS.items():
            if getattr(split, field) is not None:
                arrays[f"{name}.{field}"] = np.asarray(getattr(split, field), dtype=kind)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    digest = sha256_bytes(buffer.getvalue())
    file = f"arrays-{digest[:16]}.npz"
    meta = {"format": FORMAT, "file": file, "sha256": digest, "splits": list(prepared.splits)}
    write_atomic(folder / file, buffer.getvalue())
    text = json.dumps({**prepared.meta, **meta}, indent=1).encode() + b"\n"
    write_atomic(folder / "meta.json", text)


def read_meta(folder: Path, identity: str, hint: str) -> dict[str, Any] | None:
    """Return the JSON of a prepared folder; None when nothing current is prepared there.

    Args:
        folder: ``root/<slug>``.
        identity: what the data must be; another identity or format counts as not prepared.
        hint: the command that prepares it again, for messages.
    """
    check_linked(folder, "--data-dir")
    path = folder / "meta.json"
    try:
        meta: dict[str, Any] = json.loads(path.read_bytes())
        current = meta["format"] == FORMAT and meta["identity"] == identity
        if current and not {"file", "sha256", "splits"} <= meta.keys():
            raise KeyError("file")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError):
        raise UserError(f"{path}: is damaged; prepare it again: {hint}") from None
    return meta if current else None


def load(folder: Path, identity: str, hint: str) -> Prepared | None:
    """Return a verified corpus; for the arguments and None see `read_meta`."""
    meta = read_meta(folder, identity, hint)
    if meta is None:
        return None
    path = folder / Path(meta["file"]).name
    if not path.exists():
        raise UserError(f"{path}: is missing; prepare it again: {hint}")
    data = path.read_bytes()
    digest = sha256_bytes(data)
    if digest != meta["sha256"]:
        raise UserError(
            f"{path}: was altered: sha256 {digest}, expected {meta['sha256']}; "
            f"prepare it again: {hint}"
        )
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        splits = {
            name: Split(**{field: arrays.get(f"{name}.{field}") for field in _FIELDS})
            for name in meta["splits"]
        }
        model = arrays["model"].tobytes() if "model" in arrays else None
        return Prepared(arrays["words"].tobytes().decode().split("\n"), splits, meta, model)
