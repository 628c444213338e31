"""Where a run's numbers come from: commit, digest of the code, versions; no host name, no path."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from benchmark.files import sha256_bytes


def checkout() -> Path:
    """The folder that holds the imported ``benchmark/`` and ``baselines/``."""
    return Path(__file__).resolve().parent.parent


def code_sha256(root: Path | None = None) -> str:
    """Digest of the code that results depend on.

    Sorted relative paths and contents of ``benchmark/**/*.py``, ``baselines/*.py`` and
    ``constraints.txt``.
    """
    root = root or checkout()
    files = [*root.glob("benchmark/**/*.py"), *root.glob("baselines/*.py")]
    files += [root / "constraints.txt"] if (root / "constraints.txt").is_file() else []
    named = sorted((file.relative_to(root).as_posix(), file) for file in files)
    parts = [f"{name} {sha256_bytes(file.read_bytes())}\n" for name, file in named]
    return sha256_bytes("".join(parts).encode())


def provenance() -> dict[str, Any]:
    """Where a run's numbers come from, free of host names and paths.

    Returns:
        ``commit`` (git's, else ``$PCBENCH_COMMIT``, else null), ``dirty`` (a file of the code is
        changed or not committed; null without git), ``code_sha256``, ``python``, ``torch``,
        ``cpu`` (the vector instructions torch uses), ``processor`` (its name) and ``threads``.
    """
    import torch

    root = checkout()
    commit, dirty = committed(root)
    return {
        "commit": commit,
        "dirty": dirty,
        "code_sha256": code_sha256(root),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "processor": processor(),
        "threads": torch.get_num_threads(),
    }


def committed(root: Path) -> tuple[str | None, bool | None]:
    """``commit`` and ``dirty`` as `provenance` tells them."""
    commit = _git(root, "rev-parse", "HEAD") if (root / ".git").exists() else None
    code = (":(glob)benchmark/**/*.py", ":(glob)baselines/*.py", "constraints.txt")
    changed = _git(root, "status", "--porcelain", "--untracked-files=all", "--", *code)
    dirty = bool(changed) if commit and changed is not None else None
    return commit or os.environ.get("PCBENCH_COMMIT") or None, dirty


def processor() -> str:
    """The processor's name: kernels of one instruction set still differ from maker to maker."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
