"""A reader's own folder: ``text:DIR``, its vocabulary, its identity, and what can be wrong."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny

from benchmark import cli, data
from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.run import presets
from benchmark.run.finished import load_run
from benchmark.run.result import describe_data
from benchmark.sweep import manifest, study

ROOT = Path(__file__).parents[2]
TEXT = {
    "train": "the cat sat on the mat\n\n  the\tdog sat \r\nthe cat ate a fish\n" * 5,
    "valid": "the dog ate the fish\na heron sat\n",
    "test": "the cat sat on a mat\nthe dog",
}


def write(folder: Path, **changed: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, text in (TEXT | changed).items():
        content = text if isinstance(text, bytes) else text.encode()
        (folder / f"{split}.txt").write_bytes(content)
    return folder


def texts(corpus: data.Corpus, split: str) -> list[str]:
    rows = corpus.splits[split]
    return [corpus.vocabulary.decode(rows.sentence(i)) for i in range(len(rows))]


def test_text_becomes_sentences(tmp_path: Path) -> None:
    spec = f"text:{write(tmp_path / 'news')}"
    with pytest.raises(UserError, match=r"text:news: not prepared .* pcbench data prepare text:/"):
        data.load(spec, tmp_path / "root")
    folder = data.prepare(spec, tmp_path / "root")
    corpus = data.load(spec, tmp_path / "root")
    assert corpus.spec == "text:news"
    assert folder == tmp_path / "root" / data.find(spec).slug
    assert texts(corpus, "train")[:3] == [
        "the cat sat on the mat",
        "the dog sat",
        "the cat ate a fish",
    ]
    assert texts(corpus, "valid") == ["the dog ate the fish", "a <unk> sat"]
    assert texts(corpus, "test") == ["the cat sat on a mat", "the dog"]
    assert corpus.vocabulary.words[3:6] == ["the", "cat", "sat"]
    assert corpus.vocabulary.words[-1] == "<unk>"
    told = describe_data(corpus)
    assert told["lossless"] == {"train": True, "valid": False, "test": True}
    assert (told["segmentation"], told["test_words"], told["test_tokens"]) == ("word", 10, 10)
    described = data.describe(spec, tmp_path / "root")
    # Golden: runs on equal text keep their ids, and data prepared long ago stays valid.
    assert described["sha256"].startswith("b2cce686eeab3873852bfbd0ddf0f38d")
    assert described["content_sha256"].startswith("8cc00dd33b2cf7fe874b22763ff75ae9")
    shown = described["splits"]["valid"]
    assert (shown["unknown_rate"], shown["substituted"]) == (pytest.approx(1 / 8), 1)


def test_a_vocabulary_is_limited_by_size(tmp_path: Path) -> None:
    write(tmp_path / "news", train="a a a b b <unk> c\n" * 2 + "d\n")
    spec = f"text:{tmp_path}/news"
    words = {}
    for setting in ("size=3", "size=1"):
        data.prepare(f"{spec},{setting}", tmp_path / "root")
        corpus = data.load(f"{spec},{setting}", tmp_path / "root")
        words[setting] = corpus.vocabulary.words[3:]
        assert describe_data(corpus)["lossless"]["train"] is False
    assert words["size=3"] == ["a", "b", "<unk>"]
    assert words["size=1"] == ["<unk>"]
    with pytest.raises(UserError, match=r"^text:news,size=9: .* 5 different words.* use size=5 or"):
        data.prepare(f"{spec},size=9", tmp_path / "root")
    data.prepare(f"{spec},size=5", tmp_path / "root")


def test_the_text_is_the_identity_and_the_place_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = write(tmp_path / "a" / "my news")
    other = write(tmp_path / "b" / "my news", test="the cat\n")
    specs = [f"text:{here}", f"text:{other}"]
    assert len({data.find(spec).slug for spec in specs}) == 2
    assert len({data.find(spec).identity for spec in [*specs, f"{specs[0]},size=2"]}) == 3
    assert all(data.find(spec).slug.startswith("text_my_news_") for spec in specs)
    shutil.copytree(here, tmp_path / "c" / "my news")
    monkeypatch.chdir(tmp_path / "c")
    assert data.find("text:my news").identity == data.find(specs[0]).identity
    assert data.find("text:my news").slug == data.find(specs[0]).slug
    assert data.find("text:my news/,size=0").recorded == "text:my news"
    exact = data.find("exact:mix=0.30")
    assert exact.recorded == exact.absolute == "exact:mix=0.30"
    assert data.find("text:my news,size=2").absolute == f"text:{Path.cwd()}/my news,size=2"
    before = data.find("text:my news").identity
    (tmp_path / "c" / "my news" / "valid.txt").write_text("another\n")
    assert data.find("text:my news").identity != before
    assert not data.find("text:my news").meta(tmp_path / "root")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train": b""}, "train.txt: holds no sentence; write one sentence on each line"),
        ({"test": b" \n\t\n"}, "test.txt: holds no sentence"),
        ({"valid": b"fine\nd\xe9j\xe0 vu\n"}, "valid.txt:2: is not UTF-8 (byte 0xe9); convert"),
        (
            {"train": "a\n".encode("utf-16")},
            "train.txt: is UTF-16; convert the file: iconv -f UTF-",
        ),
        ({"train": "a\nb".encode("utf-16-le")}, "train.txt:1: holds a NUL byte, as in UTF-16 w"),
        ({"test": b"a b\r\nc\rd\r\n"}, "test.txt:2: holds a carriage return within the line; end"),
        ({"test": "\ufeffa\nb\n\ufeffc".encode()}, "test.txt:3: holds a byte order mark, U+FEFF"),
        (
            {"train": b"a\n" + b"b " * 10_000},
            "train.txt:2: the line has 10,000 words and 19,999 characters",
        ),
        (
            {"test": b"b" * 10_001},
            "test.txt:1: the line has 1 words and 10,001 characters; at most 1,000",
        ),
        ({"valid": b"a\nb <s> c\n"}, "valid.txt:2: holds '<s>', which is reserved; remove it"),
    ],
    ids=str,
)
def test_bad_text_is_one_line_with_file_and_line(
    changed: dict[str, bytes], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = f"text:{write(tmp_path / 'news', **changed)}"
    assert cli.main(["data", "prepare", spec, "--data-dir", str(tmp_path / "root")]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"{tmp_path}/news/{message}" in told
    assert not data.find(spec).meta(tmp_path / "root")


def test_splits_that_hold_the_same_sentences_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "a whole sentence of many words is here\n"
    texts = {
        "train": f"yes .\n{long}",
        "valid": f"yes .\n{long}",
        "test": "yes .\n" + TEXT["test"] * 9,
    }
    spec = f"text:{write(tmp_path / 'news', **texts)}"
    folder = ["--data-dir", str(tmp_path / "root")]
    for command in ("prepare", "show"):
        assert cli.main(["data", command, spec, *folder]) == 0
        told = capsys.readouterr()
        assert told.err.startswith(
            "pcbench: warning: text:news: train.txt and valid.txt are the same text\n"
            "pcbench: warning: text:news: 2 sentences of valid, 100% of its words, are also in "
            "train: numbers on valid reward memorised sentences\n"
        )
    assert [line.split("in_train ")[1] for line in told.out.splitlines() if "in_train" in line] == [
        "2",
        "1",
    ]


def test_bad_folders_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("news"))
    (Path("news") / "valid.txt").unlink()
    for name in ("a,b", "a=b"):
        write(Path(name))
    for spec, message in {
        "text:news": "news: there is no valid.txt; a text needs train.txt, valid.txt, test.txt",
        "text:nows": "there is no such folder in the current folder",
        "text:": "the folder is missing; write text:DIR",
        "text": "the folder is missing; write text:DIR",
        "text:a,b": "'b' is not a setting; write key=value; a folder's path must hold neither ','",
        "text:a=b": "a folder's path must hold neither ',' nor '='",
        "text:news,sise=3": "sise: unknown key; did you mean 'size'?",
        "text:news,size=many": "size: 'many' should be a valid integer",
        "txt:news": "txt: unknown data set; choose one of exact, exact_hard, ",
    }.items():
        with pytest.raises(UserError) as caught:
            _ = data.find(spec).identity
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_source_is_refused_and_a_byte_order_mark_is_no_word(tmp_path: Path) -> None:
    write(tmp_path / "news", train="\ufeffthe end\n")
    spec = f"text:{tmp_path}/news"
    with pytest.raises(UserError, match="for public corpora only; leave it out"):
        data.prepare(spec, tmp_path / "root", tmp_path)
    data.prepare(spec, tmp_path / "root")
    assert texts(data.load(spec, tmp_path / "root"), "train") == ["the end"]


SMALL = {
    "model.embedding": 4, "model.hidden": 4, "model.latent": 2, "train.epochs": 1,
    "evaluate.iw_samples": 2, "evaluate.max_length": 5,
}  # fmt: skip


@pytest.mark.parametrize("setting", ["", ",vocabulary=sentencepiece,size=270"])
def test_a_run_on_own_text_leaves_no_path_in_its_record(
    setting: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tmp_path / "home" / "news")
    monkeypatch.chdir(tmp_path / "home")
    spec = f"text:news{setting}"
    folders = ["--data-dir", str(tmp_path / "root")]
    assert cli.main(["data", "prepare", spec, *folders]) == 0
    sets = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
    runs = tmp_path / "runs"
    run = ["run", "--data", spec, "--baseline", "none", "--runs", str(runs), "--quiet", *sets]
    assert cli.main([*run, *folders]) == 0
    (folder,) = runs.iterdir()
    text = (folder / "record.json").read_text()
    assert str(tmp_path) not in text
    record: dict[str, Any] = json.loads(text)
    assert record["config"]["data"] == record["data"]["name"] == data.find(spec).name
    assert record["data"]["sha256"] == data.find(spec).identity
    assert record["data"]["test_words"] == 10
    monkeypatch.chdir(tmp_path)
    loaded = load_run(folder.name, runs, tmp_path / "root")
    assert loaded.vocabulary.decode(loaded.vocabulary.encode("the  cat sat")) == "the cat sat"
    os.remove(tmp_path / "home" / "news" / "test.txt")
    with pytest.raises(UserError, match=r"there is no test\.txt"):
        load_run(folder.name, runs, tmp_path / "root")
    capsys.readouterr()


def test_whatever_a_folder_and_a_file_are_called_their_run_has_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that are not UTF-8, letters that the locale does not know, and signs of markup."""
    name, told = b"B\xfcch " + "ü".encode() + b"<b>\x1bc", "B\\xfcch ü\\x3cb>\\x1bc"
    monkeypatch.chdir(tmp_path)
    write(Path(os.fsdecode(name)))
    shutil.copy(ROOT / "baselines" / "none.py", Path(os.fsdecode(name + b".py")))
    lines = ["--set train.epochs=1", "--quiet", "--data-dir d", "--runs r", "--baseline none"]
    sets = [f"--set {key}={value}" for key, value in SMALL.items() if key != "train.epochs"]
    words = [word.encode() for line in [*lines, *sets] for word in line.split()]
    shell = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C", "PYTHONUTF8": "0"}
    for command in (
        [b"data", b"prepare", b"text:" + name, b"--data-dir", b"d"],
        [b"run", b"--data", b"text:" + name, b"--file", name + b".py", *words],
    ):
        done = subprocess.run([sys.executable, "-m", "benchmark", *command], env=shell)
        assert done.returncode == 0
    (file,) = Path("r").glob("*/record.json")
    record = records.read(file)
    assert record["config"]["data"] == record["data"]["name"] == f"text:{told}"
    assert record["config"]["file"] == f"{told}.py"
    assert load_run(file.parent.name, Path("r"), Path("d")).config.id == record["id"]
    assert not records.marked(told)


