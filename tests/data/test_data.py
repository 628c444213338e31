"""Vocabulary, sentences, batches, specs and the prepared form."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from benchmark import data
from benchmark.core.errors import UserError
from benchmark.core.tokens import BOS, EOS, SPECIALS
from benchmark.data import exact
from benchmark.data.batches import epoch_order, same_length_batches
from benchmark.data.corpus import Split
from benchmark.data.vocabulary import WordVocabulary

SMALL = "exact_small:sentences=60,test=20,valid=20"


@pytest.fixture
def quick(monkeypatch):
    """Rough entropies, where a test does not look at them."""
    monkeypatch.setattr(exact, "MONTE_CARLO_SENTENCES", 100)


def test_vocabulary_round_trip_and_order():
    vocabulary = WordVocabulary.train(["the cat <unk> the", "a cat sat"])
    assert vocabulary.words == [*SPECIALS, "the", "cat", "<unk>", "a", "sat"]
    assert len(vocabulary) == 8
    assert vocabulary.encode(" a cat  dog ") == [6, 4, 5]
    assert vocabulary.decode([BOS, 6, 4, EOS, 3]) == "a cat"
    assert vocabulary.decode(np.array([6, 0, 7])) == "a sat"


def test_vocabulary_refuses_what_it_cannot_hold():
    with pytest.raises(UserError, match="'dog' is not in the vocabulary"):
        WordVocabulary([*SPECIALS, "cat"]).encode("dog")


def test_split_stores_and_counts():
    split = Split.of([[3, 4], [], [5]])
    assert len(split) == 3
    assert split.lengths.tolist() == [3, 1, 2]
    assert split.sentence(0).tolist() == [BOS, 3, 4, EOS]
    with pytest.raises(IndexError):
        split.sentence(3)
    assert len(Split.of([])) == 0


@pytest.mark.parametrize("size", [1, 3, 32])
def test_batches_hold_every_sentence_once_at_equal_length(size):
    rng = np.random.default_rng(0)
    sentences = [rng.integers(3, 9, n).tolist() for n in rng.integers(0, 7, 101)]
    split = Split.of(sentences)
    batches = same_length_batches(split, size)
    for batch in batches:
        assert 1 <= len(batch.index) <= size
        assert (np.diff(batch.index) > 0).all()
        for number, row in zip(batch.index, batch.tokens.tolist(), strict=True):
            assert row == [BOS, *sentences[number], EOS]
    assert sorted(np.concatenate([b.index for b in batches]).tolist()) == list(range(101))
    counts = np.bincount(split.lengths)
    assert len(batches) == sum(-(-count // size) for count in counts)


def test_batches_of_nothing():
    assert same_length_batches(Split.of([]), 4) == []


def test_epoch_order_is_a_pure_permutation():
    first = epoch_order(50, seed=1, epoch=2)
    np.testing.assert_array_equal(first, epoch_order(50, seed=1, epoch=2))
    assert sorted(first.tolist()) == list(range(50))
    others = [epoch_order(50, 1, 3), epoch_order(50, 2, 2), epoch_order(50, 2, 1)]
    assert all((first != other).any() for other in others)
    assert epoch_order(5, 0, 0).tolist() == [0, 1, 3, 4, 2]  # the same with every NumPy


def test_specs_have_one_canonical_form():
    given = "exact_small:mix=0.2, fresh=true,seed=2"  # 2 is the preset's seed
    assert data.find(given).name == "exact_small:fresh=true,mix=0.2"
    assert data.find(given).slug == "exact_small_fresh=true_mix=0.2"
    assert data.find(given).identity == data.find("exact_small:fresh=true,mix=0.20").identity
    assert data.find("exact_small:mix=0.4").identity == data.find("exact_small").identity
    assert data.find("exact:stop=1").identity == data.find("exact:stop=1.0").identity
    assert data.find("ptb").slug == "ptb"


@pytest.mark.parametrize(
    ("spec", "sha256"),
    [
        ("exact_small", "12a8bdcc6250b23fcfc2d97f5778bb4778aa8e45a68449d479e228008fba4de0"),
        ("exact_small:fresh=true,mix=0.2,stop=1",
         "b2917cac7ee3f103f42f07845b50851d18c6bd6c1d6b85ff9e9de75caf3c23b6"),
        ("ptb", "cc2788ffb22b8296ad202877944102a66b2b925ffcfff122c0061cb05bffd704"),
        ("yahoo", "73037d811f77e9addf03c3dcc67cf48e788e72b8009f24e6ef1ce7f66a015f2a"),
        ("yahoo_small", "2c051019a7e9e680ece6baa0fd58f0ffbd9ebf6654e876b40e3bccba967367be"),
        ("ptb:vocabulary=sentencepiece,size=4000",
         "ad7773bed8d8c1a4ec9c2d74124de2332e6e705b831212dd85dce75bfa1fdf54"),
    ],
)  # fmt: skip
def test_the_data_of_recorded_runs_keep_their_identity(spec: str, sha256: str) -> None:
    assert data.find(spec).identity == sha256


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("exact_smal", "exact_smal: unknown data set; did you mean 'exact_small'?"),
        ("pbt", "did you mean 'ptb'?"),
        ("ptb:sise=1", "sise: unknown key; did you mean 'size'?"),
        ("ptb:min_count=2", "min_count: unknown key; choose one of size, vocabulary"),
        (
            "ptb:size=4000",
            "its words are those that the papers use; give a size only with vocab",
        ),
        ("ptb:vocabulary=sentencepiece", "add one such as size=4000"),
        ("yahoo:vocabulary=sentencepeace,size=9", "did you mean 'sentencepiece'?"),
        ("yahoo:vocabulary=sentencepiece,size=-9", "size: -9 should be greater"),
        ("exact:mxi=0.2", "mxi: unknown key; did you mean 'mix'?"),
        ("exact:mix", "write key=value"),
        ("exact:", "write key=value"),
        ("exact:mix=lots", "mix: 'lots' should be a valid number"),
        ("exact:words=40.5", "words: 40.5 should be a valid integer"),
        ("exact:fresh=1", "fresh: 1 should be a valid boolean; write true or false"),
        ("exact:mix=nan", "mix: 'nan' should be a valid number"),
        ("exact:stop=0", "stop: 0 should be greater than or equal to 0.001"),
        ("exact:words=2", "successors: 4 exceeds words = 2"),
        ("exact:mix=0.1,mix=0.2", "mix: is set twice"),
    ],
)
def test_bad_specs_are_one_clear_line(spec, message):
    with pytest.raises(UserError) as caught:
        _ = data.find(spec).identity
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_exact_language_prepares_itself_and_comes_back_equal(tmp_path, quick):
    first = data.load(SMALL, tmp_path)
    assert data.find(SMALL).meta(tmp_path)
    again = data.load(SMALL, tmp_path)
    assert first.spec == again.spec == SMALL
    assert first.sha256 == data.find(SMALL).identity
    assert [len(split) for split in again.splits.values()] == [60, 20, 20]
    for name, split in again.splits.items():
        np.testing.assert_array_equal(split.tokens, first.splits[name].tokens)
        assert split.tokens.dtype == np.int32
        assert split.classes.dtype == np.int16
        assert again.language is not None
        np.testing.assert_allclose(again.language.log_prob(split), split.log_prob, rtol=1e-12)
    assert again.training_split(0, 1) is again.splits["train"]


def test_fresh_data_change_with_seed_and_epoch_only(tmp_path, quick):
    corpus = data.load(SMALL + ",fresh=true", tmp_path)
    fixed = data.load(SMALL, tmp_path)
    np.testing.assert_array_equal(corpus.splits["test"].tokens, fixed.splits["test"].tokens)
    splits = [corpus.training_split(0, 0), corpus.training_split(0, 1), corpus.training_split(1, 0)]
    assert [len(split) for split in splits] == [60, 60, 60]
    assert len({split.tokens.tobytes() for split in splits}) == 3
    assert corpus.training_split(0, 1).tokens.tobytes() == splits[1].tokens.tobytes()


@pytest.mark.parametrize(
    "name",
    [
        "exact_small",
        "exact_learnable",
        "exact",
        *(pytest.param(f"exact_{n}", marks=pytest.mark.slow) for n in ("medium", "hard")),
    ],
)
def test_presets_generate_what_they_always_generated(name, tmp_path):
    """The content is pinned; I(x; c) leaves something to recover and something to doubt."""
    shown = data.describe(name, tmp_path)
    assert shown["content_sha256"] == data.CONTENT[name]
    assert 0.85 < shown["information"] / shown["ln_classes"] < 0.96
    assert shown["entropy_error"] < 0.02
    assert shown["splits"]["test"]["words_min"] >= 5


def test_quickstart_figures_are_those_documented(tmp_path):
    shown = data.describe("exact_small", tmp_path)
    assert shown["entropy"] == pytest.approx(26.60, abs=0.05)
    assert shown["information"] == pytest.approx(2.629, abs=0.01)
    assert json.loads(json.dumps(shown)) == shown


def test_a_changed_generator_is_an_error(tmp_path, monkeypatch, quick):
    monkeypatch.setitem(data.CONTENT, SMALL, "0" * 64)
    with pytest.raises(UserError, match="expected 0000"):
        data.prepare(SMALL, tmp_path)
    assert not data.find(SMALL).meta(tmp_path)


def test_altered_prepared_data_are_refused(tmp_path, quick):
    folder = data.prepare(SMALL, tmp_path)
    (arrays,) = folder.glob("*.npz")
    content = bytearray(arrays.read_bytes())
    content[500] ^= 1
    arrays.write_bytes(content)
    with pytest.raises(UserError) as caught:
        data.load(SMALL, tmp_path)
    digest = json.loads((folder / "meta.json").read_text())["sha256"]
    assert digest in str(caught.value)
    assert f"pcbench data prepare {SMALL}" in str(caught.value)
    data.prepare(SMALL, tmp_path)
    data.load(SMALL, tmp_path)
    arrays.unlink()
    with pytest.raises(UserError, match="prepare it again"):
        data.load(SMALL, tmp_path)
    meta = json.loads((folder / "meta.json").read_text())
    del meta["splits"]
    for text in (json.dumps(meta), "{"):
        (folder / "meta.json").write_text(text)
        with pytest.raises(UserError, match="damaged"):
            data.load(SMALL, tmp_path)


def test_generated_data_take_no_source_folder(tmp_path):
    with pytest.raises(UserError, match="for public corpora only; leave it out"):
        data.prepare(SMALL, tmp_path, source=tmp_path)


def test_root_that_is_a_file_is_one_clear_line(tmp_path, quick):
    (tmp_path / "root").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        data.load(SMALL, tmp_path / "root")


def test_default_root_follows_the_environment(monkeypatch):
    monkeypatch.setenv("PCBENCH_DATA", "/scratch/data")
    assert str(data.default_root()) == "/scratch/data"
    monkeypatch.delenv("PCBENCH_DATA")
    assert str(data.default_root()) == ".data"


def test_loading_needs_numpy_alone(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "for name in ('torch', 'datasets', 'huggingface_hub', 'pandas', 'scipy'):\n"
        "    sys.modules[name] = None\n"
        "from benchmark import data\n"
        f"print(len(data.load({SMALL!r}, Path({str(tmp_path)!r})).splits['train']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout == "60\n", done.stderr
