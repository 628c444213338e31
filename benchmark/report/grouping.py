"""Which records may share a table, and what a reader must know before comparing its rows.

The records of a table are of one data set, vocabulary included, one precision and one way of
evaluation.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.core.records import is_done
from benchmark.core.schema import Record
from benchmark.core.settings import EvaluateConfig
from benchmark.report.frame import frame
from benchmark.run.presets import CAVEATS

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Group:
    """The records of one table: everything that is shown of them is read from here.

    The lines are in the order of the study's rows, then seeds. The notes tell how the records were
    grouped. The contrasts are pairs of labels that the study planned to compare.
    """

    title: str = ""
    lines: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    contrasts: Sequence[tuple[str, str]] = ()

    @cached_property
    def runs(self) -> "pd.DataFrame":
        """The lines as a data frame, one row a run: see `benchmark.report.frame.frame`."""
        return frame(self.lines)

    @cached_property
    def differences(self) -> "pd.DataFrame":
        """The differences between the rows: see `benchmark.report.differences.differences`.

        Bold, the tables of differences, the forest plot and the paper's p values come from it.
        """
        from benchmark.report.differences import differences  # scipy.stats takes a second

        return differences(self.runs, self.contrasts)


class _Key(NamedTuple):
    """What records of one table share; None is not known, as of a run without a record."""

    data: str
    precision: str | None
    digest: str | None
    evaluation: str | None  # settings that are not the defaults; what they mean, `frame` heeds


# Title and note of a table that stands beside another of the same data set, by what differs.
_APART = {
    "precision": ("{}", "Runs of another precision stand in a table of their own."),
    "digest": ("text {:.8}", "Another text of this name stands in a table of its own."),
    "evaluation": (
        "{}",
        "Runs measured with other settings, such as another number of importance samples, stand in "
        "a table of their own.",
    ),
}


def groups(lines: Sequence[Record], contrasts: Sequence[tuple[str, str]] = ()) -> list[Group]:
    """Return the tables of a study in the order of its rows; lines without a row are left out.

    A run without a record stands with the records of its data set and precision, those of its row
    first; where there are none of these, with the other such runs.

    Args:
        lines: of a study's collected file.
        contrasts: that the study planned.
    """
    named = languages_as_seeds([line for line in lines if line.get("row") is not None])
    named.sort(key=lambda line: (line["row"], line["config"].get("seed", 0)))
    keys = [(line["row"], _key(line)) for line in named]
    recorded = [(row, key) for row, key in keys if key.digest is not None]
    tables: dict[_Key, Group] = {}
    for line, (row, key) in zip(named, keys, strict=True):
        if key.digest is None:
            beside = [
                (other != row, near) for other, near in recorded
                if near.data == key.data and key.precision in (None, near.precision)
            ]  # fmt: skip
            _, key = min(beside, key=lambda one: one[0], default=(False, key))
        tables.setdefault(key, Group(key.data)).lines.append(line)
    for key, group in tables.items():
        for what, (title, note) in _APART.items():
            value = getattr(key, what)
            others = {getattr(one, what) for one in tables if one.data == key.data} - {None, value}
            if others and value is not None:
                group.title += ", " + title.format(value)
                group.notes.append(note)
        group.notes += _of_data(group.lines)
        labels = {line["label"] for line in group.lines}
        group.contrasts = [pair for pair in contrasts if labels.issuperset(pair)]
    return list(tables.values())


def _key(line: Record) -> _Key:
    name, data, precision = _name(line), line.get("data"), line["config"].get("precision")
    if data is None:
        return _Key(name, precision, None, None)
    usual = asdict(EvaluateConfig())
    settings = line["config"].get("evaluate", {}).items()
    other = ", ".join(f"{key} {value}" for key, value in settings if value != usual.get(key))
    return _Key(name, precision, data["sha256"], other or "evaluation by default")


def _of_data(lines: Sequence[Record]) -> Iterator[str]:
    """Return notes on what the vocabulary, or the draw of languages, does to the numbers."""
    known: list[Any] = [line["data"] for line in lines if "data" in line]
    if not all(data.get("lossless", {}).get("test", True) for data in known):
        yield (
            "This coding replaces words of the test split by the unknown word, whose spelling "
            "costs nothing: its likelihoods compare with no other coding's."
        )
    if _name(lines[0]).endswith(_LANGUAGES):
        yield (
            "Each run is on a language of its own, one run a language: n counts languages, and "
            "differences are paired by language."
        )
    if any(data.get("segmentation") == "sentencepiece" for data in known):
        yield (
            "Pieces are scored in one segmentation of a sentence, which bounds its NLL from above. "
            "Their perplexities are given per word, as those of words are."
        )


def _name(line: Record) -> str:
    return str(line["config"]["data"])


# A study that draws several languages ------------------------------------------------------------

_LANGUAGES = ", languages"
_ALONE = ("sha256", "text_sha256", "entropy", "entropy_se", "information", "information_se")


def languages_as_seeds(lines: list[Record]) -> list[Record]:
    """Give each language of a study that draws several, with one run each, the place of a seed.

    Differences are then paired by language: the question is whether they hold beyond one draw.
    What is true of one language alone, such as its entropy, leaves the lines.
    """
    drawn: dict[str, list[int]] = defaultdict(list)
    for line in lines:
        family, number = _language(_name(line))
        if number is not None and line["row"] == lines[0]["row"]:
            drawn[family].append(number)
    several = {name for name, drawn in drawn.items() if 1 < len(drawn) == len(set(drawn))}
    changed = []
    for line in lines:
        family, number = _language(_name(line))
        if family in several and number is not None:
            config = line["config"] | {"data": family + _LANGUAGES, "seed": number}
            line = line | {"config": config}
            if "data" in line:
                kept = {key: value for key, value in line["data"].items() if key not in _ALONE}
                line["data"] = kept | {"sha256": family}
        changed.append(line)
    return changed


def _language(name: str) -> tuple[str, int | None]:
    """Return an exact language's name without its seed, and the seed if the name states one."""
    match = re.fullmatch(r"(exact\w*):(|.*,)seed=(\d+)(|,.*)", name)
    if match is None:
        return name, None
    base, before, seed, after = match.groups()
    others = (before + after.removeprefix(",")).removesuffix(",")
    return f"{base}:{others}" if others else base, int(seed)


