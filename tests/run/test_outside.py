"""A baseline file outside the checkout: found, run, kept with the run, and told when it changes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny

from benchmark import cli
from benchmark.core import records
from benchmark.core.files import sha256_file
from benchmark.run.finished import load_run
from benchmark.run.session import run
from benchmark.sweep import status, study

Pcbench = Callable[..., tuple[int, str, str]]
MINE = '''"""A share of the KL: a baseline for a test."""
from dataclasses import dataclass

from benchmark.model.baseline import Baseline


@dataclass(frozen=True)
class Share(Baseline):
    share: float = 0.5

    def weight(self, step, total):
        return self.share
'''
STUDY = f"""[study]
data = ["{tiny.SPEC}"]
seeds = [0]
{tiny.SETTINGS}[[baseline]]
name = "share"
file = "mine.py"
share = 0.25
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study and its baseline in one folder; commands are called in another."""
    for name in ("studies", "here"):
        (tmp_path / name).mkdir()
    (tmp_path / "studies" / "s.toml").write_text(STUDY)
    (tmp_path / "studies" / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.fixture
def pcbench(capfd: pytest.CaptureFixture[str]) -> Pcbench:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(arguments)
        return code, *capfd.readouterr()

    return call


@pytest.mark.slow
def test_a_study_in_another_folder_from_its_file_to_the_table_and_on(
    place: Path, pcbench: Pcbench
) -> None:
    here, file, name = place / "here", place / "studies" / "mine.py", "../studies/s.toml"
    first = study.load(name).configs[0]
    assert pcbench("sweep", name)[0] == 0
    assert pcbench("collect", name)[1].endswith(": 1 done (1 new)\n")
    (line,) = records.read_jsonl(here / "results" / "s.jsonl")
    assert line["id"] == first.id
    assert line["config"]["params"] == {"share": 0.25}
    assert (line["config"]["file"], line["config"]["file_sha256"]) == ("mine.py", sha256_file(file))
    assert line["curve"][0]["weight"] == 0.25
    assert "\nshare " in pcbench("report", name)[1]

    file.write_text(MINE.replace("self.share", "self.share / 2"))
    code, _, said = pcbench("sweep", name)
    assert code == 0
    assert said.startswith(
        "pcbench: ../studies/mine.py: edited since 1 runs began with it; they stay, and its rows "
        "train again\n"
    )
    _, out, said = pcbench("collect", name)
    assert out.endswith(": 1 done (1 new)\n")
    assert "1 records of runs that the study no longer names: kept" in said
    both = {line["id"]: line for line in records.read_jsonl(here / "results" / "s.jsonl")}
    assert len(both) == 2
    assert sorted(line["curve"][0]["weight"] for line in both.values()) == [0.125, 0.25]
    assert "edited" not in pcbench("sweep", name, "--status")[2]

    file.unlink()  # what is finished needs it no longer
    runs = here / "results" / "runs"
    for line in both.values():
        assert json.loads(pcbench("sample", line["id"], "--json")[1])["reconstructions"]
        assert load_run(line["id"], runs, here / ".data").measure()[0] == line["metrics"]["test"]
        assert str(place) not in (runs / line["id"] / "config.json").read_text()


def test_a_stopped_run_is_not_taken_for_an_edited_file(place: Path) -> None:
    loaded = study.load("../studies/s.toml")
    (run,) = loaded.configs
    folder = place / "runs" / run.id
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(run.config.to_dict()))
    assert status.edited(loaded, place / "runs") == []
    folder.rename(place / "runs" / f"{run.id[:-8]}01234567")
    assert len(status.edited(loaded, place / "runs")) == 1
    other = run.config.to_dict() | {"params": {"share": 0.3}}  # another study's row
    (place / "runs" / f"{run.id[:-8]}01234567" / "config.json").write_text(json.dumps(other))
    assert status.edited(loaded, place / "runs") == []


@pytest.mark.parametrize("last", ["unlink()", "write_text('no longer Python')"])
def test_a_file_that_changes_while_its_run_trains_spoils_nothing(tmp_path: Path, last: str) -> None:
    source = MINE.replace("from dataclasses", "import pathlib\nfrom dataclasses") + (
        "\n    def before_step(self, run):\n        if run.step == 3:\n"
        f"            pathlib.Path(__file__).{last}\n"
    )
    file = tmp_path / "mine.py"
    file.write_text(source)
    digest = sha256_file(file)
    config = tiny.config("share", file=str(file))
    name = config.id
    record = run(config, tmp_path / "runs", tmp_path / "data", progress=False)
    assert (record["id"], record["config"]["file_sha256"]) == (name, digest)
    assert records.read(tmp_path / "runs" / name / "record.json") == record
    assert load_run(name, tmp_path / "runs", tmp_path / "data").config.id == name


def test_the_code_that_runs_is_that_of_the_id(tmp_path: Path) -> None:
    """Edits of equal size within a second, in one process: no stale copy is run."""
    ids = set()
    for weight in ("0.1", "0.2", "0.1", "0.3"):
        (tmp_path / "mine.py").write_text(MINE.replace("self.share", weight))
        config = tiny.config("share", file=str(tmp_path / "mine.py"))
        assert config.method().weight(0, 1) == float(weight)
        ids.add(config.id)
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            MINE + MINE.replace("Share", "Other"),
            "mine.py: defines 2 Baseline classes (Share, Other",
        ),
        ("x = 1\n", "mine.py: defines 0 Baseline classes; a file must define one"),
        ("", "mine.py: defines 0 Baseline classes"),
        (MINE.replace("total):", "total)"), "mine.py:11: syntax error: "),
        ("import neighbour\n", "mine.py: cannot be imported: ModuleNotFoundError"),
        ("raise ValueError('two\\nlines')\n", "mine.py: cannot be imported: ValueError: two lines"),
        (MINE.replace("share: float = 0.5", "share: float"), "Share.share has no default"),
        (
            MINE.replace("@dataclass(frozen=True)\n", ""),
            "lacks the decorator @dataclass(frozen=True)",
        ),
        (MINE.replace("share:", "part:"), "baseline.share.share: unknown key"),
        (None, "mine.py: no such baseline file"),
    ],
)
def test_a_bad_file_is_one_line(
    place: Path, pcbench: Pcbench, source: str | None, message: str
) -> None:
    file = place / "studies" / "mine.py"
    if source is None:
        file.unlink()
    else:
        file.write_text(source)
    code, out, said = pcbench("sweep", "../studies/s.toml", "--list")
    assert (code, out, said.count("\n")) == (2, "", 1)
    assert said.startswith("pcbench: ../studies/s.toml: ")
    assert message in said


def test_a_folder_is_no_file(place: Path, pcbench: Pcbench) -> None:
    (place / "studies" / "mine.py").unlink()
    (place / "studies" / "mine.py").mkdir()
    code, _, said = pcbench("sweep", "../studies/s.toml")
    assert code == 2
    assert said.endswith("mine.py: Is a directory\n")
