"""A committed run done again: bit-equal, within its row's interval, different, or refused."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from scipy import stats

from benchmark import cli
from benchmark.cli import agreement
from benchmark.cli.agreement import sentence_errors
from benchmark.cli.reproduce import find, rebuild
from benchmark.core import provenance, records
from benchmark.run.session import run

Record = dict[str, Any]
Pcbench = Callable[..., tuple[int, str, str]]
SEEDS = (0, 1, 2)


def write(results: Path, lines: list[Record]) -> None:
    """A collected file of one row, as `pcbench collect` writes it but for the digests."""
    results.mkdir(exist_ok=True)
    for line in lines:
        line.pop("digest", None)  # a test may have changed it
    rows = [{**line, "label": "mine", "row": 0, "status": "done"} for line in lines]
    (results / "s.jsonl").write_text("".join(records.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    """A folder of prepared data, and of three finished runs; and their records."""
    root = tmp_path_factory.mktemp("made")
    done = [
        run(tiny.config("monotonic", seed), root / "runs", root / "data", progress=False)
        for seed in SEEDS
    ]
    return root, done


@pytest.fixture
def lines(made: tuple[Path, list[Record]]) -> list[Record]:
    found: list[Record] = json.loads(json.dumps(made[1]))
    return found


@pytest.fixture
def pcbench(
    made: tuple[Path, list[Record]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Pcbench:
    """``pcbench reproduce`` in an empty folder, data prepared."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(["reproduce", "--data-dir", str(made[0] / "data"), *arguments])
        return code, *capfd.readouterr()

    return call


def verdicts(out: str) -> dict[str, str]:
    """By metric, what is said of it."""
    _, head, *rows = out.splitlines()
    assert re.fullmatch(r"metric +committed +re-run", head)
    end = next(i for i, text in enumerate(rows) if text.startswith("test split, "))
    cells = [re.split(r"  +", row, maxsplit=3) for row in rows[:end]]
    return {name: reason for name, _, _, reason in cells}


def file_of(made: tuple[Path, list[Record]], seed: int = 0) -> str:
    return str(made[0] / "runs" / made[1][seed]["id"] / "record.json")


def test_a_run_done_again_here_is_bit_equal_and_touches_nothing_else(
    lines: list[Record], pcbench: Pcbench, tmp_path: Path
) -> None:
    write(tmp_path / "results", lines)
    before = (tmp_path / "results" / "s.jsonl").read_bytes()
    kept = tmp_path / "results" / "runs" / lines[0]["id"]
    kept.mkdir(parents=True)
    (kept / "log.jsonl").write_text("of the first run\n")
    code, out, said = pcbench(lines[0]["id"])
    assert code == 0, said
    found = verdicts(out)
    assert {"neg_elbo", "kl", "mi", "iw_nll", "z_use", "au", "excess"} <= found.keys()
    assert set(found.values()) == {"bit-equal"}
    assert f"test split, {len(found)} metrics: {len(found)} bit-equal\n" in out
    assert out.startswith(f"{lines[0]['id']}: mine, seed 0, results/s.jsonl\n")
    assert f"environment: the same torch {torch.__version__}, cpu " in out
    first, second, *_ = said.split("\n")
    assert first.split(" ", 2)[2] == f"run {lines[0]['id']}"  # after the date and the time
    assert second.split(" ", 1)[1].startswith("epoch 1: step 14 of 28, validation ELBO ")
    assert (tmp_path / "results" / "s.jsonl").read_bytes() == before
    assert [path.name for path in kept.iterdir()] == ["log.jsonl"]
    again = tmp_path / "results" / "runs" / "reproduced" / lines[0]["id"] / "record.json"
    assert records.read(again)["metrics"] == lines[0]["metrics"]

    time = again.stat().st_mtime_ns
    code, second, said = pcbench(lines[0]["id"])
    assert (code, second) == (0, out)
    assert "an earlier reproduction is compared; remove it to train again" in said
    assert again.stat().st_mtime_ns == time


