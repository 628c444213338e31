"""The record: strict reading, exclusive writing, the digest of the code."""

import errno
import json
import math
import multiprocessing
import os
from pathlib import Path

import pytest
from made_up import record

from benchmark.core import provenance, records
from benchmark.core.errors import UserError


def test_a_written_record_is_read_back(tmp_path: Path) -> None:
    assert records.write_exclusive(tmp_path / "run", record())
    path = tmp_path / "run" / "record.json"
    assert records.read(path) == record()
    assert path.read_text().count("\n") == 1
    assert [file.name for file in path.parent.iterdir()] == ["record.json"]


def test_keys_of_newer_code_are_kept(tmp_path: Path) -> None:
    newer = record(younger=1.5) | {"younger": {"x": [1, None, "a"]}}
    newer["provenance"]["younger"] = True
    assert records.write_exclusive(tmp_path, newer)
    assert records.read(tmp_path / "record.json") == newer
    assert records.digest(newer) != records.digest(record())


def test_an_equal_record_is_accepted_and_the_first_kept(tmp_path: Path) -> None:
    first, second = record(), record()
    second["cost"]["seconds"] = 99.0  # cost may differ, the numbers may not
    assert records.write_exclusive(tmp_path, first)
    assert not records.write_exclusive(tmp_path, second)
    assert records.read(tmp_path / "record.json") == first


def test_a_different_record_is_reported_and_the_first_kept(tmp_path: Path) -> None:
    records.write_exclusive(tmp_path, record())
    with pytest.raises(UserError, match=r"metrics\.test\.kl: 1\.5 against 2\.5"):
        records.write_exclusive(tmp_path, record(kl=2.5, neg_elbo=102.5))
    assert records.read(tmp_path / "record.json") == record()


def _race(folder: Path, kl: float, gate: "multiprocessing.synchronize.Barrier") -> None:
    gate.wait()
    try:
        wrote = records.write_exclusive(folder, record(kl=kl))
    except UserError:
        wrote = False
    (folder / f"{kl}.{'won' if wrote else 'lost'}").touch()


