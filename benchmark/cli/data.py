"""``pcbench data``: list, prepare and show data sets."""

import sys
from argparse import Namespace
from pathlib import Path

from benchmark.cli import runs as commands
from benchmark.cli.options import Commands, command, folders


def add(sub: Commands) -> None:
    """Its parsers."""
    do = command(sub, "data", "list, prepare and show data sets", "pcbench data list")
    inner = do.add_subparsers(metavar="WHAT", required=True)
    one = command(inner, "list", "list the data sets", "pcbench data list")
    folders(one, runs=False)
    one.set_defaults(do=show_list)
    one = command(
        inner, "prepare", "download or read, verify and prepare a data set",
        "pcbench data prepare ptb", "pcbench data prepare ptb --from ~/ptb",
        "pcbench data prepare ptb:vocabulary=sentencepiece,size=4000",
        "pcbench data prepare text:FOLDER,size=10000",
    )  # fmt: skip
    one.add_argument("name", metavar="NAME")
    one.add_argument("--from", type=Path, dest="source", metavar="DIR", help="the original files")
    folders(one, runs=False)
    one.set_defaults(do=prepare)
    one = command(inner, "show", "a prepared data set's figures", "pcbench data show exact_small")
    one.add_argument("name", metavar="NAME")
    folders(one, runs=False)
    one.set_defaults(do=show)


def show_list(arguments: Namespace) -> int:
    """``pcbench data list``."""
    from benchmark import data

    for name, what in data.descriptions().items():
        ready = "prepared" if data.is_prepared(name, commands.data_root(arguments)) else "-"
        print(f"{name:<14} {ready:<9} {what}")
    print(f"{'text:DIR':<14} {'-':<9} {data.OWN_TEXT}")
    return 0


def prepare(arguments: Namespace) -> int:
    """``pcbench data prepare``."""
    from benchmark import data

    print(data.prepare(arguments.name, commands.data_root(arguments), arguments.source))
    _warn_of_doubts(arguments)
    commands.advise([arguments.name], commands.data_root(arguments))
    return 0


def _warn_of_doubts(arguments: Namespace) -> None:
    from benchmark import data

    for doubt in data.doubts(arguments.name, commands.data_root(arguments)):
        print(f"pcbench: warning: {doubt}", file=sys.stderr)


def show(arguments: Namespace) -> int:
    """``pcbench data show``."""
    from benchmark import data

    for key, value in data.describe(arguments.name, commands.data_root(arguments)).items():
        rows = value.items() if isinstance(value, dict) else [("", value)]
        for name, item in rows:
            cells = item.items() if isinstance(item, dict) else [("", item)]
            text = ", ".join(f"{k} {_shown(v)}".strip() for k, v in cells)
            print(f"{f'{key} {name}'.strip():<20}{text}")
    _warn_of_doubts(arguments)
    return 0


def _shown(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