def test_another_figure_is_judged_by_the_interval_of_its_row(
    made: tuple[Path, list[Record]], lines: list[Record], pcbench: Pcbench, tmp_path: Path
) -> None:
    true = lines[0]["metrics"]["test"]["iw_nll"]
    for line, shift in zip(lines, (0.3, -0.2, 0.1), strict=True):
        line["metrics"]["test"]["iw_nll"] = true + shift
        line["metrics"]["test"]["rec"] += 5.0
        line["metrics"]["test"]["mi_batch"] += 500.0
    write(tmp_path / "results", lines)
    code, out, _ = pcbench(lines[0]["id"], "--from-record", file_of(made))
    values = [line["metrics"]["test"]["iw_nll"] for line in lines]
    low, high = stats.t.interval(
        0.95, 2, np.mean(values), np.std(values, ddof=1) * np.sqrt(1 + 1 / 3)
    )
    found = verdicts(out)
    assert found["iw_nll"] == (
        f"within the prediction interval of 3 seeds [{low:.4f}, {high:.4f}], by -0.3"
    )
    assert found["kl"] == "bit-equal"
    values = [line["metrics"]["test"]["rec"] for line in lines]
    low, high = stats.t.interval(
        1 - 0.05 / len(found), 2, np.mean(values), np.std(values, ddof=1) * np.sqrt(1 + 1 / 3)
    )
    assert found["rec"] == (
        f"within the prediction interval of 3 seeds, adjusted for {len(found)} metrics "
        f"[{low:.4f}, {high:.4f}], by -5"
    )
    assert re.fullmatch(
        r"different: outside the prediction interval of 3 seeds, adjusted for \d+ metrics "
        r"\[.*\], by -5e\+02",
        found["mi_batch"],
    )
    assert code == 1
    assert f"{len(found)} metrics: {len(found) - 3} bit-equal, 2 within, 1 different\n" in out

    for line in lines:
        line["metrics"]["test"]["mi_batch"] -= 500.0
    write(tmp_path / "results", lines)
    code, out, _ = pcbench(lines[0]["id"], "--from-record", file_of(made))
    assert (code, "outside" in out) == (0, False)


def test_figures_that_one_of_the_two_codes_did_not_know_are_not_compared(
    made: tuple[Path, list[Record]], lines: list[Record], pcbench: Pcbench, tmp_path: Path
) -> None:
    names = ("recovered_length", "recovered_word_3", "mi_given_length", "mi_given_length_cap")
    write(tmp_path / "results", lines)
    _, out, _ = pcbench(lines[0]["id"], "--from-record", file_of(made))
    both = verdicts(out).keys()
    assert "mi_given_length" in both  # the probes have no number with so few sentences
    for name in names:
        del lines[0]["metrics"]["test"][name]
    elsewhere = tmp_path / "record.json"
    elsewhere.write_text(records.dumps({k: v for k, v in lines[0].items() if k != "digest"}))
    code, out, _ = pcbench(lines[0]["id"], "--from-record", str(elsewhere))  # older code
    assert (code, verdicts(out).keys()) == (0, both - {*names})
    write(tmp_path / "results", lines)  # an older record
    code, out, _ = pcbench(lines[0]["id"], "--from-record", file_of(made))
    assert (code, verdicts(out).keys()) == (0, both - {*names})
    del lines[0]["metrics"]["test"]["z_use"]  # of a metric that every code knows, this is one
    elsewhere.write_text(records.dumps({k: v for k, v in lines[0].items() if k != "digest"}))
    write(tmp_path / "results", json.loads(json.dumps(made[1])))
    code, out, _ = pcbench(lines[0]["id"], "--from-record", str(elsewhere))
    assert (code, verdicts(out)["z_use"]) == (1, "different: the re-run has no such metric")


def test_a_probe_that_finds_nothing_may_find_nearly_nothing_again(lines: list[Any]) -> None:
    """Where all seeds have exactly 0, the interval has no width."""
    line, again = lines[:2]
    for record, length, kl in ((line, 0.0, 0.0), (again, -0.003, 1e-4)):
        record["metrics"]["test"] |= {"recovered_length": length, "kl": kl}
    compared = agreement.compare(line, again, [line] * 5, {})
    verdict = {one.metric: one.verdict for one in compared}
    assert verdict["recovered_length"] == agreement.WITHIN
    assert verdict["kl"] == agreement.DIFFERENT


def test_few_seeds_give_the_difference_and_its_size_in_standard_errors(
    made: tuple[Path, list[Record]], lines: list[Record], pcbench: Pcbench, tmp_path: Path
) -> None:
    with np.load(Path(file_of(made)).parent / "sentences.npz") as arrays:
        bound = arrays["rec"].astype(float) + arrays["kl"].astype(float)
    error = float(np.std(bound, ddof=1)) / len(bound) ** 0.5
    lines[0]["metrics"]["test"]["neg_elbo"] -= 2 * error
    lines[0]["metrics"]["test"]["mi"] -= 0.25
    of_mi = lines[0]["metrics"]["test"]["mi_se"]
    write(tmp_path / "results", lines[:2])
    code, out, _ = pcbench(lines[0]["id"], "--from-record", file_of(made))
    assert code == 1
    assert verdicts(out)["neg_elbo"] == (
        f"different by {2 * error:+.2g}, 2.0 standard errors over sentences; 2 seeds: no interval"
    )
    assert verdicts(out)["mi"] == (
        f"different by +0.25, {0.25 / of_mi:.1f} standard errors over sentences; "
        "2 seeds: no interval"
    )
    assert "by chance" not in out