def test_a_studys_folder_is_found_from_elsewhere_once_its_runs_are_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "home" / "news")
    monkeypatch.chdir(tmp_path / "home")
    lines = ["[study]", 'data = ["text:news"]', "seeds = [0]", "[[baseline]]", 'name = "none"']
    Path("mine.toml").write_text("\n".join(lines))
    loaded = study.load(Path("mine.toml"))
    found = manifest.build(loaded, loaded.configs, tmp_path / "runs", manifest.Options("d"))
    monkeypatch.chdir(tmp_path)
    (entry,) = found.entries
    assert entry.resolve().id == entry.id
    assert data.find(entry.resolve().data).recorded == "text:news"


def test_a_preset_is_advised_for_own_text_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("news"))
    begin = "pcbench: text:news: without a preset, settings have the defaults (fu2019_ptb); for "
    wanted = (
        f'{begin}15 sentences of 5 words, 10 types, preset = "exact" is nearest, made for '
        "10,000 sentences of 14 words, 60 types\n"
    )
    assert cli.main(["data", "prepare", "text:news", "--data-dir", "d"]) == 0
    assert capsys.readouterr().err == wanted
    words = [f"--set={key}={value}" for key, value in SMALL.items()]
    run = ["run", "--data", "text:news", "--data-dir", "d", "--baseline", "none", *words]
    assert cli.main([*run, "--runs", "r"]) == 0
    assert capsys.readouterr().err.startswith(wanted)
    assert cli.main([*run, "--runs", "s", "--preset", "exact"]) == 0
    assert "without a preset" not in capsys.readouterr().err
    Path("s.toml").write_text(
        f'[study]\ndata = ["text:news"]\nseeds = [0]\n{tiny.SETTINGS}[[baseline]]\nname = "none"\n'
    )
    assert cli.main(["sweep", "s.toml", "--runs", "t", "--data-dir", "d"]) == 0
    assert capsys.readouterr().err.startswith(wanted)
    for log in Path("t").glob("*/log.txt"):
        assert "without a preset" not in log.read_text()


@pytest.mark.parametrize(
    ("sizes", "name"),
    [
        ((40_000, 10_000, 20.0), "fu2019_ptb"),
        ((3_914, 2_670, 12.0), "fu2019_ptb"),
        ((3_914, 200, 12.0), "exact"),
        ((200_000, 30_000, 60.0), "he2019_yahoo"),
        ((1, 0, 0.0), "exact"),
    ],
)
def test_the_nearest_preset_is_by_sentences_types_and_length(
    sizes: tuple[int, int, float], name: str
) -> None:
    assert presets.nearest(*sizes) == name
