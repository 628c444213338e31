"""The paper keeps its word: its figures and statements are those of the records."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmark.core.errors import UserError
from benchmark.model import registry
from benchmark.model.weight_path import TOLERANCE, corners
from benchmark.report.paper import macros as papers
from benchmark.report.paper import quantities
from benchmark.report.paper.quantities import Quantities

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "paper" / "paper.tex"
TEXT = PAPER.read_text()
KNOWN = Quantities(ROOT / "paper", ROOT / "results")
STATEMENTS = [one for _, command, text in papers.commands(PAPER) if command == "checked"
              for one in papers.statements(text)]  # fmt: skip


def test_each_figure_of_the_paper_is_found() -> None:
    found = papers.macros(PAPER, ROOT / "results")
    keys = [key for _, command, key in papers.commands(PAPER) if command == "pcb"]
    assert len(keys) > 50
    for key in keys:
        if not key.startswith(("confound:", "confound_languages:", "li2019_ptb:", "yahoo")):
            assert f"\\csname pcb:={key}\\endcsname" in found


@pytest.mark.parametrize("statement", STATEMENTS)
def test_what_the_paper_says_is_true_of_the_records(statement: str) -> None:
    assert papers.holds(statement, KNOWN)


# Figures -----------------------------------------------------------------------------------------


def row(study: str, label: str, metric: str) -> dict[int, float]:
    """A metric by seed, read without the report."""
    import json

    lines = map(json.loads, (ROOT / "results" / f"{study}.jsonl").read_text().splitlines())
    return {r["config"]["seed"]: r["metrics"]["test"][metric] for r in lines if r["label"] == label}


def test_a_figure_is_the_row_s_over_its_seeds() -> None:
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
        "quickstart:nnoe - none:kl:holm",
        "ptb_check:none:kl:low", "study:fu2019_ptb:sedes",
        "data:yahoo:tokens", "preset:fu2019_ptb:train.rate", "language:exact:word", "corpus:ptb:x",
        "code:config.py:NOTHING", "code:nowhere.py:X", "count:papers", "published:x", "",
    ],
)  # fmt: skip
def test_a_key_that_names_nothing(key: str) -> None:
    with pytest.raises(UserError, match=r"^.*(names no figure|unknown)"):
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
        (r"\pcb{quickstart:nnoe:kl}", "quickstart:nnoe:kl: names no figure"),
        (r"\checked{quickstart:cyclical:kl:min > 100}", "paper.tex:2: not true of the records: "
         "quickstart:cyclical:kl:min > 100"),
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


def test_latex_stops_at_a_figure_that_is_not_defined(tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is missing")
    shutil.copytree(ROOT / "paper", tmp_path / "paper")
    paper = tmp_path / "paper" / "paper.tex"
    macros_file = paper.parent / "tables" / "macros.tex"
    macros_file.write_text(papers.macros(PAPER, ROOT / "results"))
    paper.write_text(TEXT.replace(r"\maketitle", r"\maketitle \pcb{quickstart:none:au}"))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=paper.parent, capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    assert done.returncode != 0
    assert "quickstart:none:au is not defined" in done.stdout.replace("\n", "")


# The text ----------------------------------------------------------------------------------------

# What may hold digits: environments and commands whose arguments are not prose, and a few words.
NOT_PROSE = (
    r"(?<!\\)%.*",
    r"(?s)\\begin\{(verbatim|equation)\}.*?\\end\{\1\}",
    r"\\(pcb|pcbtable|pcbnotes|checked|ifrecorded|cite\w*|ref|label|input|bibliography)"
    r"(\[[^\]]*\])*\{[^{}]*\}",
    r"\\includegraphics"
    r"(\[[^\]]*\])*\{[^{}]*\}",
    r"\\setlength\{[^{}]*\}\{[^{}]*\}",
    r"\\begin\{minipage\}(\[\w\])?\{[^{}]*\}",
    r"\\\\\[[^\]]*\]",
    r"\\texttt\{[a-z][\w\\]*\}",  # names
    r"95\\,\\%",  # the level of all intervals
    r"\b(sha256|x86|bf16)\b",
    r"\b[01]\b(?![.,]\d)",  # KL weights, and nothing at all
)


def figures(text: str) -> list[str]:
    """Numbers that stand in the prose."""
    for pattern in NOT_PROSE:
        text = re.sub(pattern, " ", text)
    return re.findall(r"\S*\d\S*", text)


def test_no_figure_is_typed() -> None:
    assert figures(TEXT.split(r"\begin{document}")[1]) == []


def test_a_typed_figure_is_found() -> None:
    typed = r"by 0.43 nats \pcb{a:b:2} in $5$ of 10 seeds~\citep{fu2019}, 1.5 and 3\,\%, weight 1."
    assert figures(typed) == ["0.43", "$5$", "10", "1.5", r"3\,\%,"]


def test_the_example_is_that_of_the_page_on_methods() -> None:
    (shown,) = re.findall(r"\\begin\{verbatim\}\n(.*?)\\end\{verbatim\}", TEXT, flags=re.DOTALL)
    assert f"```python\n{shown}```" in (ROOT / "docs" / "methods.md").read_text()


def test_each_reference_is_there_and_cited() -> None:
    entries = (ROOT / "paper" / "refs.bib").read_text()
    keys = re.findall(r"^@\w+\{(\w+),", entries, flags=re.MULTILINE)
    cited = {key for keys in re.findall(r"\\cite\w*\{([^}]*)\}", TEXT) for key in keys.split(",")}
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
