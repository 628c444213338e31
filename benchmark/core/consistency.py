"""Checks that any honest file of records passes, applied before its figures are shown.

What is *wrong* cannot be: figures that contradict one another, or that are not what a run wrote,
or two protocols in the mean of one row. The report then exits with status 1. A *remark* is true
and must be known to judge the figures; it goes below the tables. Records of code that was never
committed are a remark: nobody else can have that code, but whoever develops a method works in such
a tree all day; `tests/tools/origin.py` keeps them out of the repository.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.core import rules
from benchmark.core.records import digest, is_done, marked

Record = dict[str, Any]

_NAMED = 3  # so many runs are named; the rest are counted


@dataclass(frozen=True)
class Finding:
    """What was found in the record ``id``, or in the file as a whole.

    Attributes:
        id: the run's; None of the whole.
        text: what, in one line.
        wrong: whether it cannot be; else a remark.
        line: of the file, from 1; None of the whole.
        lacking: how many runs of a row have no record, where that is the remark.
    """

    id: str | None
    text: str
    wrong: bool
    line: int | None = None
    lacking: int = 0

    def told(self, file: Path | str) -> str:
        """One line: file, line number, run and reason."""
        place = f"{file}:{self.line}" if self.line is not None else str(file)
        return (
            f"{place}: {self.id}: {self.text}" if self.id is not None else f"{place}: {self.text}"
        )


def check(lines: Sequence[Record], seeds: Sequence[int] | None = None) -> list[Finding]:
    """All findings on the lines of a collected file: those on one record first, in their order.

    Args:
        lines: all of the file, in its order.
        seeds: which the study states; None takes those that any of the lines has.
    """
    numbered = list(enumerate(lines, start=1))
    done = [(number, line) for number, line in numbered if is_done(line)]
    return [
        *(
            Finding(line["id"], text, True, number)
            for number, line in done
            for text in _record(line)
        ),
        *_absent(numbered),
        *_repeated(done),
        *_codings(done),
        *_protocols(done),
        *_seeds(lines, seeds),
        *_code(done),
        *_resumed(done),
        *_dirty(done),
        *_machines(done),
    ]


Numbered = Sequence[tuple[int, Record]]


def _record(line: Record) -> Iterator[str]:
    """What is wrong with one record."""
    if line.get("digest", digest(line)) != digest(line):
        yield "record: changed since its run wrote it"
    for split in ("valid", "test", "last"):
        figures = line["metrics"][split]
        tokens, sentences = (_size(line, split, what) for what in ("tokens", "sentences"))
        each = tokens / sentences if tokens and sentences else None
        yield from (f"{split}: {text}" for text in rules.problems(figures, each, sentences))
    yield from _spectrum(line)
    yield from _words(line["data"])
    yield from (f"{name}: holds markup: {text!r}" for name, text in _texts(line) if marked(text))


def _size(line: Record, split: str, what: str) -> int | None:
    """Sentences or tokens of the split that a group of metrics was measured on."""
    size: int | None = line["data"].get(f"{'valid' if split == 'valid' else 'test'}_{what}")
    return size


def _spectrum(line: Record) -> Iterator[str]:
    """The KL of the test split is the sum of that of the dimensions; none beyond them is active."""
    spectrum, test = line["kl_spectrum"], line["metrics"]["test"]
    if not spectrum:
        return
    if abs(sum(spectrum) - test["kl"]) > rules.ROUNDING * max(1.0, test["kl"]):
        yield f"kl_spectrum sums to {sum(spectrum):.4f}, kl of test is {test['kl']:.4f}"
    if (test.get("au") or 0) > len(spectrum):
        yield f"test: au {test['au']} is above the {len(spectrum)} dimensions of kl_spectrum"


def _words(data: Record) -> Iterator[str]:
    """Perplexities per word rest on the number of words: pieces are at least as many."""
    words, tokens = data.get("test_words"), data.get("test_tokens")
    if words is None or tokens is None:
        return
    if not 0 < words <= tokens:
        yield f"data: {words:,} words cannot be {tokens:,} tokens"
    elif data.get("segmentation", "word") == "word" and words != tokens:
        yield f"data: {words:,} words are {tokens:,} tokens, but the tokens are words"


def _texts(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """All texts of a record, its keys included, and where they stand."""
    if isinstance(value, str):
        yield name or "record", value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield name or "record", key
            yield from _texts(item, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, name)


def _absent(numbered: Numbered) -> Iterator[Finding]:
    """Markup in the line of a run without a record; the reason of its failure may hold some."""
    for number, line in numbered:
        if not is_done(line):
            for name, text in _texts(line):
                if marked(text):
                    told = f"{name}: holds markup: {text!r}"
                    yield Finding(line["id"], told, name != "error", number)


def _repeated(done: Numbered) -> Iterator[Finding]:
    """Two runs whose test figures are all equal are one run copied, or two ways to say one method.

    A weight of 1 is no annealing: such runs have the same seed and data, and took their own time.
    """
    seen: dict[str, Record] = {}
    for number, line in done:
        figures = repr(sorted(line["metrics"]["test"].items()))
        known = seen.setdefault(figures, line)
        if known is not line:
            one, other = ((of["config"]["seed"], of["data"]["sha256"]) for of in (known, line))
            apart = one == other and known["cost"]["seconds"] != line["cost"]["seconds"]
            text = f"test: repeats every figure of {known['id']}"
            yield Finding(line["id"], text, not apart, number)


def _codings(done: Numbered) -> Iterator[Finding]:
    """Records of one data set tell the same of it; another library may make other pieces."""
    first: dict[str, Record] = {}
    for number, line in done:
        data, known = line["data"], first.setdefault(line["data"]["sha256"], line)
        for key in ("vocabulary", "vocabulary_sha256", "test_sentences", "test_tokens"):
            if key in data and data[key] != known["data"].get(key, data[key]):
                told = f"{data[key]}, of {known['id']} with the same data {known['data'][key]}"
                yield Finding(line["id"], f"data: {key} is {told}", True, number)


def _protocols(done: Numbered) -> Iterator[Finding]:
    """The runs of one row differ in their seed alone, else their mean is of nothing."""
    first: dict[tuple[object, ...], Record] = {}
    for number, line in done:
        if line.get("row") is None:
            continue
        config = line["config"]
        known = first.setdefault((line["row"], config["data"], config["precision"]), line)
        texts = list(differences(known, line))
        if texts:
            text = f"config: in one row with {known['id']}, but {', '.join(texts)}"
            yield Finding(line["id"], text, True, number)


def differences(known: Record, line: Record) -> Iterator[str]:
    """In what the settings and data of two runs differ beside their seeds.

    A setting that one record does not name is younger than that record, whose run had its default.
    A preset only tells where the settings come from; they are all in the record.
    """
    for key in sorted(known["config"].keys() | line["config"].keys()):
        there, here = known["config"].get(key), line["config"].get(key)
        if key in ("seed", "preset") or here == there:
            continue
        if isinstance(here, dict) and isinstance(there, dict):
            for name in sorted(here.keys() & there.keys()):
                if here[name] != there[name]:
                    yield f"{key}.{name} is {here[name]} against {there[name]}"
        else:
            yield f"{key} is {here} against {there}"
    if line["data"]["sha256"] != known["data"]["sha256"]:
        yield "the data differ"


def _seeds(lines: Sequence[Record], seeds: Sequence[int] | None) -> Iterator[Finding]:
    """Which rows have fewer runs than the study states; an interval over fewer says less."""
    named = [line for line in lines if line.get("row") is not None]
    wanted = sorted({line["config"]["seed"] for line in named} if seeds is None else set(seeds))
    there: dict[tuple[object, object], set[int]] = defaultdict(set)
    labels: dict[tuple[object, object], str] = {}
    for line in named:
        row = (line["row"], line["config"]["data"])
        labels[row] = f"{line.get('label', line['row'])} on {line['config']['data']}"
        there[row] |= {line["config"]["seed"]} if is_done(line) else set()
    for row in sorted(labels, key=str):
        lacking = [seed for seed in wanted if seed not in there[row]]
        if lacking:
            text = f"{labels[row]}: {len(wanted) - len(lacking)} of {len(wanted)} seeds"
            text += f"; without a record: {_listed(lacking, 10)}"
            yield Finding(None, text, False, lacking=len(lacking))


def _code(done: Numbered) -> Iterator[Finding]:
    """Figures of several versions of the code compare if what changed did not matter."""
    versions = Counter(
        (str(line["provenance"]["commit"] or "none")[:12], line["provenance"]["code_sha256"][:12])
        for _, line in done
    )
    if len({code for _, code in versions}) < 2:
        return
    told = (
        f"{count} of commit {commit} (code {code})"
        for (commit, code), count in sorted(versions.items(), key=lambda item: (-item[1], item[0]))
    )
    yield Finding(None, f"records of several versions of the code: {', '.join(told)}", False)


def _resumed(done: Numbered) -> Iterator[Finding]:
    """Runs that an interruption parted between two versions of the code."""
    for number, line in done:
        origin = line["provenance"]
        later = set(origin.get("code_sha256_resumed", [])) - {origin["code_sha256"]}
        if later:
            codes = ", ".join(sorted(code[:12] for code in later))
            text = f"provenance: began with code {origin['code_sha256'][:12]}, resumed with {codes}"
            yield Finding(line["id"], text, False, number)


def _dirty(done: Numbered) -> Iterator[Finding]:
    """Figures of code that nobody else can have, or that git did not name where it ran."""
    for names, what in (
        ([line["id"] for _, line in done if line["provenance"]["dirty"]],
         "of code that was not committed"),
        ([line["id"] for _, line in done if line["provenance"]["commit"] is None],
         "that name no commit"),
    ):  # fmt: skip
        if names:
            yield Finding(None, f"{len(names)} records {what}: {_listed(names, _NAMED)}", False)


def _machines(done: Numbered) -> Iterator[Finding]:
    """Figures are equal to the bit for equal torch and devices only, and hours compare only so."""
    kinds = Counter(
        f"torch {line['provenance']['torch']} on {line['cost']['device']}" for _, line in done
    )
    if len(kinds) > 1:
        told = ", ".join(f"{count} of {kind}" for kind, count in sorted(kinds.items()))
        yield Finding(None, f"records of several machines: {told}", False)


def _listed(names: Iterable[object], most: int) -> str:
    """The first names, and how many more there are."""
    texts = [str(name) for name in names]
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more} more" if more > 0 else "")