# Notes on the records ----------------------------------------------------------------------------

_PROBED = (
    "MI given length: I(x; z) among sentences of equal length, a lower bound (≥) above its cap − "
    "3; MI minus it is what z holds of the length, at most. `recovered (length)`, `recovered (word "
    "1)` and so on: nats of the length and of the first words that linear probes read from samples "
    "of z beyond what their frequencies tell."
)


def notes(lines: Sequence[Record]) -> list[str]:
    """Return notes on the split, its estimators and the truth, and all `caveats`."""
    done = [line for line in lines if is_done(line)]
    probed = any(line["metrics"]["test"].get("recovered_length") is not None for line in done)
    return [*_split(done), *_truth(done), *([_PROBED] if probed else []), *caveats(done)]


def caveats(lines: Sequence[Record]) -> list[str]:
    """Return what limits a comparison: preset, records, settings and devices."""
    done = [line for line in lines if is_done(line)]
    texts = preset_caveats(done)
    if older := [line for line in done if line.get("evaluation", 1) < 2]:
        drawn = all("entropy" in line["data"] for line in older)  # sentences without an order
        low = "" if drawn else ", often one of the same article, so that it is too low"
        texts.append(
            f"{len(older)} of {len(done)} records were measured before evaluation 2. Their z_use, "
            f"in a column of its own, takes the next sentence of equal length in the file{low}. "
            "They hold no standard errors of MI and z_use, so the state of their latent is decided "
            "by the values alone."
        )
    if differing := other_settings(done):
        texts.append(
            f"Rows differ in settings too, not in the method alone: {'; '.join(differing)}."
        )
    devices = sorted({str(line["cost"]["device"]) for line in done})
    if len(devices) > 1:
        names = ", ".join(devices)
        texts.append(f"Hours were measured on several devices ({names}): they do not compare.")
    return texts


def preset_caveats(lines: Sequence[Record]) -> list[str]:
    """Return how the presets of these runs were chosen, where that forbids a conclusion."""
    presets = dict.fromkeys(line["config"].get("preset") for line in lines)
    return [CAVEATS[name] for name in presets if name in CAVEATS]


def _split(done: Sequence[Record]) -> Iterator[str]:
    """Return a note on the size of the test split, the largest visible MI, and IW samples."""
    for line in done:
        data = line["data"]
        size, tokens = data.get("test_sentences"), data.get("test_words", data.get("test_tokens"))
        if not (size and tokens):
            continue
        unit = "words" if data.get("segmentation") == "sentencepiece" else "tokens"
        length = f"{tokens / size:.2f}"
        if _name(line).endswith(_LANGUAGES):  # each has its own
            lengths = [one["data"]["test_tokens"] / size for one in done]
            length = f"{min(lengths):.1f} to {max(lengths):.1f}"
        samples = line["config"].get("evaluate", {}).get("iw_samples")
        text = f"N = {size:,} test sentences of {length} {unit} on average; MI can show at most "
        text += f"ln N = {math.log(size):.2f} nats."
        yield text + (f" IW-NLL by {samples} importance samples." if samples else "")
        return


def _truth(done: Sequence[Record]) -> Iterator[str]:
    """Return a note on the exact language's entropy and I(x; c), with Monte Carlo errors."""
    for data in (line["data"] for line in done):
        if data.get("entropy") is not None:
            entropy = f"{data['entropy']:.3f} ± {data['entropy_se']:.3f}"
            information = f"{data['information']:.3f} ± {data['information_se']:.3f}"
            yield (
                "A generated language: each sentence has a class c, from which a word comes with "
                "probability `mix`, otherwise from the word before it. "
                f"True entropy {entropy} nats per sentence; I(x; c) {information} nats (± one "
                "Monte Carlo standard error). `excess`: IW-NLL above the truth on the same "
                "sentences; `recovered`: nats of the class that a linear probe reads from samples "
                "of z."
            )
            return


def other_settings(lines: Iterable[Record]) -> list[str]:
    """Return each row's settings of network and training that are not those of most rows.

    A setting that some record does not have, being older, is left out.
    """
    configs = {line["label"]: line["config"] for line in lines}
    rows = {label: {**config["model"], **config["train"]} for label, config in configs.items()}
    shared = [
        key for key in next(iter(rows.values()), {}) if all(key in row for row in rows.values())
    ]
    usual = {
        key: Counter(repr(row[key]) for row in rows.values()).most_common(1)[0][0] for key in shared
    }
    texts = []
    for label, row in rows.items():
        other = [f"{key} {row[key]} (others {usual[key].strip(chr(39))})"
                 for key in shared if repr(row[key]) != usual[key]]  # fmt: skip
        if other:
            texts.append(f"`{label}` has {', '.join(other)}")
    return texts
