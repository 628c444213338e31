"""The numbers behind the figures, against the committed records by independent calculation."""

import io
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up import line as made_up_line

from benchmark.core.records import read_jsonl
from benchmark.data.catalogue import find
from benchmark.data.exact import TEST, ExactLanguage
from benchmark.data.prepared import Split
from benchmark.report import figures
from benchmark.report.figures import positions, schedules, spectrum
from benchmark.report.grouping import Group, groups

ROOT = Path(__file__).parents[2]
STUDIES = ("quickstart", "exact", "confound_exact", "ptb_check")


@cache
def records(study: str) -> list[dict[str, Any]]:
    return read_jsonl(ROOT / f"results/{study}.jsonl")


@cache
def tables(study: str) -> dict[str, pd.DataFrame]:
    """What the figures' files hold, as a reader would load them."""
    pictures = figures.pictures(study, groups(records(study)))
    return {f"{one.name}.csv": pd.read_csv(io.StringIO(one.csv)) for one in pictures}


def value_of(study: str, label: str, metric: str, data: str | None = None) -> dict[int, float]:
    """A metric of the test split by seed."""
    return {
        line["config"]["seed"]: line["metrics"]["test"][metric]
        for line in records(study)
        if line["label"] == label and data in (None, line["config"]["data"])
    }


def test_every_study_has_its_files() -> None:
    assert set(tables("quickstart")) == {
        f"quickstart-{name}.csv"
        for name in ("story", "forest", "rate-distortion", "learning", "spectrum", "positions",
                     "weights")
    }  # fmt: skip
    names = set(tables("exact"))
    assert len(names) == 5 * 3 + 2  # five figures of three data sets; of the weights; of all data
    assert "exact-heatmap.csv" in names
    assert "exact-forest-exact_small-mix-0-15.csv" in names
    assert "exact-weights.csv" in names


@pytest.mark.parametrize("metric", ["iw_nll", "kl", "mi"])
def test_differences_are_paired_by_seed_with_students_interval(metric: str) -> None:
    table = tables("quickstart")["quickstart-forest.csv"]
    table = table[(table["metric"] == metric) & (table["reference"] == "none")]
    own, base = value_of("quickstart", "cyclical", metric), value_of("quickstart", "none", metric)
    expected = np.array([own[seed] - base[seed] for seed in range(5)])
    rows = table[table["label"] == "cyclical"]
    seeds = rows[rows["seed"].notna()].sort_values("seed")["value"]
    np.testing.assert_allclose(seeds, expected, rtol=1e-5)
    (mean,) = rows[rows["seed"].isna()].to_dict("records")
    half = 2.776445 * expected.std(ddof=1) / math.sqrt(5)  # t(0.975, 4), of any table
    assert mean["value"] == pytest.approx(expected.mean(), rel=1e-4)
    assert (mean["low"], mean["high"]) == pytest.approx(
        (expected.mean() - half, expected.mean() + half), rel=1e-4
    )
    assert mean["n"] == 5
    assert "none" not in set(table["label"])


def test_what_has_no_likelihood_or_no_latent_is_not_compared() -> None:
    table = tables("quickstart")["quickstart-forest.csv"]
    labels = table.groupby("metric")["label"].unique()
    assert "autoencoder" not in labels["iw_nll"]
    assert "lstm_lm" not in labels["kl"]
    bounds = table[(table["label"] == "autoencoder") & table["seed"].isna()].set_index("metric")
    assert bounds.loc["mi", "bound"] == "≥"  # above ln N - 3
    assert pd.isna(bounds.loc["kl", "bound"])


def test_the_truth_beside_differences_is_the_references_excess() -> None:
    table = tables("quickstart")["quickstart-forest.csv"]
    truth = table[table["label"] == "truth"].set_index(["metric", "reference"])["value"]
    excess = np.mean(list(value_of("quickstart", "lstm_lm", "excess").values()))
    assert truth["iw_nll", "lstm_lm"] == pytest.approx(-excess, rel=1e-4)
    information = records("quickstart")[0]["data"]["information"]
    mi = np.mean(list(value_of("quickstart", "none", "mi").values()))
    assert truth["mi", "none"] == pytest.approx(information - mi, rel=1e-4)
    assert "truth" not in set(tables("ptb_check")["ptb_check-forest.csv"]["label"])


def test_without_references_the_figures_themselves_are_compared() -> None:
    table = tables("confound_exact")["confound_exact-forest.csv"]
    assert table["reference"].isna().all()
    mean = table[(table["label"] == "monotonic, constant") & table["seed"].isna()]
    expected = np.mean(list(value_of("confound_exact", "monotonic, constant", "kl").values()))
    assert mean.set_index("metric")["value"]["kl"] == pytest.approx(expected, rel=1e-4)
    truth = table[table["label"] == "truth"].set_index("metric")["value"]
    assert truth["mi"] == pytest.approx(
        records("confound_exact")[0]["data"]["information"], rel=1e-4
    )


