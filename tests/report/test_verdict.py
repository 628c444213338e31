"""The verdict on a study: what is significant is said, and nothing else."""

from typing import Any

import pytest
from made_up import line, missing

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
    """A line a seed; each figure has its own small noise, so that differences vary."""
    noise = (0.0, 0.011, -0.007, 0.004, -0.013)
    found = []
    for seed in range(seeds):
        shift = noise[(seed + row) % len(noise)]
        own = {k: v if k.endswith("_se") else v + shift for k, v in metrics.items()}
        found.append(line(label, row, seed, data, **own))
    return found


def study(seeds: int = 5) -> Lines:
    """`none` collapsed; `cyclical` is alive, its bound 0.2 worse, its likelihood equal."""
    alive = {"mi": 1.36, "kl": 1.5, "neg_elbo": 100.21, "iw_nll": 100.0}
    return [*rows("none", 0, seeds, **DEAD), *rows("cyclical", 1, seeds, **alive)]


def test_a_row_is_alive_costs_bound_and_no_likelihood() -> None:
    first, second = verdict(groups(study()))
    assert first.startswith("none collapsed in 5 of 5 seeds. Against it")
    assert second == (
        "cyclical is alive in 5 of 5, MI 1.36 ± 0.01; bound 0.20 worse, likelihood not "
        "distinguishable."
    )


def test_a_better_likelihood_is_said_and_a_bound_on_the_wrong_side_is_not() -> None:
    lines = study()
    better = rows("cyclical", 1, 5, mi=1.36, neg_elbo=100.01, iw_nll=99.5)
    told = verdict(groups([*lines[:5], *better]))[1]
    assert told.endswith("bound not distinguishable, likelihood 0.50 better.")
    worse = rows("cyclical", 1, 5, mi=1.36, neg_elbo=100.01, iw_nll=100.5)
    for one in worse:
        one["metrics"]["test"]["iw_upper_bound"] = True  # more samples could bring it down
    assert "likelihood known as a bound only" in verdict(groups([*lines[:5], *worse]))[1]


@pytest.mark.parametrize(("seeds", "words"), [(1, "One seed ranks"), (2, "Two seeds allow no")])
def test_few_seeds_rank_nothing(seeds: int, words: str) -> None:
    told = " ".join(verdict(groups(study(seeds))))
    assert told.startswith(words)
    assert "ollapsed" in told
    assert "cyclical" in told
    for word in ("worse", "better", "distinguishable"):
        assert word not in told


def test_seeds_that_differ_in_their_state_are_counted() -> None:
    lines = study()
    lines[5]["metrics"]["test"] |= DEAD  # one seed collapsed
    lines[6]["metrics"]["test"] |= DEAD | {"mi": 0.1}  # one is undecided
    assert (
        "cyclical is alive in 3 of 5, undecided in 1, collapsed in 1, MI "
        in verdict(groups(lines))[1]
    )


def test_life_by_mi_alone_is_told() -> None:
    lines = study()
    lines[5]["metrics"]["test"] |= {"z_use": 0.01}
    assert "alive in 5 of 5 (by MI alone in 1)" in verdict(groups(lines))[1]


def test_many_rows_are_summarised_with_their_extremes() -> None:
    many = [*study()[:5]]
    for row in range(1, 8):
        cost = 0.2 * row if row > 2 else 0.0
        figures = {"mi": row / 2, "kl": row / 2, "neg_elbo": 100.01 + cost, "iw_nll": 100.0}
        many += rows(f"m{row}", row, 5, **figures)
    first, bound, likelihood = verdict(groups(many))
    assert first == (
        "Collapsed in every seed: none; alive: 7 rows; mean MI 0.50 (m1) to 3.50 (m7) nats."
    )
    assert bound == (
        "Bound against none: worse for 4 rows, at most m7 by 1.40; not distinguishable for 2; "
        "not tested for 1."  # the differences of m5 do not vary
    )
    assert likelihood == ("Likelihood against none: not distinguishable for 6; not tested for 1.")
    same = [one for one in many if one["label"] != "m5"]
    assert verdict(groups(same))[-1] == "No row's likelihood is distinguishable from that of none."


def test_rows_without_a_reference_are_compared_in_pairs() -> None:
    alive = {"kl": 1.5, "neg_elbo": 100.21, "iw_nll": 100.0}
    lines = [*rows("a", 0, 5, mi=1.0, **alive), *rows("b", 1, 5, mi=2.0, **alive)]
    assert verdict(groups(lines))[-1] == (
        "Of 1 pairs of rows, these differ significantly: MI in 1 (most: a − b, −1.00 nats); "
        "bound in 0; likelihood in 0."
    )


@pytest.mark.parametrize("data", ["yahoo", "ptb:size=4000,vocabulary=sentencepiece"])
def test_several_tables_have_a_paragraph_each(data: str) -> None:
    other = [*rows("none", 0, 5, data, **DEAD)]
    for one in other:
        one["data"] = one["data"] | {"name": data, "sha256": "1" * 64}
    told = verdict(groups([*study(), *other]))
    assert [text.partition(": ")[0] for text in told] == ["ptb", data]


def test_a_study_without_records_has_no_verdict() -> None:
    assert verdict(groups([missing("none", 0)])) == ["No run has a record."]
