"""What `pcbench reproduce` refuses, and what it needs of the reader."""

import json
import re
import signal
from pathlib import Path

import pytest
import tiny
from test_reproduce import Pcbench, Record, file_of, verdicts, write
from test_reproduce import lines as lines
from test_reproduce import made as made
from test_reproduce import pcbench as pcbench
from test_run import ONCE

from benchmark import data as corpora
from benchmark.core import records
from benchmark.run import config
from benchmark.run.config import RunConfig
from benchmark.run.session import run


def refused(found: tuple[int, str, str]) -> str:
    """The one line of a refusal."""
    code, out, said = found
    assert (code, out, said.count("\n")) == (2, "", 1)
    return said


def test_unknown_ids_and_absent_records_are_told(
    lines: list[Record], pcbench: Pcbench, tmp_path: Path
) -> None:
    assert "results: holds no collected file" in refused(pcbench("exact-none-0-1234abcd"))
    write(tmp_path / "results", lines)
    wrong = lines[0]["id"][:-1] + "_"
    assert f"no run '{wrong}'; did you mean '{lines[0]['id']}'?" in refused(pcbench(wrong))
    assert "no run 'x'; none of the 3 ids there is like it" in refused(pcbench("x"))
    absent = {"schema": 1, "id": "a-b-0-12345678", "status": "running", "label": "b", "row": 1}
    absent |= {"config": {"data": "a", "seed": 0}}
    (tmp_path / "results" / "t.jsonl").write_text(json.dumps(absent) + "\n")
    assert "a-b-0-12345678 has no record yet" in refused(pcbench("a-b-0-12345678"))
    (tmp_path / "results" / "t.jsonl").write_text('{"schema": 1')
    assert "t.jsonl:1: damaged or cut off" in refused(pcbench(lines[0]["id"]))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("PROTOCOL", "its settings give another id here, exact_small_.*: the protocol or the "),
        ("EVALUATION", "was measured by another version of the evaluation; "),
    ],
)
def test_a_record_of_another_protocol_names_its_commit(
    lines: list[Record],
    pcbench: Pcbench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    reason: str,
) -> None:
    lines[0]["provenance"]["commit"] = "12" * 20
    write(tmp_path / "results", lines)
    monkeypatch.setattr(config, name, 99 if name == "PROTOCOL" else 0)  # older than the record
    said = refused(pcbench(lines[0]["id"]))
    assert re.search(reason, said)
    assert said.rstrip().endswith(f"check out the code of the record: git checkout {'12' * 20}")
    assert not (tmp_path / "results" / "runs").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"train": {"epochs": 3}}, "its settings give another id here"),
        ({"preset": "gone"}, "preset: 'gone': unknown; .*: the code has changed; "),
        ({"baseline": "gone"}, "baseline 'gone': unknown; .*: the code has changed; "),
    ],
)
def test_settings_that_mean_no_such_run_any_more_are_refused(
    lines: list[Record], pcbench: Pcbench, tmp_path: Path, change: Record, reason: str
) -> None:
    lines[0]["config"] |= change
    lines[0]["provenance"]["commit"] = None
    write(tmp_path / "results", lines)
    said = refused(pcbench(lines[0]["id"]))
    assert re.search(reason, said)
    assert f"it needs the code of code_sha256 {lines[0]['provenance']['code_sha256']}" in said


def test_a_record_of_another_run_is_not_compared(
    made: tuple[Path, list[Record]], lines: list[Record], pcbench: Pcbench, tmp_path: Path
) -> None:
    write(tmp_path / "results", lines)
    said = refused(pcbench(lines[0]["id"], "--from-record", file_of(made, 1)))
    assert f"is the record of {lines[1]['id']}, not of {lines[0]['id']}" in said
    lines[0]["config"]["evaluate"] = lines[0]["config"]["evaluate"] | {"iw_samples": 7}
    write(tmp_path / "results", lines)
    said = refused(pcbench(lines[0]["id"], "--from-record", file_of(made)))
    assert "was measured with other settings" in said


def test_an_outside_baseline_needs_its_file_and_a_stopped_run_goes_on(
    made: tuple[Path, list[Record]], pcbench: Pcbench, tmp_path: Path
) -> None:
    file = tmp_path / "once.py"
    file.write_text(ONCE)
    done = run(tiny.config("once", file=str(file)), tmp_path, made[0] / "data", progress=False)
    write(tmp_path / "results", [done])
    assert "give its file: --file .../once.py" in refused(pcbench(done["id"]))
    assert "other.py: No such file" in refused(pcbench(done["id"], "--file", "other.py"))
    (tmp_path / "other.py").write_text(f"{ONCE}\n")
    said = refused(pcbench(done["id"], "--file", "other.py"))
    assert "--file other.py: is not the file of the record: its sha256 is " in said
    (tmp_path / f"at_9_{signal.SIGTERM.value}").touch()
    code, out, said = pcbench(done["id"], "--file", "once.py", "--quiet")
    assert (code, out) == (75, "")
    assert said.endswith("stopped by SIGTERM; the same command resumes\n")
    code, out, said = pcbench(done["id"], "--file", "once.py", "--quiet")
    assert (code, said) == (0, "")
    assert set(verdicts(out).values()) == {"bit-equal"}
    again = tmp_path / "results" / "runs" / "reproduced" / done["id"] / "record.json"
    assert records.read(again)["provenance"]["resumed"] == 1


def test_a_record_on_somebodys_text_needs_its_folder(
    made: tuple[Path, list[Record]], pcbench: Pcbench, tmp_path: Path
) -> None:
    def text(place: str, word: str) -> Path:
        folder = tmp_path / place
        folder.mkdir(parents=True)
        for name, number in (("train", 40), ("valid", 8), ("test", 8)):
            sentences = [f"the {word} sees {i % 3} of {i % 5} cats" for i in range(number)]
            (folder / f"{name}.txt").write_text("\n".join(sentences) + "\n")
        return folder

    root = made[0] / "data"
    first = text("first/pets", "dog")
    corpora.prepare(f"text:{first}", root, progress=False)
    settings: RunConfig = tiny.config(data=f"text:{first}")
    done = run(settings, tmp_path, root, progress=False)
    write(tmp_path / "results", [done])
    assert done["config"]["data"] == "text:pets"
    said = refused(pcbench(done["id"]))
    assert "was made with a user's own text; give its folder: --text .../pets" in said
    said = refused(pcbench(done["id"], "--text", str(text("second/pets", "horse"))))
    assert "second/pets: is not the text that the record was made with" in said
    first.rename(tmp_path / "moved")
    said = refused(pcbench(done["id"], "--text", "moved"))
    assert "--text moved: the folder must be called 'pets', as in the record" in said
    (tmp_path / "moved").rename(tmp_path / "pets")
    code, out, _ = pcbench(done["id"], "--text", "pets", "--quiet")
    assert (code, set(verdicts(out).values())) == (0, {"bit-equal"})
    write(tmp_path / "results", made[1])
    assert "leave --text out" in refused(pcbench(made[1][0]["id"], "--text", "pets"))
