"""Measure the kept weights of a study's runs again: records beside the old ones.

Each goes into its run's folder as `plan.MEASURED`; `pcbench collect --replace` takes it.
"""

import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark.core import records, sentences
from benchmark.core.files import write_atomic
from benchmark.core.provenance import provenance
from benchmark.core.records import Record
from benchmark.model import checkpoint
from benchmark.run.config import EVALUATION
from benchmark.run.evaluation import evaluate, validate
from benchmark.run.finished import LoadedRun, load_run
from benchmark.sweep import plan
from benchmark.sweep.study import Study


def measure_study(study: Study, runs: Path, data: Path, device: str = "cpu") -> int:
    """Measure each run whose record today's code would measure otherwise, and whose weights remain.

    Args:
        study: says the settings of evaluation.
        runs: the runs folder.
        data: the folder of prepared data.
        device: where to measure.

    Returns:
        How many records were written.
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
        test = measure(run, one.record, runs / one.run.id)["metrics"]["test"]
        shown = ", ".join(f"{k} {test[k]:.2f}" for k in ("neg_elbo", "kl", "mi") if test.get(k))
        print(f"{number}/{len(todo)} {one.run.id}: {shown} ({time.monotonic() - begin:.0f} s)",
              file=sys.stderr, flush=True)  # fmt: skip
    if len(listed) > len(todo):
        print(
            f"{len(listed) - len(todo)} others kept no weights in {runs}, or are of an earlier "
            f"method; `pcbench sweep {shlex.quote(str(study.path))} --redo` trains them again",
            file=sys.stderr,
        )
    return len(todo)


def measure(run: LoadedRun, old: Record, folder: Path) -> dict[str, Any]:
    """Measure a run's best weights, and its last if they were kept; write the new record.

    What was measured during training, its curve, stays. Without the last weights, the numbers of
    the last step that an older evaluation may have meant otherwise are left out.
    """
    config, prior = run.config, run.config.method().selection_weight > 0
    begin = time.monotonic()
    test, details = run.measure()
    last: Mapping[str, Any] = old["metrics"]["last"]
    if old.get("evaluation", 1) != EVALUATION:
        last = {name: last[name] for name in ("neg_elbo", "rec", "kl")}
    with run.autocast():
        valid = validate(run.model, run.split("valid"), prior)
        if (folder / "last.pt").exists():
            run.model.load_state_dict(checkpoint.load(folder / "last.pt")["weights"])
            last, _ = evaluate(run.model, run.corpus, run.split("test"), 0, 0, prior)
    seconds = time.monotonic() - begin
    sentences.keep(folder / sentences.FILES[1], details)
    origin = provenance("" if config.file else config.baseline)
    origin["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
    record: dict[str, Any] = {
        **old,
        **details,
        "evaluation": EVALUATION,
        "evaluation_digest": config.evaluation_digest,
        "config": old["config"] | {"evaluate": config.to_dict()["evaluate"]},
        "metrics": {"valid": valid, "test": test, "last": last},
        "cost": old["cost"] | {
            "seconds": old["cost"].get("train_seconds", 0.0) + seconds,
            "evaluate_seconds": seconds,
        },
        "provenance": old["provenance"] | {"measured": origin},
    }  # fmt: skip
    record["digest"] = records.digest(record)
    records.validate(record, str(folder / plan.MEASURED))
    write_atomic(folder / plan.MEASURED, f"{records.dumps(record)}\n".encode())
    return record
