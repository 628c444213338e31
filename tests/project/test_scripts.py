"""The shell files of slurm/, with an interpreter that tells what it was called with."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmark import cli
from benchmark.core.provenance import code_sha256

ROOT = Path(__file__).parents[2]
# Tells the arguments, a variable that site.sh sets, and which signals are ignored.
TELLING = """#!/bin/sh
printf '%s\\n' "$@"
echo "site=$SITE path=$PYTHONPATH"
grep SigIgn /proc/self/status
"""
README = (ROOT / "slurm" / "README.md").read_text()
COMMANDS = [
    line.replace("slurm/submit.sh", "pcbench submit")
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line.startswith(("pcbench", "slurm/submit.sh"))
]


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_of_the_readme_is_understood(line: str) -> None:
    arguments, rest = cli.parser().parse_known_args(shlex.split(line, comments=True)[1:])
    assert not rest or arguments.prog == "pcbench submit"
    assert "study" not in arguments or (ROOT / arguments.study).is_file()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a blank in its name and a site.sh, and the telling interpreter beside it."""
    found = tmp_path / "my checkout"
    shutil.copytree(ROOT / "slurm", found / "slurm", ignore=shutil.ignore_patterns("site.sh"))
    (found / "slurm" / "site.sh").write_text('export SITE=here\nPCBENCH_PYTHON="$TELLING"\n')
    python = tmp_path / "telling"
    python.write_text(TELLING)
    python.chmod(0o755)
    return found


def call(checkout: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["TELLING"] = str(checkout.parent / "telling")
    environment["PATH"] = f"{checkout.parent / 'bin'}:/usr/bin:/bin"
    return subprocess.run(
        words, capture_output=True, text=True, cwd=checkout.parent, env=environment
    )


def test_submit_passes_all_on(checkout: Path) -> None:
    script = str(checkout / "slurm" / "submit.sh")
    done = call(checkout, script, "my study.toml", "--partition=a b", "-n", "2")
    assert done.stdout.splitlines()[:-2] == [
        "-m", "benchmark", "submit", "my study.toml", "--partition=a b", "-n", "2",
    ]  # fmt: skip
    assert f"site=here path={checkout}" in done.stdout
    (checkout.parent / "linked").symlink_to(script)
    assert f"site=here path={checkout}" in call(checkout, "./linked", "a").stdout
    (checkout / "slurm" / "site.sh").write_text("PCBENCH_PYTHON=/no/python\n")
    done = call(checkout, script, "mine.toml")
    assert done.returncode == 2
    assert done.stderr == (
        "pcbench: /no/python: no such interpreter; set PCBENCH_PYTHON in slurm/site.sh\n"
    )


def test_submit_takes_pcbench_else_the_checkout_s_environment(checkout: Path) -> None:
    """Through a link, so that the checkout is not the folder of the script that was called."""
    script = checkout.parent / "submit"
    script.symlink_to(checkout / "slurm" / "submit.sh")
    (checkout / "slurm" / "site.sh").write_text("export SITE=linked\n")
    done = call(checkout, str(script), "mine.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"pcbench: no pcbench on the PATH and no {checkout}/.venv; "
        f"run: make -C '{checkout}' install\n"
    )
    for place, words in [
        (checkout / ".venv" / "bin" / "python", ["-m", "benchmark", "submit", "mine.toml"]),
        (checkout.parent / "bin" / "pcbench", ["submit", "mine.toml"]),
    ]:
        place.parent.mkdir(parents=True)
        shutil.copy(checkout.parent / "telling", place)
        done = call(checkout, str(script), "mine.toml")
        assert done.stdout.splitlines()[:-2] == words
        assert f"site=linked path={checkout}" in done.stdout


def test_a_job_starts_from_a_copy_with_the_site_s_settings(checkout: Path, tmp_path: Path) -> None:
    copy = tmp_path / "slurm_script"  # as Slurm's spool folder holds it
    shutil.copy(checkout / "slurm" / "array.sbatch", copy)
    words = ["-m", "benchmark", "task", "/my runs/manifests/x.json", "--pack", "2"]
    done = call(checkout, "bash", str(copy), str(checkout), "/submitting/python", *words)
    assert done.stdout.splitlines()[:-2] == words
    assert f"site=here path={checkout}" in done.stdout
    ignored = int(done.stdout.split("SigIgn:")[1], 16)
    assert ignored >> 9 & 1  # SIGUSR1, 10, which may come before Python takes it
    (checkout / "slurm" / "site.sh").unlink()
    own = tmp_path / "python"
    own.write_text('#!/bin/sh\necho submitted by "$@"\n')
    own.chmod(0o755)
    plain = call(checkout, "bash", str(copy), str(checkout), str(own), "--version")
    assert plain.stdout == "submitted by --version\n"


def test_a_clone_for_other_ends_of_lines_is_the_same(tmp_path: Path) -> None:
    """As Git for Windows clones; bash then reads no script, and digests are others."""
    here, clone = tmp_path / "here", tmp_path / "clone"
    (here / "benchmark").mkdir(parents=True)
    shutil.copy(ROOT / ".gitattributes", here)
    for name, text in {"a.sh": "true\n", "benchmark/a.py": "1\n"}.items():
        (here / name).write_text(text)
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "Add"]):
        subprocess.run(["git", "-C", str(here), *words], check=True)
    autocrlf = ["-c", "core.autocrlf=true"]
    subprocess.run(["git", "clone", "-q", *autocrlf, str(here), str(clone)], check=True)
    assert (clone / "a.sh").read_bytes() == b"true\n"
    digest = code_sha256(clone)
    (clone / "benchmark" / "a.py").write_bytes(b"1\r\n")  # as cloned before
    assert code_sha256(clone) == digest == code_sha256(here)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.json", "--index", "0"], "nowhere.json: is not a manifest"),
        (["foreign.json", "--index", "0"], "foreign.json: is not a manifest"),
        (["nowhere.json", "--pack", "0"], "--pack: must be an integer of at least 1, not 0"),
        (["nowhere.json", "--report"], "nowhere.json: is not a manifest"),
    ],
)
def test_a_task_without_its_manifest(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("foreign.json").write_text('{"format": "another"}')
    assert cli.main(["task", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("pcbench: ")
    assert said in error
    assert error.count("\n") == 1
