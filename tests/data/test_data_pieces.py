"""Sentencepiece vocabularies: any text comes back, and only training needs the library."""

import hashlib
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sentencepiece

from benchmark import data
from benchmark.core.errors import UserError
from benchmark.core.files import sha256_bytes
from benchmark.core.tokens import SPECIALS
from benchmark.data import public
from benchmark.data.vocabulary import PieceVocabulary
from benchmark.run.result import describe_data

DRAW = random.Random(0)
STEMS = ["walk", "talk", "jump", "sing", "play", "work", "read", "cook", "call", "open"]
WORDS = [stem + end for stem in STEMS for end in ("", "s", "ed", "ing", "er")] + ["<unk>", "N"]
LINES = [" ".join(DRAW.choices(WORDS, k=7)) for _ in range(200)]
ODD = [
    "naïve e\u0301 ﬁ ½ ＡＢ",  # a normalisation would change these
    "日本 🦜👩\u200d👧 \u0000 \ufeff",  # not in the training text
    "<unk> <unk>s x<unk> <UNK> <s> </s> <pad> <0x41>",
    "\u2585 %&\\\"' --",
    "walkings",
]


@pytest.fixture(scope="module")
def vocabulary() -> PieceVocabulary:
    return PieceVocabulary.train(LINES, 300, "<unk>")


def test_any_text_comes_back(vocabulary: PieceVocabulary) -> None:
    everything = [chr(n) for n in range(33, 0x3000) if not chr(n).isspace() and n != 0x2581]
    blocks = ["".join(everything[i : i + 50]) for i in range(0, len(everything), 50)]
    for text in [*LINES, *ODD, *blocks, "  two\t blanks\n"]:
        ids = vocabulary.encode(text)
        assert min(ids) >= len(SPECIALS)
        assert max(ids) < len(vocabulary)
        assert vocabulary.decode(ids) == " ".join(text.split())


def test_the_librarys_own_decoder_agrees(vocabulary: PieceVocabulary) -> None:
    processor = sentencepiece.SentencePieceProcessor(model_proto=vocabulary.model)
    for text in [*LINES[:20], *ODD]:
        ids = vocabulary.encode(text)
        assert processor.decode([number - 2 for number in ids]) == vocabulary.decode(ids)
        assert [processor.id_to_piece(n - 2) for n in ids] == [vocabulary.words[n] for n in ids]


def test_ends_specials_and_bytes_that_are_no_text(vocabulary: PieceVocabulary) -> None:
    ids = vocabulary.encode("walked")
    assert vocabulary.decode([1, *ids, 2, *ids]) == "walked"
    half = vocabulary.words.index("<0xC3>")
    assert vocabulary.decode([*ids, half, 0]) == "walked\ufffd"


def test_the_unknown_word_of_a_text_is_one_piece(vocabulary: PieceVocabulary) -> None:
    ids = vocabulary.encode("read <unk> read")
    assert [vocabulary.words[n] for n in ids].count("<unk>") == 1


