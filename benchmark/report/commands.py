"""``pcbench report`` and ``pcbench plot``."""

from argparse import Namespace
from pathlib import Path

from benchmark.options import Commands, command, results

RESULTS, TABLES = Path("results"), Path("paper/tables")


def add(sub: Commands) -> None:
    """Their parsers."""
    _add_report(sub)
    _add_plot(sub)


def _add_report(sub: Commands) -> None:
    do = command(
        sub, "report", "tables, figures and a page of a collected study",
        "pcbench report paper/quickstart.toml", "pcbench report quickstart --check",
        "pcbench report quickstart --out /tmp/tables --no-figures",
    )  # fmt: skip
    do.add_argument("study", metavar="STUDY", help="a study file, or its name")
    results(do)
    do.add_argument("--out", type=Path, metavar="DIR",
                    help=f"of tables ({TABLES}; DIR/tables of another --results)")  # fmt: skip
    do.add_argument("--readme", type=Path, metavar="FILE",
                    help="put the short table between this page's markers")  # fmt: skip
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

    default = TABLES if arguments.results == RESULTS else arguments.results / "tables"
    out = arguments.out or default
    text = reporting.report(arguments.study, arguments.results, out, arguments.readme)
    print(text)
    return 1 if reporting.DOUBT in text else 0


def plot_schedules(arguments: Namespace) -> int:
    """``pcbench plot schedules``."""
    from benchmark.report import schedules

    if arguments.study is None:
        paths = schedules.plot_schedules(arguments.out)
    else:
        from benchmark import study

        paths = schedules.plot_study(study.load(arguments.study), arguments.out)
    for path in paths:
        print(path)
    return 0
