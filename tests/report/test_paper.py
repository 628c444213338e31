"""The paper keeps its word: its numbers and statements are those of the records."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from benchmark.core.errors import UserError
from benchmark.model import registry
from benchmark.model.weight_path import TOLERANCE, corners
from benchmark.report.paper import excerpts, methods, quantities
from benchmark.report.paper import macros as papers
from benchmark.report.paper.quantities import Quantities

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "paper" / "paper.tex"
TEXT = "\n".join(path.read_text() for path in papers.sources(PAPER))
KNOWN = Quantities(ROOT / "paper", ROOT / "results")
STATEMENTS = [one for _, command, text in papers.commands(PAPER) if command == "checked"
              for one in papers.statements(text)]  # fmt: skip


@cache
def defined() -> str:
    """The macros of the paper, which take seconds to find."""
    return papers.macros(PAPER, ROOT / "results")


def test_each_number_of_the_paper_is_found() -> None:
    found = defined()
    keys = [key for _, command, key in papers.commands(PAPER) if command == "pcb"]
    assert len(keys) > 50
    for key in keys:
        if not key.startswith(("confound:", "confound_languages:", "li2019_ptb:", "yahoo")):
            assert f"\\csname pcb:={key}\\endcsname" in found


@pytest.mark.parametrize("statement", STATEMENTS)
def test_what_the_paper_says_is_true_of_the_records(statement: str) -> None:
    assert papers.holds(statement, KNOWN)


# Numbers -----------------------------------------------------------------------------------------


def row(study: str, label: str, metric: str) -> dict[int, float]:
    """A metric by seed, read without the report."""
    import json

    lines = map(json.loads, (ROOT / "results" / f"{study}.jsonl").read_text().splitlines())
    return {r["config"]["seed"]: r["metrics"]["test"][metric] for r in lines if r["label"] == label}


def test_a_number_is_the_row_s_over_its_seeds() -> None:
    import numpy as np
    from scipy import stats

    values = list(row("quickstart", "cyclical", "kl").values())
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    found = KNOWN.find("quickstart:cyclical:kl")
    assert found.value == pytest.approx(np.mean(values))
    assert found.text == rf"\ensuremath{{{np.mean(values):.2f} \pm {half:.2f}}}"
    assert KNOWN.find("quickstart:cyclical:kl:low").value == pytest.approx(np.mean(values) - half)


def test_a_difference_is_paired_by_seed() -> None:
    labels = [f"{w}, {r}" for r in ("restarted", "constant") for w in ("cyclical", "monotonic")]
    rows = [row("confound_exact", label, "kl") for label in labels]
    seeds = rows[0].keys()
    expected = [rows[0][s] - rows[1][s] - rows[2][s] + rows[3][s] for s in seeds]
    key = ("confound_exact:cyclical, restarted - monotonic, restarted"
           " - cyclical, constant + monotonic, constant:kl")  # fmt: skip
    assert KNOWN.find(key).value == pytest.approx(sum(expected) / len(expected))
    assert KNOWN.find(key).text.startswith(r"\ensuremath{+0.")
    assert KNOWN.find(f"{key}:min").value == pytest.approx(min(expected))


def test_an_adjusted_p_value() -> None:
    from scipy import stats
    from statsmodels.stats.multitest import multipletests

    labels = ["monotonic", "cyclical", "delayed_linear", "lstm_lm"]  # the auto-encoder has none
    none = row("quickstart", "none", "iw_nll")
    p = []
    for label in labels:
        values = row("quickstart", label, "iw_nll")
        p.append(stats.ttest_rel([values[s] for s in none], list(none.values())).pvalue)
    adjusted = multipletests(p, method="holm")[1]
    for label, value in zip(labels, adjusted, strict=True):
        found = KNOWN.find(f"quickstart:{label} - none:iw_nll:holm").value
        assert found == pytest.approx(value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("quickstart:none:collapsed", "5 of 5"),
        ("exact:exact_small:mix=0.15:autoencoder:mi", r"\ensuremath{\ge 6.90 \pm 0.00}"),
        ("exact:exact_small:word_dropout:iw_nll", r"\ensuremath{\le 30.90 \pm 0.18}"),
        ("ptb_check:none:kl", r"\ensuremath{0.01}"),  # one seed has no interval
        ("confound_exact:cyclical, restarted:share_at_one:mean", r"\ensuremath{27}"),
        ("study:exact:runs", "189"),
        ("data:ptb:train_sentences", "42{,}068"),
        ("data:ptb:tokens", r"\ensuremath{21.92}"),
        ("data:exact_small:entropy", r"\ensuremath{26.605 \pm 0.013}"),
        ("language:exact_small:words", "40"),
        ("preset:li2019_ptb:train.patience", "5"),
        ("preset:fu2019_ptb:model.hidden", "256"),  # a default
        ("corpus:ptb:test", r"\texttt{dd65dff3}"),
        ("code:core/measures.py:COLLAPSED", "0.1"),
    ],
)
def test_a_figure_as_it_is_printed(key: str, text: str) -> None:
    assert KNOWN.find(key).text == text


@pytest.mark.parametrize(("tests", "deviations"), [("", 1.68), (":3", 2.29)])
def test_what_seeds_can_detect_is_that_of_the_analysis_plan(tests: str, deviations: float) -> None:
    import numpy as np

    first, second = row("quickstart", "cyclical", "kl"), row("quickstart", "none", "kl")
    spread = np.std([first[seed] - second[seed] for seed in first], ddof=1)
    found = KNOWN.find(f"quickstart:cyclical - none:kl:detectable{tests}").value / spread
    assert found == pytest.approx(deviations, abs=0.006)
    assert f"| {deviations:.2f} |" in (ROOT / "paper" / "analysis_plan.md").read_text()


def test_the_90_per_cent_interval_is_student_s() -> None:
    import numpy as np
    from scipy import stats

    first, second = row("quickstart", "cyclical", "kl"), row("quickstart", "none", "kl")
    values = [first[seed] - second[seed] for seed in first]
    low, high = stats.t.interval(0.9, 4, np.mean(values), np.std(values, ddof=1) / 5**0.5)
    key = "quickstart:cyclical - none:kl"
    assert KNOWN.find(f"{key}:low90").value == pytest.approx(low)
    assert KNOWN.find(f"{key}:high90").value == pytest.approx(high)


def test_what_the_class_is_worth_sums_to_the_information() -> None:
    information = KNOWN.find("data:exact_small:information").value
    worth = KNOWN.find("truth:exact_small:all").value
    assert worth == pytest.approx(information, abs=0.05)  # of this test split
    first = KNOWN.find("truth:exact_small:first").value
    assert KNOWN.find("truth:exact_small:share").value == pytest.approx(100 * first / worth)
    assert 0 < first < worth


def test_published_values_are_counted() -> None:
    import csv

    with open(ROOT / "paper" / "published.csv", encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert KNOWN.find("published:values").value == len(lines) > 500
    assert KNOWN.find("published:sources").value == len({line["paper"] for line in lines})
    marked = sum(len(line["misprint"].split(" | ")) for line in lines if line["misprint"])
    assert KNOWN.find("published:misprints").value == marked > 10


def test_the_check_on_real_text_is_beside_no_published_figure_of_its_protocol() -> None:
    import csv

    with open(ROOT / "paper" / "tables" / "ptb_check.csv", encoding="utf-8", newline="") as file:
        told = {c["text"] for c in csv.DictReader(file) if c["column"] == "protocol"}
    assert told == {"other"}


@pytest.mark.parametrize(
    "key",
    [
        "quickstrat:none:kl", "quickstart:nnoe:kl", "quickstart:none:kkl", "quickstart:none",
        "quickstart:none:kl:median", "quickstart:none:kl:holm", "exact:none:kl",
        "quickstart:nnoe - none:kl:holm", "ptb_check:none:kl:detectable", "ptb_check:none:kl:low90",
        "truth:ptb:all", "truth:exact_small:x", "figure:quickstart-forest:width",
        "ptb_check:none:kl:low", "study:fu2019_ptb:sedes",
        "data:yahoo:tokens", "preset:fu2019_ptb:train.rate", "language:exact:word", "corpus:ptb:x",
        "code:config.py:NOTHING", "code:nowhere.py:X", "count:papers", "published:x", "",
    ],
)  # fmt: skip
def test_a_key_that_names_nothing(key: str) -> None:
    with pytest.raises(UserError, match=r"^.*(names no number|unknown)"):
        KNOWN.find(key)


def beside_the_studies(folder: Path) -> Path:
    """Where another paper may stand."""
    for file in (*ROOT.glob("paper/*.toml"), ROOT / "paper" / "published.csv"):
        shutil.copy(file, folder)
    return folder / "paper.tex"


# The build ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"\pcb{quickstart:nnoe:kl}", "quickstart:nnoe:kl: names no number"),
        (r"\checked{quickstart:cyclical:kl:min > 100}", "paper.tex:2: the records contradict "
         "this statement: quickstart:cyclical:kl:min > 100"),
        (r"\checked{quickstart:[none|cyclical]:collapsed = 5}", "cyclical:collapsed = 5"),
        (r"\checked{quickstart:cyclical:kl}", "write KEY < NUMBER"),
    ],
)  # fmt: skip
def test_the_build_stops(text: str, said: str, tmp_path: Path) -> None:
    paper = beside_the_studies(tmp_path)
    paper.write_text(f"% \\pcb{{of no interest}}\n{text}\n")
    with pytest.raises(UserError) as error:
        papers.macros(paper, ROOT / "results")
    assert said in str(error.value)


def test_what_is_said_of_a_study_without_records_waits(tmp_path: Path) -> None:
    paper = beside_the_studies(tmp_path)
    paper.write_text(r"\pcb{quickstart:none:kl} \checked{quickstart:none:kl > 5}")
    assert "none:kl" not in papers.macros(paper, tmp_path / "no results")


def test_latex_stops_at_a_number_that_is_not_defined(tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is missing")
    shutil.copytree(ROOT / "paper", tmp_path / "paper")
    paper = tmp_path / "paper" / "paper.tex"
    macros_file = paper.parent / "tables" / "macros.tex"
    macros_file.write_text(defined())
    paper.write_text(
        PAPER.read_text().replace(r"\maketitle", r"\maketitle \pcb{quickstart:none:au}")
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=paper.parent, capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    assert done.returncode != 0
    assert "quickstart:none:au is not defined" in done.stdout.replace("\n", "")


# Tables, figures and methods of the paper alone --------------------------------------------------


def test_a_table_of_few_columns_leaves_out_rows_without_a_record(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "table,kind,row,column,text,mean,half,n,bold\n"
        "t,main,x_1,KL,1.98,1.98,,1,0\n"
        "t,main,x_1,IW-NLL,102.07,102.07,,1,1\n"
        "t,main,y,KL,–,,,,0\n"
        "t,main,y,IW-NLL,–,,,,0\n"
        "t,main,z,KL,–,,,,0\n"
        "t,main,z,IW-NLL,–,,,,0\n"
        "u,main,x_1,KL,0,0,,1,0\n"
    )
    assert r"\texttt{x\_1} & 1.98 & \textbf{102.07} \\" in excerpts.table(
        tmp_path, "a:t:KL, IW-NLL"
    )
    assert "texttt{y}" not in excerpts.table(tmp_path, "a:t:KL")
    assert excerpts.missing(tmp_path, "a:t") == r"\texttt{y} and \texttt{z}"
    assert excerpts.cell(tmp_path, "a:u:x_1:KL") == "0"
    for key in ("a:t:MI", "a:v:KL", "b:t:KL"):
        with pytest.raises(UserError, match=r"no column|no table|no such file"):
            excerpts.table(tmp_path, key)


@pytest.mark.parametrize(("points", "scale"), [(6, 8 / 6), (8, 1), (11, 1)])
def test_a_figure_is_enlarged_until_its_smallest_print_has_8_points(
    points: float, scale: float, tmp_path: Path
) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1))
    figure.text(0.1, 0.1, "small", fontsize=points)
    figure.text(0.1, 0.6, "large", fontsize=12)
    figure.savefig(tmp_path / "a.pdf")
    assert excerpts.scale(tmp_path / "a.pdf") == pytest.approx(scale)


def test_each_method_has_its_formula_in_the_appendix() -> None:
    text = (ROOT / "paper" / "sections" / "methods.tex").read_text()
    parts = re.findall(r"(?s)\\method\{(\w+)\}(.*?)\\methodend", text)
    assert sorted(name for name, _ in parts) == sorted(registry.names())
    assert all(r"\begin{equation*}" in part for _, part in parts)


def test_what_a_method_s_file_says_is_printed() -> None:
    told = dict(methods.macros())
    assert told["cyclical:defaults"].startswith(r"\texttt{cycles} 4; \texttt{ratio} 0.5")
    assert told["lstm_lm:defaults"] == "none"
    assert "M = 4 cycles and R = 0.5" in told["cyclical:theirs"]
    for name in registry.names():
        assert all(told[f"{name}:{part}"] for part in ("what", "theirs", "ours"))


def test_the_dates_of_what_was_planned_are_those_of_the_commits() -> None:
    import csv

    def committed(commit: str) -> str:
        done = subprocess.run(
            ["git", "show", "-s", "--format=%cd", "--date=format-local:%Y-%m-%d %H:%M", commit],
            cwd=ROOT, capture_output=True, text=True, env={**os.environ, "TZ": "UTC"},
        )  # fmt: skip
        return done.stdout.strip()

    if not committed("7593c6e"):
        pytest.skip("the history is not at hand")
    with open(ROOT / "paper" / "plans.csv", encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) > 5
    for line in lines:
        for date, commit in (("stated", "commit"), ("recorded", "first"), ("changed", "change")):
            assert line[date] == (committed(line[commit]) if line[commit] else "")
        assert not line["recorded"] or line["stated"] < line["recorded"]


# The text ----------------------------------------------------------------------------------------

# What may hold digits: environments and commands whose arguments are not prose, and a few words.
NOT_PROSE = (
    r"(?<!\\)%.*",
    r"(?s)\\begin\{(verbatim|equation\*?|picture)\}.*?\\end\{\1\}",
    r"p\{[\d.]+\\linewidth\}",
    r"\\(pcb\w*|checked|ifrecorded|cite\w*|ref|label|input|bibliography|method)"
    r"(\[[^\]]*\])*\{[^{}]*\}",
    r"\\includegraphics"
    r"(\[[^\]]*\])*\{[^{}]*\}",
    r"\{[a-z]+\d{4}(,[a-z]+\d{4})*\}",  # what a method cites
    r"\\setlength\{[^{}]*\}\{[^{}]*\}",
    r"\\begin\{minipage\}(\[\w\])?\{[^{}]*\}",
    r"\\\\\[[^\]]*\]",
    r"\\texttt\{[a-z][\w\\/.]*\}",  # names
    r"\\multicolumn\{\d\}|\\newcommand\{.*",
    r"\b(95|90|5)\\,\\%",  # the levels of all intervals and tests
    r"\b(sha256|x86|bf16)\b",
    r"\b[01]\b(?![.,]\d)",  # KL weights, and nothing at all
)


def numbers(text: str) -> list[str]:
    """Numbers that stand in the prose."""
    for pattern in NOT_PROSE:
        text = re.sub(pattern, " ", text)
    return re.findall(r"\S*\d\S*", text)


def test_no_figure_is_typed() -> None:
    assert numbers(TEXT.split(r"\begin{document}")[1]) == []


def test_a_typed_figure_is_found() -> None:
    typed = r"by 0.43 nats \pcb{a:b:2} in $5$ of 10 seeds~\citep{fu2019}, 1.5 and 3\,\%, weight 1."
    assert numbers(typed) == ["0.43", "$5$", "10", "1.5", r"3\,\%,"]


def test_the_example_is_that_of_the_page_on_methods() -> None:
    (shown,) = re.findall(r"\\begin\{verbatim\}\n(.*?)\\end\{verbatim\}", TEXT, flags=re.DOTALL)
    assert f"```python\n{shown}```" in (ROOT / "docs" / "methods.md").read_text()


def test_each_reference_is_there_and_cited() -> None:
    entries = (ROOT / "paper" / "refs.bib").read_text()
    keys = re.findall(r"^@\w+\{(\w+),", entries, flags=re.MULTILINE)
    body = TEXT.split(r"\begin{document}")[1]
    named = r"\\(?:cite\w*|method\{\w+\})\{([^}]*)\}"
    cited = {key for some in re.findall(named, body) for key in some.split(",")}
    assert sorted(keys) == sorted(cited)
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("name", "params", "total"),
    [
        ("monotonic", {"warmup": 0.225, "floor": 0.1}, 1049),
        ("cyclical", {"ratio": 0.45, "floor": 0.1}, 2778),
        ("cosine", {}, 52_600),
        ("delayed_linear", {"delay": 0.75, "ramp": 0.1125, "floor": 0.1}, 2218),
    ],
)
def test_the_share_at_weight_1_is_that_of_all_steps(
    name: str, params: dict[str, float], total: int
) -> None:
    """Corners are kept to within a tolerance, also where the number of steps does not divide."""
    method = registry.load(name)(**params)
    weights = [method.weight(step, total) for step in range(total)]
    line = {
        "id": name,
        "steps": total,
        "weight_path": corners(range(total), weights),
        "curve": [{"step": total, "lr": 1e-3}],
        "config": {"train": {"lr_schedule": "constant"}},
    }
    near_one = 100 * sum(weight >= 1 - 2 * TOLERANCE for weight in weights) / total
    assert quantities.share_at_one(line) == pytest.approx(near_one, abs=0.1 + 200 / total)
