"""``pcbench data``: data sets."""

from argparse import Namespace

from benchmark.cli.options import DATA, Group, advise, command, folder, option, say

NAME = option("name", "a data set, with settings if any: exact_small:mix=0.15", metavar="NAME")


@command(DATA)
def data_list(arguments: Namespace) -> int:
    """List the data sets.

    pcbench data list
    """
    from benchmark import data

    for name, what in data.descriptions().items():
        state = "prepared" if data.find(name).meta(arguments.data_dir) else "-"
        print(f"{name:<14} {state:<9} {what}")
    print(f"{'text:DIR':<14} {'-':<9} {data.OWN_TEXT}")
    return 0


@command(NAME, folder("--from", "read the original files in this folder", dest="source"), DATA)
def data_prepare(arguments: Namespace) -> int:
    """Download or read, verify and prepare a data set.

    pcbench data prepare ptb
    pcbench data prepare ptb --from ~/ptb
    pcbench data prepare ptb:vocabulary=sentencepiece,size=4000
    pcbench data prepare text:FOLDER,size=10000
    """
    from benchmark import data

    print(data.prepare(arguments.name, arguments.data_dir, arguments.source))
    _warn_of_doubts(arguments)
    advise([arguments.name], arguments.data_dir)
    return 0


@command(NAME, DATA)
def data_show(arguments: Namespace) -> int:
    """Show the size and the sentence lengths of a prepared data set.

    pcbench data show exact_small
    """
    from benchmark import data

    for key, value in data.describe(arguments.name, arguments.data_dir).items():
        for name, item in value.items() if isinstance(value, dict) else [("", value)]:
            cells = item.items() if isinstance(item, dict) else [("", item)]
            text = ", ".join(f"{k} {_shown(v)}".strip() for k, v in cells)
            print(f"{f'{key} {name}'.strip():<20}{text}")
    _warn_of_doubts(arguments)
    return 0


def _warn_of_doubts(arguments: Namespace) -> None:
    from benchmark import data

    for doubt in data.doubts(arguments.name, arguments.data_dir):
        say(f"warning: {doubt}")


def _shown(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


COMMANDS = (data_list, data_prepare, data_show)
GROUP = Group("data", "List, prepare and show data sets.", "pcbench data list", COMMANDS)
