"""Whether a record is what its run wrote, of settings that its id names, from committed code."""

import io
import re
import subprocess
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark import data as corpora
from benchmark.core import consistency
from benchmark.core.errors import UserError
from benchmark.core.provenance import checkout, code_sha256, refusal
from benchmark.core.records import Record
from benchmark.model import registry
from benchmark.run.config import RunConfig

RESTORE = "take its line out and collect again, or restore the file"
AGAIN = "take its line out, delete its run's folder, commit all code, sweep and collect again"


def wrong(lines: list[Record]) -> dict[str, str]:
    """What of each record contradicts itself, by id; its settings, `settings` tells better."""
    return {
        one.id: one.text
        for one in reversed(consistency.check(lines))
        if one.wrong and one.id and not one.text.startswith("config: ")
    }


def check(path: Path, lines: Mapping[str, Record], configs: Mapping[str, RunConfig]) -> list[str]:
    """Check records that come from elsewhere.

    Args:
        path: their file, for messages.
        lines: by id.
        configs: the study's runs by id.

    Returns:
        What a user must know: records whose code is not in the history here, other hardware.

    Raises:
        UserError: a record was changed since its run wrote it, contradicts itself, or has other
            settings than its id.
    """
    doubts = wrong([*lines.values()])
    for run_id, line in lines.items():
        texts = [doubts[run_id]] if run_id in doubts else []
        texts += settings(line, configs[run_id])
        texts += _other_data(line, configs[run_id])
        if texts:
            raise UserError(f"{path}: {run_id}: {texts[0].partition(';')[0]}; nothing was taken")
    history = History(checkout())
    known = (checkout() / ".git").exists() and not refusal()
    each = (text for line in lines.values() if known for text in history.doubts(line))
    said = Counter(text.partition(";")[0] for text in each)
    places = Counter(_place(line) for line in lines.values())
    if not known:
        said["their code cannot be checked: git tells nothing of this clone"] = len(lines)
    return [
        *(f"{path}: {count} records: {text}: not to contribute" for text, count in said.items()),
        *(f"{path}: {count} records from {place}" for place, count in places.items()),
    ]


def _other_data(line: Record, config: RunConfig) -> list[str]:
    """Whether a record was made with another text than the study's, where that is at hand."""
    try:
        same = corpora.identity(config.data) == line["data"]["sha256"]
    except UserError:
        return []
    return [] if same else ["was made with other data than the study's"]


def _place(line: Record) -> str:
    """The hardware and torch of a record."""
    origin, device = line["provenance"], line["cost"]["device"]
    where = origin.get("processor", origin["cpu"]) if device == "cpu" else device
    return f"{where}, torch {origin['torch']}, {line['config']['precision']}"


def settings(line: Record, config: RunConfig) -> Iterator[str]:
    """What a record says of its run against what its study says."""
    if (line["config"].get("file") is None) is not (config.file is None):
        yield f"config.file: {line['config'].get('file')!r} is not that of its id; {RESTORE}"
    if "digest" not in line and "evaluation" in line:
        yield f"has no digest, which each run writes; {RESTORE}"
    told = {k: v for k, v in line["config"].items() if k != "file_sha256"} | {"file": config.file}
    if told["data"] == corpora.recorded(config.data):
        told["data"] = config.data  # with the folder of a reader's own text
    try:
        written = RunConfig.from_dict(told).to_dict()
        if written | {"preset": config.preset} != config.to_dict():  # a preset is a mere name
            yield f"config: its settings are not those of its id; {RESTORE}"
    except UserError as error:
        yield f"{error}; {RESTORE}"
    version = line.get("evaluation", 1)  # records of version 1 do not tell it
    if line.get("evaluation_digest", "") != config.evaluation_digest_of(version):
        yield f"was measured by other [evaluate] settings than its study's; {AGAIN}"


