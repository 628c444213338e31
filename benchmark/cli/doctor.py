"""What a bug report must tell: versions, device, data, Slurm; no host name, no path of ours."""

import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmark.core import provenance
from benchmark.core.errors import UserError

_PACKAGES = (
    "torch", "numpy", "datasets", "sentencepiece", "pandas",
    "scipy", "seaborn", "matplotlib", "sacrebleu", "tqdm", "pytest",
)  # fmt: skip


def examine(runs: Path, root: Path) -> list[tuple[str, str]]:
    """Pairs of a name and what was found; never fails because something is absent."""
    where, here = provenance.provenance(), provenance.checkout()
    refused = provenance.refusal().replace(f"'{here}'", '"$PWD"').replace(str(here), '"$PWD"')
    clone = (here / "pyproject.toml").exists()
    why = "no git clone; set PCBENCH_COMMIT" if clone else "a copy by pip; install -e a clone"
    commit = where["commit"] or f"unknown ({refused or why})"
    found = [("pcbench", _version("posterior-collapse-benchmark"))]
    found += [("commit", f"{commit}{' with changes' if where['dirty'] else ''}")]
    found += [("code", where["code_sha256"][:16])]
    found += [("python", f"{where['python']} on {sys.platform}")]
    found += [(name, _version(name)) for name in _PACKAGES]
    cores = f"{os.cpu_count()} cores, {where['threads']} threads"
    found += [("cpu", f"{where['processor']}, {where['cpu']}, {cores}")]
    found += [("cuda", _cuda())]
    found += [("data folder", f"{root}{'' if root.is_dir() else ' (absent)'}")]
    found += _data(root)
    found += [("runs folder", f"{runs}{'' if runs.is_dir() else ' (absent)'}")]
    found += [("slurm", "sbatch found" if shutil.which("sbatch") else "no sbatch on the PATH")]
    return found


def short() -> str:
    """Version, commit and torch's version in one line, without importing torch."""
    commit, dirty = provenance.committed(provenance.checkout())
    told = f"commit {commit[:9]}{', dirty' if dirty else ''}" if commit else "commit unknown"
    name = _version("posterior-collapse-benchmark")
    return f"pcbench {name} ({told}), torch {_version('torch')}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _cuda() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none"
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return f"{torch.version.cuda}, cuDNN {cudnn}: {', '.join(names)}"


def _data(root: Path) -> list[tuple[str, str]]:
    from benchmark import data

    found = []
    for name in data.descriptions():
        try:
            said = "prepared" if data.is_prepared(name, root) else "not prepared"
        except UserError as error:
            said = str(error)
        found.append((f"data {name}", said))
    return found
