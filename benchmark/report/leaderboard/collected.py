"""Collected records by corpus: which rows of which studies may be compared.

Rows share a corpus if text and coding, preset, usual settings of training, precision and evaluation
are the same. Runs that two studies share stand in one row.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.core import consistency
from benchmark.core.errors import UserError
from benchmark.core.records import is_done, read_jsonl
from benchmark.core.schema import Record
from benchmark.core.settings import EvaluateConfig
from benchmark.report.grouping import groups
from benchmark.report.leaderboard.rows import Corpus, Key, Row, corpus, trained

Studies = Mapping[str, Sequence[Record]]  # lines of collected files by study


def read(results: Path) -> dict[str, list[Record]]:
    """Return the lines of all collected files in a folder, by study.

    Raises:
        UserError: no file, no run or no record in it; a record is damaged or cannot be.
    """
    studies: dict[str, list[Record]] = {}
    for path in sorted(results.glob("*.jsonl")):
        lines = read_jsonl(path)
        if not lines:
            raise UserError(f"{path}: holds no run; run `pcbench collect paper/{path.stem}.toml`")
        wrong = [one.message(path) for one in consistency.check(lines) if one.wrong]
        if wrong:
            more = f"; {len(wrong) - 1} more are wrong" if len(wrong) > 1 else ""
            raise UserError(f"{wrong[0]}{more}; `pcbench report {path.stem}` lists what is wrong")
        studies[path.stem] = lines
    if not any(
        line.get("row") is not None and is_done(line) for of in studies.values() for line in of
    ):
        raise UserError(f"{results}: holds no record; run `pcbench collect STUDY` first")
    return studies


def corpora(studies: Studies) -> list[Corpus]:
    """Return the corpora of some studies with their rows, real text first.

    One of which only language models are recorded is left out: there is nothing to compare.
    """
    found: dict[Key, dict[str, list[Record]]] = defaultdict(dict)
    for study, lines in studies.items():
        for group in groups(lines):
            apart: dict[tuple[Any, Any], list[Record]] = defaultdict(list)
            for line in filter(is_done, group.lines):
                version = line.get("evaluation", 1)
                apart[line["config"].get("preset"), version].append(line)
            for of in apart.values():
                found[_key(of)][study] = of
    keys = sorted((key for key, of in found.items() if _has_latent(of)), key=_place)
    return [corpus(key, _title(key, keys), _rows(found[key])) for key in keys]


def _has_latent(studies: Studies) -> bool:
    return any(line["config"]["baseline"] != "lstm_lm" for of in studies.values() for line in of)


def _place(key: Key) -> tuple[object, ...]:
    epochs = -int(dict(key.usual)["epochs"])
    return key.data.startswith("exact"), -key.evaluation, key.data, epochs, key


def _key(lines: Sequence[Record]) -> Key:
    first: Any = lines[0]
    config = first["config"]
    measured = asdict(EvaluateConfig()) | config.get("evaluate", {})
    return Key(
        config["data"], first["data"]["sha256"], str(config.get("preset") or "none"),
        str(config["precision"]), int(first.get("evaluation", 1)), _frozen(measured),
        _frozen(_usual(lines)),
    )  # fmt: skip


def _frozen(settings: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, json.dumps(value)) for name, value in settings.items()))


def _usual(lines: Sequence[Record]) -> dict[str, Any]:
    rows = {line["label"]: trained(line) for line in lines}
    return {
        name: json.loads(
            Counter(json.dumps(row[name]) for row in rows.values()).most_common(1)[0][0]
        )
        for name in next(iter(rows.values()))
    }


def _title(key: Key, keys: Sequence[Key]) -> str:
    """Return the data's name, and as much as sets it apart from other corpora of this name."""

    def parts(of: Key) -> dict[str, str]:
        settings = {name: json.loads(value) for name, value in (*of.usual, *of.measured)}
        return {
            "epochs": f"{settings.pop('epochs')} epochs", "precision": of.precision,
            "preset": of.protocol, "evaluation": f"evaluation {of.evaluation}",
            "samples": f"{settings.pop('iw_samples')} importance samples",
            **{name: f"{name} {value}" for name, value in settings.items()},
            "text": f"text {of.text:.8}",
        }  # fmt: skip

    own, title = parts(key), [key.data]
    others = [parts(other) for other in keys if other.data == key.data and other != key]
    for name, value in own.items():
        if any(other.get(name) != value for other in others):
            title.append(value)
            others = [other for other in others if other.get(name) == value]
    return ", ".join(title)


def _rows(studies: Studies) -> Iterator[Row]:
    """Yield label, studies and records of each row; one whose runs another row holds is left out.

    A label that stands for several rows is followed by its study.
    """
    order = sorted(studies, key=lambda name: -len({line["label"] for line in studies[name]}))
    rows: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for study in order:
        for line in studies[study]:
            rows[study, line["label"]].append(line)
    ids = {row: {line["id"] for line in lines} for row, lines in rows.items()}
    kept: dict[tuple[str, str], list[str]] = {}  # rows and their studies
    for row in rows:
        wider = next((other for other in kept if ids[row] <= ids[other]), None)
        if wider is not None:
            kept[wider].append(row[0])
            continue
        within = [other for other in kept if ids[other] < ids[row]]
        names = [row[0], *(name for other in within for name in kept[other])]
        place = next((i for i, other in enumerate(kept) if other in within), len(kept))
        items = [item for item in kept.items() if item[0] not in within]
        items.insert(place, (row, list(dict.fromkeys(names))))
        kept = dict(items)
    labels = Counter(label for _, label in kept)
    for (study, label), names in kept.items():
        shown = label if labels[label] == 1 else f"{label} ({study})"
        yield shown, tuple(sorted(names)), rows[study, label]
