"""What holds for every test: no window, one thread, no folder of the user's."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator

import pytest
import torch
from private_slurm import PrivateSlurm, missing

os.environ["MPLBACKEND"] = "Agg"
os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start
for name in ("PCBENCH_RUNS", "PCBENCH_DATA"):
    os.environ.pop(name, None)  # a user's own folders are never touched

torch.set_num_threads(1)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup ignores, and a run then does too


@pytest.fixture
def without_rights() -> list[str]:
    """What to put before a command so that file permissions bind it, also when root runs tests."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return []
    prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    if shutil.which("setpriv") is None or subprocess.run([*prefix, "true"]).returncode != 0:
        pytest.skip("root without a setpriv that gives up its rights")
    return prefix


@pytest.fixture(scope="session")
def cluster() -> Iterator[PrivateSlurm]:
    """A real Slurm of four declared CPUs and two declared GPUs."""
    if lack := missing():
        pytest.skip(lack)
    with PrivateSlurm() as cluster:
        yield cluster


@pytest.fixture
def slurm(cluster: PrivateSlurm) -> Iterator[PrivateSlurm]:
    """The cluster, without jobs of the test before: a failed one's would keep others waiting."""
    yield cluster
    cluster.cancel_all()
