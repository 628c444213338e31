"""``results/<study>.sentences.npz``: loss, KL and IW-NLL of each test sentence, optional.

Its arrays are called ``<id>/rec``, ``<id>/kl`` and ``<id>/iw_nll``: float32, nats, in the order of
the test split. They compare two checkpoints sentence by sentence.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core.errors import UserError
from benchmark.core.files import read_npz, write_npz
from benchmark.core.schema import is_done

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.float32]]

METRICS = ("rec", "kl", "iw_nll")
FILES = ("sentences.npz", "evaluated.npz")  # in a run's folder: of its record, of a new measure
ROUNDING = 1e-3  # nats between a record's number and the mean of its sentences


def path_of(results: Path, study: str) -> Path:
    """Return the path of a study's file."""
    return results / f"{study}.sentences.npz"


def read(path: Path) -> "Arrays":
    """Read all arrays of a file.

    Raises:
        UserError: it is damaged, or holds something other than one float32 for each sentence.
    """
    try:
        arrays = read_npz(path)
    except UserError as error:
        raise UserError(
            f"{error}; restore it, or remove it: it is optional, and `pcbench collect` writes it "
            "again from the runs' folders"
        ) from None
    for name, array in arrays.items():
        if array.ndim != 1 or array.dtype != "float32":
            kind = f"{array.dtype} of shape {array.shape}"
            raise UserError(f"{path}: {name}: must hold a float32 for each sentence, not {kind}; "
                            "restore the file, or remove it")  # fmt: skip
    return arrays


def unlike(record: Mapping[str, Any], arrays: "Mapping[str, NDArray[np.float32]]") -> str | None:
    """Return the first number of a record that is not the mean of its sentences, or None."""
    for name, array in arrays.items():
        value = record["metrics"]["test"].get(name)
        mean = float(array.mean(dtype="float64")) if array.size else None
        if value is None or mean is None or not abs(mean - value) <= ROUNDING:
            return f"{name}: {mean} in the mean of its sentences, {value} in its record"
    return None


def collect(path: Path, lines: Sequence[Mapping[str, Any]], runs: Path) -> list[str]:
    """Write the sentences of collected records to one file; those written before stay.

    Absent folders are no error: the file is optional. Arrays without a record among the lines are
    dropped. Nothing is written if nothing changes.

    Args:
        path: the file to write.
        lines: of the study's collected file.
        runs: the folder of runs.

    Returns:
        Notes for the user on sentences that were left out.
    """
    kept = read(path) if path.exists() else {}
    gathered: Arrays = {}
    notes = []
    for line in filter(is_done, lines):
        arrays = {name: kept[key] for name in METRICS if (key := f"{line['id']}/{name}") in kept}
        for file in (runs / line["id"] / name for name in FILES):
            if (not arrays or unlike(line, arrays)) and file.exists():
                try:
                    arrays = {key: array for key, array in read(file).items() if key in METRICS}
                except UserError:
                    notes.append(f"{file}: is damaged and was left out")
        if problem := unlike(line, arrays):
            notes.append(f"{file}: was left out: {problem}")
        else:
            gathered |= {f"{line['id']}/{name}": array for name, array in arrays.items()}
    if gathered.keys() != kept.keys() or any(gathered[key] is not kept[key] for key in kept):
        write_npz(path, dict(sorted(gathered.items())), compressed=True)
    return notes


def keep(path: Path, details: dict[str, Any]) -> None:
    """Move the numbers of each sentence from an evaluation's details into a run's file."""
    taken = {name: details.pop(name) for name in METRICS}
    write_npz(path, {k: v.astype("float32") for k, v in taken.items() if v is not None})
