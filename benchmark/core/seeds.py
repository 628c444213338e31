"""Separate random streams, each a pure function of its names."""

import hashlib

import torch


def derive(*names: object) -> int:
    """Return a 63-bit seed derived from any names, the same on every machine."""
    text = "\0".join(str(name) for name in names)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*names: object, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a new generator with the seed that `derive` gives for the names."""
    return torch.Generator(device).manual_seed(derive(*names))
