"""``pcbench report`` and ``pcbench plot``."""

import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.options import Commands, command, results
from benchmark.core.errors import UserError

if TYPE_CHECKING:
    from benchmark.report.report import Places, Report


def add(sub: Commands) -> None:
    """Their parsers."""
    _add_report(sub)
    _add_plot(sub)


def _add_report(sub: Commands) -> None:
    do = command(
        sub, "report", "tables, figures and a page of a collected study",
        "pcbench report paper/quickstart.toml", "pcbench report quickstart --check",
        "pcbench report quickstart --out /tmp/report --no-figures",
        "pcbench report --published",
    )  # fmt: skip
    do.add_argument("study", nargs="?", metavar="STUDY", help="a study file, or its name")
    results(do)
    do.add_argument("--out", type=Path, metavar="DIR",
                    help="of tables (paper/tables; DIR/tables of other --results)")  # fmt: skip
    do.add_argument("--figures", type=Path, metavar="DIR", help="of figures (beside the tables)")
    do.add_argument(
        "--no-figures", action="store_true", help="draw none; no page then, but for --page"
    )
    do.add_argument("--page", type=Path, metavar="FILE",
                    help="the HTML page, or its folder (beside the records)")  # fmt: skip
    do.add_argument("--readme", type=Path, metavar="FILE",
                    help="put the short table between this page's markers")  # fmt: skip
    do.add_argument("--check", action="store_true",
                    help="write nothing; name the tables, and the numbers behind figures, that "
                    "the records contradict; images are not compared")  # fmt: skip
    much = do.add_mutually_exclusive_group()
    much.add_argument("--full", action="store_true",
                      help="print all tables with all columns, as Markdown")  # fmt: skip
    much.add_argument("--quiet", action="store_true",
                      help="print only what is wrong or in doubt")  # fmt: skip
    do.add_argument("--published", action="store_true",
                    help="instead, list what is wrong among published figures")  # fmt: skip
    do.set_defaults(do=report)


def _add_plot(sub: Commands) -> None:
    do = command(sub, "plot", "draw figures", "pcbench plot schedules")
    inner = do.add_subparsers(metavar="WHAT", required=True)
    one = command(
        inner, "schedules", "draw the annealing shapes, or the weight curves of a study",
        "pcbench plot schedules", "pcbench plot schedules paper/quickstart.toml",
    )  # fmt: skip
    one.add_argument("study", nargs="?", type=Path, metavar="STUDY", help="a study file")
    one.add_argument("--out", type=Path, default=Path("paper/figures"), metavar="DIR",
                     help="default: %(default)s")  # fmt: skip
    one.set_defaults(do=plot_schedules)


def report(arguments: Namespace) -> int:
    """``pcbench report``."""
    from benchmark.report import report as reporting
    from benchmark.report import terminal, uncommitted

    if arguments.published:
        return _published()
    if arguments.study is None:
        raise UserError("report: STUDY is missing: a study file or its name, or --published")
    found = reporting.read(arguments.study, arguments.results)
    to = _places(found.name, arguments)
    if arguments.check and not found.wrong:
        return _check(found, to, arguments)
    written: list[Path] = []
    if (
        arguments.readme is not None and not found.wrong
    ):  # first: it may lack the place of the table
        found.fill(arguments.readme)
        written.append(arguments.readme)
    written = found.write(to) + written
    print(found.told(terminal.coloured(), arguments.full, arguments.quiet), end="")
    for note in (
        [] if arguments.quiet else uncommitted.remarks(arguments.study, found.path, found.lines)
    ):
        print(f"pcbench: {note}", file=sys.stderr)
    if found.wrong:
        return 1
    if arguments.full:
        print(f"pcbench: wrote {_folders(written)}", file=sys.stderr)
    elif not arguments.quiet:
        print(f"\nWritten: {_folders([path for path in written if path != to.page])}")
        if to.page is not None:
            print(f"Page:    {to.page.absolute().as_uri()}")
    return 0


def _places(name: str, arguments: Namespace) -> "Places":
    """Where the report goes, as asked or by default."""
    from benchmark.report.report import places

    to = places(name, arguments.results, arguments.out)
    if arguments.page is not None:
        folder = arguments.page.suffix != ".html"
        to = replace(to, page=arguments.page / f"{name}.html" if folder else arguments.page)
    if arguments.no_figures:  # and no page without them, unless it is asked for
        return replace(to, figures=None, page=arguments.page and to.page)
    return replace(to, figures=arguments.figures or to.figures)


def _check(found: "Report", to: "Places", arguments: Namespace) -> int:
    """Name what differs, and the command that mends it."""
    differing = found.differing(to, arguments.readme)
    for one in differing:
        print(one)
    if not differing and arguments.quiet:
        return 0
    if not differing:
        print(f"{found.path}: tables and figures are what the records say")
        return 0
    words = [arguments.study]
    for name in ("results", "out", "figures", "page", "readme"):
        value = getattr(arguments, name)
        if value is not None and (name, value) != ("results", Path("results")):
            words += [f"--{name}", str(value)]
    words += ["--no-figures"] if arguments.no_figures else []
    print(f"mend: pcbench report {shlex.join(words)}")
    return 1


def _folders(paths: Sequence[Path]) -> str:
    """Files by folder, "paper/tables/quickstart.{md,tex,csv}, 24 files in paper/figures"."""
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        folders.setdefault(path.parent, []).append(path)
    told = []
    for folder, files in folders.items():
        stems = {path.stem for path in files}
        if len(files) == 1:
            told.append(str(files[0]))
        elif len(stems) == 1:
            kinds = ",".join(path.suffix[1:] for path in files)
            told.append(os.path.join(folder, f"{files[0].stem}.{{{kinds}}}"))
        else:
            told.append(f"{len(files)} files in {folder}")
    return ", ".join(told)


def _published() -> int:
    """List what is wrong among published figures; 1 if the file does not mark just that."""
    from benchmark.core.provenance import of_checkout
    from benchmark.report import literature, misprints

    text, marked = misprints.listing(literature.read(of_checkout(str(literature.FILE))))
    print(text)
    return 0 if marked else 1


def plot_schedules(arguments: Namespace) -> int:
    """``pcbench plot schedules``."""
    from benchmark.report.figures import annealer, schedules

    if arguments.study is None:
        paths = annealer.plot_schedules(arguments.out)
    else:
        from benchmark.sweep import study

        paths = schedules.plot_study(study.load(arguments.study), arguments.out)
    for path in paths:
        print(path)
    return 0
