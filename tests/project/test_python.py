"""From Python: the package's public names, runs by the beginning of their id, texts in and out."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from made_up import line, missing

import benchmark
from benchmark import cli, load_run, read_records
from benchmark import data as corpora
from benchmark.core import id_prefixes
from benchmark.core.errors import UserError
from benchmark.core.seeds import generator
from benchmark.model.vae import build
from benchmark.report.frame import frame
from benchmark.run.finished import LoadedRun
from benchmark.run.samples import CUT
from benchmark.run.session import run

ROOT = Path(__file__).parents[2]
TEXTS = ["w03 w00 w01 w02", "w05", "", "w02 w01", "w04 w04 w04 w04 w04 w04", "w07"]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished runs below results/, and their data; tests only read them."""
    root = tmp_path_factory.mktemp("done")
    for name in ("cyclical", "lstm_lm"):
        run(tiny.config(name), root / "results" / "runs", root / ".data", progress=False)
    return root


def loaded(done: Path, name: str = "cyclical") -> LoadedRun:
    return load_run(tiny.config(name).id, str(done / "results" / "runs"), str(done / ".data"))


def test_importing_the_package_imports_no_large_library() -> None:
    source = (
        "import sys, benchmark\n"
        "assert not {'torch', 'pandas', 'numpy'} & set(sys.modules)\n"
        "assert set(benchmark.__all__) <= set(dir(benchmark))\n"
        "benchmark.read_records\n"
        "assert not {'torch', 'pandas'} & set(sys.modules)\n"
        "from benchmark import *\n"
        "print(Annealer(4).weight, VAELoss().reduction, load_run.__name__)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, env=env)
    assert (done.stderr, done.stdout) == ("", "0.0 sum load_run\n")
    with pytest.raises(AttributeError, match="no attribute 'anneal'"):
        benchmark.anneal  # noqa: B018


# Texts in and out --------------------------------------------------------------------------------


@torch.no_grad()
def test_each_text_gets_its_figures_in_the_order_given(done: Path) -> None:
    found = loaded(done)
    mu, logvar = found.encode(TEXTS)
    table = found.score(pd.Series(TEXTS), iw_samples=20)
    for i, text in enumerate(TEXTS):
        tokens = torch.tensor([[1, *(int(word[1:]) + 3 for word in text.split()), 2]])
        alone = found.model.encode(tokens)
        torch.testing.assert_close((mu[i], logvar[i]), (alone[0][0], alone[1][0]))
        kl = 0.5 * (mu[i] ** 2 + logvar[i].exp() - logvar[i] - 1).sum().item()
        assert table.loc[i, ["text", "tokens"]].tolist() == [text, len(text.split()) + 1]
        assert table["kl"][i] == pytest.approx(kl, rel=1e-4)
        assert table["elbo"][i] == pytest.approx(-table["rec"][i] - kl, rel=1e-6)
    assert (table["iw_nll"] <= -table["elbo"] + 1e-9).all()
    backwards = found.score(TEXTS[::-1], iw_samples=20)[::-1].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, backwards)
    pd.testing.assert_frame_equal(found.score(TEXTS[1:2], iw_samples=20), table.iloc[[1]]
                                  .reset_index(drop=True))  # fmt: skip
    assert (found.score(TEXTS, seed=1, iw_samples=20)["iw_nll"] != table["iw_nll"]).all()


def test_scores_of_the_test_split_are_those_of_the_record(done: Path) -> None:
    found = loaded(done)
    split, test = tiny.corpus().splits["test"], found.record["metrics"]["test"]
    texts = [found.vocabulary.decode(split.sentence(i)[1:-1]) for i in range(len(split))]
    table = found.score(texts)
    assert table["kl"].mean() == pytest.approx(test["kl"], rel=1e-6)
    for name in ("rec", "iw_nll"):  # other draws of z
        assert table[name].mean() == pytest.approx(test[name], abs=0.05)
    language = loaded(done, "lstm_lm")
    table = language.score(texts)
    assert table["iw_nll"].mean() == pytest.approx(language.record["metrics"]["test"]["iw_nll"])
    assert table["kl"].isna().all()


