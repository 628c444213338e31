"""Records as runs write them, made up: for the tests of everything that only reads records."""

from typing import Any

from benchmark.report import formats, tables
from benchmark.report.grouping import groups


def markdown(study: str, lines: list[dict[str, Any]]) -> str:
    """The page of a study's tables."""
    return formats.markdown(study, tables.build(groups(lines)), tables.remarks(lines))


def record(run_id: str = "ptb-none-0-0123abcd", **metrics: Any) -> dict[str, Any]:
    """A consistent record of a short PTB run; ``metrics`` change those of the test split."""
    data, baseline, seed, _ = run_id.rsplit("-", 3)
    test = {
        "neg_elbo": 101.5, "rec": 100.0, "kl": 1.5, "mi": 1.25, "mi_cap": 8.2324, "mi_batch": 1.0,
        "mi_se": 0.01, "z_use_se": 0.05,
        "marginal_kl": 0.25, "au": 3, "au_0.05": 2, "au_0.2": 1, "iw_nll": 101.0, "iw_gap_se": 0.01,
        "ppl_elbo": 102.653, "ppl_iw": 100.337, "ess": 50.0, "z_use": 1.0, "bleu": 2.5,
        "excess": None, "recovered": None, "recovered_mean": None,
    }  # fmt: skip
    kl, mi = metrics.get("kl", 1.5), metrics.get("mi", 1.25)
    if type(kl) is type(mi) is float:
        test["marginal_kl"] = kl - mi
    spectrum = [share * kl for share in (0.5, 0.25, 0.25)] if type(kl) is float else [1.5, 0.0, 0.0]
    plain = {key: test[key] for key in ("neg_elbo", "rec", "kl", "mi", "mi_cap", "z_use")}
    return {
        "schema": 1,
        "evaluation": 2,
        "id": run_id,
        "config": {
            "data": data, "baseline": baseline, "seed": int(seed), "params": {}, "file": None,
            "precision": "fp32", "model": {}, "train": {}, "evaluate": {},
        },
        "data": {"name": data, "sha256": "0" * 64, "test_sentences": 3761, "test_tokens": 82430},
        "metrics": {"valid": plain, "last": plain, "test": test | metrics},
        "curve": [{"step": 10, "weight": 1.0, "lr": 1e-3, "neg_elbo": 101.0, "kl": 1.0}],
        "kl_spectrum": spectrum,
        "loss_by_position": [[5.0, 2], [6.0, 2]],
        "updates": {"encoder": 10, "decoder": 10, "passes": 1.0},
        "best_step": 10,
        "steps": 20,
        "parameters": 100,
        "cost": {
            "seconds": 36.0, "tokens": 10, "tokens_per_second": 1.0, "peak_mb": 1.0,
            "device": "cpu",
        },
        "provenance": {
            "commit": "0" * 40, "code_sha256": "0" * 64, "dirty": False, "python": "3.11", "torch":
            "2.13", "cpu": "AVX2", "threads": 1,
        },
    }  # fmt: skip


def line(label: str, row: int, seed: int, data: str = "ptb", **metrics: Any) -> dict[str, Any]:
    """A collected line; every run's BLEU differs, so that none repeats another."""
    found = record(f"{data}-{label}-{seed}-0123abcd", **{"bleu": row + seed / 10, **metrics})
    return found | {"label": label, "row": row, "status": "done"}


def missing(
    label: str, row: int, seed: int = 0, precision: str | None = None, **more: Any
) -> dict[str, Any]:
    """The line of a run without a record; those of before it was written tell no precision."""
    config = {"data": "ptb", "seed": seed} | ({"precision": precision} if precision else {})
    found = {"schema": 1, "id": f"ptb-{label}-{seed}-0123abcd", "status": "missing"}
    return found | {"label": label, "row": row, "config": config} | more