class History:
    """The commits of a repository, and the code of each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.codes: dict[str, Code] = {}

    def doubts(self, line: Record) -> Iterator[str]:
        """What is wrong with where a record says it comes from; the first reason alone.

        A record that was measured again comes from two places.
        """
        method = None if line["config"].get("file") else line["config"]["baseline"]
        origin = line["provenance"]
        yield from self._doubts(origin, method)
        if "measured" in origin:
            yield from (
                f"measured again: {text}" for text in self._doubts(origin["measured"], None)
            )

    def _doubts(self, origin: dict[str, Any], method: str | None) -> Iterator[str]:
        commit, digest = origin.get("commit"), origin.get("code_sha256", "")
        if commit is None:
            yield (
                "names no commit: it ran outside a git clone, or where git refuses the clone "
                f"(`pcbench doctor` tells why); with that mended, {AGAIN}"
            )
        elif origin.get("dirty") is not False:
            yield f"ran with changes to the code that were not committed; {AGAIN}"
        elif not re.fullmatch("[0-9a-f]{40}", commit):
            yield f"commit {commit[:12]!r} is no full hash of a commit; {AGAIN}"
        elif not self._git("cat-file", "-e", f"{commit}^{{commit}}"):
            yield f"commit {commit[:12]} is unknown here; {self._mend()}"
        elif not self._git("merge-base", "--is-ancestor", commit, "HEAD"):
            yield (
                f"commit {commit[:12]} is in no history of this branch: it was rebased, squashed "
                f"or left on another one; merge the branch that holds it, or {AGAIN}"
            )
        elif digest not in self._code(commit).digests:
            yield (
                f"code_sha256 {digest[:12]} is not that of commit {commit[:12]} "
                f"({self._code(commit).digests[0][:12]}); {AGAIN}"
            )
        elif method and origin.get("method_sha256", "") not in ("", self._code(commit).of(method)):
            yield f"ran with another {method}.py than that of commit {commit[:12]}; {AGAIN}"
        elif any(later != digest for later in origin.get("code_sha256_resumed", [])):
            yield f"was resumed with other code than it began with; {AGAIN}"

    def _mend(self) -> str:
        command = ["git", "-C", str(self.root), "rev-parse", "--is-shallow-repository"]
        if subprocess.run(command, capture_output=True, text=True).stdout.strip() == "true":
            return "this clone is shallow: `git fetch --unshallow`"
        return f"push the branch that holds it, or {AGAIN}"

    def _git(self, *arguments: str) -> bool:
        command = ["git", "-C", str(self.root), *arguments]
        return subprocess.run(command, capture_output=True).returncode == 0

    def _code(self, commit: str) -> "Code":
        """The code of a commit."""
        if commit not in self.codes:
            listed = ["git", "-C", str(self.root), "ls-tree", "--name-only", commit]
            there = subprocess.run(listed, check=True, capture_output=True, text=True).stdout
            paths = {"benchmark", "baselines", "constraints.txt"} & set(there.splitlines())
            archive = ["git", "-C", str(self.root), "archive", "--format=zip", commit]
            packed = subprocess.run([*archive, *sorted(paths)], check=True, capture_output=True)
            with tempfile.TemporaryDirectory() as folder:
                with zipfile.ZipFile(io.BytesIO(packed.stdout)) as files:
                    files.extractall(folder)
                root = Path(folder)
                self.codes[commit] = Code(
                    (code_sha256(root), code_sha256(root, methods=True)),
                    {path.stem: path.read_bytes() for path in root.glob("baselines/*.py")},
                )
        return self.codes[commit]


@dataclass(frozen=True)
class Code:
    """Of a commit: ``code_sha256`` by today's and by the earlier rule, and the baselines."""

    digests: tuple[str, str]
    baselines: dict[str, bytes]

    def of(self, method: str) -> str | None:
        """The digest of a baseline's file; None where there is none."""
        source = self.baselines.get(method)
        return None if source is None else registry.digest_of(source, method)
