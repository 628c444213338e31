"""What holds for every test: no window, one thread, no folder of the user's."""

import os

import torch

os.environ["MPLBACKEND"] = "Agg"
os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start
for name in ("PCBENCH_RUNS", "PCBENCH_DATA"):
    os.environ.pop(name, None)  # a user's own folders are never touched

torch.set_num_threads(1)