def test_texts_are_written_from_the_posterior_means(done: Path) -> None:
    found = loaded(done)
    config = tiny.config("none", model={"init": 1.5})  # its texts differ by z
    model = build(config.model, config.method(), len(found.vocabulary), generator(0, "init"))
    found.model.load_state_dict(model.state_dict())
    written = found.reconstruct(TEXTS, max_length=9)
    assert len(set(written)) > 1
    assert [found.reconstruct([text], max_length=9)[0] for text in TEXTS] == written
    mu, _ = found.encode(TEXTS)
    plain = [found.vocabulary.decode(row) for row in found.model.generate(mu, 9)]
    assert written == plain
    steps = found.interpolate(TEXTS[0], TEXTS[4], steps=3, max_length=9)
    middle = found.model.generate((mu[:1] + mu[4:5]) / 2, 9)[0]
    assert steps == [written[0], found.vocabulary.decode(middle), written[4]]
    first = found.sample(5)
    assert found.sample(7)[:5] == first
    assert found.sample(5, seed=1) != first
    drawn = found.reconstruct(TEXTS, seed=3, greedy=False)
    assert drawn == found.reconstruct(TEXTS, seed=3, greedy=False)
    assert drawn != found.reconstruct(TEXTS, seed=4, greedy=False)
    assert CUT not in "".join(written + first)  # each is text that can be scored
    assert len(found.score(first)) == 5
    (long,) = found.reconstruct(["w01 " * 70])
    assert len(long.split()) in {*range(50), 71}  # ended by itself, or as long as the text


@pytest.mark.parametrize("coding", ["size=5", "vocabulary=sentencepiece,size=276"])
def test_words_outside_the_vocabulary_have_a_place(tmp_path: Path, coding: str) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "valid", "test"):
        rows = [rng.choice(["kumquat", "zebra", "walrus", "fjord"], 5) for _ in range(40)]
        (tmp_path / f"{split}.txt").write_text("".join(" ".join(row) + "\n" for row in rows))
    spec = f"text:{tmp_path},{coding}"
    corpora.prepare(spec, tmp_path / "data", progress=False)
    config, corpus = tiny.config(data=spec), corpora.load(spec, tmp_path / "data")
    model = build(config.model, config.method(), len(corpus.vocabulary), generator(0, "init"))
    found = LoadedRun(model.eval(), corpus.vocabulary, config, corpus, {})
    known, unknown, other = found.encode(["zebra <unk>", "zebra quux", "zebra qoph"])[0]
    assert torch.equal(known, unknown) == torch.equal(unknown, other) == (coding == "size=5")


def test_a_run_tells_what_it_is(done: Path) -> None:
    test = loaded(done).record["metrics"]["test"]
    told = f"cyclical on {tiny.SPEC}, KL {test['kl']:.2f}, MI {test['mi']:.2f} nats>"
    assert repr(loaded(done)) == f"<LoadedRun {tiny.config('cyclical').id}: {told}"
    assert repr(loaded(done, "lstm_lm")).endswith(", no latent variable>")


CALLS: list[tuple[Callable[[LoadedRun], Any], str]] = [
    (
        lambda found: found.encode("w01"),
        "texts: must be a list of at least one sentence, not 'w01'",
    ),
    (lambda found: found.score([]), r"texts: must be a list of at least one sentence, not \[\]"),
    (lambda found: found.reconstruct(["w01", 5]), r"texts\[1\]: must be a string, not 5"),  # type: ignore[list-item]
    (lambda found: found.score(["w01", "w99"]), r"texts\[1\]: word 'w99' .* use only its 12 words"),
    (lambda found: found.score(["w01"], iw_samples=0), "iw_samples: must be an integer of at"),
    (lambda found: found.sample(0), "n: must be an integer of at least 1, not 0"),
    (lambda found: found.sample(1, max_length=0), "max_length: must be"),
    (lambda found: found.interpolate("w01", "w02", 1), "steps: must be an integer of at least 2"),
]


