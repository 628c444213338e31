"""`pcbench sample`: what a finished run writes."""

import json
import shutil
from pathlib import Path

import pytest
import tiny
from test_samples import Pcbench

from benchmark import cli
from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.run import samples
from benchmark.run.config import RunConfig
from benchmark.run.finished import load_run
from benchmark.run.session import run


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished runs and their data; tests only read them."""
    root = tmp_path_factory.mktemp("done")
    for name in ("cyclical", "lstm_lm"):
        run(tiny.config(name), root / "runs", root / "data", progress=False)
    return root


@pytest.fixture
def pcbench(done: Path, capsys: pytest.CaptureFixture[str]) -> Pcbench:
    def call(*arguments: str, runs: Path = done / "runs") -> tuple[int, str, str]:
        folders = ["--runs", str(runs), "--data-dir", str(done / "data")]
        status = cli.main(["sample", *arguments, *folders])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def config(name: str = "cyclical") -> RunConfig:
    return tiny.config(name)


def test_the_record_holds_what_the_kept_weights_write(done: Path) -> None:
    loaded = load_run(config().id, done / "runs", done / "data")
    record = records.read(done / "runs" / config().id / "record.json")
    found = loaded.draw({"reconstructions": 3, "prior": 3, "interpolations": 1},
                       max_length=20)  # fmt: skip
    assert found == {"id": config().id, **record["samples"]}


def test_a_record_without_or_with_samples_is_valid_but_not_with_those_of_real_text(
    done: Path,
) -> None:
    (path,) = done.glob("runs/*cyclical*/record.json")
    record = records.read(path)
    without = {key: value for key, value in record.items() if key != "samples"}
    records.validate(without, "here")
    with pytest.raises(UserError, match="here: samples: must be a"):
        records.validate({**record, "samples": []}, "here")
    data = {key: record["data"][key] for key in ("name", "sha256")}
    with pytest.raises(UserError, match="here: samples: for an exact language only"):
        records.validate({**record, "data": data}, "here")


def test_json_is_one_object_and_the_same_each_time(pcbench: Pcbench) -> None:
    status, out, err = pcbench(config().id, "--json", "--number", "2", "--seed", "5")
    assert (status, err) == (0, "")
    assert pcbench(config().id, "--json", "--number", "2", "--seed", "5")[1] == out
    found = json.loads(out)
    assert out.count("\n") == 1
    assert found["id"] == config().id
    assert [len(found[kind]) for kind in samples.KINDS] == [2, 2, 2]
    some = json.loads(pcbench(config().id, "--json", "--kind", "prior", "--sampled")[1])
    assert (some["decoding"], len(some["prior"])) == ("sampled", 5)
    assert "reconstructions" not in some


def test_the_plain_text_holds_every_text(pcbench: Pcbench) -> None:
    status, out, err = pcbench(config().id)
    assert (status, err) == (0, "")
    found = json.loads(pcbench(config().id, "--json")[1])
    lines = out.splitlines()
    for one in found["reconstructions"]:
        begin = lines.index(f"reconstruction of sentence {one['sentence']}")
        texts = [line[10:] for line in lines[begin + 1 : begin + 4]]
        assert texts == [one["text"], one["mean"], one["sample"]]
    for one in found["interpolations"]:
        begin = lines.index("interpolation from sentence {} to {}".format(*one["sentences"]))
        block = [line[2:].split(maxsplit=1) for line in lines[begin + 1 : begin + 8]]
        names, texts = zip(*(row if len(row) == 2 else [*row, ""] for row in block), strict=True)
        assert names == ("from", "0.00", "0.25", "0.50", "0.75", "1.00", "to")
        assert list(texts) == [one["from"], *one["steps"], one["to"]]
    begin = lines.index("from the prior")
    assert [line[10:] for line in lines[begin + 1 : begin + 6]] == found["prior"]


def test_a_language_model_is_told_to_have_no_latent_variable(pcbench: Pcbench) -> None:
    name = config("lstm_lm").id
    status, out, err = pcbench(name)
    assert status == 0
    assert "from the prior" in out
    assert err == f"pcbench: {name}: lstm_lm has no latent variable: samples from the prior alone\n"
    assert pcbench(name, "--kind", "prior")[2] == ""
    status, out, err = pcbench(name, "--kind", "interpolations")
    assert (status, out) == (2, "")
    assert err.endswith("lstm_lm has no latent variable: no interpolations; choose --kind prior\n")


def test_runs_that_cannot_write_are_told_in_one_line(
    pcbench: Pcbench, done: Path, tmp_path: Path
) -> None:
    def refused(name: str, message: str, runs: Path) -> None:
        status, out, err = pcbench(name, runs=runs)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("pcbench: ")
        assert message in err

    name = config().id
    refused(name[:-1] + "?", f"did you mean '{name}'?", done / "runs")
    refused(f"results/runs/{name}", f"did you mean '{name}'?", done / "runs")
    refused(
        "nothing",
        "none of the 2 ids there is like it; --runs chooses another folder of runs",
        done / "runs",
    )
    refused(name, "none of the 0 ids there is like it", tmp_path)
    assert pcbench(f"{name}/")[0] == 0  # as a shell completes it
    shutil.copytree(done / "runs" / name, tmp_path / name)
    (tmp_path / name / "best.pt").write_bytes(b"half")
    refused(name, "best.pt: damaged or cut off", tmp_path)
    (tmp_path / name / "best.pt").unlink()
    refused(name, "used --keep none", tmp_path)
    (tmp_path / name / "record.json").unlink()
    refused(name, "the run is not finished", tmp_path)


@pytest.mark.parametrize("option", ["--number", "--max-length"])
@pytest.mark.parametrize("value", ["0", "-1", "x"])
def test_numbers_below_one_are_refused(pcbench: Pcbench, option: str, value: str) -> None:
    status, _, err = pcbench(config().id, f"{option}={value}")
    assert status == 2
    assert f"argument {option}: " in err
