"""``pcbench bench``: how fast this code is on this machine."""

import os
import sys
from argparse import Namespace

from benchmark.cli.options import DEVICE, command, count, flag, option, repeated

SIZES = ["ptb", "yahoo", "exact"]
TOGETHER = "number of runs at a time in the last row; default: one per core, 4 on a GPU"


@command(
    repeated("--size", "take the sizes of this corpus and its model; default: ptb", choices=SIZES),
    repeated("--precision", "use only this precision; default: both", choices=["fp32", "bf16"]),
    option("--pairs", "number of pairs of turns; default: 7", type=count, default=7, metavar="N"),
    option("--threads", "CPU threads of each run; default: 1", type=count, default=1, metavar="N"),
    option("--together", TOGETHER, type=count, metavar="N"),
    flag("--scaling", "instead, measure how cost grows with tokens, sentences and samples"),
    DEVICE,
)
def bench(arguments: Namespace) -> int:
    """Measure the speed of this code against a plainly written text VAE, in turns.

    pcbench bench
    pcbench bench --size yahoo --precision bf16 --pairs 3
    pcbench bench --scaling
    """
    from benchmark.bench import bench as benching
    from benchmark.bench import scaling
    from benchmark.model.device import prepare_device
    from benchmark.report.formats import aligned

    threads, device = arguments.threads, arguments.device
    prepare_device(device, threads)  # or say that there is none
    print(benching.machine(threads, device), file=sys.stderr)
    if arguments.scaling:
        rows = scaling.rows(device, threads)
    else:
        cores = (os.cpu_count() or 1) // threads
        together = arguments.together or max(1, cores if device == "cpu" else min(4, cores))
        precisions = arguments.precision or ["fp32", "bf16"]
        rows = [benching.HEAD]
        for size in arguments.size or ["ptb"]:
            rows += benching.rows(size, precisions, threads, device, arguments.pairs, together)
    print(aligned(rows))
    return 0