@pytest.mark.parametrize(("call", "message"), CALLS, ids=[message for _, message in CALLS])
def test_bad_input_is_told(done: Path, call: Callable[[LoadedRun], Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        call(loaded(done))


def test_a_language_model_has_no_posterior(done: Path) -> None:
    found = loaded(done, "lstm_lm")
    for what in ("encode", "reconstruct", "interpolate"):
        with pytest.raises(UserError, match=f"lstm_lm has no latent variable, so it cannot {what}"):
            getattr(found, what)(*("w01", "w02")[: 2 if what == "interpolate" else 1])
    assert len(set(found.sample(20))) > 10


# Runs by what is typed ---------------------------------------------------------------------------


def test_an_id_may_be_cut_off_where_one_run_begins_so() -> None:
    known = ["a-none-0-12", "a-none-1-34", "a-beta-0-56", "a-none-0-1"]

    def complete(given: str) -> str:
        return id_prefixes.complete(given, known, "here", "look elsewhere")

    assert complete("a-b") == "a-beta-0-56"
    assert complete("a-none-0-1") == "a-none-0-1"  # an id, though another begins with it
    with pytest.raises(UserError, match=r"^here: 3 runs have an id that begins with 'a-n'; "
                                        "give more of it: a-none-0-1, a-none-0-12, "
                                        "a-none-1-34$"):  # fmt: skip
        complete("a-n")
    with pytest.raises(UserError, match=r"no run 'a-none-2-34'; did you mean 'a-none-1-34'\?"):
        complete("a-none-2-34")
    for nothing in ("", "zzz"):
        with pytest.raises(
            UserError, match=f"no run '{nothing}'; none of the 4 ids there is like it; look else"
        ):
            complete(nothing)
    with pytest.raises(UserError, match=r", and 5 more$"):
        id_prefixes.complete("r", [f"r{i:02d}" for i in range(15)], "here", "")


def test_commands_take_the_beginning_of_an_id_or_a_folder(
    done: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(done)
    name = tiny.config("cyclical").id
    for command, given in (
        (["evaluate"], name[:-8]),
        (["sample", "--number", "1", "--json"], f"results/runs/{name}/"),
    ):
        assert cli.main([*command, given]) == 0
        said = capsys.readouterr()
        assert said.err == (f"pcbench: {name}\n" if command == ["evaluate"] else "")
        assert json.loads(said.out).get("id", name) == name
        assert cli.main([*command, "exact_"]) == 2
        assert (
            "2 runs have an id that begins with 'exact_'; give more of it: exact"
            in capsys.readouterr().err
        )
    monkeypatch.chdir(done / "results" / "runs" / name)
    assert load_run(".", data_root=done / ".data").config.id == name


# Records -----------------------------------------------------------------------------------------


def test_records_are_those_of_the_report(tmp_path: Path) -> None:
    lines = [line("cyclical", 1, 0, z_use=2.0), line("none", 0, 1), line("none", 0, 0, z_use=0.5)]
    del lines[2]["evaluation"]  # of before evaluation 2, when z_use was another quantity
    lines[1]["config"]["precision"] = lines[2]["config"]["precision"] = "bf16"
    lines[0]["provenance"]["commit"] = "c" * 40
    path = tmp_path / "made.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in [*lines, missing("none", 0, 2)]))
    table = read_records("made", tmp_path)
    assert table["id"].tolist() == [lines[i]["id"] for i in (2, 1, 0)]
    assert table.columns[:9].tolist() == ["id", "label", "row", "data", "baseline", "seed",
                                          "precision", "evaluation", "commit"]  # fmt: skip
    assert table["precision"].tolist() == ["bf16", "bf16", "fp32"]
    assert table["evaluation"].tolist() == [1, 2, 2]
    assert table["commit"].tolist() == ["0" * 40, "0" * 40, "c" * 40]
    assert table["elbo"].tolist() == [-101.5] * 3
    np.testing.assert_array_equal(table["z_use"], [np.nan, 1.0, 2.0])
    np.testing.assert_array_equal(table["z_use_next"], [0.5, np.nan, np.nan])
    assert set(frame(lines)) - set(table) == {"status", "error", "place", "record"}
    for study in (path, str(path), "paper/made.toml"):
        pd.testing.assert_frame_equal(read_records(study, tmp_path), table)


def test_what_the_report_refuses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.jsonl: no such file; `pcbench collect` writes it"):
        read_records("x", tmp_path)
    for change, message in (
        ({"row": None}, "holds no record of a row of the study"),
        (line("none", 0, 0, rec=1.0), r"mine\.jsonl:1: ptb-none-0-0123abcd: "),
    ):
        (tmp_path / "mine.jsonl").write_text(json.dumps({**line("none", 0, 0), **change}) + "\n")
        with pytest.raises(UserError, match=message):
            read_records("mine", tmp_path)
    with pytest.raises(UserError, match=r"min\.jsonl: no such file; did you mean 'mine'"):
        read_records("min", tmp_path)


# The page on Python -------------------------------------------------------------------------------


def blocks() -> list[str]:
    text = (ROOT / "docs" / "python.md").read_text()
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_the_training_loop_of_the_page_trains() -> None:
    (code,) = [block for block in blocks() if "VAELoss" in block]
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["annealer"].weight == 1.0
    assert names["rec"].item() < 20 * np.log(2) - 0.5  # nats of 20 fair coins


def test_the_finished_run_of_the_page_is_used(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = [block for block in blocks() if "load_run" in block]
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    for link, of in (("results/runs", done), (".data", done), ("results/quickstart.jsonl", ROOT)):
        Path(link).symlink_to(of / link)
    (given,) = re.findall(r'load_run\("(.+?)"\)', code)
    names: dict[str, Any] = {}
    exec(code.replace(given, tiny.config("cyclical").id[:-4]), names)
    assert len(names["scores"]) == len(names["texts"])
    assert names["kl"]["cyclical"] == pytest.approx(1.42, abs=0.01)
