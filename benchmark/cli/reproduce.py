"""``pcbench reproduce``: do a committed run again, and say metric by metric whether it agrees."""

import sys
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.options import (
    CHECKPOINTS,
    DATA,
    RESULTS,
    RUNS,
    command,
    count,
    file,
    flag,
    folder,
    option,
)
from benchmark.core.errors import UserError
from benchmark.core.files import plain
from benchmark.core.signals import INTERRUPTED

if TYPE_CHECKING:
    from benchmark.run.config import RunConfig

Record = dict[str, Any]

FOLDER = "reproduced"  # inside the runs folder, so that no run of a study is touched


@command(
    option("id", "of a record in --results, or enough of its beginning", metavar="ID"),
    RESULTS,
    file("--from-record", "train nothing: compare this record.json of the same run"),
    option("--device", "default: the record's", choices=["cpu", "cuda"]),
    option("--threads", "of the CPU, default: the record's", type=count, metavar="N"),
    folder("--text", "of a record on somebody's own text"),
    file("--file", "of a baseline outside baselines/"),
    CHECKPOINTS,
    RUNS,
    DATA,
    flag("--quiet", "no progress on standard error"),
)
def reproduce(arguments: Namespace) -> int:
    """Do a committed run again and compare its figures.

    It trains in RUNS/reproduced/ID; the same command resumes it. Exit status: 0 if each metric of
    the test split is bit-equal or within the prediction interval over its row's seeds, adjusted
    for the number of metrics, else 1.

    pcbench reproduce exact_small-none-0-1234abcd
    pcbench reproduce ptb-none-0-1234abcd --device cuda --runs /tmp/again
    pcbench reproduce ptb-none-0-1234abcd --from-record elsewhere/record.json
    """
    from benchmark.core import records
    from benchmark.report import agreement

    known = find(arguments.id, arguments.results)
    line = known.line
    if line.get("digest", records.digest(line)) != records.digest(line):
        _say(f"{known.path}: {line['id']}: was changed since its run wrote it")
    if arguments.from_record is not None:
        again, folder = records.read(arguments.from_record), arguments.from_record.parent
        _refuse_other(again, line, arguments.from_record)
    else:
        from benchmark.run.session import Interrupted

        config = rebuild(line, str(known.path), arguments.text, arguments.file)
        folder = arguments.runs / FOLDER / config.id
        try:
            again = _do_again(config, line, folder, arguments)
        except Interrupted as error:
            _say(f"{error}; the same command resumes")
            return INTERRUPTED
    errors = agreement.sentence_errors(folder / "sentences.npz")
    figures = agreement.compare(line, again, known.row, errors)
    print(f"{line['id']}: {line.get('label', line['config']['baseline'])}, seed "
          f"{line['config']['seed']}, {known.path}")  # fmt: skip
    print(agreement.text(figures))
    print(agreement.environment(line, again))
    return 1 if any(figure.verdict == agreement.DIFFERENT for figure in figures) else 0


@dataclass(frozen=True)
class Known:
    """A committed record: its collected file, its line, and all seeds of its row."""

    path: Path
    line: Record
    row: list[Record]


def find(run_id: str, results: Path) -> Known:
    """A run's record among the collected files; of several that hold it, the one with most seeds.

    The id may be cut off where no other begins so.

    Raises:
        UserError: no such id or several, a run without a record, or a damaged file.
    """
    from benchmark.core import ids, records
    from benchmark.report import agreement

    files = {path: records.read_jsonl(path) for path in sorted(results.glob("*.jsonl"))}
    if not files:
        raise UserError(f"{results}: holds no collected file; --results names the folder of them")
    known = [line["id"] for lines in files.values() for line in lines]
    run_id = ids.complete(run_id, known, str(results), "`pcbench sweep STUDY --list` prints ids")
    found = [
        Known(path, line, agreement.row(line, lines))
        for path, lines in files.items()
        for line in lines
        if line["id"] == run_id and records.is_done(line)
    ]
    if found:
        return max(found, key=lambda known: len(known.row))
    raise UserError(f"{results}: {run_id} has no record yet, so there is nothing to compare")


