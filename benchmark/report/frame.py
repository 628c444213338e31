"""Records as a data frame: one row a run.

Numbers are of the test split, in nats per sentence, natural logarithm.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core import consistency, measures
from benchmark.core.errors import UserError, suggest
from benchmark.core.records import is_done, read_jsonl
from benchmark.core.schema import Data, Record, Split
from benchmark.report import collapse

if TYPE_CHECKING:
    import pandas as pd


REFERENCES = ("none", "lstm_lm")  # baselines whose first row the others are compared with
LAST = ("elbo", "kl", "mi", "z_use", "z_use_next")  # numbers that the last weights have too


def read_records(study: str | Path, results: str | Path | None = None) -> "pd.DataFrame":
    """Return a study's records as the report reads them.

    Args:
        study: its name, its TOML file, or a file of collected records, NAME.jsonl.
        results: folder of collected records; by default results.

    Returns:
        One row for each record that belongs to a row of the study, sorted by row and seed: ``id``,
        ``label``, ``row``, ``data``, ``baseline``, ``seed``, ``precision``, ``evaluation`` and
        ``commit``, then the other columns of `frame`.

    Raises:
        UserError: no such file, no such record in it, or one that is damaged or contradicts itself.
    """
    path, folder = Path(study), Path(results or "results")
    if path.suffix != ".jsonl":
        name = path.stem if path.suffix == ".toml" else path.name
        path = folder / f"{name}.jsonl"
        known = [file.stem for file in folder.glob("*.jsonl")]
        if name not in known:
            hint = suggest(name, known) if known else "`pcbench collect` writes it"
            raise UserError(f"{path}: no such file; {hint}")
    lines = read_jsonl(path)
    for finding in consistency.check(lines):
        if finding.wrong:
            raise UserError(finding.message(path))
    done = [line for line in lines if is_done(line) and line.get("row") is not None]
    if not done:
        raise UserError(f"{path}: holds no record of a row of the study; run `pcbench collect`")
    return frame(done).drop(columns=["status", "error", "place", "record"]).reset_index(drop=True)


def frame(lines: Sequence[Record]) -> "pd.DataFrame":
    """Return a row for each run of the study, with or without a record, by row and seed.

    Columns:
        id, label, row, data, baseline, seed, precision, evaluation, commit, status, error.
        role: "none" or "lstm_lm" of a data set's first row of that baseline, which the others are
            compared with; "end" of an end point without likelihood, such as the auto-encoder; "".
        place: of the row in the study.
        record: the run's line.
        method, settings: tables of what the row's runs share.
        The metrics of the test split (``elbo`` is minus ``neg_elbo``). ``z_use`` of records made
            before evaluation 2 is another quantity, ``z_use_next``.
        state, and state_0.03 and so on at other thresholds, mi_state, z_use_state: of `collapse`.
        first_words; ``last_`` metrics; best_step, steps; encoder, decoder (updates); seconds.
    """
    import pandas as pd

    table = pd.DataFrame([_row(line) for line in lines if line.get("row") is not None])
    table = table.sort_values(["row", "seed"], kind="stable")
    table["place"] = table["row"]
    table["role"] = ""
    for reference in REFERENCES:
        runs = table[(table["status"] == "done") & (table["baseline"] == reference)]
        first = runs.groupby("data")["row"].transform("min")
        table.loc[runs.index[runs["row"] == first], "role"] = reference
    if {"mi", "iw_nll"} <= set(table):
        latent, likelihood = table["mi"].notna(), table["iw_nll"].notna()
        if (latent & likelihood).any():
            table.loc[latent & ~likelihood & (table["role"] == ""), "role"] = "end"
    return table


def _row(line: Record) -> dict[str, Any]:
    """Return the columns of a run that it has by itself."""
    config = line.get("config", {})
    row: dict[str, Any] = {key: line.get(key) for key in ("id", "label", "row")}
    row |= {key: config.get(key) for key in ("data", "baseline", "seed", "precision")}
    row |= {
        "evaluation": line.get("evaluation", 1),
        "commit": line.get("provenance", {}).get("commit"),
        "status": line.get("status", "done"),
        "error": line.get("error"),
        "record": line,
    }
    if not is_done(line):
        return row
    row["method"] = {"baseline": config.get("baseline"), **config.get("params", {})}
    row["settings"] = {**config.get("model", {}), **config.get("train", {})}
    test, last = measured(line, "test"), measured(line, "last")
    row |= {k: v for k, v in test.items() if v is None or isinstance(v, int | float)}
    if line["data"].get("segmentation") == "sentencepiece":
        row |= _per_word(line["data"], test)
    row |= {"elbo": -test["neg_elbo"], "first_words": _first_words(line["loss_by_position"])}
    last["elbo"] = -last["neg_elbo"]
    if test.get("mi") is None:  # no latent variable: a dash, not a KL of 0
        row["kl"] = last["kl"] = None
    recorded = line["metrics"]["test"]
    row["state"] = collapse.state(recorded)
    for threshold in collapse.OTHER_THRESHOLDS:
        row[f"state_{threshold}"] = collapse.state(recorded, threshold)
    for half in collapse.HALVES:
        row[f"{half}_state"] = collapse.half(recorded, half)
    row |= {f"last_{name}": last.get(name) for name in LAST}
    row |= {name: line.get(name) for name in ("best_step", "steps")}
    row |= {name: line["updates"][name] for name in ("encoder", "decoder")}
    return row | {"seconds": line["cost"]["seconds"]}


def measured(line: Record, split: Split) -> dict[str, Any]:
    """Return the metrics of a split, each under the name of what it is.

    Until evaluation 2 the stranger of ``z_use`` was the next sentence of equal length, in text in
    document order one of the same article: another quantity, ``z_use_next``.
    """
    metrics: dict[str, Any] = {**line["metrics"][split]}
    if line.get("evaluation", 1) < 2:
        metrics["z_use_next"] = metrics.pop("z_use", None)
    return metrics


def _per_word(data: Data, test: Mapping[str, Any]) -> dict[str, float | None]:
    """Return perplexities of pieces, a word: exp(nats / words), each sentence's end a word."""
    words = data["test_words"] / data["test_sentences"]
    nats = {"ppl_elbo": test.get("neg_elbo"), "ppl_iw": test.get("iw_nll")}
    return {  # e^700 still fits a float
        name: None if value is None or value / words > 700 else math.exp(value / words)
        for name, value in nats.items()
    }


