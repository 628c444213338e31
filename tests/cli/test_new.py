"""``pcbench new`` writes what works; ``pcbench baselines NAME`` tells what is true."""

import io
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import test_baselines as contract
import tiny
from test_registry import NEW, Folder

from benchmark import cli
from benchmark.cli import methods
from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.model import registry
from benchmark.sweep import study

ROOT = Path(__file__).parents[2]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A checkout's ``baselines/``, beside an empty ``paper/``; commands are called elsewhere."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Folder(tmp_path / "baselines", monkeypatch)


def test_what_is_written_keeps_the_contract(folder: Folder, capsys: Capture) -> None:
    before = contract.ids()
    assert cli.main(["new", "my_method"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said[:2]] == [
        "../baselines/my_method.py",
        "../paper/my_method.toml",
    ]
    assert said[3:] == [
        "pcbench sweep ../paper/my_method.toml --jobs 2",
        "pcbench collect ../paper/my_method.toml",
        "pcbench report ../paper/my_method.toml",
    ]
    assert contract.ids().items() >= before.items()
    for check in (
        contract.test_tells_its_source,
        contract.test_is_a_frozen_dataclass_with_defaults,
        contract.test_weight_is_a_pure_function_of_the_step,
        contract.test_five_steps_change_every_parameter_and_keep_it_finite,
        contract.test_each_hook_returns_what_a_run_checks,
    ):
        check("my_method")
    contract.test_survives_a_study_file("my_method", folder.path.parent)
    contract.test_resumes_to_the_bit("my_method", folder.path.parent)
    path = str(folder.path / "my_method.py")
    for work in (["check"], ["format", "--check"]):
        for settings in (["--config", str(ROOT / "pyproject.toml")], ["--isolated"]):
            command = [sys.executable, "-m", "ruff", *work, *settings, path]
            assert subprocess.run(command, capture_output=True).returncode == 0
    method = registry.load("my_method")(warmup=0.5)
    assert type(method).__name__ == "MyMethod"
    assert [method.weight(step, 8) for step in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]
    for document in ("Formula: ", "Source: ", "Settings in the source: ", "Differences here: "):
        assert f"\n\n{document}" in methods.text("my_method")
    loaded = study.load("../paper/my_method.toml")
    assert loaded.labels == ["none", "monotonic", "cyclical", "my_method"]
    known = {run.id for run in study.load(ROOT / "paper" / "quickstart.toml").configs}
    assert len({run.id for run in loaded.configs} & known) == 6  # trained once for both


@pytest.mark.slow
def test_in_another_folder_the_commands_lead_to_a_table(folder: Folder, capsys: Capture) -> None:
    assert cli.main(["new", "mine", "--folder", "../a b"]) == 0
    assert not (folder.path / "mine.py").exists()
    path = Path("../a b/mine.toml")
    text = path.read_text().replace('"exact_small"]', f'"{tiny.SPEC}"]').replace("[0, 1]", "[0]")
    path.write_text(text.replace('preset = "exact_small"\n', tiny.SETTINGS))
    lines = capsys.readouterr().out.splitlines()[3:]
    for line in lines:
        program, *arguments = shlex.split(line)
        assert (program, cli.main(arguments)) == ("pcbench", 0)
    assert "\nmine " in capsys.readouterr().out
    (line,) = [x for x in records.read_jsonl(Path("results/mine.jsonl")) if x["label"] == "mine"]
    assert line["config"]["file"] == "mine.py"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "'': a name must begin with a letter"),
        ("3a", "'3a': a name must begin with a letter"),
        (
            "a-b",
            "a name must begin with a letter and have at most 40 letters, digits and underscores",
        ),
        ("../a", "'../a': a name must begin"),
        ("_hidden", "'_hidden': a name must begin"),
        ("ä", "a name must begin"),
        ("a" * 41, "a name must begin"),
        ("class", "'class' would hide Python's class"),
        ("true", "'true' would hide Python's True"),
        ("value_error", "hide Python's ValueError"),
        ("baseline", "hide Python's Baseline"),
        ("torch", "'torch' would hide Python's torch"),
        ("random", "'random' would hide Python's random"),
        ("cyclical", "baselines/cyclical.py: exists and is kept; choose another name"),
        ("taken", "paper/taken.toml: exists and is kept"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--folder", "there"]])
def test_a_bad_name_is_one_line_and_writes_nothing(
    folder: Folder, name: str, options: list[str], message: str, capsys: Capture
) -> None:
    (folder.path.parent / "paper").mkdir()
    (folder.path.parent / "paper" / "taken.toml").write_text("mine")
    before = {path: path.read_bytes() for path in folder.path.parent.rglob("*") if path.is_file()}
    assert cli.main(["new", name, *options]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert message in said.err
    after = {path: path.read_bytes() for path in folder.path.parent.rglob("*") if path.is_file()}
    assert after == before
    assert not Path("there").exists()


@pytest.mark.parametrize("end", ["py", "toml"])
def test_a_file_that_is_there_is_kept(folder: Folder, end: str, capsys: Capture) -> None:
    Path("there").mkdir()
    Path(f"there/mine.{end}").write_text("mine")
    assert cli.main(["new", "mine", "--folder", "there"]) == 2
    assert f"there/mine.{end}: exists and is kept" in capsys.readouterr().err
    assert [path.read_text() for path in Path("there").iterdir()] == ["mine"]
    Path("file").write_text("no folder")
    assert cli.main(["new", "mine", "--folder", "file"]) == 2
    assert "file: cannot be written (File exists); choose another" in capsys.readouterr().err


# One baseline ------------------------------------------------------------------------------------


def bars(lines: list[str], marks: str) -> list[float]:
    """The heights of a plot's bars, 0 to 1."""
    rows = [line[10:].ljust(methods.WIDTH) for line in lines]
    full = methods.ROWS * (len(marks) - 1)
    return [sum(map(marks.index, column)) / full for column in zip(*rows, strict=True)]


@pytest.mark.parametrize(("encoding", "marks"), [("utf-8", methods.BLOCKS),
                                                 ("ascii", methods.PLAIN)])  # fmt: skip
def test_a_baseline_tells_its_settings_and_draws_its_weight(
    encoding: str, marks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    assert cli.main(["baselines", "cyclical"]) == 0
    text = raw.getvalue().decode(encoding)
    assert text.startswith(f"{registry.describe('cyclical')}\n\nFormula: loss = rec + w(t) KL")
    assert "\n\nSource: Fu et al., Cyclical Annealing Schedule" in text
    assert "    cycles = 4 (int)\n        number of cycles, their M.\n" in text
    assert (
        "    ratio = 0.5 (float)\n        part of a cycle that the rise takes, their R, above 0"
        in text
    )
    lines = text.splitlines()[-methods.ROWS - 1 :]
    wanted = np.minimum(1, np.linspace(0, 4, methods.WIDTH) % 1 / 0.5)
    wanted[-1] = 1  # no cycle begins at the end
    half = 0.5 / methods.ROWS / (len(marks) - 1)
    np.testing.assert_allclose(bars(lines[:-1], marks), wanted, atol=half + 1e-9)
    assert (lines[0].split("|")[0].strip(), lines[-2].split("|")[0].strip()) == ("1", "0")


def test_choices_and_the_lack_of_a_weight_are_told(folder: Folder) -> None:
    kinds = "kind = 'dimension' (one of sentence, dimension, batch, batch_dimension)"
    assert kinds in methods.text("free_bits")
    assert methods.text("lstm_lm").endswith(
        "Settings:\n    none\n\nKL weight: none, for there is no latent variable"
    )
    steered = NEW.replace("        mean =", "        run.log(weight=1.0)\n        mean =")
    folder.write("steered", steered)
    told = methods.text("steered")
    assert told.endswith("KL weight: set by feedback in training, so it is known from a run's "
                         "record alone")  # fmt: skip
    assert "top = 1.0 (float)\n        ``top`` is the last weight" in told
    folder.write("large", NEW.replace("top: float = 1.0", "top: float = 4.0"))
    lines = methods.text("large").splitlines()[-methods.ROWS - 1 : -1]
    assert lines[0].startswith("       4 |")
    assert bars(lines, methods.BLOCKS)[-1] == 1


@pytest.mark.parametrize(
    ("weight", "message"),
    [("1 / 0", "ZeroDivisionError"), ("-1.0", "is -1.0; a weight"), ("float('nan')", "is nan; a")],
)
def test_a_weight_that_is_none_is_told(folder: Folder, weight: str, message: str) -> None:
    source = NEW.replace("self.top * (step / total) ** 0.5", weight)
    folder.write("broken", source)
    with pytest.raises(UserError, match=rf"^baselines/broken\.py: weight\(0, 1000\): {message}"):
        methods.text("broken")


def test_the_list_stays_and_an_unknown_name_gets_the_nearest(capsys: Capture) -> None:
    assert cli.main(["baselines"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == contract.NAMES
    assert cli.main(["baselines", "cyclicl"]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "baseline 'cyclicl': unknown; did you mean 'cyclical'?" in said.err
