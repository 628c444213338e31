"""``pcbench reproduce``: do a committed run again and compare it metric by metric."""

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
    say,
)
from benchmark.core.errors import UserError
from benchmark.core.files import plain, sha256_file
from benchmark.core.schema import Config, Record
from benchmark.core.signals import INTERRUPTED

if TYPE_CHECKING:
    from benchmark.run.config import RunConfig


@command(
    option("id", "the id of a record in --results, or enough of its beginning", metavar="ID"),
    RESULTS,
    file("--from-record", "train nothing: compare this record.json of the same run"),
    option("--device", "device to compute on; default: the record's", choices=["cpu", "cuda"]),
    option("--threads", "CPU threads; default: the record's", type=count, metavar="N"),
    folder("--text", "folder of the text, for a record on a text: data set"),
    file("--file", "the file of a baseline outside baselines/"),
    CHECKPOINTS,
    RUNS,
    DATA,
    flag("--quiet", "show no progress on standard error"),
)
def reproduce(arguments: Namespace) -> int:
    """Train a committed run again and compare its numbers.

    The run is trained in RUNS/reproduced/ID; the same command resumes it. The exit status is 0 if
    each metric of the test split is bit-equal or within the prediction interval over the seeds of
    its row, adjusted for the number of metrics; otherwise it is 1.

    pcbench reproduce exact_small-none-0-1234abcd
    pcbench reproduce ptb-none-0-1234abcd --device cuda --runs /tmp/again
    pcbench reproduce ptb-none-0-1234abcd --from-record elsewhere/record.json
    """
    from benchmark.cli import agreement
    from benchmark.core import records

    known = find(arguments.id, arguments.results)
    line = known.line
    if line.get("digest", records.digest(line)) != records.digest(line):
        say(f"{known.path}: {line['id']}: was changed after its run wrote it")
    # Beside the runs of studies, so that no number of theirs is replaced.
    file = arguments.runs / "reproduced" / line["id"] / records.FILE
    if arguments.from_record is not None:
        file = arguments.from_record
    else:
        from benchmark.run.session import Interrupted, run

        config = rebuild(line, str(known.path), arguments.text, arguments.file)
        if file.exists():
            say(f"{file.parent}: an earlier reproduction is compared; remove it to train again")
        else:
            try:
                run(
                    config,
                    file.parents[1],
                    arguments.data_dir,
                    # A record names the model of its card.
                    arguments.device or ("cpu" if line["cost"]["device"] == "cpu" else "cuda"),
                    progress=not arguments.quiet,
                    checkpoint_seconds=arguments.checkpoint_seconds,
                    threads=arguments.threads or line["provenance"]["threads"],
                )
            except Interrupted as error:
                say(f"{error}; the same command resumes")
                return INTERRUPTED
    again = records.read(file)
    if again["id"] != line["id"]:
        raise UserError(f"{file}: is the record of {again['id']}, not of {line['id']}")
    if again["config"]["evaluate"] != line["config"]["evaluate"]:
        raise UserError(f"{file}: was measured with other settings than the committed record")
    errors = agreement.sentence_errors(file.parent / "sentences.npz")
    comparisons = agreement.compare(line, again, known.row, errors)
    label = line.get("label", line["config"]["baseline"])
    print(f"{line['id']}: {label}, seed {line['config']['seed']}, {known.path}")
    print(agreement.text(comparisons))
    print(agreement.environment(line, again))
    return int(any(one.verdict == agreement.DIFFERENT for one in comparisons))


@dataclass(frozen=True)
class Known:
    """A committed record: its collected file, its line, and all seeds of its row."""

    path: Path
    line: Record
    row: list[Record]


