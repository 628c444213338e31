"""The verdict on a study: what is significant is said, and nothing else."""

from typing import Any

import numpy as np
import pytest
from made_up import line, missing
from statsmodels.stats.power import TTestPower

from benchmark.report.grouping import groups
from benchmark.report.verdict import verdict

Lines = list[dict[str, Any]]
DEAD = {
    "kl": 0.01,
    "mi": 0.01,
    "z_use": 0.01,
    "z_use_se": 0.01,
    "neg_elbo": 100.01,
    "iw_nll": 100.0,
}


def rows(label: str, row: int, seeds: int, data: str = "ptb", **metrics: Any) -> Lines:
    """A line a seed; each number has its own small noise, so that differences vary."""
    noise = (0.0, 0.011, -0.007, 0.004, -0.013)
    found = []
    for seed in range(seeds):
        shift = noise[(seed + row) % len(noise)]
        fixed = {k for k, v in metrics.items() if v is None or k.endswith("_se")}
        own = {k: v if k in fixed else v + shift for k, v in metrics.items()}
        found.append(line(label, row, seed, data, **own))
    return found


def study(seeds: int = 5) -> Lines:
    """`none` collapsed; `cyclical` is alive, its bound 0.2 worse, its likelihood equal."""
    alive = {"mi": 1.36, "kl": 1.5, "neg_elbo": 100.21, "iw_nll": 100.0}
    return [*rows("none", 0, seeds, **DEAD), *rows("cyclical", 1, seeds, **alive)]


def sentences(lines: Lines) -> list[str]:
    """The verdict on a study of one table, which has no title."""
    ((title, said),) = verdict(groups(lines))
    assert title == ""
    return said


def test_a_row_is_alive_costs_bound_and_no_likelihood() -> None:
    first, second = sentences(study())
    assert first == "`none` collapsed in 5 of 5 seeds."
    assert second == (
        "`cyclical` is alive in 5 of 5 seeds and keeps 1.36 ± 0.01 nats of MI; it costs 0.20 nats "
        "of ELBO; its likelihood is about that of `none` (within 0.2 nats)."
    )


def test_what_the_seeds_could_not_show_is_said_with_its_size() -> None:
    """Equal means, but a spread that hides more than the margin: no word of equality."""
    lines = study()
    shifts = (0.9, -0.8, 0.4, -0.6, 0.1)
    for one, shift in zip(lines[5:], shifts, strict=True):
        one["metrics"]["test"]["iw_nll"] = 100.0 + shift
    told = sentences(lines)[1]
    values = [one["metrics"]["test"]["iw_nll"] for one in lines]
    spread = np.std(np.subtract(values[5:], values[:5]), ddof=1)
    least = TTestPower().solve_power(nobs=5, alpha=0.05, power=0.8) * spread
    assert told.endswith(
        f"; no difference in likelihood is shown (5 seeds could detect {least:.2f} nats)."
    )
    assert "about" not in told


def test_a_better_likelihood_is_said_and_a_bound_on_the_wrong_side_is_not() -> None:
    lines = study()
    better = rows("cyclical", 1, 5, mi=1.36, neg_elbo=100.01, iw_nll=99.5)
    told = sentences([*lines[:5], *better])[1]
    assert told.endswith(
        "; it gains 0.50 nats of likelihood; its ELBO is about that of `none` (within 0.2 nats)."
    )
    worse = rows("cyclical", 1, 5, mi=1.36, neg_elbo=100.01, iw_nll=100.5)
    for one in worse:
        one["metrics"]["test"]["iw_upper_bound"] = True  # more samples could bring it down
    told = sentences([*lines[:5], *worse])[1]
    assert "only a bound on its likelihood is known" in told


def test_both_costs_stand_in_one_clause() -> None:
    worse = rows("cyclical", 1, 5, mi=1.36, neg_elbo=100.51, iw_nll=100.5)
    told = sentences([*study()[:5], *worse])[1]
    assert told.endswith("; it costs 0.50 nats of ELBO and 0.50 nats of likelihood.")


@pytest.mark.parametrize(("seeds", "words"), [(1, "One seed ranks"), (2, "Two seeds allow no")])
def test_few_seeds_rank_nothing(seeds: int, words: str) -> None:
    first, second = sentences(study(seeds))
    few = {1: "one seed", 2: "two seeds"}[seeds]
    assert first.startswith(f"In these runs of {few}, `none` collapsed and `cyclical` (1.3")
    assert " nats of MI) is alive." in first
    assert second.startswith(words)
    for word in ("worse", "better", "costs", "gains", "about", "shown", "every"):
        assert word not in first + second


def test_one_run_alone_is_a_run_and_no_method() -> None:
    told = sentences([*study(1)[1:], missing("none", 0)])
    assert told == [
        "In this one run, `cyclical` (1.37 nats of MI) is alive.",
        "One seed ranks no method.",
    ]


