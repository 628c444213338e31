"""``results/<study>.sentences.npz``: loss, KL and IW-NLL of each test sentence, optional.

Its arrays are called ``<id>/rec``, ``<id>/kl`` and ``<id>/iw_nll``: float32, nats, in the order of
the test split. They compare two checkpoints sentence by sentence.
"""

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core.errors import UserError
from benchmark.core.files import write_atomic
from benchmark.core.record import is_done

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.float32]]

Record = dict[str, Any]

METRICS = ("rec", "kl", "iw_nll")
FILES = ("sentences.npz", "evaluated.npz")  # in a run's folder: of its record, of a new measure
ROUNDING = 1e-3  # nats between a record's figure and the mean of its sentences


def path_of(results: Path, study: str) -> Path:
    """The file of a study."""
    return results / f"{study}.sentences.npz"


def read(path: Path) -> "Arrays":
    """All arrays of a file.

    Raises:
        UserError: it is damaged, or holds something else than float32 arrays of one dimension.
    """
    import numpy as np

    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"{path}: damaged ({' '.join(str(error).split())}); restore it, or remove it: it is "
            "optional, and `pcbench collect` writes it again from the runs' folders"
        ) from None
    for name, array in found.items():
        if array.ndim != 1 or array.dtype != np.float32:
            raise UserError(f"{path}: {name}: {array.dtype} of shape {array.shape} is no float32 "
                            "a sentence; restore the file, or remove it")  # fmt: skip
    return found


def unlike(record: Record, arrays: "Mapping[str, NDArray[np.float32]]") -> str | None:
    """What of a record its sentences contradict, "kl: 1.5 in the mean, 1.2 in the record"."""
    for name, array in arrays.items():
        figure = record["metrics"]["test"].get(name)
        mean = float(array.mean(dtype="float64")) if array.size else None
        if figure is None or mean is None or not abs(mean - figure) <= ROUNDING:
            return f"{name}: {mean} in the mean of its sentences, {figure} in its record"
    return None


def collect(path: Path, lines: Sequence[Record], runs: Path) -> list[str]:
    """Gather the sentences of collected records; those gathered before stay.

    Absent folders are no error: the file is optional. Arrays of a run whose record is not among
    the lines are dropped. Nothing is written where nothing changes.

    Args:
        path: the file to write, atomically.
        lines: of the study's collected file.
        runs: folder of the runs.

    Returns:
        Notes for the user on sentences that were left out.

    Raises:
        UserError: the file is damaged or cannot be written.
    """
    kept = read(path) if path.exists() else {}
    found: Arrays = {}
    notes = []
    for line in lines:
        if not is_done(line):
            continue
        own = {name: kept[key] for name in METRICS if (key := f"{line['id']}/{name}") in kept}
        for file in (runs / line["id"] / name for name in FILES):
            if (not own or unlike(line, own)) and file.exists():
                try:
                    own = {name: array for name, array in read(file).items() if name in METRICS}
                except UserError:
                    notes.append(f"{file}: damaged, left out")
        if problem := unlike(line, own):
            notes.append(f"{file}: left out: {problem}")
            continue
        found |= {f"{line['id']}/{name}": array for name, array in own.items()}
    if found.keys() != kept.keys() or any(found[key] is not kept[key] for key in kept):
        _write(path, found)
    return notes


def keep(path: Path, details: dict[str, Any]) -> None:
    """Take what an evaluation gives each sentence out of its details, into a run's file."""
    import numpy as np

    taken = {name: details.pop(name) for name in METRICS}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{k: v.astype(np.float32) for k, v in taken.items()
                                            if v is not None})  # fmt: skip
    write_atomic(path, buffer.getvalue())


def _write(path: Path, arrays: "Arrays") -> None:
    """The same bytes for the same arrays."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **{key: arrays[key] for key in sorted(arrays)})
    write_atomic(path, buffer.getvalue())