def _first_words(positions: Sequence[Sequence[float]] | None) -> float | None:
    """Return the reconstruction loss a token over a sentence's first words, nats."""
    first = (positions or [])[: measures.FIRST_WORDS]
    tokens = sum(number for _, number in first)
    return math.fsum(mean * number for mean, number in first) / tokens if tokens else None


def bound(runs: "pd.DataFrame", metric: str, column: str = "") -> int:
    """Return 1 where a metric bounds the truth from below for some run, -1 from above, else 0.

    Args:
        runs: of a row, of `frame`.
        metric: decides which bound there can be.
        column: of its numbers, such as "last_mi"; by default the metric's name.
    """
    if metric not in (*measures.CAPPED, *measures.UPPER):
        return 0
    few = runs[[name for name in (f"{metric}_cap", "iw_upper_bound") if name in runs]]
    signs = (measures.bound(run, metric) for run in
             few.assign(**{metric: runs.get(column or metric)}).to_dict("records"))  # fmt: skip
    return next(filter(None, signs), 0)


def known(runs: "pd.DataFrame", metric: str) -> bool:
    """Return whether any run has a number."""
    return metric in runs and bool(runs[metric].notna().any())


def states(done: "pd.DataFrame", name: str = "state") -> tuple[int, int, int] | None:
    """Count the seeds that are alive, undecided and collapsed; None where that is not known.

    States that rest on two kinds of z_use are not added up.
    """
    mixed = known(done, "z_use") and known(done, "z_use_next")
    if mixed or done[name].isna().any():
        return None
    alive, undecided, collapsed = (int((done[name] == one).sum()) for one in collapse.STATES)
    return alive, undecided, collapsed
