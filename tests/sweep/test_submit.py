"""What is submitted and how, without Slurm; test_slurm_sweep.py hands it to a real one."""

import os
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import small_study
from made_up import record

from benchmark import cli
from benchmark.core import provenance, records
from benchmark.run import claims, failures
from benchmark.sweep import costs, manifest, slurm_queue
from benchmark.sweep.slurm_submit import plan

PLAIN = manifest.Options("data")


class Place(small_study.Place):
    """A study of six runs in the current folder, and stand-ins for Slurm's commands."""

    def command(self, name: str, script: str) -> None:
        path = self.root / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.fsencode(f"#!/bin/sh\n{script}\n"))
        path.chmod(0o755)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    found = Place(tmp_path, (0, 1, 2))
    for name in ("sbatch", "squeue", "scontrol"):  # not the machine's own, should it have them
        found.command(name, "exit 9")
    return found


def dry(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[list[str], list[list[str]]]:
    """What a dry run says, and the sbatch commands it prints."""
    assert cli.main(["submit", "mine.toml", "--runs", "runs", "--dry-run", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    commands = [shlex.split(line) for line in lines if line.startswith("sbatch ")]
    return [line for line in lines if not line.startswith("sbatch ")], commands


def test_a_dry_run_prints_the_commands_and_writes_nothing(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    said, (array, report) = dry(capsys, "--pack", "4", "--limit", "1")
    assert said[0] == "mine: 6 of 6 runs to submit"
    assert said[1].startswith("6 runs in 2 tasks; time and disk: unknown")
    assert {"--array=0-1%1", "--cpus-per-task=4", "--requeue", "--open-mode=append"} <= set(array)
    assert "--signal=B:USR1@120" in array
    assert f"--output={place.runs}/logs/%A_%a.log" in array
    assert array[-4:] == ["--pack", "4", "--offset", "0"]
    assert "--dependency=afterany:ARRAY_0" in report
    assert report[-1] == "--report"
    assert array[-5] == report[-2]  # the same manifest
    assert sorted(path.name for path in place.root.iterdir()) == ["bin", "mine.toml"]


def test_options_of_sbatch_pass_unchanged(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["-p", "gpu", "--mem", "4G", "--gres=gpu:1", "--exclusive", "-c", "3"]
    _, (array, report) = dry(capsys, *given[:4], "--pack", "2", *given[4:])
    for command in (array, report):
        start = command.index("-p")
        assert command[start : start + len(given)] == given
    assert not any(word.startswith("--cpus-per-task") for word in array)  # the user chose
    for wrong in ("--array=0-3", "-a", "--output=x", "--wrap=true"):
        assert cli.main(["submit", "mine.toml", "--dry-run", wrong]) == 2
        assert f"{wrong}: is set by `pcbench submit`; leave it out" in capsys.readouterr().err


def test_the_report_job_may_have_options_of_its_own(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PCBENCH_REPORT_OPTIONS", "--partition=cpu --comment='no gpu'")
    _, (array, report) = dry(capsys, "--partition=gpu")
    assert "--partition=gpu" in array
    assert {"--partition=cpu", "--comment=no gpu"} <= set(report)
    assert "--partition=gpu" not in report


def test_a_long_list_is_split(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.command("scontrol", "echo 'MaxArraySize            = 4'")
    _, (first, second, report) = dry(capsys)
    assert ("--array=0-3" in first, first[-1]) == (True, "0")
    assert ("--array=0-1" in second, second[-1]) == (True, "4")
    assert not any(word.startswith("--dependency") for word in second)
    assert "--dependency=afterany:ARRAY_0:ARRAY_1" in report
    _, (_, second, _) = dry(capsys, "--limit", "3")  # which holds for both together
    assert {"--array=0-1%3", "--dependency=afterany:ARRAY_0"} <= set(second)


def test_what_needs_no_run_is_left_out(place: Place) -> None:
    place.write(place.ids[0])
    for _ in range(failures.LIMIT):
        (place.runs / place.ids[1]).mkdir(parents=True, exist_ok=True)
        failures.add(place.runs / place.ids[1], "no luck")
    (place.runs / place.ids[2]).mkdir()
    failures.add(place.runs / place.ids[2], "once only")
    queue = slurm_queue.Queue(frozenset({"7"}), {place.ids[3]: "PENDING"})
    with claims.claim(place.runs / place.ids[4]):
        todo, left_out = plan(place.study, place.runs, PLAIN, queue)
        assert [run.id for run in todo] == [place.ids[2], place.ids[5]]
        assert list(left_out.values()) == [1, 1, 1, 1]
        todo, _ = plan(place.study, place.runs, replace(PLAIN, retry_failed=True), queue)
        assert [run.id for run in todo] == [place.ids[1], place.ids[2], place.ids[5]]


def test_the_claim_of_a_job_that_left_the_queue_is_dead(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with claims.claim(place.runs / place.ids[0]):
        here, gone = slurm_queue.Queue(frozenset({"7"})), slurm_queue.Queue(frozenset({"8"}))
        assert len(plan(place.study, place.runs, PLAIN, here)[0]) == 5
        assert len(plan(place.study, place.runs, PLAIN, gone)[0]) == 6
        assert len(plan(place.study, place.runs, PLAIN, None)[0]) == 5


def test_the_queue_tells_runs_by_manifest_and_index(place: Place) -> None:
    options = manifest.Options("data")
    runs = place.root / os.fsdecode(b"a f\xf6lder")
    foreign = os.fsdecode(b"/home/B\xfccher.sh")  # no UTF-8 either
    frozen = manifest.build(place.study, place.study.configs, runs, options)
    manifest.write(frozen, place.study)
    script = "/repository/slurm/array.sbatch /repository /bin/python"
    words = " ".join(slurm_queue.task_words(frozen.path, 2, 1))
    place.command(
        "squeue",
        f"""cat <<'END'
9|0|RUNNING|{script} {words}
10|1|PENDING|{script} {words}
11|0|COMPLETING|{script} {" ".join(slurm_queue.task_words(frozen.path, 2, 0))}
12|N/A|PENDING|{script} task {frozen.path} --report
13|5|PENDING|{script} task /gone.json --pack 2 --offset 0
14|0|RUNNING|/home/other.sh
15|N/A|RUNNING|{foreign}
16|N/A|RUNNING|/home/of two
lines.sh
END""",
    )
    queue = slurm_queue.queue()
    assert queue is not None
    assert queue.jobs == {"9", "10", "12", "13", "14", "15", "16"}
    assert queue.runs == dict(zip(place.ids[2:], ["RUNNING"] * 2 + ["PENDING"] * 2, strict=True))
    place.command("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    assert slurm_queue.queue() is None


def test_a_surrounding_job_leaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("SLURM_", "SBATCH_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("SBATCH_ACCOUNT", "mine")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    assert slurm_queue.environment() == dict(os.environ)
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_MEM_PER_CPU", "SBATCH_ARRAY_INX"):
        monkeypatch.setenv(name, "1")
    found = slurm_queue.environment()
    assert {"SLURM_CONF", "SBATCH_ACCOUNT"} <= found.keys()
    assert {n for n in os.environ if n not in found} == {
        "SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_MEM_PER_CPU", "SBATCH_ARRAY_INX",
        "CUDA_VISIBLE_DEVICES",
    }  # fmt: skip


def test_an_estimate_is_made_of_the_finished_runs(place: Place) -> None:
    todo = [run for run in place.study.configs if run.config.seed > 0]
    for run, seconds in zip(place.study.configs[:2], (100.0, 400.0), strict=True):
        settings = run.config.to_dict()
        made = record(run.id) | {"config": settings, "parameters": 5_000_000}
        made["cost"]["seconds"] = seconds
        records.write_exclusive(place.runs / run.id, made)
    options = manifest.Options("data", results=str(place.root / "results"))
    time, disk = costs.estimate(place.study, todo, place.runs, options, pack=3)
    assert time.startswith("4 runs in 2 tasks")
    assert "17 min in all" in time  # 2 * 100 s + 2 * 400 s
    # Four parameters-sized arrays in a checkpoint, twice while one replaces the other; one kept.
    assert "up to 640 MB while they train, 80 MB kept" in disk
    cuda = manifest.Options("data", results=str(place.root / "results"), device="cuda")
    (unknown,) = costs.estimate(place.study, todo, place.runs, cuda, pack=3)
    assert "unknown" in unknown  # what the processor took says nothing of a GPU


def test_data_must_be_there_before_anything_is_submitted(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    small_study.Place(place.root, data=["ptb"])
    place.command("sbatch", f"touch {place.root / 'called'}")
    place.command("squeue", "exit 0")
    assert cli.main(["submit", "mine.toml", "--runs", "runs", "--data-dir", "data"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("pcbench: ptb: not prepared in ")
    assert said.count("\n") == 1
    assert not (place.root / "called").exists()
    assert not list(place.runs.glob("manifests/*"))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ('exec {python} -S -I "$@"', "{python}: ModuleNotFoundError: No module named 'torch'"),
        (
            'PYTHONPATH={root}/other exec {python} "$@"',
            "{python}: imports the code of another checkout",
        ),
        (
            'PYTHONPATH={root}/lacking exec {python} "$@"',
            "{python}: ModuleNotFoundError: No module named 'pydantic'",
        ),
        (None, "No such file or directory"),
    ],
)
def test_the_interpreter_of_the_jobs_is_tried_first(
    place: Place,
    script: str | None,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("benchmark", "baselines"):  # another checkout
        shutil.copytree(provenance.checkout() / name, place.root / "other" / name)
    (place.root / "lacking").mkdir()
    absent = "raise ModuleNotFoundError(\"No module named 'pydantic'\")\n"
    (place.root / "lacking" / "pydantic.py").write_text(absent)
    place.command("sbatch", f"touch {place.root / 'called'}")
    place.command("squeue", "exit 0")
    known = {"python": sys.executable, "root": place.root}
    if script is not None:
        place.command("jobs", script.format(**known))
    monkeypatch.setattr(sys, "executable", str(place.root / "bin" / "jobs"))
    command = ["submit", "mine.toml", "--runs", "runs", "--data-dir", "data"]
    assert cli.main(command) == 2
    said = capsys.readouterr().err
    assert said.startswith("pcbench: the jobs' interpreter: ")
    assert reason.format(**known) in said
    assert said.count("\n") == 1
    assert not (place.root / "called").exists()
    assert not list(place.runs.glob("manifests/*"))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--pack", "0"], "--pack: must be an integer of at least 1, not 0"),
        (["--limit", "0"], "--limit: must be an integer of at least 1, not 0"),
        (["--seeds", "9"], "has no seed 9; it has 0, 1, 2"),
    ],
)
def test_bad_wishes_are_refused(
    place: Place, options: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["submit", "mine.toml", "--runs", "runs", *options]) == 2
    said = capsys.readouterr().err
    assert word in said
    assert said.count("\n") == 1
    assert not place.runs.exists()


def test_the_study_comes_first(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["submit", "--partition", "gpu", "mine.toml"]) == 2
    assert "'gpu' is not a study file; STUDY comes first" in capsys.readouterr().err


def test_chosen_seeds_leave_the_study_whole(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.command("sbatch", "echo 5")
    place.command("squeue", "exit 0")
    data = ["--data-dir", str(place.root / "data")]
    assert cli.main(["submit", "mine.toml", "--runs", "runs", "--seeds", "1", *data]) == 0
    assert "mine: 2 of 2 runs to submit" in capsys.readouterr().out
    (path,) = place.runs.glob("manifests/mine-????????????.json")
    frozen = manifest.read(path)
    assert [entry.id for entry in frozen.entries] == place.ids[2:4]
    assert frozen.options.seeds == [1]
    assert [run.id for run in frozen.restore().configs] == place.ids
