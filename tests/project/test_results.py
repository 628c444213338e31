"""The committed records, and what is said of a bad one: which, why, and how to mend it."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
from origin import ROOT, problems

from benchmark.core import provenance, records
from benchmark.run.config import EVALUATION, RunConfig
from benchmark.run.session import run
from benchmark.sweep import study
from benchmark.sweep.collect import collect

FILES = sorted((ROOT / "results").glob("*.jsonl"))
Change = Callable[[dict[str, Any]], object]
STUDY = f"""[study]
data = ["{tiny.SPEC}"]
seeds = [0, 1]
{tiny.SETTINGS}[[baseline]]
name = "monotonic"
"""


def test_there_are_results() -> None:
    assert {"quickstart", "ptb_check"} <= {file.stem for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_committed_records_are_good(file: Path) -> None:
    found = problems(file)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_code_gives_every_committed_record_the_id_that_it_has(file: Path) -> None:
    done = [line for line in records.read_jsonl(file) if records.is_done(line)]
    assert done
    for line in done:
        config = RunConfig.from_dict(line["config"])
        assert config.id == line["id"]
        version = line.get("evaluation", 1)
        assert config.evaluation_digest_of(version) == line["evaluation_digest"]
        assert (line["metrics"]["test"].get("z_use_se") is not None) == (
            version > 1 and config.method().latent
        ), f"{line['id']}: the error of z_use came with evaluation 2"


# What is said of bad records, in a made-up repository ---------------------------------------------


class Repository:
    """A checkout with a little code, a study and its records."""

    def __init__(self, root: Path) -> None:
        self.root, self.file = root, root / "results" / "mine.jsonl"

    def git(self, *arguments: str) -> str:
        names = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER")
                 for what in ("NAME", "EMAIL")}  # fmt: skip
        done = subprocess.run(
            ["git", "-C", str(self.root), *arguments], check=True, capture_output=True, text=True,
            env={**os.environ, **names, "GIT_CONFIG_GLOBAL": "/dev/null"},
        )  # fmt: skip
        return done.stdout.strip()

    def commit(self, message: str, *options: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message, *options)
        return self.git("rev-parse", "HEAD")

    @property
    def lines(self) -> list[dict[str, Any]]:
        return records.read_jsonl(self.file)

    def change(self, change: Change, wrote: bool = False) -> str:
        """Change the first record; its id. ``wrote``: as its run itself would have written it."""
        first, *others = self.lines
        change(first)
        if wrote:
            first["digest"] = records.digest(first)
        self.file.write_text("".join(records.dumps(line) + "\n" for line in (first, *others)))
        return str(first["id"])

    def one(self, *words: str) -> None:
        """One line is said, with the words."""
        (said,) = problems(self.file, self.root)
        assert "\n" not in said
        assert all(word in said for word in words), said


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study's finished runs; tests only read them."""
    root = tmp_path_factory.mktemp("runs")
    (root / "mine.toml").write_text(STUDY)
    for labelled in study.load(root / "mine.toml").configs:
        run(labelled.config, root / "runs", root / "data", progress=False)
    return root


@pytest.fixture
def repository(tmp_path: Path, runs: Path) -> Repository:
    """Code committed first, then the study's records of it."""
    found = Repository(tmp_path / "made up")
    for name in ("benchmark", "baselines", "paper", "results"):
        (found.root / name).mkdir(parents=True)
    (found.root / "benchmark" / "a.py").write_text("1\n")
    method = ROOT / "baselines" / "monotonic.py"
    (found.root / "baselines" / "monotonic.py").write_bytes(method.read_bytes())
    (found.root / "constraints.txt").write_text("3\n")
    (found.root / "paper" / "mine.toml").write_text(STUDY)
    found.git("init", "-q")
    commit = found.commit("Add a baseline and its study")
    loaded = study.load(found.root / "paper" / "mine.toml")
    for labelled in loaded.configs:
        record = records.read(runs / "runs" / labelled.id / "record.json")
        record["provenance"] |= {
            "commit": commit, "dirty": False, "code_sha256": provenance.code_sha256(found.root),
        }  # fmt: skip
        record["digest"] = records.digest(record)
        records.write_exclusive(tmp_path / "runs" / labelled.id, record)
    collect(loaded, tmp_path / "runs", found.root / "results")
    found.commit("Add records")
    return found


def test_honest_records_are_good_also_after_later_commits(repository: Repository) -> None:
    assert problems(repository.file, repository.root) == []
    (repository.root / "benchmark" / "a.py").write_text("changed later\n")
    repository.commit("Change the code")
    assert problems(repository.file, repository.root) == []


