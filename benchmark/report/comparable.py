"""Which records may share a table: one text, precision, settings of evaluation, no words lost.

A word that becomes ``<unk>`` pays nothing for its spelling, so likelihoods under a coding that
loses words of the test split compare with no other coding's.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

Record = dict[str, Any]


@dataclass
class Group:
    """Lines of one table, its title, and what a reader must know before comparing its figures.

    The lines are in the order of the study's rows, then seeds. Where a group holds several codings
    of one text, their labels tell which.
    """

    title: str
    lines: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _Key(NamedTuple):
    """What records of one table share; None is not known, as of a run without a record."""

    text: str
    digest: str | None
    precision: str | None
    coding: str  # "" where codings compare; else what names this one
    evaluation: str | None  # settings that are not the defaults; what they mean, `frame` heeds

    def differs(self, name: str, others: "Sequence[_Key]") -> bool:
        """Whether any of the others is known to have another value."""
        mine = getattr(self, name)
        return mine is not None and any(getattr(one, name) not in (mine, None) for one in others)


def groups(lines: Sequence[Record]) -> list[Group]:
    """The tables of a study, in the order of its rows; lines without a row are left out.

    A run without a record stands with the records of its row, else with the first of its data set
    and precision; where there are none of these, with the other such runs.
    """
    named = [line for line in lines if line.get("row") is not None]
    named = languages_as_seeds(named)
    named.sort(key=lambda line: (line["row"], line["config"].get("seed", 0)))
    known: dict[tuple[object, ...], _Key] = {}
    for line in named:
        if "data" in line:
            for like in _alike(line):
                known.setdefault(like, _key(line))
    found: dict[_Key, Group] = {}
    for line in named:
        key = _key(line) if "data" in line else _beside(line, known)
        found.setdefault(key, Group("")).lines.append(line)
    _tell(found)
    return list(found.values())


def languages_as_seeds(lines: list[Record]) -> list[Record]:
    """Give each language of a study that draws several, with one run each, the place of a seed.

    Differences are then paired by language: the question is whether they hold beyond one draw.
    What is true of one language alone, such as its entropy, leaves the lines.
    """
    drawn: dict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        family, number = _family(_name(line))
        if number is not None and line["row"] == lines[0]["row"]:
            drawn[family][_name(line)] += 1
    several = {
        family for family, runs in drawn.items() if len(runs) > 1 and set(runs.values()) == {1}
    }
    return [_as_draw(line) if _family(_name(line))[0] in several else line for line in lines]


def _as_draw(line: Record) -> Record:
    """A run's line with its language's number as its seed."""
    family, number = _family(_name(line))
    if number is None:
        return line
    changed = line | {"config": line["config"] | {"data": f"{family}, languages", "seed": number}}
    if "data" in line:
        alone = ("sha256", "text_sha256", "entropy", "entropy_se", "information", "information_se")
        kept = {key: value for key, value in line["data"].items() if key not in alone}
        changed["data"] = kept | {"sha256": family}
    return changed


def _family(name: str) -> tuple[str, int | None]:
    """An exact language's name without its seed, and the seed where the name states one."""
    base, _, text = name.partition(":")
    settings = text.split(",") if text and base.startswith("exact") else []
    seeds = [s.removeprefix("seed=") for s in settings if s.startswith("seed=")]
    if not (seeds and seeds[0].isdigit()):
        return name, None
    rest = ",".join(s for s in settings if not s.startswith("seed="))
    return f"{base}:{rest}" if rest else base, int(seeds[0])


def _alike(line: Record) -> tuple[tuple[object, ...], ...]:
    """What a run shares with those it stands beside, the nearest first."""
    data = _name(line)
    of_row, of_precision = (data, "row", line["row"]), (data, line["config"].get("precision"))
    return of_row, of_precision, (data, None)


def _beside(line: Record, known: dict[tuple[object, ...], _Key]) -> _Key:
    """The key of a run without a record."""
    of_row, of_precision, _ = _alike(line)  # another precision's records are no place for it
    alone = _Key(_text(_name(line)), None, line["config"].get("precision"), _name(line), None)
    return known.get(of_row) or known.get(of_precision) or alone


def _key(line: Record) -> _Key:
    data = line["data"]
    return _Key(
        _text(_name(line)),
        data.get("text_sha256", data["sha256"]),
        line["config"]["precision"],
        "" if _lossless(line) else data["sha256"],
        _evaluation(line["config"].get("evaluate", {})),
    )


def _evaluation(settings: Record) -> str:
    """The settings of evaluation that are not the defaults, "iw_samples 100, bleu False"."""
    from benchmark.core.settings import EvaluateConfig

    usual = asdict(EvaluateConfig())
    return ", ".join(f"{k} {v}" for k, v in settings.items() if v != usual.get(k))


def _tell(found: dict[_Key, Group]) -> None:
    """Titles and notes; labels tell their coding where there are several."""
    for key, group in found.items():
        names = list(dict.fromkeys(_name(line) for line in group.lines))
        same = [other for other in found if other.text == key.text and other != key]
        group.title = names[0] if len(names) == 1 else key.text
        if key.differs("precision", same):
            group.title += f", {key.precision}"
            group.notes.append("Runs of another precision stand in a table of their own.")
        if key.differs("digest", same):
            group.title += f", text {str(key.digest)[:8]}"
            group.notes.append("Another text of this name stands in a table of its own.")
        if key.differs("evaluation", same):
            group.title += f", {key.evaluation or 'evaluation by default'}"
            group.notes.append(
                "Runs measured with other settings, such as another number of importance samples, "
                "stand in a table of their own."
            )
        if same and not all(_lossless(line) for line in group.lines):
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
            group.lines = [
                line | {"label": f"{line['label']}, {_coding(_name(line))}"} for line in group.lines
            ]
        if key.text.endswith(", languages"):
            group.notes.append(
                "Each run is on a language of its own, one run a language: n counts languages, and "
                "differences are paired by language."
            )
        if any(line.get("data", {}).get("segmentation") == "sentencepiece" for line in group.lines):
            group.notes.append("Perplexities of pieces are given per word, as those of words are.")


def _lossless(line: Record) -> bool:
    """Whether the coding keeps all words of the test split, as far as the line tells."""
    return bool(line.get("data", {}).get("lossless", {}).get("test", True))


def _name(line: Record) -> str:
    return str(line["config"]["data"])


def _coding(name: str) -> str:
    """The settings of a data set's name, such as ``size=4000,vocabulary=sentencepiece``."""
    return name[len(_text(name)) + 1 :] or "word"


def _text(name: str) -> str:
    """A data set's name without the settings of its coding; those of an exact language stay."""
    if name.startswith("text:"):
        return name.split(",")[0]
    return name if name.startswith("exact") else name.split(":")[0]
