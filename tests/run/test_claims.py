"""A run is claimed by one process, as long as that lives."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmark.run import claims
from benchmark.sweep import status

ROOT = Path(__file__).parents[2]


@contextmanager
def claimed_elsewhere(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another live process that holds a run."""
    source = (
        "import sys, pathlib, time\nfrom benchmark.run import claims\n"
        "with claims.claim(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", source, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_claim_keeps_others_out_until_its_process_dies(tmp_path: Path) -> None:
    with claimed_elsewhere(tmp_path) as process:
        with pytest.raises(claims.Claimed, match=f"another process \\({process.pid}\\)"):  # noqa: SIM117
            with claims.claim(tmp_path):
                pass
        assert claims.holder(tmp_path) is not None
        assert status.state(tmp_path).status == "running"
        process.kill()
        process.wait()
        assert claims.holder(tmp_path) is None
        with claims.claim(tmp_path):  # the dead one's claim blocks nobody, at once
            assert len(list(tmp_path.glob("claim-*"))) == 1
    assert list(tmp_path.glob("claim-*")) == []


def test_a_claim_of_another_machine_dies_by_its_heartbeat(tmp_path: Path) -> None:
    other = tmp_path / "claim-0000"
    other.mkdir()
    (other / "heartbeat").write_text('{"pid": 1, "host": "another machine"}')
    with pytest.raises(claims.Claimed), claims.claim(tmp_path):
        pass
    old = time.time() - 2 * claims.STALE
    os.utime(other / "heartbeat", (old, old))
    with claims.claim(tmp_path):
        assert not other.exists()


def test_a_heart_beats(tmp_path: Path) -> None:
    with claims.claim(tmp_path, beat=0.02):
        (beat,) = tmp_path.glob("claim-*/heartbeat")
        os.utime(beat, (0, 0))
        limit = time.monotonic() + 10
        while beat.stat().st_mtime == 0 and time.monotonic() < limit:
            time.sleep(0.02)
        assert beat.stat().st_mtime > 0


def test_of_many_newcomers_at_most_one_holds(tmp_path: Path) -> None:
    holding, most, refused = [0], [0], [0]
    lock = threading.Lock()

    def come() -> None:
        try:
            with claims.claim(tmp_path):
                with lock:
                    holding[0] += 1
                    most[0] = max(most[0], holding[0])
                time.sleep(0.01)
                with lock:
                    holding[0] -= 1
        except claims.Claimed:
            with lock:
                refused[0] += 1

    threads = [threading.Thread(target=come) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 1
    assert refused[0] < 16 or most[0] == 0
