r"""The paper's figures: ``\pcb{KEY}`` in its text, and ``\checked{STATEMENT}`` beside what it says.

``python -m benchmark.report.macros`` reads paper/paper.tex, finds every key among the records, the
study files and the code (`benchmark.report.quantities`), and writes paper/tables/macros.tex. A key
that names nothing, and a statement that the records no longer bear out, stop it. What is said of a
study without records is left undefined: LaTeX then stops where such a key is printed, so the text
asks ``\ifrecorded{STUDY}{...}{...}`` first.

A statement compares two keys or a key and a number: ``quickstart:cyclical:kl:min > 1``. Where a
part reads ``[a|b]`` it is said of each.
"""

import argparse
import itertools
import operator
import re
from collections.abc import Iterator
from pathlib import Path

from benchmark.core.errors import UserError
from benchmark.core.files import write_atomic
from benchmark.report import misprints
from benchmark.report.facts import setting
from benchmark.report.quantities import Quantities
from benchmark.report.render import define, escape, tabular

COMMANDS = re.compile(r"\\(pcb|checked)\{([^{}]*)\}")
COMPARISON = re.compile(r"\s(<=|>=|<|>|=)\s")
COMPARE = {
    "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge, "=": operator.eq,
}  # fmt: skip
MISPRINTS = {
    "sum": r"rec $+$ KL is not $-$ELBO, or IW-NLL above it",
    "mi": r"MI above KL, or above $\ln N$",
    "ppl": "perplexity that its nats and tokens do not make",
    "column": "perplexity of the bound among importance-weighted ones",
    "repeat": "figures of another data set, repeated",
    "twice": "one row, two values in two tables",
}
MADE = "made by `make paper` from records, study files and code"


def macros(paper: Path, results: Path) -> str:
    """The text of macros.tex for ``paper``, a LaTeX file beside the study files.

    Raises:
        UserError: a key names nothing, or a statement is not true.
    """
    known = Quantities(paper.parent, results)
    parts = [f"% Figures of {paper.name}, {MADE}."]
    parts += [rf"\expandafter\let\csname pcb:recorded:{study}\endcsname\empty"
              for study in known.studies if known.done(study)]  # fmt: skip
    keys: dict[str, None] = {}
    for number, command, text in commands(paper):
        if command == "checked":
            false = [one for one in statements(text) if not holds(one, known)]
            if false:
                raise UserError(f"{paper}:{number}: not true of the records: {false[0]}")
        else:
            keys[text] = None
    for key in keys:
        if not _absent(key, known):
            text = known.find(key).text
            parts.append(rf"\expandafter\def\csname pcb:={key}\endcsname{{{text}}}")
    parts += [
        define("pcb:paper:studies", _studies(known)),
        define("pcb:paper:protocols", _protocols()),
        define("pcb:paper:methods", _methods()),
        define("pcb:paper:misprints", _misprints(known)),
    ]
    return "\n".join(parts) + "\n"


def commands(paper: Path) -> Iterator[tuple[int, str, str]]:
    """Line, command and argument of each key and statement; comments are left out."""
    for number, line in enumerate(paper.read_text(encoding="utf-8").splitlines(), start=1):
        for found in COMMANDS.finditer(re.sub(r"(?<!\\)%.*", "", line)):
            if "#" not in found[2]:  # else a definition
                yield number, found[1], found[2]


def statements(text: str) -> list[str]:
    """One statement for each choice of ``[a|b]``."""
    parts = re.split(r"\[([^\[\]]*)\]", text)
    choices = [part.split("|") if i % 2 else [part] for i, part in enumerate(parts)]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def holds(statement: str, known: Quantities) -> bool:
    """Whether a statement is true; one of a study without records is not asked.

    Raises:
        UserError: it is no comparison, or a key names nothing.
    """
    sides = COMPARISON.split(statement)
    if len(sides) != 3:
        raise UserError(f"{statement}: write KEY < NUMBER, or KEY > KEY")
    left, sign, right = sides
    if any(_absent(side, known) for side in (left, right)):
        return True
    return bool(COMPARE[sign](_number(left, known), _number(right, known)))


def _number(side: str, known: Quantities) -> float:
    try:
        return float(side)
    except ValueError:
        return known.find(side.strip()).value


def _absent(key: str, known: Quantities) -> bool:
    study = key.strip().partition(":")[0]
    return study in known.studies and not known.done(study)


def _studies(known: Quantities) -> str:
    """Each study: data, rows, seeds, runs, and how many have a record."""
    rows = [["study", "data", "rows", "seeds", "runs", "records"]]
    for name in known.studies:
        table = known.stated(name)
        data = dict.fromkeys(text.split(":")[0] for text in table["study"]["data"])
        several = len(table["study"]["data"])
        cells = [rf"\texttt{{{escape(name)}}}", escape(", ".join(data))]
        cells[1] += rf" ($\times {several}$)" if several > len(data) else ""
        cells += [known.find(f"study:{name}:{field}").text
                  for field in ("rows", "seeds", "runs", "recorded")]  # fmt: skip
        rows.append(cells)
    return tabular("llrrrr", rows)


def _protocols() -> str:
    """The presets side by side."""
    presets = ("exact_small", "fu2019_ptb", "li2019_ptb", "he2019_yahoo")
    fields = {
        "embedding": ("model", "embedding"),
        "hidden": ("model", "hidden"),
        "latent": ("model", "latent"),
        "dropout": ("model", "dropout"),
        "z enters the state by": ("model", "feed"),
        "bias": ("model", "bias"),
        "weights from U(−a, a), a": ("model", "init"),
        "embeddings, a": ("model", "init_embedding"),
        "optimiser": ("train", "optimiser"),
        "learning rate": ("train", "lr"),
        "its schedule": ("train", "lr_schedule"),
        "epochs, at most": ("train", "epochs"),
        "batch, at most": ("train", "batch_size"),
        "importance samples": ("evaluate", "iw_samples"),
    }
    rows = [
        [escape(title), *(_shown(setting(preset, *place)) for preset in presets)]
        for title, place in fields.items()
    ]
    return tabular("lrrrr", [["", *(rf"\texttt{{{escape(p)}}}" for p in presets)], *rows])


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else escape(str(value))


def _methods() -> str:
    """The baselines, each with the first line of its file."""
    from benchmark.model import registry

    rows = [[rf"\texttt{{{escape(n)}}}", escape(registry.describe(n))] for n in registry.names()]
    columns = r"l>{\raggedright\arraybackslash}p{0.74\linewidth}"
    return tabular(columns, [["method", "what it does"], *rows])


def _misprints(known: Quantities) -> str:
    """Printed mistakes by kind, each with the first of its kind."""
    found = misprints.check(known.published)
    rows = [["what cannot be", "n", "the first of them"]]
    for kind, told in MISPRINTS.items():
        of_kind = [one for one in found if one.kind == kind]
        if of_kind:
            first = of_kind[0]
            example = f"{first.value.paper}, {first.value.place}: {first.text}"
            rows.append([told, str(len(of_kind)), escape(example)])
    wide = r">{\raggedright\arraybackslash}p"
    return tabular(rf"{wide}{{0.25\linewidth}}r{wide}{{0.62\linewidth}}", rows)


def main() -> int:
    """Write macros.tex."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
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
