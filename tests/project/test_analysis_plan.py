"""The analysis plan of the main table: its numbers recomputed, its rows those of the study."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmark.sweep import study

ROOT = Path(__file__).parents[2]
PLAN = (ROOT / "paper" / "analysis_plan.md").read_text()


def power(difference: float, n: int, level: float) -> float:
    """Of the two-sided paired t test, ``difference`` in standard deviations."""
    quantile, shift = stats.t.ppf(1 - level / 2, n - 1), difference * np.sqrt(n)
    return float(stats.nct.sf(quantile, n - 1, shift) + stats.nct.sf(quantile, n - 1, -shift))


def test_the_detectable_differences_have_a_power_of_80_per_cent() -> None:
    rows = re.findall(r"^\| (\d)" + r" \| ([\d.]+)" * 6 + r" \|$", PLAN, flags=re.MULTILINE)
    assert [row[0] for row in rows] == ["3", "5"]
    for n, *cells in rows:
        for level, (ratio, low, high) in ((0.05, cells[:3]), (0.05 / 3, cells[3:])):
            # Correct to the last digit: half of it less has too little power, half more enough.
            assert power(float(ratio) - 0.005, int(n), level) < 0.8
            assert power(float(ratio) + 0.005, int(n), level) > 0.8
            for sd, shown in ((0.12, low), (0.15, high)):
                assert float(shown) == pytest.approx(sd * float(ratio), abs=0.006)


def test_the_assumed_spread_is_that_of_the_exact_language() -> None:
    found = re.findall(r"([\d.]+) \(`(\w+)`, \w+ seeds\)", PLAN)
    assert len(found) == 2
    for told, name in found:
        lines = map(json.loads, (ROOT / "results" / f"{name}.jsonl").read_text().splitlines())
        mi: dict[str, dict[int, float]] = {"cyclical": {}, "none": {}}
        for line in lines:
            if line["label"] in mi:
                mi[line["label"]][line["config"]["seed"]] = line["metrics"]["test"]["mi"]
        differences = [mi["cyclical"][seed] - mi["none"][seed] for seed in mi["none"]]
        assert f"{np.std(differences, ddof=1):.2f}" == told


def test_the_contrasts_are_between_core_rows_of_main() -> None:
    contrasts = re.findall(r"^\| `(\w+)` - `(\w+)` \|", PLAN, flags=re.MULTILINE)
    assert len(contrasts) == 3
    for name in ("main", "ptb_small"):
        path = ROOT / "paper" / f"{name}.toml"
        assert {label for pair in contrasts for label in pair} <= set(study.load(path).labels[:7])
        stated = tomllib.loads(path.read_text())["study"]["contrasts"]
        assert list(map(tuple, stated)) == contrasts


def test_the_optimiser_is_that_of_the_lower_validation_nll() -> None:
    lines = map(json.loads, (ROOT / "results" / "optimiser.jsonl").read_text().splitlines())
    chosen = {}
    for line in lines:
        found, config = line["metrics"], line["config"]
        nll, epoch = found["valid"]["neg_elbo"], line["best_step"] * config["train"]["epochs"]
        row = f"{nll:.2f} | {epoch // line['steps']} of {config['train']['epochs']}"
        name = re.escape(line["label"])
        assert re.search(rf"^\| {name}, `\w+` \| {row} \|$", PLAN, re.MULTILINE)
        chosen[nll] = config["train"]["optimiser"], f"{found['test']['iw_nll']:.2f}"
    optimiser, nll = chosen[min(chosen)]
    assert len(chosen) == 2
    assert f"Its test NLL is {nll} nats" in PLAN
    main = study.load(ROOT / "paper" / "main.toml").configs
    assert {run.config.train.optimiser for run in main} == {optimiser}
