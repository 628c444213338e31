"""Published figures beside ours: the difference, and whether the two were measured alike."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.core.measures import SIGNS, bound
from benchmark.core.provenance import checkout
from benchmark.core.records import is_done
from benchmark.core.settings import ModelConfig, TrainConfig
from benchmark.report.literature import FILE, Value, read
from benchmark.report.literature import rows as printed
from benchmark.report.render import Cell, Row, Table
from benchmark.report.statistics import shown, summarise
from benchmark.run.presets import PRESETS

Record = dict[str, Any]

COLUMNS = ("figure", "published", "ours", "n", "difference", "estimator", "protocol", "source")
TITLES = {
    "neg_elbo": "−ELBO", "rec": "rec", "kl": "KL", "mi": "MI", "mi_batch": "MI (batches)",
    "iw_nll": "IW-NLL", "ppl_elbo": "PPL (ELBO)", "ppl_iw": "PPL (IW)", "au": "AU",
}  # fmt: skip
NOTE = (
    "No source prints a spread over seeds. Difference: ours minus published. Estimator and "
    "protocol: whether the two figures were measured and trained alike; footnotes tell why not. "
    "A question mark: the printed figure contradicts others (`pcbench report --published`)."
)
_OWN = ("beta", "target")  # where these differ, it is another method
_ONE_SAMPLE = "ours takes one sample in both terms"  # of MI, as the file says it
_HALVING = ("patience", "halve_from", "halvings")


def tables(title: str, lines: Sequence[Record], file: Path | None = None) -> list[Table]:
    """Published figures on the same data beside ours; nothing where there are none.

    Args:
        title: of the rows' main table.
        lines: of records that compare.
        file: of published figures; None takes that of this checkout, where there is one.

    Raises:
        UserError: see `benchmark.report.literature.read`.
    """
    path = file or checkout() / FILE
    values = [value for value in read(path) if value.baseline] if path.exists() else []
    labelled: dict[str, list[Record]] = {}
    for line in lines:
        if is_done(line):
            labelled.setdefault(line["label"], []).append(line)
    rows, reasons = _rows(values, labelled)
    if not rows:
        return []
    notes = (*_notes(lines), NOTE)
    title = f"{title}: beside published figures"
    return [Table("published", title, notes, COLUMNS, tuple(rows), reasons, "published")]


def _notes(lines: Sequence[Record]) -> Iterator[str]:
    """Whether the runs went through all epochs of the protocol that they name."""
    told = set()
    for line in lines:
        if is_done(line) and line["config"].get("preset") in PRESETS:
            preset = line["config"]["preset"]
            epochs = line["config"]["train"].get("epochs", TrainConfig.epochs)
            whole = PRESETS[preset].get("train", {}).get("epochs", TrainConfig.epochs)
            if epochs < whole:
                told.add(f"{epochs} of {whole} epochs of {preset}")
    if told:
        yield f"Not the same protocol: {', '.join(sorted(told))}."


def _rows(
    values: Sequence[Value], labelled: Mapping[str, list[Record]]
) -> tuple[list[Row], tuple[str, ...]]:
    """Rows in the order of ours, each published one beside the row of ours nearest to it."""
    near = [(_nearest(next(iter(row.values())), labelled), row) for row in printed(values).values()]
    reasons: dict[str, int] = {}  # and the numbers of their footnotes
    rows = []
    for label, records in labelled.items():
        chosen = [value for nearest, row in near if nearest == label for value in row.values()]
        found = [_row(label, value, records, reasons) for value in chosen if value.metric in TITLES]
        rows += [row for row in found if row is not None]
    return rows, tuple(reasons)


def _nearest(value: Value, labelled: Mapping[str, list[Record]]) -> str | None:
    """Our row of the same baseline and data whose settings differ least; None without one."""
    own = {key: value.set[key] for key in _OWN if key in value.set}
    found = {
        label: len(list(differences(config, value)))
        for label, config in ((label, runs[0]["config"]) for label, runs in labelled.items())
        if (config["data"], config["baseline"]) == (value.dataset, value.baseline)
        and own == {key: config["params"].get(key) for key in own}
    }
    return min(found, key=lambda label: found[label], default=None)


def differences(config: Record, value: Value) -> Iterator[str]:
    """In what a run's settings are not those of a published row: its preset's and its own."""
    model = {**asdict(ModelConfig()), **PRESETS[value.preset].get("model", {})}
    train = {**asdict(TrainConfig()), **PRESETS[value.preset].get("train", {})}
    fields = model.keys() | train.keys()
    theirs = {**train, **model, **value.set}
    ours = {**asdict(TrainConfig()), **config["train"], **asdict(ModelConfig()), **config["model"]}
    ours |= {key: config["params"].get(key) for key in value.set if key not in fields}
    if ours["epochs"] < theirs["epochs"]:
        yield f"{ours['epochs']} of {theirs['epochs']} epochs"
    for key in theirs:
        if ours[key] != theirs[key] and not _idle(key, ours, theirs, config["baseline"]):
            mine = "unset" if ours[key] is None else ours[key]
            yield f"{key} {mine} (published {theirs[key]})"
    if config["precision"] != "fp32":
        yield f"precision {config['precision']}"


def _idle(key: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], baseline: str) -> bool:
    """Whether a setting plays no part in one of the runs, or has been told."""
    schedules = (ours["lr_schedule"], theirs["lr_schedule"])
    return (
        (key == "epochs" and ours[key] < theirs[key])
        or (key in _HALVING and schedules != ("halving", "halving"))
        or (key == "cooldown" and schedules != ("cooldown", "cooldown"))
        or (key == "restart_epochs" and schedules != ("cosine_restarts", "cosine_restarts"))
        or (key in ("feed", "latent") and baseline == "lstm_lm")
    )


def _row(label: str, value: Value, records: list[Record], reasons: dict[str, int]) -> Row | None:
    """A published value beside ours, and the footnote that tells in what the protocols differ."""
    tests = [record["metrics"]["test"] for record in records]
    figures = [float(test[value.metric]) for test in tests if test.get(value.metric) is not None]
    if len(figures) < len(tests) or (value.metric == "kl" and tests[0].get("mi") is None):
        return None
    summary = summarise(figures)
    digits = 1 if value.metric == "au" else 2
    difference, sign = summary.mean - value.number, _sign(value, tests)
    # The settings of a row are the same but for the seed.
    other = list(differences(records[0]["config"], value))
    why = value.comparable.partition(": ")[2]
    why = why.removesuffix(_ONE_SAMPLE).removesuffix("; ")
    told = [f'published as "{value.method}"']
    told += [f"not the same protocol: {', '.join(other)}"] if other else []
    told += [why] if why else []
    protocol = "other" if other else "nearly" if why else "same"
    cells = (
        Cell(TITLES[value.metric]),
        Cell(value.value + ("?" if value.kinds else ""), value.number),
        Cell(sign + shown(summary, digits), summary.mean, False, summary.half,
             summary.n),
        Cell(str(summary.n), summary.n),
        Cell(sign + f"{difference:+.{digits}f}".replace("-", "−"), difference),
        Cell(_estimator(value, records)),
        Cell(protocol),
        Cell(f"{value.paper}, {value.table}"),
    )  # fmt: skip
    mark = reasons.setdefault("; ".join(told), len(reasons) + 1)
    return Row(label, cells, mark, tuple(record["id"] for record in records))


def _estimator(value: Value, records: list[Record]) -> str:
    """Whether ours is the estimator of the published figure, or what differs."""
    if value.metric in ("mi", "mi_batch"):
        return "nearly: one sample in both terms"
    if value.metric not in ("iw_nll", "ppl_iw"):
        return "same"
    # A language model's likelihood is exact, and has no curve over samples.
    exact = records[0]["metrics"]["test"].get("iw_curve") is None
    samples = records[0]["config"]["evaluate"].get("iw_samples")
    ours = "exact" if exact else f"importance weighting, {samples} samples"
    if ours == value.estimator:
        return "same"
    weighted = "importance weighting, "
    theirs = value.estimator.removeprefix(weighted)
    return f"other: {ours.removeprefix(weighted)}, not {theirs.removesuffix(' samples')}"


def _sign(value: Value, tests: Sequence[Record]) -> str:
    """That of a bound, as in the main table."""
    signs = (SIGNS[bound(test, value.metric)] for test in tests)
    return next((f"{sign} " for sign in signs if sign), "")
