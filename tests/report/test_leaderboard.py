"""The leaderboard: what may share a table, ranks, and that nothing of a record becomes markup."""

import csv
import io
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from made_up import line
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmark import cli
from benchmark.core import records
from benchmark.model import registry
from benchmark.report.leaderboard import collected, html, leaderboard, sources, text
from benchmark.report.leaderboard.ranks import ranking

ROOT = Path(__file__).parents[2]
Line = dict[str, Any]


def trained(label: str, row: int, seed: int, **more: Any) -> Line:
    """A line whose baseline is the first word of its label; ``config`` and others change it."""
    config = more.pop("config", {})
    other = {name: more.pop(name) for name in ("evaluation", "data", "id") if name in more}
    found = line(label, row, seed, **more)
    found["config"] |= {"baseline": label.split()[0], "preset": "fu2019_ptb", **config}
    test = found["metrics"]["test"]
    if label.startswith("lstm_lm"):
        absent = ("mi", "mi_se", "mi_cap", "mi_batch", "z_use", "z_use_se", "marginal_kl")
        test |= dict.fromkeys((*absent, "au", "au_0.05", "au_0.2", "bleu", "ess"))
        test |= {"kl": 0.0, "neg_elbo": test["iw_nll"], "rec": test["iw_nll"]}
        found["kl_spectrum"] = None
    for name, of in (("ppl_iw", "iw_nll"), ("ppl_elbo", "neg_elbo")):
        test[name] = math.exp(test[of] * 3761 / 82430)
    found["data"] |= other.pop("data", {})
    return found | other


def study(
    seeds: int = 5,
    rows: tuple[str, ...] = ("none", "cyclical"),
    start: float = 100.0,
    **more: Any,
) -> list[Line]:
    """A study with a language model; IW-NLL falls by a nat from row to row, and differs by seed."""
    return [
        trained(
            label,
            row,
            seed,
            iw_nll=start - row + 0.1 * seed + 0.01 * (seed * (row + 2) % 5),
            **more,
        )
        for row, label in enumerate(("lstm_lm", *rows))
        for seed in range(seeds)
    ]


# Which rows share a table ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "title"),
    [
        ({"config": {"precision": "bf16"}}, "ptb, bf16"),
        ({"config": {"preset": "li2019_ptb"}}, "ptb, preset li2019_ptb"),
        ({"config": {"train": {"epochs": 3}}}, "ptb, 3 epochs"),
        ({"config": {"evaluate": {"iw_samples": 9}}}, "ptb, 9 importance samples"),
        ({"evaluation": 1}, "ptb, evaluation 1"),
        ({"data": {"sha256": "1" * 64}}, "ptb, text 11111111"),
    ],
)
def test_what_does_not_compare_stands_in_another_table(other: Line, title: str) -> None:
    found = collected.corpora({"a": study(), "b": study(rows=("monotonic",), **other)})
    assert title in {corpus.title for corpus in found}
    assert sorted((corpus.studies, len(corpus.entries)) for corpus in found) == [
        (["a"], 3), (["b"], 2),
    ]  # fmt: skip


def test_language_models_alone_are_no_table() -> None:
    models = study(rows=(), config={"train": {"epochs": 3}})
    assert [corpus.title for corpus in collected.corpora({"a": study(), "b": models})] == ["ptb"]


def test_studies_that_compare_share_a_table_and_shared_runs_stand_once() -> None:
    again = study(seeds=3, rows=("none", "monotonic"))
    for one in again:
        if one["label"] == "none":
            one["label"] = "plain"  # the runs of `none`, three of five
    (corpus,) = collected.corpora({"a": study(), "b": again})
    assert [(entry.label, entry.n, entry.studies) for entry in corpus.entries] == [
        ("lstm_lm", 5, ("a", "b")), ("monotonic", 3, ("b",)), ("cyclical", 5, ("a",)),
        ("none", 5, ("a", "b")),
    ]  # fmt: skip
    for one in again:
        one["id"] += "9"
    (corpus,) = collected.corpora({"a": study(), "b": again})
    assert {entry.label for entry in corpus.entries} == {
        "lstm_lm (a)", "lstm_lm (b)", "none", "cyclical", "plain", "monotonic",
    }  # fmt: skip


