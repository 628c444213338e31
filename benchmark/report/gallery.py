"""What models write, for a reader's eye: a few recorded texts of one run a row.

Records hold texts of the exact languages only; runs without any, and those of before records had
them, are left out. Texts are as recorded: whoever puts them into a page escapes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.report import comparable

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Reconstruction:
    """A sentence of the test split, and what is written from its posterior."""

    text: str
    mean: str  # from the posterior's mean
    sample: str  # from one draw of it


@dataclass(frozen=True)
class Interpolation:
    """Two sentences of the test split, and texts on the line between their posterior means."""

    start: str
    end: str
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Exhibit:
    """The texts of one run. ``group`` is the title of its table, ``decoding`` how words were
    chosen: "greedy", or of a language model "sampled".
    """

    group: str
    label: str
    id: str
    seed: int
    decoding: str
    reconstructions: tuple[Reconstruction, ...]
    prior: tuple[str, ...]  # z ~ N(0, I)
    interpolation: Interpolation | None


def gallery(lines: Sequence[dict[str, Any]], most: int = 2) -> list[Exhibit]:
    """One run a row, the first of its seeds that has texts; rows in the order of the tables.

    Args:
        lines: of a study's collected file.
        most: reconstructions, and samples from the prior, of each run.
    """
    found: dict[tuple[str, str, str], Exhibit] = {}
    for group in comparable.groups(lines):
        for line in group.lines:  # by row, then seed
            if line.get("samples"):
                key = (group.title, line["config"]["data"], line["label"])
                found.setdefault(key, _exhibit(group, line, most))
    return list(found.values())


def _exhibit(group: comparable.Group, line: Record, most: int) -> Exhibit:
    samples, config = line["samples"], line["config"]
    pairs = samples.get("interpolations") or []
    return Exhibit(
        group=group.title,
        label=line["label"],
        id=line["id"],
        seed=config["seed"],
        decoding=samples["decoding"],
        reconstructions=tuple(
            Reconstruction(one["text"], one["mean"], one["sample"])
            for one in (samples.get("reconstructions") or [])[:most]
        ),
        prior=tuple((samples.get("prior") or [])[:most]),
        interpolation=Interpolation(pairs[0]["from"], pairs[0]["to"], tuple(pairs[0]["steps"]))
        if pairs
        else None,
    )
