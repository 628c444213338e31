"""Checkpoints: one file each, written whole or not at all, and verified when read.

A first line with the digest of the rest, then the tensors. Nothing but tensors, numbers, texts,
lists and tables is read back (``weights_only``).
"""

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from benchmark.core.errors import UserError
from benchmark.core.files import sha256_bytes, write_atomic

MAGIC = b"pcbench-checkpoint-1 "


def save(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` atomically; the old file stays until the new one is complete."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    body = buffer.getvalue()
    write_atomic(path, MAGIC + sha256_bytes(body).encode() + b"\n" + body)


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Return the state in a checkpoint after checking its digest.

    Raises:
        UserError: it is missing, damaged, cut off, or holds anything that could run.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    head, _, body = content.partition(b"\n")
    if head != MAGIC + sha256_bytes(body).encode():
        raise UserError(
            f"{path}: damaged or cut off (its digest does not match); delete it to start this run "
            "from the beginning"
        )
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(body), map_location=device, weights_only=True)
    except (pickle.UnpicklingError, EOFError) as error:
        raise UserError(
            f"{path}: holds more than tensors, numbers and texts, and was not loaded; delete it"
        ) from error
    return state


def unreadable(value: object) -> str:
    """Return the first type within a value that `load` refuses, or an empty text."""
    if isinstance(value, dict):
        return unreadable([*value.keys(), *value.values()])
    if type(value) in (list, tuple):
        return next(filter(None, map(unreadable, value)), "")  # type: ignore[call-overload]
    known = (bool, int, float, str, type(None), torch.Tensor)
    return "" if type(value) in known else f"a {type(value).__module__}.{type(value).__name__}"
