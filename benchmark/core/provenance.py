"""Where a run's numbers come from: commit, digest of the code, versions; no host name, no path."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmark.core.errors import UserError
from benchmark.core.files import sha256_bytes


def checkout() -> Path:
    """The folder that holds the imported ``benchmark/`` and ``baselines/``."""
    return Path(__file__).resolve().parents[2]


def of_checkout(name: str) -> Path:
    """A file beside the code in a clone.

    Raises:
        UserError: this is a copy that pip installed, which holds the code alone.
    """
    path = checkout() / name
    if not path.exists():
        raise UserError(
            f"{name}: is part of a clone only, and this code is a copy in {checkout()}; install "
            "a clone with `pip install -e .`"
        )
    return path


def code_sha256(root: Path | None = None, methods: bool = False) -> str:
    """Digest of the code that all results depend on.

    Sorted relative paths and contents of ``benchmark/**/*.py``, ``baselines/_*.py`` and
    ``constraints.txt``, with line feeds: a checkout may have other ends of lines. With ``methods``
    those of all baselines too, as records without a ``method_sha256`` have it.
    """
    root = root or checkout()
    files = [*root.glob("benchmark/**/*.py"), *root.glob(f"baselines/{'' if methods else '_'}*.py")]
    files += [root / "constraints.txt"] if (root / "constraints.txt").is_file() else []
    named = sorted((file.relative_to(root).as_posix(), file) for file in files)
    contents = [(name, file.read_bytes().replace(b"\r\n", b"\n")) for name, file in named]
    parts = [f"{name} {sha256_bytes(content)}\n" for name, content in contents]
    return sha256_bytes("".join(parts).encode())


def provenance(method: str | None = None) -> dict[str, Any]:
    """Where a run's numbers come from, free of host names and paths.

    Args:
        method: the baseline in ``baselines/`` that the run uses, or nothing for one from elsewhere;
            None: any of them. A change to another one does not concern the run.

    Returns:
        ``commit`` (git's, else ``$PCBENCH_COMMIT``, else null), ``dirty`` (a file that the run uses
        is changed or not committed; null without git), ``code_sha256``, ``python``, ``torch``,
        ``cpu`` (the vector instructions torch uses), ``processor`` (its name) and ``threads``.
    """
    import torch

    root = checkout()
    commit, dirty = committed(root, method)
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


def committed(root: Path, method: str | None = None) -> tuple[str | None, bool | None]:
    """``commit`` and ``dirty`` as `provenance` tells them."""
    commit, _ = _git(root, "rev-parse", "HEAD")
    used = ("*",) if method is None else ("_*", method)
    code = (":(glob)benchmark/**/*.py", "constraints.txt",
            *(f":(glob)baselines/{name}.py" for name in used if name))  # fmt: skip
    changed, _ = _git(root, "status", "--porcelain", "--untracked-files=all", "--", *code)
    dirty = bool(changed) if commit and changed is not None else None
    return commit or os.environ.get("PCBENCH_COMMIT") or None, dirty


def refusal(root: Path | None = None) -> str:
    """Why git does not tell the commit of a clone, and the command that mends it, in one line.

    Empty where git does tell it, and outside a clone. A clone that belongs to another user is
    refused by git until it is named as safe.
    """
    root = root or checkout()
    commit, said = _git(root, "rev-parse", "HEAD")
    if commit or not said:
        return ""
    mend = re.search(r"git config --global --add safe\.directory .+", said)
    reason = said.splitlines()[0].removeprefix("fatal: ")
    return f"git: {reason}" + (f"; run: {mend[0]}" if mend else "")


def warn_of_no_commit() -> None:
    """Say so when git refuses to tell the commit that records will need."""
    if not os.environ.get("PCBENCH_COMMIT") and (why := refusal()):
        print(f"pcbench: warning: the records will name no commit: {why}", file=sys.stderr)


def warn_of_other_baselines() -> None:
    """Say so when the current folder holds other ``baselines/`` than the imported ones."""
    here, used = Path("baselines"), checkout() / "baselines"
    if (here / "__init__.py").is_file() and here.resolve() != used:
        print(
            f"pcbench: warning: this folder's baselines/ is not the one in use, {used}; "
            "install this checkout with `pip install -e .`",
            file=sys.stderr,
        )


def processor() -> str:
    """The processor's name: kernels of one instruction set still differ from maker to maker."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _git(root: Path, *arguments: str) -> tuple[str | None, str]:
    """What git prints on a clone, None where it fails or there is none; and why it failed."""
    if not (root / ".git").exists():  # else git would take a clone around it
        return None, ""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=30,
            errors="surrogateescape", env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError:
        return None, "not on the PATH; install it"
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    return (done.stdout.strip(), "") if done.returncode == 0 else (None, done.stderr.strip())
