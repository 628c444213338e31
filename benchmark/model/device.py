"""Choose the device of a run, and describe it for the record."""

import ctypes
import os
import platform
import resource
import sys
from collections.abc import Sequence

import torch

from benchmark.core.errors import UserError


def prepare_device(name: str, threads: int, precision: str = "fp32") -> torch.device:
    """Return the device of a run with its own process; set its threads and memory.

    Raises:
        UserError: there is no such device, or ``threads`` is below 1.
    """
    if threads < 1:
        raise UserError(f"--threads: must be an integer of at least 1, not {threads}")
    torch.set_num_threads(threads)
    # glibc gives large blocks back to the system at once, and asks for them again, all pages
    # zeroed, in the next step: a tenth to a fifth of a training step on a CPU.
    if platform.libc_ver()[0] == "glibc":
        trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
        library = ctypes.CDLL(None)
        library.mallopt(mmap_max, 0)
        library.mallopt(trim_threshold, 2**31 - 1)
    return open_device(name, precision)


def open_device(name: str, precision: str = "fp32") -> torch.device:
    """Return the device, set so that fp32 means fp32 and all sums are taken in fp32.

    Raises:
        UserError: there is no such device.
    """
    try:
        place = torch.device(name)
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--device {name}: cannot be used ({reason}); use --device cpu") from error
    if place.type == "cuda":
        if place.index is not None:
            torch.cuda.set_device(place)  # CUDA graphs are recorded on the current device
        # cuBLAS reads this when it starts: with memory of a fixed size it adds in the same order
        # each time.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        # Where TF32 is forbidden, cuDNN's LSTM uses no tensor cores, not even in bf16.
        torch.backends.cudnn.allow_tf32 = precision == "bf16"
    return place


def try_out(name: str, precisions: Sequence[str]) -> None:
    """Multiply on the device in each precision; exit with the reason if one fails."""
    for precision in precisions:
        try:
            place = open_device(name, precision)
            kind = torch.bfloat16 if precision == "bf16" else torch.float32
            matrix = torch.ones(1, 1, device=place, dtype=kind)
            (matrix @ matrix).item()
        except UserError as error:
            sys.exit(str(error))
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            sys.exit(f"--device {name}: cannot compute in {precision} ({reason}); use --device cpu")


def peak_mb(device: torch.device) -> float:
    """Return the peak memory of this process: on a GPU the card's, otherwise the resident set."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    scale = 2**20 if platform.system() == "Darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def device_name(device: torch.device) -> str:
    """Return the card's name, or ``cpu``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