def test_seeds_that_differ_in_their_state_are_counted() -> None:
    lines = study()
    lines[5]["metrics"]["test"] |= DEAD  # one seed collapsed
    lines[6]["metrics"]["test"] |= DEAD | {"mi": 0.1}  # one is undecided
    assert (
        "`cyclical` is alive in 3 of 5 seeds, undecided in 1 and collapsed in 1 and keeps "
        in sentences(lines)[1]
    )


def test_life_by_mi_alone_is_told() -> None:
    lines = study()
    lines[5]["metrics"]["test"] |= {"z_use": 0.01}
    assert "alive in 5 of 5 seeds (by MI alone in 1)" in sentences(lines)[1]


def many_rows() -> Lines:
    many = [*study()[:5]]
    for row in range(1, 8):
        cost = 0.2 * row if row > 2 else 0.0
        numbers = {"mi": row / 2, "kl": row / 2, "neg_elbo": 100.01 + cost, "iw_nll": 100.0}
        many += rows(f"m{row}", row, 5, **numbers)
    return many


def test_many_rows_are_summarised_with_their_extremes() -> None:
    first, states, bound, likelihood = sentences(many_rows())
    assert first == "`none` collapsed in 5 of 5 seeds."
    assert states == (
        "Of 7 other rows with a latent, 7 are alive in every seed and keep 0.50 (`m1`) to 3.50 "
        "(`m7`) nats of MI."
    )
    assert bound == (
        "ELBO against `none`: worse for 4 rows, most for `m7` by 1.40 nats; about equal for 2 "
        "rows (within 0.2 nats); not tested for 1 row."  # the differences of m5 do not vary
    )
    assert likelihood == (
        "Likelihood against `none`: about equal for 6 rows (within 0.2 nats); not tested for 1 row."
    )


def test_without_a_plain_row_the_language_model_is_the_reference() -> None:
    model = rows("lstm_lm", 9, 5, mi=None, kl=None, z_use=None, neg_elbo=100.0, iw_nll=100.0)
    told = sentences([*study()[5:], *model])
    assert told == [
        "`cyclical` is alive in 5 of 5 seeds and keeps 1.36 ± 0.01 nats of MI.",
        "Likelihood against the language model: about equal for 1 row (within 0.2 nats).",
    ]


@pytest.mark.parametrize("kept", ["none", "cyclical"])
def test_all_rows_missing_but_one(kept: str) -> None:
    lines = [one for one in study() if one["label"] == kept]
    told = sentences([*lines, missing("beta", 2)])
    assert told[0].startswith(f"`{kept}` ")
    assert told[1:] == ["No other row has a record, so nothing is compared."]


def test_rows_without_a_reference_are_compared_in_pairs() -> None:
    alive = {"kl": 1.5, "neg_elbo": 100.21, "iw_nll": 100.0}
    lines = [*rows("a", 0, 5, mi=1.0, **alive), *rows("b", 1, 5, mi=2.0, **alive)]
    assert sentences(lines)[2:] == [
        "MI, row against row: different for `a` − `b` by −1.00 nats.",
        "ELBO, row against row: about equal for 1 pair (within 0.2 nats).",
        "IW-NLL, row against row: about equal for 1 pair (within 0.2 nats).",
    ]


@pytest.mark.parametrize("data", ["yahoo", "ptb:size=4000,vocabulary=sentencepiece"])
def test_several_tables_have_a_list_each(data: str) -> None:
    other = [*rows("none", 0, 5, data, **DEAD)]
    for one in other:
        one["data"] = one["data"] | {"name": data, "sha256": "1" * 64}
    told = verdict(groups([*study(), *other]))
    assert [title for title, _ in told] == ["ptb", data]
    assert told[0][1] == sentences(study())


def test_a_study_without_records_has_no_verdict() -> None:
    assert sentences([missing("none", 0)]) == ["No run has a record."]


def test_rows_of_other_settings_are_named() -> None:
    lines = [*study(), *rows("monotonic", 2, 5, **DEAD)]
    plain = sentences(lines)
    for one in lines:
        one["config"]["train"] = {"epochs": 80 if one["label"] == "cyclical" else 40}
    assert sentences(lines) == [
        *plain, "These rows differ in their settings too: `cyclical` has epochs 80 (others 40)."
    ]  # fmt: skip
    assert not any("settings" in one for one in sentences(lines[5:]))  # nothing is compared


def test_language_models_alone_are_told_as_such() -> None:
    model = {"mi": None, "kl": None, "z_use": None, "neg_elbo": 100.0, "iw_nll": 100.0}
    told = sentences([*rows("lstm_lm", 0, 1, **model), missing("none", 1)])
    assert told == ["Only language models have records; they have no latent variable."]
