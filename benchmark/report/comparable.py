"""Which records may share a table: one text, precision and evaluation, and no words lost.

A word that becomes ``<unk>`` pays nothing for its spelling, so likelihoods under a coding that
loses words of the test split compare with no other coding's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]


@dataclass
class Group:
    """Lines of one table, its title, and what a reader must know before comparing its figures."""

    title: str
    lines: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def codings(self) -> list[str]:
        """The data sets' names: the same text with one coding or several."""
        return list(dict.fromkeys(_name(line) for line in self.lines))


def groups(lines: Sequence[Record]) -> list[Group]:
    """The tables of a study, in the order of its rows; lines without a row are left out.

    A run without a record stands with the records of its row, or else of its data set and
    precision, where there are any.
    """
    named = [line for line in lines if line.get("row") is not None]
    named.sort(key=lambda line: (line["row"], line["config"].get("seed", 0)))
    keys = {id(line): _key(line) for line in named if "data" in line}
    known = {
        like: keys[id(line)]
        for line in reversed(named) if id(line) in keys
        for like in _alike(line)
    }  # fmt: skip
    found: dict[tuple[str, ...], Group] = {}
    for line in named:
        near = [known[like] for like in _alike(line) if like in known]
        key = keys.get(id(line)) or (near[0] if near else (_name(line),))
        found.setdefault(key, Group("")).lines.append(line)
    _tell(found)
    return list(found.values())


def coding(name: str) -> str:
    """The settings of a data set's name, such as ``size=4000,vocabulary=sentencepiece``."""
    return name[len(_text(name)) + 1 :] or "word"


def _alike(line: Record) -> tuple[tuple[object, ...], ...]:
    """What a run shares with those it stands beside, the nearest first."""
    data, precision = _name(line), line["config"].get("precision")
    of_precision = ((data, "precision", precision),) if precision else ()
    return ((data, "row", line["row"]), *of_precision, (data,))


def _key(line: Record) -> tuple[str, ...]:
    """Text, its digest, precision, evaluation; a coding that loses words of the test split."""
    data = line["data"]
    lossless = data.get("lossless", {}).get("test", True)
    return (
        _text(_name(line)),
        data.get("text_sha256", data["sha256"]),
        line["config"]["precision"],
        "" if lossless else data["sha256"],
        line.get("evaluation_digest", ""),
    )


def _tell(found: dict[tuple[str, ...], Group]) -> None:
    """Titles and notes."""
    whole = [key for key in found if len(key) > 1]  # else: no run has a record yet
    for key, group in found.items():
        names = group.codings
        same = [other for other in whole if other[0] == key[0] and key in whole and other != key]
        group.title = names[0] if len(names) == 1 else key[0]
        if any(other[2:3] != key[2:3] for other in same):
            group.title += f", {key[2]}"
            group.notes.append("Runs of another precision stand in a table of their own.")
        if any(other[1:2] != key[1:2] for other in same):
            group.title += f", text {key[1][:8]}"
            group.notes.append("Another text of this name stands in a table of its own.")
        if any(other[4:] != key[4:] for other in same):
            group.title += f", evaluation {key[4] or 'unknown'}"
            group.notes.append(
                "Runs measured by another estimator, as by another number of importance samples, "
                "stand in a table of their own."
            )
        if same and key[3]:
            group.notes.append(
                "This coding replaces words of the test split by the unknown word, whose spelling "
                "costs nothing: its likelihoods compare with no other coding's, so it stands apart."
            )
        if len(names) > 1:
            group.notes.append(
                "Several codings of one text, none of which loses a word of the test split: nats "
                "per sentence compare. Pieces are scored in one segmentation of a sentence, which "
                "bounds its NLL from above."
            )
        if any(line.get("data", {}).get("segmentation") == "sentencepiece" for line in group.lines):
            group.notes.append("Perplexities of pieces are given per word, as those of words are.")


def _name(line: Record) -> str:
    return str(line["config"]["data"])


def _text(name: str) -> str:
    """A data set's name without the settings of its coding; those of an exact language stay."""
    if name.startswith("text:"):
        return name.split(",")[0]
    return name if name.startswith("exact") else name.split(":")[0]
