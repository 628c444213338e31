"""The tables of a study: for each group of records that compare, rows, differences, sentences.

`benchmark.report.render` writes them as Markdown, LaTeX and CSV.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmark.report import checkpoints, collapse, comparable, paired, published, steps
from benchmark.report.frame import FIRST_WORDS, frame
from benchmark.report.notes import notes
from benchmark.report.overview import overview
from benchmark.report.table import Table, slug

Record = dict[str, Any]

LEGEND = (
    "Test split, nats per sentence (natural logarithm); perplexities per token. ELBO is the bound "
    "itself: higher is better. Over seeds: mean ± half the width of Student's 95 % interval (n ≥ "
    "3), the range (n = 2), or the value (n = 1; SE is its own standard error over sentences). "
    "≥: MI above ln N − 3 is a lower bound. ≤: more importance samples would still lower it. "
    "–: there is no such figure. z_use: what reconstruction loses with the latent of a stranger, "
    "a sentence of equal length drawn at random. "
    f"AU: active units, threshold 0.01. First words: loss of the first {FIRST_WORDS} tokens of a "
    f"sentence, nats per token. Alive: MI or z_use exceeds {collapse.THRESHOLD} nats by more than "
    f"{collapse.ERRORS} of its standard errors over sentences; collapsed: the upper ends of both "
    "lie below it; undecided: neither (numbers of seeds, also at other thresholds). MI is what the "
    "encoder writes into z, z_use what the decoder reads from it: a model alive by MI alone is "
    "not shown to use its latent. IW-NLL of "
    "`lstm_lm` is its exact NLL. Bold: IW-NLL below that of `none`, paired by seed, p < 0.05 after "
    "Holm's adjustment for the rows of the table; nothing else is ever bold. Primary outcomes, "
    "fixed beforehand: IW-NLL minus that of `lstm_lm`, MI, and the share of seeds alive."
)


def build(lines: Sequence[Record], arrays: "checkpoints.Arrays | None" = None) -> list[Table]:
    """All tables of a study in reading order.

    Args:
        lines: of its collected file.
        arrays: its sentences, of `benchmark.report.checkpoints.load`.
    """
    found: list[Table] = []
    for group in comparable.groups(lines):
        runs = frame(group.lines)
        better = paired.better(paired.against(runs, "none"))
        told = [*group.notes, *notes(group.lines), *paired.uncompared(runs)]
        base = slug(group.title, (table.name for table in found))
        found.append(overview(base, group.title, told, runs, better))
        for table in (
            *paired.tables(group.title, runs),
            *steps.tables(group.title, runs),
            *checkpoints.tables(group.title, runs, arrays or {}),
            *published.tables(group.title, group.lines),
        ):
            name = slug(f"{base}-{table.name}", (one.name for one in found))
            found.append(replace(table, name=name))
    return found


def remarks(lines: Sequence[Record]) -> list[str]:
    """What must be said below all tables of a study."""
    stray = sum(line.get("row") is None for line in lines)
    text = f"{stray} records belong to runs that the study no longer names; not shown."
    return [text] if stray else []
