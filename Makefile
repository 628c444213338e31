# make demo | test | lint | paper. Another Python: make PYTHON=python3.12 demo. Everything stays in .venv and .demo.
PYTHON ?= python3
JOBS ?= 2
BIN := .venv/bin
TORCH := $(shell grep '^torch==' constraints.txt)
DEMO_RUNS := paper/quickstart.toml --seeds 0 --runs .demo/runs
export OMP_NUM_THREADS = 1

.PHONY: install demo clean-demo test lint paper

install: .venv/installed

# torch by its pin first: an unpinned one, and its libraries, would be gigabytes more.
.venv/installed: constraints.txt pyproject.toml
	@echo "installing into .venv: $(TORCH) and the rest of constraints.txt"
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or later is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt $(TORCH)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

# A second `make demo` keeps the finished runs and makes the report anew; `make clean-demo` forgets them.
demo:
	@set -e; start=$$(date +%s); echo "make demo, 1 of 4: install into .venv"; \
	$(MAKE) --silent --no-print-directory install; installed=$$(date +%s); \
	echo "make demo, 2 of 4: train six runs into .demo (installing took $$((installed - start)) s)"; \
	if [ -d .demo/runs ]; then echo "finished runs in .demo are kept; make clean-demo starts afresh"; fi; \
	$(BIN)/pcbench sweep $(DEMO_RUNS) --fresh --data-dir .demo/data --jobs $(JOBS); trained=$$(date +%s); \
	echo "make demo, 3 of 4: tables, figures and a page (training took $$((trained - installed)) s)"; \
	$(BIN)/pcbench collect $(DEMO_RUNS) --results .demo/results >/dev/null; \
	$(BIN)/pcbench plot schedules --out .demo/figures >/dev/null; echo; \
	$(BIN)/pcbench report paper/quickstart.toml --results .demo/results --out .demo/tables --page .demo/quickstart.html; \
	echo; echo "make demo, 4 of 4: are these the committed records?"; \
	$(BIN)/python tests/tools/same_bits.py .demo/results/quickstart.jsonl results/quickstart.jsonl; \
	$(BIN)/python -c "from pathlib import Path; print(\"Open\", Path(\".demo/quickstart.html\").absolute().as_uri())"

clean-demo:
	rm -rf .demo

test: install
	$(BIN)/python -m pytest -n 2 -rfEs

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict

# Tables, figures and the macros of the text anew from the committed records, then the PDF, without a date. Stops at a warning,
# at a box that is overfull (or underfull beyond what paper.tex allows), and at a statement that the records do not bear out.
LATEX := latexmk texlive-latex-recommended lmodern poppler-utils
paper: install
	@command -v latexmk >/dev/null && kpsewhich microtype.sty lmodern.sty >/dev/null || { \
	  echo "make paper: LaTeX is missing or incomplete; apt-get install -y --no-install-recommends $(LATEX)"; exit 1; }
	@printf '%s\n' results/*.jsonl | sed 's|.*/||; s|\.jsonl$$||' | \
	  xargs -P $(JOBS) -I {} $(BIN)/python -m benchmark report {} >/dev/null
	$(BIN)/python -m benchmark.report.paper.macros
	@cd paper && export SOURCE_DATE_EPOCH=0 FORCE_SOURCE_DATE=1 max_print_line=1000; \
	  latexmk -g -pdf -interaction=nonstopmode -halt-on-error -silent paper.tex >paper.screen 2>&1 || { \
	  grep -A 3 '^!' paper.log || cat paper.screen; echo "make paper: LaTeX stopped; see paper/paper.log"; exit 1; }
	@if grep -hE '[Ww]arning:|^(Ov|Und)erfull|^Warning--' paper/paper.log paper/paper.blg; then \
	  echo "make paper: LaTeX warns; the lines are in paper/paper.log"; exit 1; fi
	@echo "make paper: paper/paper.pdf, $$(pdfinfo paper/paper.pdf | sed -n 's/^Pages: *//p') pages, no warning"
