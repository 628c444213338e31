"""``pcbench doctor``: versions, device, data and Slurm; no host name, no path of ours."""

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmark.cli.options import DATA, RUNS, command
from benchmark.core import provenance
from benchmark.core.errors import UserError

NAME = "posterior-collapse-benchmark"
LIBRARIES = """torch numpy datasets sentencepiece pandas scipy pydantic jinja2 seaborn matplotlib
sacrebleu tqdm pytest"""


@command(RUNS, DATA)
def doctor(arguments: Namespace) -> int:
    """Print what a bug report should contain.

    pcbench doctor
    """
    for name, value in _findings(arguments.runs, arguments.data_dir):
        print(f"{name:<19} {value}")
    return 0


def _findings(runs: Path, data_dir: Path) -> Iterator[tuple[str, str]]:
    from benchmark import data

    here, origin = provenance.checkout(), provenance.provenance()
    refused = provenance.refusal().replace(f"'{here}'", '"$PWD"').replace(str(here), '"$PWD"')
    clone = (here / "pyproject.toml").exists()
    why = "no git clone; set PCBENCH_COMMIT" if clone else "a copy by pip; install -e a clone"
    commit = origin["commit"] or f"unknown ({refused or why})"
    yield "pcbench", _version(NAME)
    yield "commit", f"{commit}{' with changes' if origin['dirty'] else ''}"
    yield "code", origin["code_sha256"][:16]
    yield "python", f"{origin['python']} on {sys.platform}"
    for name in LIBRARIES.split():
        yield name, _version(name)
    cores = f"{os.cpu_count()} cores, {origin['threads']} threads"
    yield "cpu", f"{origin['processor']}, {origin['cpu']}, {cores}"
    yield "cuda", _cuda()
    yield "data folder", f"{data_dir}{'' if data_dir.is_dir() else ' (absent)'}"
    for name in data.descriptions():
        try:
            yield f"data {name}", f"{'' if data.find(name).meta(data_dir) else 'not '}prepared"
        except UserError as error:
            yield f"data {name}", str(error)
    yield "runs folder", f"{runs}{'' if runs.is_dir() else ' (absent)'}"
    yield "slurm", "sbatch found" if shutil.which("sbatch") else "no sbatch on the PATH"


def short() -> str:
    """Return version, commit and torch's version on one line, without importing torch."""
    commit, dirty = provenance.committed(provenance.checkout())
    state = f"commit {commit[:9]}{', dirty' if dirty else ''}" if commit else "commit unknown"
    return f"pcbench {_version(NAME)} ({state}), torch {_version('torch')}"


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