def test_the_digest_is_that_of_the_vocab_file_sentencepiece_writes(
    vocabulary: PieceVocabulary, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("".join(f"{line}\n" for line in LINES))
    sentencepiece.SentencePieceTrainer.train(
        f"--input={tmp_path}/text --model_prefix={tmp_path}/m --model_type=unigram "
        "--vocab_size=301 --character_coverage=1.0 --byte_fallback --num_threads=1 "
        "--normalization_rule_name=identity --unk_piece=<UNK> --user_defined_symbols=<unk> "
        "--bos_id=-1 --eos_id=-1 --pad_id=-1 --minloglevel=2"
    )
    written = (tmp_path / "m.vocab").read_bytes()
    assert hashlib.sha256(written).hexdigest() == vocabulary.sha256
    assert PieceVocabulary.train(LINES, 300, "<unk>") == vocabulary
    rows = [line.split("\t")[0] for line in written.decode().splitlines()]
    assert [*SPECIALS, *rows[1:]] == vocabulary.words
    assert len(vocabulary) == 303


@pytest.mark.parametrize(("size", "end"), [(5000, "less"), (20, "more")])
def test_a_size_the_text_does_not_support_names_the_nearest_it_does(size: int, end: str) -> None:
    with pytest.raises(UserError) as caught:
        PieceVocabulary.train(LINES, size, "<unk>")
    found = re.search(rf"; use size=(\d+) or {end}$", str(caught.value))
    assert found is not None
    nearest = int(found[1])
    assert len(PieceVocabulary.train(LINES, nearest, "<unk>")) == nearest + 3
    with pytest.raises(UserError):
        PieceVocabulary.train(LINES, nearest + (1 if end == "less" else -1), "<unk>")


@pytest.fixture
def mini(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A public corpus of the sentences above."""
    text = {"train": LINES, "valid": LINES[:5], "test": ODD[:2]}
    contents = {split: "\n".join(lines).encode() for split, lines in text.items()}
    names = {split: f"mini.{split}.txt" for split in text}
    digests = {split: f"sha256:{sha256_bytes(content)}" for split, content in contents.items()}
    corpus = public.PublicCorpus("mini", "miniature", "http://127.0.0.1:9/", names, digests)
    monkeypatch.setitem(public.CORPORA, "mini", corpus)
    (tmp_path / "source").mkdir()
    for split, content in contents.items():
        (tmp_path / "source" / names[split]).write_bytes(content)
    return tmp_path / "source"


CODED = "mini:vocabulary=sentencepiece,size=300"


def test_a_corpus_keeps_its_words_beside_its_pieces(mini: Path, tmp_path: Path) -> None:
    told = {}
    for spec in ("mini", CODED):
        data.prepare(spec, tmp_path / "root", mini)
        corpus = data.load(spec, tmp_path / "root")
        assert corpus.sha256 == data.find(spec).identity
        told[spec] = describe_data(corpus)
    assert corpus.spec == "mini:size=300,vocabulary=sentencepiece"
    back = [corpus.vocabulary.decode(corpus.splits["test"].sentence(i)) for i in range(2)]
    assert back == ODD[:2]
    word, piece = told["mini"], told[CODED]
    assert word["lossless"] == {"train": True, "valid": True, "test": False}
    assert piece["lossless"] == dict.fromkeys(("train", "valid", "test"), True)
    assert word["text_sha256"] == piece["text_sha256"] == word["sha256"] != piece["sha256"]
    words = sum(len(line.split()) + 1 for line in ODD[:2])
    assert word["test_words"] == word["test_tokens"] == piece["test_words"] == words
    assert piece["test_tokens"] > words
    assert (piece["segmentation"], piece["vocabulary"]) == ("sentencepiece", 303)
    assert piece["vocabulary_sha256"] == corpus.vocabulary.sha256
    shown = data.describe(CODED, tmp_path / "root")
    assert shown["splits"]["test"]["pieces_max"] > 20
    unknown = sum(line.split().count("<unk>") for line in LINES) / (7 * len(LINES))
    assert shown["splits"]["train"]["unknown_rate"] == pytest.approx(unknown)


def test_the_sign_that_pieces_use_for_a_blank_is_a_loss_that_is_told(
    mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "walk \u2581 talk\n".encode()
    (mini / "mini.valid.txt").write_bytes(content)
    digests = public.CORPORA["mini"].digests
    monkeypatch.setitem(digests, "valid", f"sha256:{sha256_bytes(content)}")
    data.prepare(CODED, tmp_path / "root", mini)
    told = describe_data(data.load(CODED, tmp_path / "root"))
    assert told["lossless"] == {"train": True, "valid": False, "test": True}


def test_a_size_too_large_names_the_data_set(mini: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^mini:size=9999,vocabulary=\w+: the training text .* or less"
    ):
        data.prepare("mini:vocabulary=sentencepiece,size=9999", tmp_path / "root", mini)
    assert not any((tmp_path / "root").glob("*"))


def test_reading_prepared_data_needs_no_sentencepiece(mini: Path, tmp_path: Path) -> None:
    data.prepare(CODED, tmp_path / "root", mini)
    code = (
        "import sys; from pathlib import Path\n"
        "for name in ('torch', 'datasets', 'sentencepiece'):\n"
        "    sys.modules[name] = None\n"
        "from benchmark import data\n"
        "from benchmark.data import public\n"
        f"public.CORPORA['mini'] = public.{public.CORPORA['mini']!r}\n"
        f"corpus = data.load({CODED!r}, Path(sys.argv[1]))\n"
        "print(corpus.vocabulary.decode(corpus.splits['train'].sentence(0)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path / "root")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout == f"{LINES[0]}\n", done.stderr


@pytest.mark.skipif("PCBENCH_TEST_PTB" not in os.environ, reason="needs the PTB files")
def test_ptb_in_pieces_loses_nothing(tmp_path: Path) -> None:
    spec = "ptb:vocabulary=sentencepiece,size=2000"
    data.prepare(spec, tmp_path, Path(os.environ["PCBENCH_TEST_PTB"]))
    told = describe_data(data.load(spec, tmp_path))
    assert told["lossless"] == dict.fromkeys(("train", "valid", "test"), True)
    assert (told["train_words"], told["test_words"]) == (929_589, 82_430)
