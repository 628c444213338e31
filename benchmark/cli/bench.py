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
    from benchmark.core.provenance import of_checkout
    from benchmark.model.device import prepare_device

    of_checkout("tests/tools/yardstick.py")
    prepare_device(arguments.device, arguments.threads)  # or say that there is none
    told = benching.machine(arguments.threads, arguments.device)
    print(told, file=sys.stderr)
    if arguments.scaling:
        from benchmark.bench import scaling

        text = scaling.table(arguments.device, arguments.threads)
    else:
        cores = (os.cpu_count() or 1) // arguments.threads
        together = arguments.together or (cores if arguments.device == "cpu" else min(4, cores))
        rows = []
        for size in arguments.size or ["ptb"]:
            precisions = arguments.precision or ["fp32", "bf16"]
            rows += benching.measure(
                size, precisions, arguments.threads, arguments.device, arguments.pairs, together
            )
        text = benching.table(rows)
    print(text)
    return 0
