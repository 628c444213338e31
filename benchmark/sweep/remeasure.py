"""Measure the kept weights of a study's runs again: records beside the old ones.

Each goes into its run's folder as `plan.MEASURED`; `pcbench collect --replace` takes it.
"""

import shlex
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark.core import records, sentences
from benchmark.core.files import write_atomic
from benchmark.core.records import Record
from benchmark.model import checkpoint
from benchmark.run.config import EVALUATION, RunConfig
from benchmark.run.encoding import Measured
from benchmark.run.evaluation import evaluate, validate
from benchmark.run.finished import LoadedRun, load_run, measure_test
from benchmark.sweep import plan
from benchmark.sweep.study import Study


def measure_study(study: Study, runs: Path, data: Path, device: str = "cpu") -> int:
    """Measure each run whose record today's code would measure otherwise, and whose weights remain.

    Args:
        study: tells the settings of evaluation.
        runs: the runs folder.
        data: the folder of prepared data.
        device: where to measure.

    Returns:
        How many records were written.

    Raises:
        UserError: see `finished.load_run`; or there is no sacrebleu for BLEU.
    """
    listed = [one for one in plan.standings(study, runs, None) if one.measured_otherwise]
    todo = [
        one for one in listed if (runs / one.run.id / "best.pt").exists() and not one.method_changed
    ]
    for number, one in enumerate(todo, start=1):
        assert one.record is not None
        run = load_run(one.run.id, runs, data, device)
        run.config = replace(run.config, evaluate=one.run.config.evaluate)
        begin = time.monotonic()
        found = measure(run, one.record, runs / one.run.id)
        test = found["metrics"]["test"]
        said = ", ".join(f"{k} {test[k]:.2f}" for k in ("neg_elbo", "kl", "mi") if test.get(k))
        print(f"{number}/{len(todo)} {one.run.id}: {said} ({time.monotonic() - begin:.0f} s)",
              file=sys.stderr, flush=True)  # fmt: skip
    if len(listed) > len(todo):
        print(
            f"{len(listed) - len(todo)} others kept no weights in {runs}, or are of an earlier "
            f"method; `pcbench sweep {shlex.quote(str(study.path))} --redo` trains them again",
            file=sys.stderr,
        )
    return len(todo)


def measure(run: LoadedRun, old: Record, folder: Path) -> Record:
    """Measure a run's best weights, and its last where they were kept; write the new record.

    What was measured while it trained, its curve, stays. Without the last weights the figures of
    the last step that an older evaluation may have meant otherwise are left out.
    """
    config, prior = run.config, run.config.method().selection_weight > 0
    test, valid = (
        Measured(name, run.corpus.splits[name], config.seed, run.device)
        for name in ("test", "valid")
    )
    begin = time.monotonic()
    found, details = measure_test(run, test)
    with run.autocast():
        scores = {"valid": validate(run.model, valid, prior), "test": found, "last": _last(old)}
        if (folder / "last.pt").exists():
            run.model.load_state_dict(checkpoint.load(folder / "last.pt")["weights"])
            scores["last"], _ = evaluate(run.model, run.corpus, test, 0, 0, prior)
    seconds = time.monotonic() - begin
    sentences.keep(folder / sentences.FILES[1], details)
    record: dict[str, Any] = {
        **old,
        **details,
        "evaluation": EVALUATION,
        "evaluation_digest": config.evaluation_digest,
        "config": old["config"] | {"evaluate": config.to_dict()["evaluate"]},
        "metrics": scores,
        "cost": old["cost"] | {
            "seconds": old["cost"].get("train_seconds", 0.0) + seconds,
            "evaluate_seconds": seconds,
        },
        "provenance": old["provenance"] | {"measured": _provenance(config)},
    }  # fmt: skip
    record["digest"] = records.digest(record)
    records.validate(record, str(folder / plan.MEASURED))
    write_atomic(folder / plan.MEASURED, (records.dumps(record) + "\n").encode())
    return record


def _last(old: Record) -> dict[str, Any]:
    """The figures of the last step that mean what they meant."""
    known: dict[str, Any] = old["metrics"]["last"]
    same = old.get("evaluation", 1) == EVALUATION
    return known if same else {name: known[name] for name in ("neg_elbo", "rec", "kl")}


def _provenance(config: RunConfig) -> dict[str, Any]:
    """Where the new figures come from, and when."""
    origin = records.provenance("" if config.file else config.baseline)
    return origin | {"finished": datetime.now(UTC).isoformat(timespec="seconds")}