def find(run_id: str, results: Path) -> Known:
    """Return a run's record, from the collected file that has most seeds of its row.

    The id may be cut off where no other begins so.

    Raises:
        UserError: there is no such id, or several, or the run has no record, or a file is damaged.
    """
    from benchmark.core import id_prefixes, records
    from benchmark.core.consistency import differences

    files = {path: records.read_jsonl(path) for path in sorted(results.glob("*.jsonl"))}
    if not files:
        raise UserError(f"{results}: holds no collected file; choose their folder with --results")
    known = [line["id"] for lines in files.values() for line in lines]
    run_id = id_prefixes.complete(
        run_id, known, str(results), "`pcbench sweep STUDY --list` prints ids"
    )
    matches = []
    for path, lines in files.items():
        done = [line for line in lines if records.is_done(line)]
        for line in done:
            if line["id"] == run_id:  # its row: all settings but the seed are the same
                row = [other for other in done if not any(differences(line, other))]
                matches.append(Known(path, line, row))
    if not matches:
        raise UserError(f"{results}: {run_id} has no record yet, so there is nothing to compare")
    return max(matches, key=lambda known: len(known.row))


def rebuild(
    line: Record, where: str, text: Path | None = None, file: Path | None = None
) -> "RunConfig":
    """Return the run of a record, checked to be the same run with the code here.

    Args:
        line: a complete record.
        where: its file, for messages.
        text: the folder of a record on the user's own text; the record keeps no path.
        file: the file of a baseline outside the folder of baselines.

    Raises:
        UserError: a folder or file is missing or is another one, or the code here does not accept
            the settings, or makes another run of them.
    """
    from benchmark import data as corpora
    from benchmark.run.config import EVALUATION, RunConfig

    where = f"{where}: {line['id']}"
    origin = line["provenance"]
    checkout = f"check out the code of the record: git checkout {origin['commit']}"
    if origin["commit"] is None:
        checkout = f"it needs the code of code_sha256 {origin['code_sha256']}"
    table: dict[str, Any] = {
        key: value for key, value in line["config"].items() if key != "file_sha256"
    }
    table["data"] = _data(table["data"], where, text)
    if table.get("file") is not None:
        table["file"] = _file(line["config"], where, file)
    if corpora.find(table["data"]).identity != line["data"]["sha256"]:
        if text is not None:
            raise UserError(f"--text {text}: is not the text that the record was made with")
        raise UserError(f"{where}: the code here prepares other data; {checkout}")
    try:
        config = RunConfig.from_dict(table, where)
    except UserError as error:
        raise UserError(f"{error}: the code has changed; {checkout}") from error
    if config.id != line["id"]:
        raise UserError(
            f"{where}: its settings give another id here, {config.id}: the protocol or the version "
            f"of its baseline has changed; {checkout}"
        )
    version = line.get("evaluation", 1)
    digest = config.evaluation_digest_of(version)
    if version > EVALUATION or line.get("evaluation_digest", digest) != digest:
        raise UserError(f"{where}: was measured by another version of the evaluation; {checkout}")
    return config


def _data(name: str, where: str, text: Path | None) -> str:
    """Return the data set, with the user's folder where the record has no path."""
    if not name.startswith("text:"):
        if text is not None:
            raise UserError(f"{where}: is on {name}; leave --text out")
        return name
    known, comma, settings = name.removeprefix("text:").partition(",")
    if text is None:
        raise UserError(
            f"{where}: was made with a user's own text; give its folder: --text .../{known}"
        )
    if plain(text.absolute().name) != known:  # it is part of the id
        raise UserError(f"--text {text}: the folder must be called '{known}', as in the record")
    return f"text:{text}{comma}{settings}"


def _file(config: Config, where: str, file: Path | None) -> str:
    """Return the user's copy of a baseline's file from outside the folder of baselines."""
    expected = config.get("file_sha256")
    if file is None:
        raise UserError(
            f"{where}: its baseline is not part of the checkout; give its file: --file "
            f".../{config['file']}"
        )
    if (digest := sha256_file(file)) != expected:
        raise UserError(
            f"--file {file}: is not the file of the record: its sha256 is {digest}, not {expected}"
        )
    return str(file)
