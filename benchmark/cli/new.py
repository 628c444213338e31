"""``pcbench new``: a baseline and a study of it to start from."""

import builtins
import importlib.util
import keyword
import os
import shlex
from argparse import Namespace
from pathlib import Path

from benchmark.cli.options import Commands, command
from benchmark.core.errors import UserError
from benchmark.core.provenance import checkout

LONGEST = 40  # characters of a name
_TAKEN = {*dir(builtins), "Baseline"}

BASELINE = '''"""{title}: the KL weight rises once from 0 to 1, a start.

Formula: loss = rec + w(t) KL, with w(t) = min(1, t / warmup) and t the part of
    training done.

Source: Bowman et al., Generating Sentences from a Continuous Space, 2016,
    arXiv 1511.06349. Replace it: authors, title, year, arXiv number.

Settings in the source: a sigmoid of the step. Replace them by those of your source.

Differences here: the rise is a straight line.
"""

from dataclasses import dataclass

from benchmark.model.annealing import ramp
from benchmark.model.baseline import Baseline


@dataclass(frozen=True)
class {title}(Baseline):
    """Hyper-parameters; each has a type, a default and its range.

    Attributes:
        warmup: part of training over which the KL weight rises, 0 to 1.
    """

    warmup: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.warmup <= 1:
            raise ValueError("warmup must lie between 0 and 1")

    # The other hooks, such as penalty, objective and build, are in benchmark/model/baseline.py.
    def weight(self, step: float, total: float) -> float:
        # A function of the step alone: a resumed run and a figure call it for any step.
        return ramp(step, total, length=self.warmup)
'''

STUDY = """\
# {name} beside what it must beat. Say where its settings come from; tune none on the test split.
[study]
data = ["exact_small"]
seeds = [0, 1]
preset = "exact_small"  # made for exact_small; for other data `pcbench data prepare` advises

# For a first try, instead: seeds = [0] above, and
# [train]
# epochs = 2

[[baseline]]
name = "none"

[[baseline]]
name = "monotonic"

[[baseline]]
name = "cyclical"

[[baseline]]
name = "{name}"
{file}warmup = 0.25
"""


def add(sub: Commands) -> None:
    """Its parser."""
    do = command(
        sub, "new", "write a baseline and a study of it to start from",
        "pcbench new quadratic", "pcbench new quadratic --folder ~/mine",
    )  # fmt: skip
    do.add_argument("name", metavar="NAME", help="of baselines/NAME.py and paper/NAME.toml")
    do.add_argument("--folder", type=Path, metavar="DIR",
                    help="write both files here, not into the clone")  # fmt: skip
    do.set_defaults(do=new)


def new(arguments: Namespace) -> int:
    """``pcbench new``."""
    clone = (checkout() / "pyproject.toml").exists()  # an installed copy is nobody's to edit
    method, study = write(arguments.name, arguments.folder or (None if clone else Path()))
    for path, what in (
        (method, "the method, a linear warm-up to start from: edit it"),
        (study, "its study, beside none, monotonic and cyclical"),
    ):
        print(f"{os.path.relpath(path)}: {what}")
    shown = shlex.quote(os.path.relpath(study))
    print(f"\npcbench sweep {shown} --jobs 2\npcbench collect {shown}\npcbench report {shown}")
    return 0


def write(name: str, folder: Path | None = None) -> tuple[Path, Path]:
    """Write a baseline and its study.

    Args:
        name: of both.
        folder: takes both; by default they go to ``baselines/`` and ``paper/`` of the checkout.

    Returns:
        The two files.

    Raises:
        UserError: the name will not do, a file is there already, or a folder cannot be written.
    """
    from benchmark.core.files import check_writable, write_atomic
    from benchmark.model import registry

    if not (name.isascii() and name.isidentifier() and name[0] != "_" and len(name) <= LONGEST):
        raise UserError(
            f"new: {name!r}: a name begins with a letter and has at most {LONGEST} letters, digits "
            "and underscores"
        )
    homes = registry.FOLDER, registry.FOLDER.parent / "paper"
    taken = [homes[0] / f"{name}.py", homes[1] / f"{name}.toml"]
    files = [(folder or path.parent) / path.name for path in taken]
    for path in (*taken, *files):
        if os.path.lexists(path):
            raise UserError(f"{os.path.relpath(path)}: exists and is kept; choose another name")
    title = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    hidden = [word for word in (name, title) if keyword.iskeyword(word) or word in _TAKEN]
    spec = importlib.util.find_spec(name)
    if hidden or (spec is not None and spec.origin is not None):
        raise UserError(
            f"new: '{name}' would hide Python's {[*hidden, name][0]}; choose another name"
        )
    for path in files:
        check_writable(path.parent, "--folder")
    line = f'file = "{name}.py"\n' if folder else ""
    write_atomic(files[0], BASELINE.format(title=title).encode())
    write_atomic(files[1], STUDY.format(name=name, file=line).encode())
    return files[0], files[1]