def test_only_rows_that_have_been_run_are_shown() -> None:
    lines = study()
    absent = [one | {"status": "missing"} for one in lines if one["label"] == "cyclical"]
    kept = [one for one in lines if one["label"] != "cyclical"]
    (corpus,) = collected.corpora({"a": kept + absent, "b": absent})
    assert [entry.label for entry in corpus.entries] == ["lstm_lm", "none"]


# Numbers and ranks -------------------------------------------------------------------------------


def test_the_difference_to_the_language_model_is_paired_by_seed() -> None:
    lines = study()
    value = {
        (one["label"], one["config"]["seed"]): one["metrics"]["test"]["iw_nll"] for one in lines
    }
    differences = [value["cyclical", seed] - value["lstm_lm", seed] for seed in range(5)]
    low, high = stats.t.interval(
        0.95, 4, loc=sum(differences) / 5, scale=stats.sem(differences)
    )  # an independent calculation
    (corpus,) = collected.corpora({"a": lines})
    cell = next(e for e in corpus.entries if e.label == "cyclical").cells["minus_lm"]
    assert (cell.value, cell.half) == pytest.approx(((low + high) / 2, (high - low) / 2))
    assert cell.text == f"−{-(low + high) / 2:.2f} ± {(high - low) / 2:.2f}"
    (corpus,) = collected.corpora({"a": [one for one in lines if one["config"]["seed"] == 0]})
    cells = {entry.label: entry.cells["minus_lm"].text for entry in corpus.entries}
    assert cells == {"lstm_lm": "–", "none": "−1.00", "cyclical": "−2.00"}
    assert corpus.ranked == "No ranks: one seed per row ranks no method."
    assert {entry.rank for entry in corpus.entries} == {None}


def test_ranks_are_where_every_pair_differs_by_tests_of_another_library() -> None:
    noise = [0.0, 0.3, -0.2, 0.1, -0.25]
    rows = {
        name: {seed: level + scale * noise[(seed + turn) % 5] for seed in range(5)}
        for name, level, scale, turn in (
            ("b", 5.05, 1, 1), ("a", 5.0, 1, 0), ("d", 9.0, 1, 3), ("c", 7.0, 1, 2),
        )
    }  # fmt: skip
    pairs = [(x, y) for i, x in enumerate(rows) for y in list(rows)[i + 1 :]]
    p = [stats.ttest_rel(list(rows[x].values()), list(rows[y].values())).pvalue for x, y in pairs]
    apart = multipletests(p, method="holm")[0]
    assert {frozenset(pair) for pair, yes in zip(pairs, apart, strict=True) if not yes} == {
        frozenset("ab")
    }
    found = ranking(rows)
    assert (found.ranks, found.pairs, found.apart) == ({"a": 1, "b": 1, "c": 3, "d": 4}, 6, 5)
    # A row that varies so much that it is not told from c ties c to itself, and to its rank.
    rows["e"] = {seed: 7.5 + 9 * noise[seed] for seed in range(5)}
    assert ranking(rows).ranks == {}
    assert ranking({name: {0: row[0], 1: row[1]} for name, row in rows.items()}).ranks == {}


def test_a_bound_is_not_ranked() -> None:
    lines = study(rows=("none", "cyclical", "beta"))
    for one in lines:
        if one["label"] == "beta":
            one["metrics"]["test"]["iw_upper_bound"] = True
    (corpus,) = collected.corpora({"a": lines})
    assert [(entry.label, entry.rank) for entry in corpus.entries] == [
        ("lstm_lm", None), ("cyclical", 1), ("none", 2), ("beta", None),
    ]  # fmt: skip
    assert "Not ranked: 1 row known by an upper bound (≤). A study" in corpus.ranked
    assert corpus.entries[-1].cells["minus_lm"].text.startswith("≤ −")


def test_undecided_seeds_are_told() -> None:
    lines = study(seeds=3)
    for one in lines[3:5]:
        one["metrics"]["test"] |= {"mi": 0.1, "z_use": 0.0}
    (corpus,) = collected.corpora({"a": lines})
    assert {entry.label: entry.alive.text for entry in corpus.entries} == {
        "lstm_lm": "–", "none": "1/3, 2 undecided", "cyclical": "3/3",
    }  # fmt: skip
    assert text.overview([corpus]) == {"none": [(1, 3)], "cyclical": [(3, 3)]}


