r"""The paper's numbers: ``\pcb{KEY}`` prints one, ``\checked{STATEMENT}`` must be true.

``python -m benchmark.report.paper.macros`` reads paper/paper.tex and the parts of paper/sections
that it takes in, looks up every key (`quantities`) and writes paper/tables/macros.tex, with the
tables that only the paper has (``\pcbrows`` and ``\pcbmissing`` of `excerpts`) and the scales of
its figures (``\pcbfigure``). A key that names nothing stops it, and so does a statement that
the records contradict. What is said of a study without records is left undefined: LaTeX then stops
where such a key is printed, so the text asks ``\ifrecorded{STUDY}{...}{...}`` first.

A statement compares two keys or a key and a number: ``quickstart:cyclical:kl:min > 1``. Where a
part reads ``[a|b]`` it is said of each.
"""

import argparse
import csv
import itertools
import operator
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.core.errors import UserError
from benchmark.core.files import write_atomic
from benchmark.report.formats import define, escape, tabular
from benchmark.report.paper import excerpts, methods
from benchmark.report.paper.quantities import Quantities

# With "#" it is a definition.
COMMANDS = re.compile(r"\\(pcb|checked|pcbrows|pcbcell|pcbmissing|pcbfigure)\{([^{}#]*)\}")
_PARTS = re.compile(r"\\input\{(sections/[\w-]+)\}")
EXCERPTS = {"pcbrows": excerpts.table, "pcbcell": excerpts.cell, "pcbmissing": excerpts.missing}
COMPARE = {
    "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge, "=": operator.eq,
}  # fmt: skip
MISPRINTS = {
    "sum": r"rec $+$ KL is not $-$ELBO, or IW-NLL above it",
    "mi": r"MI above KL, or above $\ln N$",
    "ppl": "perplexity that its nats and tokens do not make",
    "column": "perplexity of the bound among importance-weighted ones",
    "repeat": "values of another data set, repeated",
    "twice": "one row, two values in two tables",
}
PROTOCOLS = ("exact_small", "exact_learnable", "fu2019_ptb", "li2019_ptb", "he2019_yahoo")
SETTINGS = {
    "embedding": "model.embedding",
    "hidden": "model.hidden",
    "latent": "model.latent",
    "dropout": "model.dropout",
    "z enters the state by": "model.feed",
    "bias": "model.bias",
    "weights from U(−a, a), a": "model.init",
    "embeddings, a": "model.init_embedding",
    "optimiser": "train.optimiser",
    "learning rate": "train.lr",
    "its schedule": "train.lr_schedule",
    "epochs, at most": "train.epochs",
    "batch, at most": "train.batch_size",
    "importance samples": "evaluate.iw_samples",
}


def sources(paper: Path) -> list[Path]:
    """Return the paper's file and the parts that it takes in, in the order of the text."""
    text = re.sub(r"(?<!\\)%.*", "", paper.read_text(encoding="utf-8"))
    return [paper, *(paper.parent / f"{name}.tex" for name in _PARTS.findall(text))]


def commands(paper: Path) -> Iterator[tuple[str, str, str]]:
    """Yield place, command and argument of each key and statement outside comments."""
    for path in sources(paper):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            for command, text in COMMANDS.findall(re.sub(r"(?<!\\)%.*", "", line)):
                yield f"{path}:{number}", command, text


def statements(text: str) -> list[str]:
    """Return one statement for each choice of ``[a|b]``.

    >>> statements("x:[a|b]:kl > 1")
    ['x:a:kl > 1', 'x:b:kl > 1']
    """
    parts = re.split(r"\[([^\[\]]*)\]", text)  # every second part was in brackets
    choices = [part.split("|") if i % 2 else [part] for i, part in enumerate(parts)]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def holds(statement: str, known: Quantities) -> bool:
    """Return whether a statement is true; one of a study without records is not asked."""
    sides = re.split(r"\s(<=|>=|<|>|=)\s", statement)
    if len(sides) != 3:
        raise UserError(f"{statement}: write KEY < NUMBER, or KEY > KEY")
    left, sign, right = (side.strip() for side in sides)
    if known.absent(left) or known.absent(right):
        return True
    values = [
        float(side) if re.fullmatch(r"-?[\d.]+", side) else known.find(side).value
        for side in (left, right)
    ]
    return bool(COMPARE[sign](*values))


