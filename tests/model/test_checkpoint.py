"""Checkpoints: whole or refused, and never a pickle."""

import io
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from benchmark.core.errors import UserError
from benchmark.core.files import sha256_bytes
from benchmark.model import checkpoint


def state() -> dict[str, Any]:
    return {
        "weights": {"w": torch.arange(6.0).view(2, 3)},
        "noise": torch.get_rng_state(),
        "step": 3,
        "curve": [{"kl": 0.1, "mi": None}],
        "text": "a",
    }


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "checkpoint.pt"
    checkpoint.save(path, state())
    checkpoint.save(path, state() | {"step": 4})
    found = checkpoint.load(path)
    assert tiny.same(found, state() | {"step": 4})
    assert [child.name for child in path.parent.iterdir()] == ["checkpoint.pt"]


def test_damage_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, state())
    whole = path.read_bytes()
    cuts = [0, 1, 10, 40, len(whole) // 2, len(whole) - 1]
    flips = [0, 25, 84, 85, 86, len(whole) // 3, len(whole) - 1]
    damaged = [whole[:cut] for cut in cuts]
    damaged += [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in flips]
    damaged += [whole + b"\0", b"\0" * len(whole)]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(UserError) as caught:
            checkpoint.load(path)
        assert str(caught.value).startswith(f"{path}: damaged or cut off")
        assert path.read_bytes() == content  # refused, not removed


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.pt: cannot be read \(No such file"):
        checkpoint.load(tmp_path / "none.pt")
    with pytest.raises(UserError, match="cannot be read"):
        checkpoint.load(tmp_path)


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    trap = Malicious(tmp_path / "was_run")
    saved = io.BytesIO()
    torch.save({"weights": trap}, saved)
    bodies = [saved.getvalue(), pickle.dumps({"weights": trap}, protocol=2), b"no archive at all"]
    torch.load(io.BytesIO(bodies[0]), weights_only=False)  # the trap works ...
    (tmp_path / "was_run").rmdir()
    path = tmp_path / "checkpoint.pt"
    for body in bodies:
        for head in (checkpoint.MAGIC + sha256_bytes(body).encode() + b"\n", b""):
            path.write_bytes(head + body)
            with pytest.raises(UserError) as caught:
                checkpoint.load(path)
            assert str(caught.value).startswith(f"{path}: ")
            assert "\n" not in str(caught.value)
    assert not (tmp_path / "was_run").exists()  # ... and is not sprung


def test_a_failed_save_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, state())
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UserError, match="cannot be written"):
        checkpoint.save(tmp_path / "file" / "checkpoint.pt", state())
    with pytest.raises((AttributeError, pickle.PicklingError)):  # by the version of Python
        checkpoint.save(path, {"step": 9, "bad": lambda: 0})
    assert tiny.same(checkpoint.load(path), state())
