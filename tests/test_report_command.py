"""``pcbench report``: where its files go, and that a check finds what is not of the records."""

import shutil
import subprocess
from pathlib import Path

import pytest
from made_up import record

from benchmark.report import render, report, tables

ROOT = Path(__file__).parent.parent
STUDIES = sorted(path.stem for path in (ROOT / "results").glob("*.jsonl"))


@pytest.mark.parametrize("name", STUDIES)
def test_committed_tables_and_figures_are_those_of_the_committed_records(name: str) -> None:
    found = report.read(name, ROOT / "results")
    assert found.wrong == []
    to = report.Places(ROOT / "paper" / "tables", ROOT / "paper" / "figures")
    assert found.differing(to) == [], f"mend: pcbench report {name}"


def test_latex_prints_what_the_table_says(tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None or shutil.which("pdftotext") is None:
        pytest.skip("pdflatex or pdftotext is missing")
    label = r"[a_b] 50% & #1 {x} $y$ ~ ^ \z < > | − ±"
    lines = [
        record(f"ptb-none-{seed}-00000000", bleu=seed / 10, iw_nll=101.0 + seed / 10)
        | {"label": label, "row": 0, "status": "done"}
        for seed in range(3)
    ]
    lines.append(lines[0] | {"status": "failed", "id": "x", "error": "a_b"})
    lines[-1]["config"] = lines[0]["config"] | {"seed": 3}
    (tmp_path / "s.tex").write_text(render.latex("s", tables.build("s", lines)))
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
    assert "1 of 4 runs without a record (1 failed); a_b" in text