def test_every_baseline_tells_its_source() -> None:
    found = {name: sources.of(name) for name in registry.names()}
    assert [name for name, source in found.items() if source.short == "not known"] == []
    (paper,) = found["cyclical"].papers
    assert (paper.short, paper.url) == ("Fu et al. 2019", "https://arxiv.org/abs/1903.10145")
    assert paper.title.startswith("Cyclical Annealing Schedule: A Simple")
    assert found["minimum_rate"].short == "Pelsmaeker & Aziz 2020"
    assert found["mean_reduction"].short == "no paper"
    assert sources.of("unheard_of").short == "not known"


# Text of records ---------------------------------------------------------------------------------

HOSTILE = ('=cmd|"/c calc"', "<img src=x onerror=alert(1)>", "a`b`|c\n*d*", "</script><b>", "@sum")


class Seen(HTMLParser):
    """Tags, and the texts that a browser would show or sort by."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.values: list[str | None] = []
        self.lines: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        if tag == "th" and "data-value" in given:
            self.values.append(given["data-value"])
        self.lines += [str(given[name]) for name in ("data-head", "data-csv") if name in given]


def test_no_text_of_a_record_becomes_markup_or_a_formula() -> None:
    lines = study(seeds=1, rows=HOSTILE)
    for one in lines:
        one["config"] |= {"baseline": "none" if one["row"] else "lstm_lm", "data": "text:a|<b>,x=1"}
        one["config"]["params"] = {"kind": "<i>=1"}
    other = study(seeds=1)
    for one in other:
        one["config"]["params"] = {"kind": "sentence"}
    found = collected.corpora({"a": lines})
    seen = Seen(html.page(found, 6, "tables"))
    plain = Seen(html.page(collected.corpora({"a": other}), 3, "tables"))
    assert seen.tags == plain.tags
    assert seen.values == ["lstm_lm", *HOSTILE]
    rows = list(csv.DictReader(io.StringIO("".join(seen.lines))))
    assert tuple(rows[0]) == html.CSV
    assert [row["method"] for row in rows[1:]] == [
        "'" + HOSTILE[0], HOSTILE[1], "a`b`|c *d*", HOSTILE[3], "'@sum",
    ]  # fmt: skip
    assert float(rows[1]["minus_lm"]) == -1.0  # a number stays one
    for markdown in (text.page(found, 6, "tables"), text.block(found[0])):
        assert "<i>" not in markdown
        tables = [one for one in markdown.splitlines() if one.startswith("| ")]
        cells = [len(re.findall(r"(?<!\\)\|", one)) for one in tables if "`" in one]
        assert len(cells) >= 6
        assert all(a == b for a, b in zip(cells[-6:], cells[-5:], strict=False))
        outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", markdown)  # of code spans
        assert "<img" not in outside
        assert "</script" not in outside


# Files and commands ------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two studies and a README with markers."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    write(tmp_path, "mine", study(seeds=3))
    two = study(seeds=1) + study(seeds=1, start=101.0, config={"data": "yahoo"}, kl=2.0, rec=99.5)
    for one in two:
        one["id"] = one["id"].replace("ptb", one["config"]["data"])
    write(tmp_path, "two", two)
    markers = "\n".join(
        f"<!-- leaderboard:{name} -->\nold\n<!-- /leaderboard:{name} -->"
        for name in ("mine", "two:yahoo")
    )
    kept = "<!-- results:mine -->\nkept\n<!-- /results:mine -->"
    (tmp_path / "README.md").write_text(f"# Top\n\n{markers}\n{kept}\nend\n")
    return tmp_path


def write(root: Path, name: str, lines: list[Line]) -> None:
    content = "".join(records.dumps(one) + "\n" for one in lines)
    (root / "results" / f"{name}.jsonl").write_text(content)


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_all_writes_page_text_and_readme_and_check_finds_what_differs(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(here)
    assert cli.main(["report", "--all", "--check"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "docs/leaderboard.md: is missing",
        "docs/leaderboard.html: is missing",
        "README.md: does not match results",
        "run: pcbench report --all",
    ]
    assert files(here) == before
    assert cli.main(["report", "--all"]) == 0
    assert (here / "docs/leaderboard.html").as_uri() in capsys.readouterr().out
    after = files(here)
    assert after.keys() - before.keys() == {"docs/leaderboard.md", "docs/leaderboard.html"}
    readme = after["README.md"].decode()
    assert readme.startswith("# Top\n\n<!-- leaderboard:mine -->\nPenn Treebank")
    assert readme.endswith("<!-- results:mine -->\nkept\n<!-- /results:mine -->\nend\n")
    assert "\nold\n" not in readme
    assert "(`ptb`), 3 seeds per row, nats per sentence" in readme
    assert "(`yahoo`), 1 seed per row, nats per sentence" in readme
    head = re.search(r"^\| method .*$", readme, re.MULTILINE)
    assert head is not None
    assert [cell.strip() for cell in head[0].strip("|").split("|")] == [
        "method", "alive", "MI", "IW-NLL against the language model", "source",
    ]  # fmt: skip
    assert "its own: 100.12 ± 0.30" in readme  # three seeds, 0.12 apart
    assert "](../paper/tables/mine.md)" in after["docs/leaderboard.md"].decode()
    assert cli.main(["report", "--all", "--check"]) == 0
    for name in ("docs/leaderboard.md", "docs/leaderboard.html", "README.md"):
        (here / name).write_bytes(after[name].replace(b"cyclical", b"cyclicaI"))
        capsys.readouterr()
        assert cli.main(["report", "--all", "--check"]) == 1
        assert capsys.readouterr().out.startswith(f"{name}: does not match results\n")
        (here / name).write_bytes(after[name])


def test_records_elsewhere_have_their_leaderboard_beside_them(here: Path) -> None:
    (here / "results").rename(here / "other")
    before = files(here)
    assert cli.main(["report", "--all", "--results", "other", "--quiet"]) == 0
    assert files(here).keys() - before.keys() == {"other/leaderboard.md", "other/leaderboard.html"}
    assert files(here)["README.md"] == before["README.md"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("results/mine.jsonl", "", "results/mine.jsonl: holds no run; run `pcbench collect"),
        ("results/mine.jsonl", '{"cut', "results/mine.jsonl:1: damaged or cut off"),
        ("README.md", "<!-- leaderboard:mine -->\n", "lacks the line <!-- /leaderboard:mine -->"),
        (
            "README.md",
            "<!-- leaderboard:mina -->\n<!-- /leaderboard:mina -->",
            "no such study; did you mean 'mine'?",
        ),
        (
            "README.md",
            "<!-- leaderboard:two -->\n<!-- /leaderboard:two -->",
            "two has several tables; name one after the study: ptb, yahoo",
        ),
        (
            "README.md",
            "<!-- leaderboard:two:wiki -->\n<!-- /leaderboard:two:wiki -->",
            "two has no record on it; name one after the study: ptb, yahoo",
        ),
    ],
)
def test_what_is_damaged_is_named_and_nothing_is_written(
    here: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, said: str
) -> None:
    (here / name).write_text(content)
    before = files(here)
    assert cli.main(["report", "--all"]) == 2
    assert said in capsys.readouterr().err
    assert files(here) == before


def test_records_that_contradict_themselves_and_none_at_all_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = study(seeds=3)
    lines[4]["metrics"]["test"]["iw_nll"] = 150.0  # above the bound
    write(here, "mine", lines)
    assert cli.main(["report", "--all"]) == 2
    assert "results/mine.jsonl:5: ptb-none-1-0123abcd: " in capsys.readouterr().err
    for path in (here / "results").iterdir():
        path.unlink()
    assert cli.main(["report", "--all"]) == 2
    assert "results: holds no record; run `pcbench collect STUDY`" in capsys.readouterr().err
    assert not (here / "docs").exists()


def test_all_is_of_all_studies(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["mine"], ["--page", "x.html"], ["--full"], ["--no-figures"]):
        assert cli.main(["report", "--all", *words]) == 2
        assert "report --all: covers all studies; leave out" in capsys.readouterr().err


def test_the_committed_leaderboard_is_that_of_the_committed_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    found = leaderboard.read(Path("results"))
    assert found.differing(Path("docs"), Path("README.md")) == [], "mend: pcbench report --all"