def test_one_seed_has_a_difference_and_no_interval() -> None:
    table = tables("ptb_check")["ptb_check-forest.csv"]
    row = table[(table["label"] == "cyclical") & (table["reference"] == "lstm_lm")]
    ours = (
        value_of("ptb_check", "cyclical", "iw_nll")[0]
        - value_of("ptb_check", "lstm_lm", "iw_nll")[0]
    )
    np.testing.assert_allclose(row["value"], [ours, ours], rtol=1e-5)
    assert row["low"].isna().all()


def test_the_plane_holds_every_run_and_the_truth_of_its_sentences() -> None:
    data = "exact_small:mix=0.15"
    table = tables("exact")["exact-rate-distortion-exact_small-mix-0-15.csv"]
    for label in ("cyclical", "autoencoder", "beta"):
        rows = table[table["label"] == label].set_index("seed")
        for metric in ("kl", "rec", "neg_elbo"):
            expected = value_of("exact", label, metric, data)
            assert dict(rows[metric]) == pytest.approx(expected, rel=1e-5)
    model = table[table["role"] == "lstm_lm"]
    assert model["kl"].isna().all()
    (truth,) = table[table["role"] == "truth"].to_dict("records")
    likely = value_of("exact", "none", "iw_nll", data)
    excess = value_of("exact", "none", "excess", data)
    assert truth["neg_elbo"] == pytest.approx(likely[1] - excess[1], rel=1e-5)
    assert truth["kl"] + truth["rec"] == pytest.approx(truth["neg_elbo"], rel=1e-5)
    assert list(table[table["role"] == "end"]["label"].unique()) == ["autoencoder"]


