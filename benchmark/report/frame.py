"""Collected lines as a data frame: one row a run.

Figures are of the test split, in nats per sentence, natural logarithm.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core import consistency
from benchmark.core.errors import UserError, suggest
from benchmark.core.records import is_done, read_jsonl
from benchmark.report import collapse

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]

FIRST_WORDS = 4  # positions whose loss stands in the tables
LAST = ("elbo", "kl", "mi", "z_use", "z_use_next")  # figures that the last weights have too


def read_records(study: str | Path, results: str | Path | None = None) -> "pd.DataFrame":
    """Read a study's records as the report reads them.

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
            told = suggest(name, known) if known else "`pcbench collect` writes it"
            raise UserError(f"{path}: no such file; {told}")
    lines = read_jsonl(path)
    wrong = [one.told(path) for one in consistency.check(lines) if one.wrong]
    if wrong:
        raise UserError(wrong[0])
    done = [line for line in lines if is_done(line) and line.get("row") is not None]
    if not done:
        raise UserError(f"{path}: holds no record of a row of the study; run `pcbench collect`")
    of = {line["id"]: line for line in done}
    table = frame(done).drop(columns=["status", "error"]).reset_index(drop=True)
    table.insert(6, "precision", [of[i]["config"]["precision"] for i in table["id"]])
    table.insert(7, "evaluation", [of[i].get("evaluation", 1) for i in table["id"]])
    table.insert(8, "commit", [of[i]["provenance"]["commit"] for i in table["id"]])
    return table


def frame(lines: Sequence[Record]) -> "pd.DataFrame":
    """One row a run of the study, with or without a record; metrics of the test split.

    Columns: id, status, data, baseline, label, row, seed, error; ``method`` and ``settings``,
    tables of what the row's runs share; the metrics (``elbo`` is minus
    ``neg_elbo``), iw_upper_bound; ``state`` at each threshold of `collapse`, and that of each half
    at the first; first_words; ``last_`` metrics; best_step, steps; encoder, decoder (updates),
    seconds. ``z_use`` of records made before evaluation 2 is another quantity, ``z_use_next``.
    """
    import pandas as pd

    rows = []
    for line in lines:
        row = {key: line.get(key) for key in ("id", "label", "row", "error")}
        row |= {"status": line.get("status", "done")}
        row |= {key: line.get("config", {}).get(key) for key in ("data", "baseline", "seed")}
        if row["status"] == "done":
            of = line["config"]
            row["method"] = {"baseline": of.get("baseline"), **of.get("params", {})}
            row["settings"] = {**of.get("model", {}), **of.get("train", {})}
            test = figures(line, "test")
            row |= {k: v for k, v in test.items() if v is None or isinstance(v, int | float)}
            if test.get("mi") is None:  # no latent variable: a dash, not a KL of 0
                row["kl"] = None
            row |= _per_word(line["data"], test)
            row |= {"elbo": -test["neg_elbo"], "seconds": line["cost"]["seconds"]}
            row |= {"first_words": _first_words(line["loss_by_position"])}
            for threshold in (collapse.THRESHOLD, *collapse.OTHER_THRESHOLDS):
                state = collapse.state(line["metrics"]["test"], threshold)
                row["state" if threshold == collapse.THRESHOLD else f"state_{threshold}"] = state
            for half in collapse.HALVES:
                row[f"{half}_state"] = collapse.half(line["metrics"]["test"], half)
            last = figures(line, "last")
            last |= {"elbo": -last["neg_elbo"], "kl": None if row["kl"] is None else last["kl"]}
            row |= {f"last_{name}": last.get(name) for name in LAST}
            row |= {name: line.get(name) for name in ("best_step", "steps")}
            row |= {name: line["updates"][name] for name in ("encoder", "decoder")}
        rows.append(row)
    table = pd.DataFrame(rows)
    return table[table["row"].notna()].sort_values(["row", "seed"], kind="stable")


def figures(line: Record, split: str) -> Record:
    """Metrics of a split, each under the name of what it is.

    Until evaluation 2 the stranger of ``z_use`` was the next sentence of equal length, in text in
    document order one of the same article: another quantity, ``z_use_next``.
    """
    found = dict(line["metrics"][split])
    if line.get("evaluation", 1) < 2:
        found["z_use_next"] = found.pop("z_use", None)
    return found


def _per_word(data: Record, test: Record) -> Record:
    """Perplexities of pieces, a word: exp(nats / words), each sentence's end a word."""
    if data.get("segmentation") != "sentencepiece":
        return {}
    words = data["test_words"] / data["test_sentences"]
    pairs = (("ppl_elbo", "neg_elbo"), ("ppl_iw", "iw_nll"))
    nats = {name: test.get(of) for name, of in pairs}
    return {  # e^700 still fits a float
        name: None if n is None or n / words > 700 else math.exp(n / words)
        for name, n in nats.items()
    }


def _first_words(positions: Sequence[Sequence[float]] | None) -> float | None:
    """Reconstruction loss a token over a sentence's first words, nats."""
    first = (positions or [])[:FIRST_WORDS]
    tokens = sum(number for _, number in first)
    return math.fsum(mean * number for mean, number in first) / tokens if tokens else None
