"""``pcbench report`` and ``pcbench plot``."""

import shlex
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.options import RESULTS, Group, command, either, file, flag, folder, option, say
from benchmark.core.errors import UserError

if TYPE_CHECKING:
    from benchmark.report.report import Places, Report


CHECK = """write nothing; list the tables, and the numbers behind figures, that do not match the
records; images are not compared"""  # argparse joins the lines

ALL = """instead, write the leaderboard of all collected studies: docs/leaderboard.md and .html, and
the tables between README.md's markers"""


@command(
    option("study", "a study file, or its name", nargs="?", metavar="STUDY"),
    RESULTS,
    folder("--out", "folder of tables; default: paper/tables, or DIR/tables with --results DIR"),
    folder("--figures", "folder of figures; default: beside the tables"),
    flag("--no-figures", "draw no figures, and write no page unless --page is given"),
    file("--page", "write the HTML page here, to a file or folder; default: beside the records"),
    file("--readme", "put the short table between the markers of this Markdown page"),
    flag("--check", CHECK),
    either(
        flag("--full", "print all tables with all columns, as Markdown"),
        flag("--quiet", "print only errors and doubts"),
    ),
    flag("--published", "instead, list the misprints among published numbers"),
    flag("--all", ALL),
)
def report(arguments: Namespace) -> int:
    """Write the tables, the figures and the page of a collected study.

    pcbench report paper/quickstart.toml
    pcbench report quickstart --check
    pcbench report quickstart --out /tmp/report --no-figures
    pcbench report --published
    pcbench report --all
    """
    from benchmark.cli import uncommitted
    from benchmark.core.provenance import of_checkout
    from benchmark.report import report as reporting
    from benchmark.report import terminal
    from benchmark.report.paper import literature

    if arguments.published:
        print(literature.listing(literature.read(of_checkout(str(literature.FILE)))))
        return 0
    if arguments.all:
        return _leaderboard(arguments)
    if arguments.study is None:
        raise UserError("report: STUDY is missing: a study file or its name, --published or --all")
    result = reporting.read(arguments.study, arguments.results)
    to = _places(result.name, arguments)
    if arguments.check and not result.wrong:
        return _check(result, to, arguments)
    written: list[Path] = []
    if arguments.readme is not None and not result.wrong:
        result.fill(arguments.readme)  # first, because the page may lack the table's markers
        written.append(arguments.readme)
    written = result.write(to) + written
    print(result.summary(terminal.coloured(), arguments.full, arguments.quiet), end="")
    if not arguments.quiet:
        for note in uncommitted.remarks(arguments.study, result.path, result.lines):
            say(note)
    if result.wrong:
        return 1
    if arguments.full:
        say(f"wrote {_by_folder(written)}")
    elif not arguments.quiet:
        print(f"\nWritten: {_by_folder([path for path in written if path != to.page])}")
        if to.page is not None:
            print(f"Page:    {to.page.absolute().as_uri()}")
    return 0


def _leaderboard(arguments: Namespace) -> int:
    """Write the leaderboard, or print which of its files differ."""
    from benchmark.report import leaderboard

    alone = {
        "STUDY": arguments.study, "--figures": arguments.figures, "--page": arguments.page,
        "--no-figures": arguments.no_figures, "--full": arguments.full,
    }  # fmt: skip
    for name, given in alone.items():
        if given:
            raise UserError(f"report --all: covers all studies; leave out {name}")
    found = leaderboard.read(arguments.results)
    out = arguments.out or leaderboard.place(arguments.results)
    readme = arguments.readme
    if readme is None and out == leaderboard.FOLDER and Path("README.md").exists():
        readme = Path("README.md")
    if arguments.check:
        differing = found.differing(out, readme)
        return _checked(differing, arguments, f"{out}: is what the records in {found.results} say")
    written = found.write(out, readme)
    if not arguments.quiet:
        print(f"Rows that have been run: {found.rows}, by corpus: {len(found.corpora)}")
        print(f"Written: {_by_folder([path for path in written if path.suffix != '.html'])}")
        for page in written:
            if page.suffix == ".html":
                print(f"Page:    {page.absolute().as_uri()}")
    return 0


def _places(name: str, arguments: Namespace) -> "Places":
    from benchmark.report.report import places

    to = places(name, arguments.results, arguments.out)
    if arguments.page is not None:
        is_folder = arguments.page.suffix != ".html"
        to = replace(to, page=arguments.page / f"{name}.html" if is_folder else arguments.page)
    if arguments.no_figures:  # and no page without them, unless it is asked for
        return replace(to, figures=None, page=arguments.page and to.page)
    return replace(to, figures=arguments.figures or to.figures)


def _check(result: "Report", to: "Places", arguments: Namespace) -> int:
    differing = result.differing(to, arguments.readme)
    same = f"{result.path}: tables and figures are what the records say"
    return _checked(differing, arguments, same)


def _checked(differing: Sequence[str], arguments: Namespace, same: str) -> int:
    """Print what differs, and the command that writes it anew; or that all is the same."""
    for one in differing:
        print(one)
    if not differing:
        if not arguments.quiet:
            print(same)
        return 0
    words = [word for word in arguments.words if word != "--check"]
    print(f"run: pcbench {shlex.join(words)}")
    return 1


def _by_folder(paths: Sequence[Path]) -> str:
    """Shorten a list of files: "paper/tables/main.{md,tex,csv}, 24 files in paper/figures"."""
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        folders.setdefault(path.parent, []).append(path)
    parts = []
    for home, files in folders.items():
        kinds = ",".join(path.suffix[1:] for path in files)
        alike = len({path.stem for path in files}) == 1
        short = f"{home / files[0].stem}.{{{kinds}}}" if alike else f"{len(files)} files in {home}"
        parts.append(str(files[0]) if len(files) == 1 else short)
    return ", ".join(parts)


@command(
    option("study", "a study file", nargs="?", type=Path, metavar="STUDY"),
    folder("--out", "folder of figures; default: %(default)s", default=Path("paper/figures")),
)
def plot_schedules(arguments: Namespace) -> int:
    """Draw the annealing shapes, or the KL weights of a study over training.

    pcbench plot schedules
    pcbench plot schedules paper/quickstart.toml
    """
    from benchmark.report.figures import schedules
    from benchmark.sweep import study

    if arguments.study is None:
        paths = schedules.plot_shapes(arguments.out)
    else:
        paths = schedules.plot_study(study.load(arguments.study), arguments.out)
    for path in paths:
        print(path)
    return 0


PLOT = Group("plot", "Draw figures.", "pcbench plot schedules", (plot_schedules,))
