"""Separate random streams, each a pure function of its names."""

import hashlib

import torch


def derive(*names: object) -> int:
    """A 63-bit seed from any names, the same on every machine."""
    text = "\0".join(str(name) for name in names)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*names: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator seeded by `derive`."""
    return torch.Generator(device).manual_seed(derive(*names))
