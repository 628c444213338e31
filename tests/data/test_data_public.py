"""A miniature public corpus through `datasets`, and every way in which its files can be wrong."""

import dataclasses
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from benchmark import data
from benchmark.core.errors import UserError
from benchmark.core.files import sha256_bytes
from benchmark.data import public
from benchmark.data.batches import same_length_batches

TEXT = {
    "train": b" the cat <unk> on N mats \n the dog sat \n the cat sat \n",
    "valid": b" a <unk> sat \n",
    "test": b" the dog \n on mats",
}
FILES = {split: f"mini.{split}.txt" for split in TEXT}


@pytest.fixture
def mini(monkeypatch):
    """The miniature's registry entry; nobody answers at its address."""
    corpus = public.PublicCorpus(
        name="mini",
        description="miniature",
        url="http://127.0.0.1:9/",
        files=FILES,
        digests={split: f"sha256:{sha256_bytes(text)}" for split, text in TEXT.items()},
    )
    monkeypatch.setitem(public.CORPORA, "mini", corpus)
    return corpus


@pytest.fixture
def online(monkeypatch):
    """Let requests reach this machine, where the environment forbids them."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.fixture
def source(tmp_path):
    """A folder with the miniature's files, its name full of characters that globs read."""
    folder = tmp_path / "my [source] *"
    folder.mkdir()
    for split, name in FILES.items():
        (folder / name).write_bytes(TEXT[split])
    return folder


def test_text_becomes_sentences(mini, source, tmp_path):
    root = tmp_path / "root"
    assert data.prepare("mini", root, source) == root / "mini"
    corpus = data.load("mini", root)
    assert corpus.vocabulary.words[3:] == ["the", "cat", "sat", "<unk>", "on", "N", "mats", "dog"]
    assert corpus.language is None
    assert corpus.sha256 == data.find("mini").identity
    texts = {
        name: [corpus.vocabulary.decode(split.sentence(i)) for i in range(len(split))]
        for name, split in corpus.splits.items()
    }
    assert texts["train"] == ["the cat <unk> on N mats", "the dog sat", "the cat sat"]
    assert texts["valid"] == ["<unk> <unk> sat"]
    assert texts["test"] == ["the dog", "on mats"]
    assert corpus.training_split(3, 4) is corpus.splits["train"]
    assert [b.index.tolist() for b in same_length_batches(corpus.splits["train"], 32)] == [
        [1, 2],
        [0],
    ]
    shown = data.describe("mini", root)
    assert shown["types"] == 8
    assert shown["splits"]["train"]["tokens"] == 15
    assert sorted(path.name for path in root.iterdir()) == ["mini"]  # no cache is left


def test_nothing_is_printed_nor_left_at_home(mini, source, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    code = (
        "import sys; from pathlib import Path\n"
        "from benchmark import data\n"
        "from benchmark.data import public\n"
        f"public.CORPORA['mini'] = public.{mini!r}\n"
        "data.prepare('mini', Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "for name in ('datasets', 'huggingface_hub', 'torch'):\n"
        "    for module in [m for m in sys.modules if m.partition('.')[0] == name]:\n"
        "        del sys.modules[module]\n"
        "    sys.modules[name] = None\n"
        "print(len(data.load('mini', Path(sys.argv[1])).splits['train']))\n"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path / "root"), str(source)],
        capture_output=True,
        text=True,
        env={**kept, "HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.stdout, done.stderr) == ("3\n", "")
    assert list(home.iterdir()) == []


def test_download_is_verified(mini, online, source, tmp_path, monkeypatch, capsys):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(source))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            here = dataclasses.replace(mini, url=f"http://127.0.0.1:{server.server_port}/")
            monkeypatch.setitem(public.CORPORA, "mini", here)
            data.prepare("mini", tmp_path / "root")
            assert capsys.readouterr().err.count("downloading http://") == 3
            assert len(data.load("mini", tmp_path / "root").splits["train"]) == 3
            (source / FILES["test"]).write_bytes(b"another text")
            with pytest.raises(UserError, match=r"mini\.test\.txt of mini: sha256"):
                data.prepare("mini", tmp_path / "other", progress=False)
            (source / FILES["test"]).unlink()
            with pytest.raises(UserError, match=r"cannot be downloaded .*404.* --from DIR"):
                data.prepare("mini", tmp_path / "other", progress=False)
        finally:
            server.shutdown()


def test_without_network_one_line(mini, online, tmp_path):
    with pytest.raises(UserError) as caught:
        data.prepare("mini", tmp_path / "root", progress=False)
    assert "cannot be downloaded" in str(caught.value)
    assert "refused" in str(caught.value)
    command = f"pcbench data prepare mini --data-dir {tmp_path}/root --from DIR"
    assert command in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_prepared_data_name_the_command(mini, tmp_path):
    assert not data.find("mini").meta(tmp_path)
    with pytest.raises(UserError) as caught:
        data.load("mini", tmp_path / "my data")
    _, _, command = str(caught.value).partition("run: ")
    assert command == f"pcbench data prepare mini --data-dir '{tmp_path}/my data'"


def test_altered_source_is_refused_with_both_digests(mini, source, tmp_path):
    (source / FILES["valid"]).write_bytes(b" a damaged copy \n")
    with pytest.raises(UserError) as caught:
        data.prepare("mini", tmp_path / "root", source)
    message = str(caught.value)
    assert mini.digest("valid") in message
    assert sha256_bytes(b" a damaged copy \n") in message
    assert str(source / FILES["valid"]) in message
    assert not data.find("mini").meta(tmp_path / "root")


def test_source_folders_that_cannot_serve(mini, source, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for name in ("empty", "nowhere", "file"):
        with pytest.raises(
            UserError, match=rf"{name}: there is no mini\.train\.txt; .* --from DIR"
        ):
            data.prepare("mini", tmp_path / "root", tmp_path / name)
    (source / FILES["test"]).unlink()
    with pytest.raises(UserError, match=r"there is no mini\.test\.txt"):
        data.prepare("mini", tmp_path / "root", source)


def test_unreadable_source(source, tmp_path, without_rights):
    """Through the command line, as a user who may not read everything: root could."""
    (source / FILES["train"]).rename(source / "ptb.train.txt")
    (source / "ptb.train.txt").chmod(0)
    for name in ("ptb.valid.txt", "ptb.test.txt"):
        (source / name).touch()
    command = [sys.executable, "-m", "benchmark", "data", "prepare", "ptb", "--from", str(source)]
    command = [*without_rights, *command, "--data-dir", str(tmp_path / "root")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "ptb.train.txt: Permission denied" in done.stderr
    source.chmod(0)
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    finally:
        source.chmod(0o700)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "Permission denied" in done.stderr


@pytest.mark.skipif("PCBENCH_TEST_PTB" not in os.environ, reason="needs the PTB files")
def test_ptb_has_the_published_counts(tmp_path):
    data.prepare("ptb", tmp_path, Path(os.environ["PCBENCH_TEST_PTB"]))
    shown = data.describe("ptb", tmp_path)
    assert shown["types"] == 9_999
    splits = shown["splits"]
    assert [splits[s]["sentences"] for s in ("train", "valid", "test")] == [42_068, 3_370, 3_761]
    assert (splits["train"]["tokens"], splits["test"]["tokens"]) == (929_589, 82_430)
    train = data.load("ptb", tmp_path).splits["train"]
    assert len(same_length_batches(train, 32)) == 1_359
