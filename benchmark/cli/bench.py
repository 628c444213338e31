"""``pcbench bench``: parser and command."""

import os
import sys
from argparse import Namespace

from benchmark.cli.options import Commands, command, count, device


def add(sub: Commands) -> None:
    """Add the command."""
    do = command(
        sub, "bench", "measure speed on this machine, in turns with a plain text VAE",
        "pcbench bench", "pcbench bench --size yahoo --precision bf16 --pairs 3",
        "pcbench bench --scaling",
    )  # fmt: skip
    do.add_argument("--size", action="append", choices=["ptb", "yahoo", "exact"],
                    help="sizes of a corpus and its model; default: ptb")  # fmt: skip
    do.add_argument("--precision", action="append", choices=["fp32", "bf16"], help="default: both")
    do.add_argument("--pairs", type=count, default=7, metavar="N", help="default: %(default)s")
    do.add_argument("--threads", type=count, default=1, metavar="N", help="of each, default 1")
    do.add_argument("--together", type=count, metavar="N",
                    help="runs at a time in the last row, default: one a core; GPU: 4")  # fmt: skip
    do.add_argument("--scaling", action="store_true",
                    help="instead: how cost grows with tokens, sentences and samples")  # fmt: skip
    device(do)
    do.set_defaults(do=bench)


def bench(arguments: Namespace) -> int:
    """``pcbench bench``."""
    from benchmark.bench import bench as benching
    from benchmark.bench import scaling
    from benchmark.model.device import prepare_device
    from benchmark.report.render import aligned

    threads, where = arguments.threads, arguments.device
    prepare_device(where, threads)  # or say that there is none
    print(benching.machine(threads, where), file=sys.stderr)
    if arguments.scaling:
        rows = scaling.rows(where, threads)
    else:
        cores = (os.cpu_count() or 1) // threads
        together = arguments.together or max(1, cores if where == "cpu" else min(4, cores))
        precisions = arguments.precision or ["fp32", "bf16"]
        rows = [benching.HEAD]
        for size in arguments.size or ["ptb"]:
            rows += benching.rows(size, precisions, threads, where, arguments.pairs, together)
    print(aligned(rows))
    return 0