def at(*path: str, value: Any) -> Change:
    """Sets one value of a record."""

    def change(record: dict[str, Any]) -> None:
        for name in path[:-1]:
            record = record[name]
        assert record[path[-1]] != value
        record[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        at("metrics", "test", "mi", value=0.001),
        at("metrics", "test", "bleu", value=99.0),
        at("cost", "seconds", value=1.0),
        at("samples", "prior", value=["nicer"]),
        at("curve", value=[]),
    ],
)
def test_a_record_edited_by_hand(repository: Repository, change: Change) -> None:
    name = repository.change(change)
    repository.one(
        f"results/mine.jsonl: {name}: record: was changed after its run wrote it; take its line"
    )


def test_an_edit_that_hides_itself_must_still_add_up(repository: Repository) -> None:
    name = repository.change(at("metrics", "test", "kl", value=9.0), wrote=True)
    repository.one(f"{name}: test: rec + kl is ", "take its line out and collect again")


def test_settings_that_are_not_those_of_the_id(repository: Repository) -> None:
    name = repository.change(at("config", "train", "lr", value=0.5), wrote=True)
    repository.one(f"{name}: config: its settings are not those of its id; take its line")
    repository.change(at("config", "train", "lr", value="fast"), wrote=True)
    repository.one("'fast' should be a valid number", "take its line")


def test_equal_settings_may_come_from_another_preset(repository: Repository) -> None:
    repository.change(at("config", "preset", value="fu2019_ptb"), wrote=True)
    assert problems(repository.file, repository.root) == []


def test_another_evaluation_than_the_studys(repository: Repository) -> None:
    name = repository.change(at("evaluation_digest", value="01234567"), wrote=True)
    repository.one(f"{name}: was measured by other [evaluate] settings", "sweep and collect again")


def test_a_record_is_compared_with_its_own_version_of_the_evaluation(
    repository: Repository,
) -> None:
    """A record without a version is of the first; its digest is of that one."""
    first = repository.lines[0]
    assert first["evaluation"] == EVALUATION
    config = RunConfig.from_dict(first["config"])
    old = config.evaluation_digest_of(1)
    assert old != first["evaluation_digest"] == config.evaluation_digest

    def before(record: dict[str, Any]) -> None:
        del record["evaluation"]
        record["evaluation_digest"] = old

    repository.change(before, wrote=True)
    assert problems(repository.file, repository.root) == []
    name = repository.change(lambda record: record.update(evaluation=EVALUATION), wrote=True)
    repository.one(f"{name}: was measured by other [evaluate] settings", "sweep and collect again")


def test_a_file_that_collect_did_not_write(repository: Repository) -> None:
    good = repository.file.read_text()
    first, second = good.splitlines()
    for text in (f"{second}\n{first}\n", good.replace(":", ": ", 1), good.rstrip()):
        repository.file.write_text(text)
        repository.one("results/mine.jsonl: is not as `pcbench collect paper/mine.toml` writes it")
    repository.file.write_text(good[:-40])
    repository.one("mine.jsonl:2: damaged or cut off", "take its line out and collect again")
    repository.file.write_text(f"{first}\n")
    name = json.loads(second)["id"]
    repository.one(f"{name}: a run of paper/mine.toml without a line; `pcbench collect")


def test_runs_that_are_missing_or_of_no_study(repository: Repository) -> None:
    paper = repository.root / "paper" / "mine.toml"
    paper.write_text(STUDY.replace("[0, 1]", "[0]"))
    repository.one(f"{repository.lines[1]['id']}: not a run of paper/mine.toml", "--prune")
    paper.write_text(STUDY.replace("[0, 1]", "[0, 1, 2]"))
    collect(study.load(paper), repository.root / "runs", repository.file.parent)
    assert [line["status"] for line in repository.lines].count("missing") == 1
    assert problems(repository.file, repository.root) == []  # the report says that it is missing
    paper.unlink()
    repository.one("mine.toml: no such study file; records need the study that they are of")


def test_real_text_among_the_samples(repository: Repository) -> None:
    def change(record: dict[str, Any]) -> None:
        del record["data"]["entropy"]

    repository.change(change, wrote=True)
    repository.one("mine.jsonl:1: samples: for an exact language only")


# What a run notes of its code ---------------------------------------------------------------------


def test_a_run_notes_changed_and_new_files_of_the_code(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "checkout", lambda: repository.root)

    def dirty(method: str | None = None) -> object:
        found = provenance.provenance(method)
        assert found["commit"] == repository.git("rev-parse", "HEAD")
        return found["dirty"]

    assert dirty() is False
    (repository.root / "notes.txt").write_text("none of the code")
    (repository.root / "benchmark" / "notes.txt").write_text("none of the code")
    assert dirty() is False
    new = repository.root / "baselines" / "new.py"
    new.write_text("not committed\n")
    assert dirty() is True
    assert dirty("new") is True
    assert dirty("monotonic") is False  # which does not use it
    assert dirty("") is False  # nor does a method from elsewhere
    new.unlink()
    (repository.root / "constraints.txt").write_text("other\n")
    assert dirty() is True
