"""Bad input and bad usage: one line, exit status 2."""

from pathlib import Path

import pytest
from test_cli import QUICK
from test_cli import here as here

from benchmark import cli


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "absent.toml"], "absent.toml: no such study file"),
        (["sweep", QUICK, "--seeds", "9"], "has no seed 9"),
        (["sweep", QUICK, "--jobs", "0"], "--jobs: must be an integer of at least 1, not 0"),
        (["sweep", QUICK, "--runs", "file"], "file: cannot be written"),
        (["collect", QUICK, "--results", "file"], "cannot be written"),
        (["report", "quickstart"], "run `pcbench collect"),
        (["run"], "give STUDY and --id"),
        (["run", QUICK], "--id is missing"),
        (["run", QUICK, "--id", "x"], "no run 'x'"),
        (["run", QUICK, "--id", "x", "--set", "a=1"], "--set cannot be given with STUDY"),
        (["run", QUICK, "--id", "x", "--seed", "0"], "--seed cannot be given with STUDY"),
        (["run", QUICK, "--id", "x", "--data", "ptb"], "--data cannot be given with STUDY"),
        (["run", "--data", "exact_smal", "--baseline", "none"], "did you mean 'exact_small'?"),
        (["run", "--data", "exact_small", "--baseline", "nona"], "did you mean 'none'?"),
        (["run", "--data", "ptb", "--baseline", "none", "--set", "x"], "write KEY=VALUE"),
        (["run", "--data", "ptb", "--baseline", "none", "--set", "x=1"], "x: unknown key"),
        (["run", "--data", "ptb", "--baseline", "none", "--set", "tran.lr=1"], "'train'"),
        (
            ["run", "--data", "ptb", "--baseline", "none", "--preset", "ptb"],
            "preset: 'ptb': unknown",
        ),
        (["run", "--data", "exact_small", "--baseline", "none", "--runs", "file"], "file"),
        (["run", "--data", "ptb", "--baseline", "none"], "pcbench data prepare ptb"),
        (
            ["sweep", QUICK, "--runs", "link/runs"],
            "link: links to nowhere, which does not exist; c",
        ),
        (["run", "--data", "ptb", "--baseline", "none", "--runs", "link"], "another with --runs"),
        (
            ["data", "list", "--data-dir", "link"],
            "create that folder, or choose another with --data-dir",
        ),
        (["evaluate", "nothing-of-the-kind"], "nothing-of-the-kind"),
        (["data", "show", "ptb"], "pcbench data prepare ptb"),
        (["data", "prepare", "pbt"], "did you mean 'ptb'?"),
        (["plot", "schedules", "absent.toml"], "no such study file"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    here: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "file").write_text("a file, not a folder")
    (here / "link").symlink_to("nowhere")
    assert cli.main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("pcbench: ")
    assert said.count("\n") == 1
    assert message in said
    assert (here / "file").read_text() == "a file, not a folder"


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ([], "pcbench"),
        (["swep"], "pcbench"),
        (["data"], "pcbench data"),
        (["sweep", QUICK, "--lis"], "pcbench sweep"),
        (["data", "list", "--lis"], "pcbench data list"),
        (["run", "--threads", "0"], "pcbench run"),
    ],
)
def test_bad_usage_is_exit_2(
    arguments: list[str], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("pcbench: ")
    assert said.count("\n") == 1
    assert said.endswith(f"; see `{command} --help`\n")
