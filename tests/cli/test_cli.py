"""The command line: what it prints, its exit status, and one study from file to table."""

import io
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from made_up import record

from benchmark import cli
from benchmark.core import provenance, records
from benchmark.core.errors import UserError
from benchmark.run import claims
from benchmark.sweep import study

ROOT = Path(__file__).parents[2]
TINY = "exact_small:sentences=160,valid=48,test=48"
TOML = f"""[study]
data = ["{TINY}"]
seeds = [0]
preset = "exact_small"
[model]
embedding = 8
hidden = 8
latent = 2
[train]
epochs = 2
[evaluate]
iw_samples = 10
max_length = 20
[[baseline]]
name = "lstm_lm"
[[baseline]]
name = "cyclical"
cycles = 2
"""
QUICK = str(ROOT / "paper" / "quickstart.toml")


def process(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmark", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_study_from_file_to_table(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(TOML)
    swept = process("sweep", "mine.toml", "--jobs", "2", folder=tmp_path)
    assert swept.returncode == 0, swept.stderr
    assert swept.stderr.rstrip().endswith("2/2 done")
    collected = process("collect", "mine.toml", folder=tmp_path)
    assert collected.stdout == "results/mine.jsonl: 2 done (2 new)\n"
    reported = process("report", "mine.toml", "--full", "--out", "tables", folder=tmp_path)
    assert reported.returncode == 0, reported.stderr
    assert reported.stdout == (tmp_path / "tables" / "mine.md").read_text()
    first = next(part for part in reported.stdout.split("\n\n") if part.startswith("|"))
    rows = first.splitlines()
    assert [cell.strip() for cell in rows[0].split("|")[1:5]] == ["baseline", "ELBO", "KL", "MI"]
    assert [row.split("|")[1].strip() for row in rows[2:]] == ["lstm_lm", "cyclical"]
    assert "True entropy" in reported.stdout
    assert process("sweep", "mine.toml", "--pending", folder=tmp_path).stdout == ""
    run_id = next((tmp_path / "results" / "runs").glob("*cyclical*")).name
    again = process("run", "mine.toml", "--id", run_id, folder=tmp_path)
    assert again.returncode == 2
    assert again.stderr.startswith("pcbench: ")
    assert "a record exists already" in again.stderr
    before = records.read(tmp_path / "results" / "runs" / run_id / "record.json")
    measured = process("evaluate", run_id, folder=tmp_path)
    assert measured.returncode == 0, measured.stderr
    found = json.loads(measured.stdout)
    assert found["kl"] == pytest.approx(before["metrics"]["test"]["kl"], rel=1e-9)


def test_help_is_instant_and_has_examples(tmp_path: Path) -> None:
    assert "pcbench sweep" in process("--help", folder=tmp_path).stdout
    source = """
import sys
from benchmark.cli import parser
parser()
assert not {"torch", "numpy", "pandas", "scipy", "matplotlib", "jinja2"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", source], cwd=ROOT, check=True)


@pytest.mark.parametrize("command", [command.name for command in cli.COMMANDS])
def test_every_command_has_help_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0
    assert f"  pcbench {command}" in capsys.readouterr().out


def test_the_list_is_ids_and_nothing_else(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", QUICK, "--list"]) == 0
    ids = [run.id for run in study.load(QUICK).configs]
    assert capsys.readouterr().out == "".join(f"{run_id}\n" for run_id in ids)
    records.write_exclusive(here / "runs" / ids[3], record(ids[3]))
    assert cli.main(["sweep", QUICK, "--pending", "--runs", "runs", "--seeds", "0"]) == 0
    assert capsys.readouterr().out.splitlines() == [*ids[:3], *ids[4:6]]
    assert cli.main(["sweep", QUICK, "--status", "--runs", "runs"]) == 0
    assert "all" in capsys.readouterr().out
    assert cli.main(["sweep", QUICK, "--dry-run", "--runs", "runs"]) == 0
    assert capsys.readouterr().out.endswith("29 of 30 runs, 1 at a time\n")
    assert sorted(path.name for path in here.iterdir()) == ["runs"]  # nothing was started


def test_a_data_folder_that_is_a_link_to_nothing_is_refused_where_data_are_used(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / ".data").symlink_to("nowhere")
    for what in ("--list", "--pending", "--dry-run", "--status"):
        assert cli.main(["sweep", QUICK, what, "--runs", "runs"]) == 0
    assert cli.main(["doctor", "--runs", "runs"]) == 0
    capsys.readouterr()
    (run_id, *_) = [run.id for run in study.load(QUICK).configs]
    for command in (["data", "prepare", "exact_small"], ["run", QUICK, "--id", run_id]):
        assert cli.main(command) == 2
        said = capsys.readouterr().err
        assert said.startswith("pcbench: .data: links to nowhere, which does not exist; create tha")
        assert said.endswith("or choose another with --data-dir\n")
    assert not (here / "nowhere").exists()


def test_flags_resolve_as_a_study_does(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--data", "exact_small", "--baseline", "cyclical", "--set", "cycles=8"]
    more = ["--set", "train.epochs=3", "--set", "model.latent=16", "--seed", "1"]
    more += ["--set", "train.lr=.001", "--set", "ratio=.5"]
    assert cli.main(["run", *flags, *more, "--dry-run"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["params"] == {"cycles": 8, "ratio": 0.5, "floor": 0.0, "span": 1.0}
    assert (found["train"]["epochs"], found["model"]["latent"], found["seed"]) == (3, 16, 1)
    assert found["model"]["hidden"] == 64  # of the data's own preset
    (here / "one.toml").write_text(
        '[study]\ndata = ["exact_small"]\nseeds = [1]\npreset = "exact_small"\n[train]\n'
        "epochs = 3\nlr = 0.001\n[model]\nlatent = 16\n"
        '[[baseline]]\nname = "cyclical"\ncycles = 8\n'
    )
    assert study.load("one.toml").configs[0].id == found["id"]
    assert list(here.iterdir()) == [here / "one.toml"]


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m benchmark sweep {QUICK} --list | true"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stderr == b""


@pytest.mark.slow
def test_letters_that_the_output_lacks_are_spelt_out(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    words = [QUICK, "--full", "--results", str(ROOT / "results"), "--out", "."]
    assert cli.main(["report", *words]) == 0
    table = (here / "quickstart.md").read_text()
    assert raw.getvalue() == table.rstrip("\n").encode("ascii", "backslashreplace") + b"\n"
    assert b"\\xb1" in raw.getvalue()  # ±


def test_a_run_at_work_elsewhere_is_left_alone(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["run", "--data", TINY, "--baseline", "none", "--runs", "runs"]
    assert cli.main([*flags, "--dry-run"]) == 0
    folder = here / "runs" / json.loads(capsys.readouterr().out)["id"]
    with claims.claim(folder):
        assert cli.main(flags) == 75
        assert "holds this run; wait for it" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_a_failure_is_noted_until_the_next_try(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise UserError("no luck: β \udcfc")

    monkeypatch.setattr("benchmark.run.session.run", fail)
    flags = ["run", "--data", TINY, "--baseline", "none", "--runs", "runs"]
    assert cli.main([*flags, "--dry-run"]) == 0
    note = here / "runs" / json.loads(capsys.readouterr().out)["id"] / "error.txt"
    said = io.TextIOWrapper(io.BytesIO(), errors="backslashreplace")  # as standard error is
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", said)
        assert cli.main(flags) == 2
        assert not (here / "runs").exists()  # it did not begin
        note.parent.mkdir(parents=True)
        assert cli.main(flags) == 2
    said.seek(0)
    assert said.read() == 2 * "pcbench: no luck: β \\udcfc\n"
    assert note.read_text(encoding="utf-8") == "no luck: β \\udcfc\n"  # whatever the locale
    monkeypatch.setattr("benchmark.run.session.run", lambda *a, **b: record())
    assert cli.main(flags) == 0
    assert not note.exists()


def test_foreign_baselines_are_warned_of(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "baselines").mkdir()
    (here / "baselines" / "__init__.py").touch()
    assert cli.main(["baselines"]) == 0
    said = capsys.readouterr()
    assert "warning: this folder's baselines/ is not in use" in said.err
    assert "cyclical " in said.out


def test_data_is_listed_prepared_and_shown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "prepare", TINY, "--data-dir", "d"]) == 0
    assert cli.main(["data", "show", TINY, "--data-dir", "d"]) == 0
    assert "entropy" in capsys.readouterr().out
    assert cli.main(["data", "list", "--data-dir", "d"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} >= {"ptb", "exact"}


def test_the_version_names_commit_and_torch_without_importing_it(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom benchmark import cli\n"
        "sys.modules['torch'] = None  # an import would fail\ncli.main(['--version'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    torch = re.escape(metadata.version("torch"))
    assert re.fullmatch(
        rf"pcbench \S+ \(commit ([0-9a-f]{{9}}(, dirty)?|unknown)\), torch {torch}\n", done.stdout
    )


def test_the_doctor_tells_what_a_bug_report_needs(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["doctor", "--runs", "r", "--data-dir", "d"]) == 0
    said = capsys.readouterr().out
    for word in ("commit", "python", "torch", "threads", "cuda", "data ptb", "slurm"):
        assert word in said
    assert str(provenance.checkout()) not in said
    assert str(here) not in said
