"""Yahoo and its small cut: a corpus that brings its words, and a file known by git's name alone."""

import dataclasses
import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from benchmark import data
from benchmark.core.errors import UserError
from benchmark.core.files import sha256_bytes
from benchmark.data import public

TRAIN = b"why _UNK is\n\nthe first the\n"
VALID = b"".join(b"is %s\n" % word for word in [b"why", b"the", b"_UNK", b"is", b"first"] * 4)
TEST = b"is rare\nis why\nis is\nis the\nis first\nis _UNK\nis first\nis why\nis is\nis the\n"
WORDS = b"why\nis\n_UNK\nthe\nfirst\n"


def git_name(content: bytes, folder: Path) -> str:
    """What git itself calls a content."""
    (folder / "blob").write_bytes(content)
    command = ["git", "hash-object", "--no-filters", str(folder / "blob")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A folder with a miniature Yahoo, known to the registry as the real one is."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name, content in [("train", TRAIN), ("valid", VALID), ("test", TEST)]:
        (folder / f"yahoo.{name}.txt").write_bytes(content)
    (folder / "vocab.txt").write_bytes(WORDS)
    known = {"valid": VALID, "test": TEST, "vocab": WORDS}
    digests = {part: f"sha256:{sha256_bytes(content)}" for part, content in known.items()}
    md5 = hashlib.md5(TRAIN).hexdigest()
    digests["train"] = f"md5:{md5} git-blob:{git_name(TRAIN, tmp_path)}"
    for corpus in (public.YAHOO, public.YAHOO_SMALL):
        mini = dataclasses.replace(corpus, digests=digests)
        monkeypatch.setitem(public.CORPORA, corpus.name, mini)
    return folder


def texts(corpus: data.Corpus, split: str) -> list[str]:
    rows = corpus.splits[split]
    return [corpus.vocabulary.decode(rows.sentence(i)) for i in range(len(rows))]


def test_ids_are_those_of_the_vocabulary_file(source, tmp_path):
    data.prepare("yahoo", tmp_path / "root", source)
    corpus = data.load("yahoo", tmp_path / "root")
    assert corpus.vocabulary.words[3:] == ["why", "is", "_UNK", "the", "first"]
    assert texts(corpus, "train") == ["why _UNK is", "the first the"]
    assert corpus.splits["train"].sentence(0).tolist() == [1, 3, 5, 4, 2]
    assert texts(corpus, "test")[:2] == ["is _UNK", "is why"]  # `rare` is not in the file
    assert len(texts(corpus, "test")) == 10
    assert corpus.vocabulary.encode("never why") == [5, 3]


def test_the_small_cut_takes_fixed_lines_of_the_other_files(source, tmp_path, monkeypatch):
    (source / "yahoo.train.txt").unlink()
    data.prepare("yahoo_small", tmp_path / "root", source)
    corpus = data.load("yahoo_small", tmp_path / "root")
    lines = VALID.decode().splitlines()
    assert texts(corpus, "valid") == [lines[9], lines[19]]
    assert texts(corpus, "train") == lines[:9] + lines[10:19]
    assert texts(corpus, "test") == ["is first", "is the"]
    assert (
        "never beside published" in data.describe("yahoo_small", tmp_path / "root")["description"]
    )
    assert data.find("yahoo_small").identity != data.find("yahoo").identity
    cut = data.find("yahoo_small").identity
    whole = dataclasses.replace(public.CORPORA["yahoo_small"], test_every=1)
    monkeypatch.setitem(public.CORPORA, "yahoo_small", whole)
    assert data.find("yahoo_small").identity != cut
    assert not data.find("yahoo_small").meta(tmp_path / "root")


@pytest.mark.parametrize("changed", [TRAIN + b"etorch.\n", TRAIN.replace(b"why", b"whz")])
def test_a_training_file_of_another_git_name_is_refused(source, tmp_path, changed, monkeypatch):
    (source / "yahoo.train.txt").write_bytes(changed)
    with pytest.raises(UserError, match=r"yahoo\.train\.txt: is not .* md5 .*, expected"):
        data.prepare("yahoo", tmp_path / "root", source)
    mini = public.CORPORA["yahoo"]
    digests = {**mini.digests, "train": mini.digests["train"].split()[1]}
    monkeypatch.setitem(public.CORPORA, "yahoo", dataclasses.replace(mini, digests=digests))
    with pytest.raises(UserError, match=r"git-blob \w{40}, expected \w{40}; get the original"):
        data.prepare("yahoo", tmp_path / "root", source)
    assert not data.find("yahoo").meta(tmp_path / "root")


@pytest.mark.skipif("PCBENCH_TEST_YAHOO" not in os.environ, reason="needs the Yahoo files")
def test_yahoo_has_the_published_counts(tmp_path, monkeypatch):
    """Without the training file, which few have: the small cut's test lines, then both whole."""
    source = Path(os.environ["PCBENCH_TEST_YAHOO"])
    data.prepare("yahoo_small", tmp_path / "cut", source)
    tested = texts(data.load("yahoo_small", tmp_path / "cut"), "test")
    official = (source / "yahoo.test.txt").read_text(encoding="utf-8").splitlines()
    fifth = [" ".join(line.split()) for line in official[4::5]]
    assert len(fifth) == 2_000
    assert tested == fifth

    whole = dataclasses.replace(public.YAHOO_SMALL, test_every=1)
    monkeypatch.setitem(public.CORPORA, "yahoo_small", whole)
    data.prepare("yahoo_small", tmp_path, source)
    shown = data.describe("yahoo_small", tmp_path)
    assert shown["types"] == 19_997
    splits = shown["splits"]
    assert [splits[s]["sentences"] for s in ("train", "valid", "test")] == [9_000, 1_000, 10_000]
    assert splits["test"]["tokens"] / 10_000 == pytest.approx(79.8673)
    both = splits["train"]["tokens"] + splits["valid"]["tokens"]
    assert both / 10_000 == pytest.approx(80.0680)
    assert (splits["test"]["words_min"], splits["test"]["words_max"]) == (20, 200)
    corpus = data.load("yahoo_small", tmp_path)
    unknown = corpus.splits["test"].tokens == corpus.vocabulary.words.index("_UNK")
    assert unknown.sum() / 788_673 == pytest.approx(0.042, abs=5e-4)
