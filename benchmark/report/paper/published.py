"""Published numbers beside ours: the difference, and whether the two were measured alike."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.core.measures import MEASURES, SIGNS, bound
from benchmark.core.provenance import checkout
from benchmark.core.records import is_done
from benchmark.core.schema import Record
from benchmark.core.settings import ModelConfig, TrainConfig
from benchmark.report.formats import Cell, Row, Table
from benchmark.report.paper.literature import FILE, Value, read
from benchmark.report.paper.literature import rows as printed_rows
from benchmark.report.statistics import shown, summarise
from benchmark.run.presets import PRESETS

COLUMNS = ("measure", "published", "ours", "n", "difference", "estimator", "protocol", "source")
METRICS = ("neg_elbo", "rec", "kl", "mi", "mi_batch", "iw_nll", "ppl_elbo", "ppl_iw", "au")
NOTE = (
    "No copy that was read prints a spread over seeds. Difference: ours minus published. Estimator "
    "and protocol: whether the two were measured and trained alike; footnotes tell why not. "
    "A question mark: the printed number contradicts others (`pcbench report --published`)."
)
_DISTINCT = ("beta", "target")  # where these differ, it is another method
_ONE_SAMPLE = "ours takes one sample in both terms"  # of MI, as the file says it
# Settings that play a part under one schedule of the learning rate only.
_SCHEDULED = {
    **dict.fromkeys(("patience", "halve_from", "halvings"), "halving"),
    "cooldown": "cooldown",
    "restart_epochs": "cosine_restarts",
}


def tables(title: str, lines: Sequence[Record], file: Path | None = None) -> list[Table]:
    """Return published numbers on the same data beside ours; nothing where there are none.

    Args:
        title: of the rows' main table.
        lines: of records that compare.
        file: of published numbers; None takes that of this checkout, where there is one.
    """
    path = file or checkout() / FILE
    values = [value for value in read(path) if value.baseline] if path.exists() else []
    ours: dict[str, list[Record]] = {}
    for line in lines:
        if is_done(line):
            ours.setdefault(line["label"], []).append(line)
    near: dict[str | None, list[Value]] = {}
    for printed in printed_rows(values):
        near.setdefault(_nearest(next(iter(printed.values())), ours), []).extend(printed.values())
    reasons: dict[str, int] = {}  # and the numbers of their footnotes
    rows = [
        _row(label, value, records, reasons)
        for label, records in ours.items()
        for value in near.get(label, [])
        if value.metric in METRICS and _comparable(value, records)
    ]
    if not rows:
        return []
    epochs = set()  # of runs that did not go through all of the protocol that they name
    for line in lines:
        preset = line["config"].get("preset")
        if is_done(line) and preset in PRESETS:
            done = line["config"]["train"].get("epochs", TrainConfig.epochs)
            whole = PRESETS[preset].get("train", {}).get("epochs", TrainConfig.epochs)
            if done < whole:
                epochs.add(f"{done} of {whole} epochs of {preset}")
    fewer = ", ".join(sorted(epochs))
    notes = ([f"Not the same protocol: {fewer}."] if fewer else []) + [NOTE]
    title = f"{title}: beside published numbers"
    return [
        Table("published", title, tuple(notes), COLUMNS, tuple(rows), tuple(reasons), "published")
    ]


def _nearest(value: Value, ours: Mapping[str, list[Record]]) -> str | None:
    """Return our row of the same baseline and data whose settings differ least, if any."""
    distinct = {key: value.set[key] for key in _DISTINCT if key in value.set}
    distance = {}
    for label, records in ours.items():
        config = records[0]["config"]
        same = (config["data"], config["baseline"]) == (value.dataset, value.baseline)
        if same and distinct == {key: config["params"].get(key) for key in distinct}:
            distance[label] = len(list(differences(config, value)))
    return min(distance, key=lambda label: distance[label], default=None)


def _comparable(value: Value, records: Sequence[Record]) -> bool:
    """Return whether all our runs have the number; a KL only if they have a latent."""
    tests = [record["metrics"]["test"] for record in records]
    known = all(test.get(value.metric) is not None for test in tests)
    return known and not (value.metric == "kl" and tests[0].get("mi") is None)


def differences(config: Mapping[str, Any], value: Value) -> Iterator[str]:
    """Yield in what a run's settings are not those of a published row: its preset's and its own."""
    preset = PRESETS[value.preset]
    usual = {**asdict(TrainConfig()), **asdict(ModelConfig())}
    theirs = {**usual, **preset.get("model", {}), **preset.get("train", {}), **value.set}
    ours = {**usual, **config["train"], **config["model"]}
    ours |= {key: config["params"].get(key) for key in value.set if key not in usual}
    if ours["epochs"] < theirs["epochs"]:
        yield f"{ours['epochs']} of {theirs['epochs']} epochs"
        theirs.pop("epochs")
    if config["baseline"] == "lstm_lm":
        for key in ("feed", "latent"):
            theirs.pop(key)
    for key in theirs:
        schedule = _SCHEDULED.get(key)
        used = {ours["lr_schedule"], theirs["lr_schedule"]}
        idle = schedule is not None and used != {schedule}
        if ours[key] != theirs[key] and not idle:
            mine = "unset" if ours[key] is None else ours[key]
            yield f"{key} {mine} (published {theirs[key]})"
    if config["precision"] != "fp32":
        yield f"precision {config['precision']}"


def _row(label: str, value: Value, records: list[Record], reasons: dict[str, int]) -> Row:
    """Return a published value beside ours; its footnote says in what the protocols differ."""
    tests: list[Mapping[str, Any]] = [record["metrics"]["test"] for record in records]
    summary = summarise([float(test[value.metric]) for test in tests])
    measure = MEASURES[value.metric]
    # As in the main table, a number that is a bound for one run is one for the row.
    bounds = (SIGNS[bound(test, value.metric)] for test in tests)
    sign = next((f"{sign} " for sign in bounds if sign), "")
    difference = summary.mean - value.number
    # The settings of a row are the same but for the seed.
    other = ", ".join(differences(records[0]["config"], value))
    why = value.comparable.partition(": ")[2].removesuffix(_ONE_SAMPLE).removesuffix("; ")
    parts = [f'published as "{value.method}"', other and f"not the same protocol: {other}", why]
    footnote = reasons.setdefault("; ".join(filter(None, parts)), len(reasons) + 1)
    cells = (
        Cell(measure.title),
        Cell(value.value + ("?" if value.misprint else ""), value.number),
        Cell(sign + shown(summary, measure.digits), summary.mean, False, summary.half, summary.n),
        Cell(str(summary.n), summary.n),
        Cell(sign + f"{difference:+.{measure.digits}f}".replace("-", "−"), difference),
        Cell(_estimator(value, records[0])),
        Cell("other" if other else "nearly" if why else "same"),
        Cell(f"{value.paper}, {value.table}"),
    )
    return Row(label, cells, footnote, tuple(record["id"] for record in records))


def _estimator(value: Value, record: Record) -> str:
    """Return whether ours is the estimator of the published number, or what differs."""
    if value.metric in ("mi", "mi_batch"):
        return "nearly: one sample in both terms"
    if value.metric not in ("iw_nll", "ppl_iw"):
        return "same"
    # A language model's likelihood is exact, and has no curve over samples.
    exact = record["metrics"]["test"].get("iw_curve") is None
    samples = record["config"]["evaluate"].get("iw_samples")
    ours = "exact" if exact else f"importance weighting, {samples} samples"
    if ours == value.estimator:
        return "same"
    ours, theirs = (text.removeprefix("importance weighting, ") for text in (ours, value.estimator))
    return f"other: {ours}, not {theirs.removesuffix(' samples')}"