def test_learning_curves_are_the_records_points() -> None:
    table = tables("confound_exact")["confound_exact-learning.csv"]
    for line in records("confound_exact")[::7]:
        own = (table["label"] == line["label"]) & (table["seed"] == line["config"]["seed"])
        rows = table[own].sort_values("step")
        assert list(rows["step"]) == [point["step"] for point in line["curve"]]
        for metric in ("kl", "mi", "au", "weight"):
            expected = [point[metric] for point in line["curve"]]
            np.testing.assert_allclose(rows[metric], expected, rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(-rows["elbo"], [p["neg_elbo"] for p in line["curve"]], rtol=1e-5)
    (truth,) = table[table["role"] == "truth"].to_dict("records")
    assert truth["elbo"] == pytest.approx(
        -records("confound_exact")[0]["data"]["entropy"], rel=1e-5
    )


def test_the_weight_that_a_record_holds_is_drawn_whatever_todays_code_would_do() -> None:
    line = next(line for line in records("quickstart") if line["label"] == "cyclical")
    path = [[0, 0.25], [100, 0.75], [101, 0.0], [1709, 1.0]]  # of no schedule here
    drawn = schedules.rows(Group(lines=[line | {"weight_path": path}]))
    assert not drawn["logged"].any()
    np.testing.assert_allclose(drawn["weight"], [weight for _, weight in path])
    np.testing.assert_allclose(drawn["fraction"] * line["steps"], [step for step, _ in path])
    older = schedules.rows(Group(lines=[{k: v for k, v in line.items() if k != "weight_path"}]))
    assert older["logged"].all()
    assert list(older["weight"]) == [point["weight"] for point in line["curve"]]


def test_a_spectrum_draws_the_mean_of_what_lies_below_its_floor() -> None:
    dead = [
        made_up_line("none", 0, seed) | {"kl_spectrum": [kl, 0.0]}
        for seed, kl in ((0, 0.0015), (1, 1e-4))
    ]
    figure = spectrum.draw(spectrum.rows(groups(dead)[0]))
    (mean,) = (one for one in figure.axes[0].get_lines() if one.get_marker() != "None")
    assert list(mean.get_ydata()) == [1e-3, 1e-3]  # 0.0008, and 0


def test_a_spectrum_is_sorted_and_sums_to_the_kl() -> None:
    table = tables("quickstart")["quickstart-spectrum.csv"]
    for seed, kl in value_of("quickstart", "cyclical", "kl").items():
        rows = table[(table["label"] == "cyclical") & (table["seed"] == seed)]
        assert list(rows["rank"]) == list(range(1, 9))
        assert (rows["kl"].diff().dropna() <= 0).all()
        assert rows["kl"].sum() == pytest.approx(kl, rel=1e-4)
    assert "lstm_lm" not in set(table["label"])


def test_positions_sum_to_the_reconstruction() -> None:
    """Tokens times loss, over all positions and the pooled later ones, is the split's NLL."""
    for study in ("quickstart", "ptb_check"):
        table = tables(study)[f"{study}-positions.csv"]
        rows = table[table["label"] == "lstm_lm"]
        data = records(study)[0]["data"]
        assert rows["tokens"].sum() == data["test_tokens"]
        total = (rows["tokens"] * rows["loss"]).sum() / data["test_sentences"]
        nll = np.mean(list(value_of(study, "lstm_lm", "iw_nll").values()))
        assert total == pytest.approx(nll, rel=1e-4)
        assert list(rows["later"]) == [False] * (len(rows) - 1) + [True]
        assert rows["tokens"].iloc[-2] >= data["test_sentences"] / 4


def test_positions_differ_from_the_language_model_of_the_same_seed() -> None:
    table = tables("quickstart")["quickstart-positions.csv"]
    by_seed = {
        label: [
            line["loss_by_position"][2][0]
            for line in sorted(records("quickstart"), key=lambda line: line["config"]["seed"])
            if line["label"] == label
        ]
        for label in ("cyclical", "lstm_lm")
    }
    expected = np.subtract(by_seed["cyclical"], by_seed["lstm_lm"])
    (row,) = table[(table["label"] == "cyclical") & (table["position"] == 3)].to_dict("records")
    half = 2.776445 * expected.std(ddof=1) / math.sqrt(5)
    assert row["difference"] == pytest.approx(expected.mean(), rel=1e-4)
    assert row["high"] - row["difference"] == pytest.approx(half, rel=1e-3)
    assert (row["reference"], row["n"]) == ("lstm_lm", 5)
    alone = tables("confound_exact")["confound_exact-positions.csv"]
    assert set(alone["reference"]) == {"cyclical, constant"}


@pytest.mark.parametrize(
    ("data", "end", "part"),
    [
        ("exact_small", "exact_small", 0.79),
        ("exact_small:mix=0.25", "exact_small-mix-0-25", 0.61),
        ("exact_small:mix=0.15", "exact_small-mix-0-15", 0.48),
    ],
)
def test_the_truth_by_position_sums_to_what_the_class_gains_on_these_sentences(
    data: str, end: str, part: float
) -> None:
    table = tables("exact")[f"exact-positions-{end}.csv"]
    truth, model = (table[table["role"] == role] for role in ("truth", "lstm_lm"))
    assert list(truth["tokens"]) == list(model["tokens"])
    assert list(truth["later"]) == list(model["later"])
    language = find(data).language
    assert language is not None
    split = language.sample(1000, TEST)
    assert split.classes is not None
    assert split.log_prob is not None
    given = language.class_log_prob(split)[np.arange(1000), split.classes]
    gain = -(truth["tokens"] * truth["difference"]) / 1000
    assert gain.sum() == pytest.approx((given - split.log_prob).mean(), rel=1e-4)
    assert (truth["tokens"] * truth["loss"]).sum() / 1000 == pytest.approx(-given.mean(), rel=1e-4)
    assert gain[:4].sum() / gain.sum() == pytest.approx(part, abs=0.005)
    # and it is I(x; c) but for the sentences that were drawn
    stated = next(line for line in records("exact") if line["config"]["data"] == data)["data"]
    error = (given - split.log_prob).std() / math.sqrt(1000)
    assert abs(gain.sum() - stated["information"]) < 3 * error


def test_the_truth_stands_beside_a_language_model_of_its_own_sentences_only() -> None:
    for study in ("confound_exact", "ptb_check"):  # no language model; no exact language
        assert "truth" not in set(tables(study)[f"{study}-positions.csv"]["role"])
    lines = [line for line in records("quickstart") if line["config"]["seed"] == 0]
    assert "truth" in set(positions.rows(groups(lines)[0])["role"])
    other = [line | {"data": line["data"] | {"sha256": "0" * 64}} for line in lines]
    assert "truth" not in set(positions.rows(groups(other)[0])["role"])  # of another generator
    newer = [line | {"data": line["data"] | {"name": "exact_small:shape=2"}} for line in lines]
    assert "truth" not in set(positions.rows(groups(newer)[0])["role"])


def test_a_data_sets_truth_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    plain = ExactLanguage.sample

    def counting(self: ExactLanguage, sentences: int, *key: int) -> Split:
        drawn.append(sentences)
        return plain(self, sentences, *key)

    monkeypatch.setattr(ExactLanguage, "sample", counting)
    positions._truth.cache_clear()
    for _ in range(3):
        positions.rows(groups(records("quickstart"))[0])
    assert drawn == [1000]


def test_each_figure_says_what_it_shows() -> None:
    lines = records("confound_exact")
    titles = [picture.title for picture in figures.pictures("confound_exact", groups(lines))]
    assert len(set(titles)) == len(figures.OF_TABLE)
    assert "Likelihood, KL and MI, test split, exact_small" in titles[0]
    assert any("not of these sentences" in title for title in titles)
    text = [
        picture.title for picture in figures.pictures("ptb_check", groups(records("ptb_check")))
    ]
    assert not any("true entropy" in title for title in text)
    (first, second, *_) = figures.pictures("quickstart", groups(records("quickstart")))
    assert first.title.startswith("KL and ELBO over training, validation split, quickstart")
    assert second.title.startswith("Differences paired by seed")