def rebuild(
    line: Record, where: str, text: Path | None = None, file: Path | None = None
) -> "RunConfig":
    """The run of a record, checked to be the same run with the code here.

    Args:
        line: a complete record.
        where: its file, for messages.
        text: the folder of a record on somebody's own text, which keeps no path.
        file: the baseline's file of a record whose baseline is outside the folder.

    Raises:
        UserError: a folder or file is missing or another one; or the code here takes the settings
            no longer, or for another run.
    """
    from benchmark import data as corpora
    from benchmark.run.config import EVALUATION, RunConfig

    where = f"{where}: {line['id']}"
    table = {key: value for key, value in line["config"].items() if key != "file_sha256"}
    table["data"] = _data(table["data"], where, text)
    if table.get("file") is not None:
        table["file"] = _file(line["config"], where, file)
    if corpora.identity(table["data"]) != line["data"]["sha256"]:
        if text is not None:
            raise UserError(f"--text {text}: holds another text than the record was made with")
        raise UserError(f"{where}: the code here prepares other data; {_checkout(line)}")
    try:
        config = RunConfig.from_dict(table, where)
    except UserError as error:
        raise UserError(f"{error}: the code changed since; {_checkout(line)}") from error
    if config.id != line["id"]:
        raise UserError(
            f"{where}: its settings give another id here, {config.id}: the protocol or the version "
            f"of its baseline changed since; {_checkout(line)}"
        )
    version = line.get("evaluation", 1)
    digest = config.evaluation_digest_of(version)
    if version > EVALUATION or line.get("evaluation_digest", digest) != digest:
        raise UserError(
            f"{where}: was measured by another version of the evaluation; {_checkout(line)}"
        )
    return config


def _data(name: str, where: str, text: Path | None) -> str:
    """The data set, with the user's folder where the record has no path."""
    if not name.startswith("text:"):
        if text is not None:
            raise UserError(f"{where}: is on {name}; leave --text out")
        return name
    known, comma, settings = name.removeprefix("text:").partition(",")
    if text is None:
        raise UserError(f"{where}: is on somebody's own text; name its folder: --text .../{known}")
    if plain(text.absolute().name) != known:  # it is part of the id
        raise UserError(f"--text {text}: the folder must be called '{known}', as in the record")
    return f"text:{text}{comma}{settings}"


def _file(config: Record, where: str, file: Path | None) -> str:
    """The user's copy of a baseline's file from outside the folder."""
    from benchmark.core.files import sha256_file

    if file is None:
        raise UserError(
            f"{where}: its baseline is not part of the checkout; name its file: --file "
            f".../{config['file']}"
        )
    try:
        digest = sha256_file(file)
    except OSError as error:
        raise UserError(f"--file {file}: cannot be read ({error.strerror})") from error
    if digest != config.get("file_sha256"):
        raise UserError(f"--file {file}: is not the file of the record: its sha256 is {digest}, "
                        f"not {config.get('file_sha256')}")  # fmt: skip
    return str(file)


def _checkout(line: Record) -> str:
    """How to get the code of a record."""
    origin = line["provenance"]
    if origin["commit"] is None:
        return f"it needs the code of code_sha256 {origin['code_sha256']}"
    return f"check out the code of the record: git checkout {origin['commit']}"


def _do_again(config: "RunConfig", line: Record, folder: Path, arguments: Namespace) -> Record:
    """Train and measure, or go on, or read what an earlier call finished."""
    from benchmark.core import records
    from benchmark.run.session import run

    if (folder / "record.json").exists():
        _say(f"{folder}: was finished before and is compared; remove it to train again")
        again = records.read(folder / "record.json")
        _refuse_other(again, line, folder / "record.json")
        return again
    recorded = "cpu" if line["cost"]["device"] == "cpu" else "cuda"
    threads = arguments.threads
    return run(
        config,
        folder.parent,
        arguments.data_dir,
        device=arguments.device or recorded,
        progress=not arguments.quiet,
        checkpoint_seconds=arguments.checkpoint_seconds,
        threads=line["provenance"]["threads"] if threads is None else threads,
    )


def _refuse_other(again: Record, line: Record, path: Path) -> None:
    """Raise UserError unless both records are of one run, measured in one way."""
    if again["id"] != line["id"]:
        raise UserError(f"{path}: is the record of {again['id']}, not of {line['id']}")
    if again["config"]["evaluate"] != line["config"]["evaluate"]:
        raise UserError(f"{path}: was measured with other settings than the committed record")


def _say(message: str) -> None:
    print(f"pcbench: {message}", file=sys.stderr)