@pytest.mark.slow
def test_of_two_processes_one_wins(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("spawn")
    for number in range(2):
        folder, gate = tmp_path / str(number), fork.Barrier(2)
        folder.mkdir()
        racers = [fork.Process(target=_race, args=(folder, kl, gate)) for kl in (1.0, 2.0)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        won = [float(path.stem) for path in folder.glob("*.won")]
        assert len(won) == 1
        assert len(list(folder.glob("*.lost"))) == 1
        assert records.read(folder / "record.json")["metrics"]["test"]["kl"] == won[0]


def test_a_record_that_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a process that was suspended while another one took its run."""
    link = os.link

    def late(temporary: str, path: Path) -> None:
        path.write_text(f"{records.dumps(record())}\n")
        link(temporary, path)

    monkeypatch.setattr("os.link", late)
    with pytest.raises(UserError, match="a record exists already and is kept"):
        records.write_exclusive(tmp_path, record(kl=2.0))
    assert records.read(tmp_path / "record.json") == record()
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]


def test_a_file_system_without_links_still_keeps_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*paths: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    assert records.write_exclusive(tmp_path, record())
    assert not records.write_exclusive(tmp_path, record())
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]


def test_a_record_that_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    """`UserError`, which callers that look at many runs expect; a folder stands for no rights."""
    (tmp_path / "record.json").mkdir()
    with pytest.raises(UserError, match=r"record\.json: cannot be read \(Is a directory\)"):
        records.read(tmp_path / "record.json")


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="cannot be written"):
        records.write_exclusive(tmp_path / "file" / "run", record())


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        records.write_exclusive(tmp_path, record())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "unknown schema 2"),
        ({"schema": None}, "unknown schema None"),
        ({"id": 3}, "id: must be a valid string, not 3"),
        ({"best_step": 1.5}, r"best_step: must be a valid integer, not 1\.5"),
        ({"curve": [{}]}, r"lacks 'curve\.0\.step'"),
        ({"config": {}}, r"lacks 'config\.data'; lacks 'config\.baseline'; .*evaluate'$"),
        ({"provenance": {}}, r"lacks 'provenance\.commit'"),
        ({"metrics": {"valid": {}, "test": {}}}, r"lacks 'metrics\.last'"),
        ({"parameters": math.inf}, "parameters: must be a valid integer, not Infinity"),
    ],
)
def test_bad_records_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        records.validate(record() | change, "here")


def test_all_mistakes_of_a_record_are_named() -> None:
    broken = record(kl="x")
    del broken["cost"]
    with pytest.raises(UserError, match=r"here: metrics\.test\.kl: must be .*; lacks 'cost'$"):
        records.validate(broken, "here")
    with pytest.raises(UserError, match=r"; and 4 more$"):
        records.validate({"schema": 1}, "here")


@pytest.mark.parametrize("key", sorted(record().keys() - {"evaluation", "steps"}))  # younger
def test_every_key_is_needed(key: str) -> None:
    broken = record()
    del broken[key]
    with pytest.raises(UserError, match="here"):
        records.validate(broken, "here")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, r"metrics\.test\.kl: must be a finite number, not NaN"),
        (-math.inf, r"metrics\.test\.kl: must be a finite number, not -Infinity"),
        ("1", r'metrics\.test\.kl: must be a valid number, not "1"'),
        (True, r"metrics\.test\.kl: must be a valid number, not true"),
        (object(), "must be a valid number, not .*object"),
    ],
)
def test_bad_metrics_are_refused(value: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        records.validate(record(kl=value), "here")


def test_nan_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="NaN"):
        records.write_exclusive(tmp_path, record(kl=math.nan))
    assert list(tmp_path.iterdir()) == []


def test_collected_lines_name_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    good = json.dumps(record())
    for bad, message in [
        (good[:-20], "damaged or cut off"),
        (good.replace("0.25", "NaN"), "NaN"),
        (good, "is on line 1 already; remove one"),
        ("[]", "must be a JSON object"),
        ('{"schema": 1, "id": "x", "status": "lost"}', "'missing', not .lost."),
        ('{"schema": 9, "id": "x", "status": "missing"}', "unknown schema 9"),
    ]:
        path.write_text(f"{good}\n{bad}\n")
        with pytest.raises(UserError, match=message) as caught:
            records.read_jsonl(path)
        assert str(caught.value).startswith(f"{path}:2: ")


def test_the_code_digest_follows_the_code(tmp_path: Path) -> None:
    def digest() -> str:
        return provenance.code_sha256(tmp_path)

    names = ("benchmark/a.py", "benchmark/report/b.py", "baselines/_c.py", "constraints.txt")
    for name in (*names, "baselines/d.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1\n")
    seen = {digest()}
    for name in names:
        (tmp_path / name).write_text("2\n")
        seen.add(digest())
    (tmp_path / "benchmark" / "a.py").rename(tmp_path / "benchmark" / "e.py")
    seen.add(digest())
    assert len(seen) == 6
    before, with_methods = digest(), provenance.code_sha256(tmp_path, methods=True)
    for name in ("README.md", "benchmark/notes.txt", "baselines/d.py"):
        (tmp_path / name).write_text("words")
    assert digest() == before  # a baseline concerns its own runs alone: `method_sha256`
    assert provenance.code_sha256(tmp_path, methods=True) != with_methods


def test_provenance_holds_no_host_and_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    import platform

    found = provenance.provenance()
    assert set(found) == {
        "commit", "dirty", "code_sha256", "python", "torch", "cpu", "processor", "threads",
    }  # fmt: skip
    assert "/" not in json.dumps(found)
    assert platform.node() not in found.values()
    monkeypatch.setattr(provenance, "checkout", lambda: Path("/nowhere"))
    monkeypatch.setenv("PCBENCH_COMMIT", "abc")
    found = provenance.provenance()
    assert (found["commit"], found["dirty"]) == ("abc", None)


def test_an_outside_baseline_is_recorded_by_name_and_digest(tmp_path: Path) -> None:
    from benchmark.core.files import sha256_file
    from benchmark.run.config import resolve
    from benchmark.run.result import describe_config

    file = tmp_path / "mine.py"
    file.write_bytes((Path(__file__).parents[2] / "baselines" / "cyclical.py").read_bytes())
    config = resolve("exact_small", "mine", 0, file=str(file))
    told = describe_config(config)
    assert (told["file"], told["file_sha256"]) == ("mine.py", sha256_file(file))
    assert str(tmp_path) not in json.dumps(told)
    inside = describe_config(resolve("exact_small", "cyclical", 0))
    assert inside["file"] is None
    assert "file_sha256" not in inside
