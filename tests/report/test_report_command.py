"""``pcbench report``: where its files go, and that a check finds what is not of the records."""

import html
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_up import record

from benchmark import cli
from benchmark.core import records
from benchmark.report import formats, report, tables
from benchmark.report.grouping import groups

ROOT = Path(__file__).parents[2]
STUDIES = sorted(path.stem for path in (ROOT / "results").glob("*.jsonl"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with collected records of a study, `mine`."""
    monkeypatch.chdir(tmp_path)
    lines = [
        record(f"ptb-{label}-{seed}-0000000{row}", bleu=row + seed / 10)
        | {"label": label, "row": row, "status": "done"}
        for row, label in enumerate(("none", "cyclical"))
        for seed in range(2)
    ]
    (tmp_path / "results").mkdir()
    text = "".join(records.dumps(line) + "\n" for line in lines)
    (tmp_path / "results" / "mine.jsonl").write_text(text)
    return tmp_path


def files(folder: Path) -> set[str]:
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return found - {"results/mine.jsonl"}


def test_all_files_of_a_report_have_their_place(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["report", "mine"]) == 0
    printed = capsys.readouterr()
    _, where = printed.out.split("\nWritten: paper/tables/mine.{md,tex,csv}, ")
    assert where.endswith(f"\nPage:    {(here / 'results/mine.html').as_uri()}\n")
    assert printed.err == ""
    found = files(here)
    assert {f"paper/tables/mine.{kind}" for kind in ("md", "tex", "csv")} <= found
    assert "results/mine.html" in found
    drawn = {name for name in found if name.startswith("paper/figures/mine-")}
    assert {Path(name).suffix for name in drawn} == {".pdf", ".png", ".csv"}
    assert len(found) == len(drawn) + 4


def test_each_command_on_a_page_is_complete(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pasted where the page was made, they find the records, and the report makes the same page."""
    lines = records.read_jsonl(here / "results" / "mine.jsonl")
    lines[0]["config"] |= {"data": "text:my news,size=9", "file": "a.py", "file_sha256": "0"}
    text = "".join(records.dumps(line) + "\n" for line in lines)
    (here / "results" / "mine.jsonl").write_text(text)
    (here / "results").rename(here / "other")
    words = ["report", "studies/mine.toml", "--results", "other", "--out", "b", "--page", "c.html"]
    words.append("--no-figures")
    assert cli.main(words) == 0
    told = html.unescape((here / "c.html").read_text())
    assert "<code>other/mine.jsonl</code>" in told
    found = re.findall(r"<code>(pcbench re.*?)</code>", told)
    assert sorted({line["id"] for line in lines}) == sorted(
        cli.parser().parse_args(shlex.split(line)[1:]).id for line in found if " reproduce " in line
    )
    assert (
        f"pcbench reproduce {lines[0]['id']} --results other --text 'my news' --file studies/a.py"
    ) in found
    (again,) = [line for line in found if line.startswith("pcbench report studies/")]
    page = (here / "c.html").read_bytes()
    (here / "c.html").unlink()
    assert cli.main(shlex.split(again)[1:]) == 0
    assert (here / "c.html").read_bytes() == page
    capsys.readouterr()


def test_a_study_s_name_may_hold_a_dot(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy("results/mine.jsonl", "results/v1.jsonl")
    assert cli.main(["report", "v1.5", "--no-figures"]) == 2
    said = "results/v1.5.jsonl: no such file; run `pcbench collect paper/v1.5.toml` first"
    assert said in capsys.readouterr().err
    shutil.copy("results/mine.jsonl", "results/v1.5.jsonl")
    for study in ("v1.5", "v1.5.toml", "results/v1.5.jsonl"):
        assert cli.main(["report", study, "--full", "--no-figures", "--out", "new"]) == 0
        assert capsys.readouterr().out.startswith("# v1.5\n")
    assert files(here / "new") == {"v1.5.md", "v1.5.tex", "v1.5.csv"}


def test_another_folder_gets_everything(here: Path) -> None:
    assert cli.main(["report", "mine", "--out", "new", "--no-figures"]) == 0
    assert files(here) == {"new/mine.md", "new/mine.tex", "new/mine.csv"}
    assert cli.main(["report", "mine", "--out", "new", "--no-figures", "--page", "new"]) == 0
    assert "new/mine.html" in files(here)
    (here / "results").rename(here / "other")
    assert cli.main(["report", "mine", "--results", "other"]) == 0
    assert {"other/tables/mine.md", "other/mine.html"} <= files(here)


def test_nothing_is_written_where_something_cannot_be(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "taken").write_text("a file, not a folder")
    for option, where in (("--figures", "taken"), ("--page", "taken/x"), ("--readme", "taken")):
        assert cli.main(["report", "mine", option, where]) == 2
        assert capsys.readouterr().err.startswith("pcbench: taken")
        assert files(here) <= {"taken"}


def test_folders_of_tables_figures_and_page_are_free(here: Path) -> None:
    (here / "results").rename(here / "other")
    words = ["--out", "b/tables", "--page", "c", "--results", "other", "--figures", "d"]
    assert cli.main(["report", "mine", *words]) == 0
    assert {"b/tables/mine.tex", "c/mine.html"} <= files(here)
    assert any(name.startswith("d/mine-") for name in files(here))
    assert report.places("mine", Path("other"), Path("b/tables")).figures == Path("b/figures")


@pytest.mark.slow
def test_a_check_writes_nothing_and_names_what_differs(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["report", "mine", "--check", "--no-figures"]) == 1
    assert "paper/tables/mine.md: is missing\n" in capsys.readouterr().out
    assert files(here) == set()
    (here / "page.md").write_text("<!-- results:mine -->\n<!-- /results:mine -->\n")
    flags = ["--readme", "page.md"]
    assert cli.main(["report", "mine", *flags]) == 0
    capsys.readouterr()
    assert cli.main(["report", "mine", "--check", *flags]) == 0
    assert capsys.readouterr().out == (
        "results/mine.jsonl: tables and figures are what the records say\n"
    )
    changed = ["paper/tables/mine.md", "paper/tables/mine.tex", "paper/tables/mine.csv", "page.md"]
    changed.insert(0, next(n for n in sorted(files(here)) if re.match(r"paper/fig.*csv", n)))
    for name in changed:
        before = (here / name).read_bytes()
        (here / name).write_bytes(before.replace(b"none", b"n0ne"))
        assert cli.main(["report", "mine", "--check", *flags]) == 1
        first, mend = capsys.readouterr().out.splitlines()
        assert first.startswith(f"{name}: ")
        assert first.endswith("does not match results/mine.jsonl")
        assert b"n0ne" in (here / name).read_bytes()
        (here / name).write_bytes(before)
    (here / name).write_bytes(before.replace(b"none", b"n0ne"))
    assert mend == "run: pcbench report mine --readme page.md"
    assert cli.main([*mend.split()[2:], "--no-figures"]) == 0
    assert (here / name).read_bytes() == before
    for name in ("mine-forest-ptb-fp32.csv", "mine-forestry.csv", "another-forest.csv"):
        (here / "paper/figures" / name).touch()  # the first alone is of a figure of this study
    capsys.readouterr()
    assert cli.main(["report", "mine", "--check", *flags]) == 1
    told, _ = capsys.readouterr().out.splitlines()
    assert told.startswith("paper/figures/mine-forest-ptb-fp32.csv: is of no figure of results/")


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_committed_tables_and_figures_are_those_of_the_committed_records(name: str) -> None:
    found = report.read(name, ROOT / "results")
    assert found.wrong == []
    to = report.Places(ROOT / "paper" / "tables", ROOT / "paper" / "figures")
    assert found.differing(to) == [], f"mend: pcbench report {name}"
    assert max(map(len, found.summary().splitlines())) <= 100
    for picture in found.pictures:
        assert (ROOT / f"paper/figures/{picture.name}.png").stat().st_size < 160_000


@pytest.mark.slow
def test_neither_figures_nor_their_check_need_torch_or_a_window(tmp_path: Path) -> None:
    code = f"""
import sys
from benchmark import cli
assert cli.main(["report", "ptb_check", "--check"]) == 0
assert "matplotlib" not in sys.modules  # nothing is drawn
assert cli.main(["report", "ptb_check", "--out", {str(tmp_path)!r}]) == 0
assert cli.main(["report", "--published"]) == 0
for study in ([], ["paper/quickstart.toml"]):
    assert cli.main(["plot", "schedules", *study, "--out", {str(tmp_path)!r}]) == 0
assert not {{"torch", "tkinter"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=600)
    assert (tmp_path / "ptb_check.html").exists()


def test_latex_prints_what_the_table_says(tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None or shutil.which("pdftotext") is None:
        pytest.skip("pdflatex or pdftotext is missing")
    label = r"[a_b] 50% & #1 {x} $y$ ~ ^ \z < > | − ±"
    lines = [
        record(f"ptb-none-{seed}-00000000", bleu=seed / 10, iw_nll=101.0 + seed / 10)
        | {"label": label, "row": 0, "status": "done"}
        for seed in range(3)
    ]
    lines.append(lines[0] | {"status": "failed", "id": "x", "error": 'a_b --c "d"'})
    lines[-1]["config"] = lines[0]["config"] | {"seed": 3}
    (tmp_path / "s.tex").write_text(formats.latex("s", tables.build(groups(lines))))
    (tmp_path / "t.tex").write_text(
        r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs}\pagestyle{empty}\parindent0pt"
        r"\usepackage[margin=0cm,paperwidth=80cm,paperheight=20cm]{geometry}\input{s.tex}"
        r"\begin{document}\noindent\csname pcb:s:ptb\endcsname\par\csname pcb:s:ptb:brief\endcsname"
        r"\par\csname pcb:s:ptb:notes\endcsname\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    command = ["pdftotext", "-layout", "t.pdf", "-"]
    text = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    (row, short) = [line for line in text.splitlines() if line.startswith("[a_b] 50%")]
    for line in (row, short):
        assert r"50% & #1 {x} $y$" in line
        assert "101.10 ± 0.25" in line
    assert "102.65 ± 0.00" in row  # PPL (ELBO), of which the short table has none
    assert "102.65" not in short
    assert '1 of 4 runs without a record (1 failed); a_b --c "d".' in " ".join(text.split())


@pytest.mark.slow
def test_a_thousand_records_are_reported_in_ten_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = [sys.executable, str(ROOT / "tests" / "tools" / "report_speed.py")]
    done = subprocess.run(command, capture_output=True, text=True)
    with capsys.disabled():
        print(done.stdout, done.stderr)
    assert done.returncode == 0