def test_the_bounds_error_is_that_of_the_sum_sentence_by_sentence(tmp_path: Path) -> None:
    file = tmp_path / "sentences.npz"
    assert sentence_errors(file) == {}
    np.savez(file, rec=np.float32([10, 20, 30]), kl=np.float32([6, 4, 2]))
    found = sentence_errors(file)
    assert found["rec"] == pytest.approx(10 / 3**0.5)
    assert found["neg_elbo"] == pytest.approx(8 / 3**0.5)  # 16, 24, 32
    file.write_bytes(file.read_bytes()[:100])
    assert sentence_errors(file) == {}


def test_seeds_that_agree_to_the_resolution_of_float32_leave_room_for_it(
    made: tuple[Path, list[Record]], lines: list[Record], pcbench: Pcbench, tmp_path: Path
) -> None:
    true = lines[0]["metrics"]["test"]["mi"]
    for apart, code in ((1e-8, 0), (1e-4, 1)):
        for line in lines:
            line["metrics"]["test"]["mi"] = true * (1 + apart)
        write(tmp_path / "results", lines)
        assert pcbench(lines[0]["id"], "--from-record", file_of(made))[0] == code


def test_only_seeds_of_the_same_settings_make_a_row(
    made: tuple[Path, list[Record]], lines: list[Record], pcbench: Pcbench, tmp_path: Path
) -> None:
    lines[0]["metrics"]["test"]["mi"] += 0.01
    lines[1]["config"]["params"]["warmup"] = 0.125
    write(tmp_path / "results", lines)
    out = pcbench(lines[0]["id"], "--from-record", file_of(made))[1]
    assert verdicts(out)["mi"].endswith("; 2 seeds: no interval")


def test_another_environment_is_told(
    made: tuple[Path, list[Record]], lines: list[Record], pcbench: Pcbench, tmp_path: Path
) -> None:
    lines[0]["provenance"] |= {"torch": "2.11.0", "cpu": "AVX9", "code_sha256": "ab" * 32}
    lines[0]["provenance"] |= {"dirty": True}
    write(tmp_path / "results", lines)
    code, out, _ = pcbench(lines[0]["id"], "--from-record", file_of(made))
    assert code == 0
    *_, torch_line, cpu, code_line = out.splitlines()
    assert torch_line == f"  torch: committed 2.11.0, re-run {torch.__version__}"
    assert cpu.startswith("  cpu: committed AVX9, re-run ")
    assert code_line.startswith("  code_sha256: committed abababababab with uncommitted changes, ")
    same = f"the same processor {provenance.processor()}, threads 1, device cpu, precision fp32, "
    assert f"{same}python 3." in out


def test_an_edited_record_is_told(
    made: tuple[Path, list[Record]], pcbench: Pcbench, tmp_path: Path
) -> None:
    edited = json.loads(json.dumps(made[1][0])) | {"label": "mine", "row": 0, "status": "done"}
    edited["metrics"]["test"]["kl"] += 1.0
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "s.jsonl").write_text(records.dumps(edited) + "\n")
    code, _, said = pcbench(edited["id"], "--from-record", file_of(made))
    assert code == 1
    assert said == f"pcbench: results/s.jsonl: {edited['id']}: was changed after its run wrote it\n"


def test_the_threads_of_the_record_are_used(
    lines: list[Record], pcbench: Pcbench, tmp_path: Path
) -> None:
    lines[0]["provenance"]["threads"] = 2
    write(tmp_path / "results", lines)
    try:
        code, out, _ = pcbench(lines[0]["id"], "--runs", "other", "--quiet")
    finally:
        torch.set_num_threads(1)
    assert code == 0, out  # two threads add in another order; the numbers stay in the interval
    assert "threads 2" in out
    assert records.read(Path("other/reproduced") / lines[0]["id"] / "record.json")


def test_the_run_that_the_documents_do_again_is_committed_and_still_that_run() -> None:
    root = Path(__file__).parents[2]
    (name,) = re.findall(
        r"^pcbench reproduce (\S+) ", (root / "docs" / "report.md").read_text(), re.M
    )
    known = find(name, root / "results")
    assert find(name[:-4], root / "results") == known  # no other id begins so
    assert rebuild(known.line, str(known.path)).id == name
    assert [line["config"]["seed"] for line in known.row] == [0, 1, 2, 3, 4]
