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
    """Return the folder that holds the imported ``benchmark/`` and ``baselines/``."""
    return Path(__file__).resolve().parents[2]


def of_checkout(name: str) -> Path:
    """Return the path of a file that only a clone has; an installed copy holds the code alone."""
    path = checkout() / name
    if not path.exists():
        raise UserError(
            f"{name}: exists only in a clone; this code is an installed copy in {checkout()}; "
            "clone the repository and run `pip install -e .` there"
        )
    return path


def code_sha256(root: Path | None = None, methods: bool = False) -> str:
    """Return the digest of the code that all results depend on.

    It covers the sorted relative paths and contents of ``benchmark/**/*.py``, ``baselines/_*.py``
    and ``constraints.txt``. With ``methods`` it also covers all baselines, as in records without a
    ``method_sha256``.
    """
    root = root or checkout()
    patterns = ("benchmark/**/*.py", f"baselines/{'' if methods else '_'}*.py", "constraints.txt")
    paths = (path for pattern in patterns for path in root.glob(pattern))
    files = {path.relative_to(root).as_posix(): path for path in paths}
    # Line endings may differ between checkouts.
    contents = {name: files[name].read_bytes().replace(b"\r\n", b"\n") for name in sorted(files)}
    text = "".join(f"{name} {sha256_bytes(content)}\n" for name, content in contents.items())
    return sha256_bytes(text.encode())


def provenance(method: str | None = None) -> dict[str, Any]:
    """Return a description of the code and the machine, without host names and paths.

    Args:
        method: the baseline in ``baselines/`` that the run uses, or "" for one from elsewhere;
            None: any of them. A change to another one does not concern the run.

    Returns:
        ``commit`` and ``dirty`` (see `committed`), ``code_sha256``, ``python``, ``torch``,
        ``cpu`` (the vector instructions torch uses), ``processor`` (its name) and ``threads``.
    """
    import torch

    commit, dirty = committed(checkout(), method)
    return {
        "commit": commit,
        "dirty": dirty,
        "code_sha256": code_sha256(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "processor": processor(),
        "threads": torch.get_num_threads(),
    }


def committed(root: Path, method: str | None = None) -> tuple[str | None, bool | None]:
    """Return the commit, and whether a file that the run uses differs from it.

    The commit is git's, otherwise ``$PCBENCH_COMMIT``, otherwise None; without git the second is
    None. ``method`` as in `provenance`.
    """
    head = git(root, "rev-parse", "HEAD")
    used = ("*",) if method is None else ("_*", method)
    code = (":(glob)benchmark/**/*.py", "constraints.txt",
            *(f":(glob)baselines/{name}.py" for name in used if name))  # fmt: skip
    changed = git(root, "status", "--porcelain", "--untracked-files=all", "--", *code)
    commit = "" if head.returncode else head.stdout.decode().strip()
    dirty = bool(changed.stdout.strip()) if commit and changed.returncode == 0 else None
    return commit or os.environ.get("PCBENCH_COMMIT") or None, dirty


def refusal(root: Path | None = None) -> str:
    """Return one line that says why git does not name a clone's commit, and what to run.

    It is empty if git does name it, and outside a clone. Git refuses a clone that belongs to
    another user until it is named as safe.
    """
    head = git(root or checkout(), "rev-parse", "HEAD")
    message = head.stderr.decode(errors="replace").strip()
    if head.returncode == 0 or not message:
        return ""
    command = re.search(r"git config --global --add safe\.directory .+", message)
    reason = message.splitlines()[0].removeprefix("fatal: ")
    return f"git: {reason}" + (f"; run: {command[0]}" if command else "")


def warn_of_no_commit() -> None:
    """Warn if git refuses to name the commit that records will need."""
    if not os.environ.get("PCBENCH_COMMIT") and (reason := refusal()):
        print(f"pcbench: warning: the records will name no commit: {reason}", file=sys.stderr)


def warn_of_other_baselines() -> None:
    """Warn if the current folder holds other ``baselines/`` than the imported ones."""
    here, used = Path("baselines"), checkout() / "baselines"
    if (here / "__init__.py").is_file() and here.resolve() != used:
        print(
            f"pcbench: warning: this folder's baselines/ is not in use, {used} is; "
            "to use this folder's, run `pip install -e .` here",
            file=sys.stderr,
        )


def processor() -> str:
    """Return the processor's name: kernels for one instruction set differ between makers."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        text = ""
    named = re.search(r"^model name\s*:\s*(.+?)\s*$", text, re.MULTILINE)
    return named[1] if named else platform.processor() or platform.machine()


def git(root: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Run git in a clone; the exit status is not 0 if there is no clone or no git."""
    command = ["git", "-C", str(root), *arguments]
    if not (root / ".git").exists():  # git would take a clone around this folder
        return subprocess.CompletedProcess(command, 128, b"", b"")
    try:
        return subprocess.run(
            command, capture_output=True, timeout=60, env={**os.environ, "LC_ALL": "C"}
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, b"", b"not on the PATH; install it")
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 126, b"", str(error).encode())