def macros(paper: Path, results: Path) -> str:
    """Return macros.tex for ``paper``, a LaTeX file beside the study files.

    Raises:
        UserError: a key names nothing, or a statement is not true.
    """
    known = Quantities(paper.parent, results)
    parts = [f"% Numbers of {paper.name}, made by `make paper` from records, study files and code."]
    parts += [rf"\expandafter\let\csname pcb:recorded:{study}\endcsname\empty"
              for study in known.studies if known.done(study)]  # fmt: skip
    keys: dict[str, None] = {}  # in order, each once
    printed: dict[str, str] = {}
    for place, command, text in commands(paper):
        if command == "pcb":
            keys[text] = None
        elif command == "pcbfigure":
            keys[f"figure:{text}:scale"] = None
        elif command == "checked":
            for one in statements(text):
                if not holds(one, known):
                    raise UserError(f"{place}: the records contradict this statement: {one}")
        elif not known.absent(text):
            printed[f"{command}:{text}"] = EXCERPTS[command](paper.parent / "tables", text)
    parts += [rf"\expandafter\def\csname pcb:={key}\endcsname{{{known.find(key).text}}}"
              for key in keys if not known.absent(key)]  # fmt: skip
    parts += [define(f"pcb:{name}", text) for name, text in printed.items()]
    parts += [define(f"pcb:method:{name}", text) for name, text in methods.macros()]
    tables = {
        "studies": _studies(known),
        "plans": _plans(paper.parent / "plans.csv"),
        "protocols": _protocols(known),
        "settings": methods.settings(known),
        "misprints": _misprints(known),
    }
    parts += [define(f"pcb:paper:{name}", table) for name, table in tables.items()]
    return "\n".join(parts) + "\n"


def _studies(known: Quantities) -> str:
    rows = [["study", "data", "rows", "seeds", "runs", "records"]]
    for name in known.studies:
        names = known.stated(name)["study"]["data"]
        data = dict.fromkeys(text.split(":")[0] for text in names)
        several = rf" ($\times {len(names)}$)" if len(names) > len(data) else ""
        fields = ("rows", "seeds", "runs", "recorded")
        counts = [known.find(f"study:{name}:{field}").text for field in fields]
        rows.append([_name(name), escape(", ".join(data)) + several, *counts])
    return tabular("llrrrr", rows)


def _protocols(known: Quantities) -> str:
    def shown(value: Any) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        return f"{value:g}" if isinstance(value, float) else escape(str(value))

    rows = [["", *map(_name, PROTOCOLS)]]
    rows += [
        [escape(title), *(shown(known.kinds["preset"](f"{preset}:{path}")) for preset in PROTOCOLS)]
        for title, path in SETTINGS.items()
    ]
    return tabular("l" + "r" * len(PROTOCOLS), rows)


def _plans(path: Path) -> str:
    """Return when each study was stated, changed and first recorded, by the commits of a file."""
    if not path.exists():
        return ""
    rows = [["what", "stated", "commit", "first record", "changed since"]]
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            first = line["recorded"] or "none yet"
            change = f"{line['changed']}: {line['why']}" if line["changed"] else "no"
            name = line["what"] if " " in line["what"] else f"`{line['what']}`"
            cells = [name, line["stated"], f"`{line['commit']}`", first, change]
            rows.append(list(map(escape, cells)))
    wide = r">{\raggedright\arraybackslash}p{0.33\linewidth}"
    return tabular(f"llll{wide}", rows)


def _misprints(known: Quantities) -> str:
    rows = [["what cannot be", "n", "the first of them"]]
    for kind, words in MISPRINTS.items():
        wrong = [one for one in known.misprints if one.kind == kind]
        if wrong:
            example = f"{wrong[0].value.paper}, {wrong[0].value.place}: {wrong[0].text}"
            rows.append([words, str(len(wrong)), escape(example)])
    wide = r">{\raggedright\arraybackslash}p"
    return tabular(rf"{wide}{{0.25\linewidth}}r{wide}{{0.62\linewidth}}", rows)


def _name(name: str) -> str:
    return rf"\texttt{{{escape(name)}}}"


def main() -> int:
    """Write macros.tex."""
    parser = argparse.ArgumentParser(description="Write the numbers of the paper's text.")
    parser.add_argument("--paper", type=Path, default=Path("paper/paper.tex"), metavar="FILE")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("paper/tables/macros.tex"), metavar="FILE")
    given = parser.parse_args()
    try:
        write_atomic(given.out, macros(given.paper, given.results).encode())
    except UserError as error:
        parser.exit(2, f"pcbench: {error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
