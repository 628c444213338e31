"""Check that a record is as its run wrote it, has its id's settings, and comes from a commit."""

import io
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmark import data as corpora
from benchmark.core import consistency
from benchmark.core.errors import UserError
from benchmark.core.provenance import checkout, code_sha256, git, refusal
from benchmark.core.records import Record
from benchmark.model import registry
from benchmark.run.config import RunConfig

RESTORE = "take its line out and collect again, or restore the file"
AGAIN = "take its line out, delete its run's folder, commit all code, sweep and collect again"


def wrong(lines: list[Record]) -> dict[str, str]:
    """Return by id how each record contradicts itself; `settings` checks its settings."""
    return {
        one.id: one.text
        for one in reversed(consistency.check(lines))
        if one.wrong and one.id and not one.text.startswith("config: ")
    }


def check(path: Path, lines: Mapping[str, Record], configs: Mapping[str, RunConfig]) -> list[str]:
    """Return notes on records that come from elsewhere, after checking them.

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
    contradictions = wrong([*lines.values()])
    for run_id, line in lines.items():
        texts = [contradictions[run_id]] if run_id in contradictions else []
        texts += settings(line, configs[run_id])
        if _other_data(line, configs[run_id]):
            texts.append("was made with other data than the study's")
        if texts:
            raise UserError(
                f"{path}: {run_id}: {texts[0].partition(';')[0]}; nothing was collected"
            )
    doubts: Counter[str] = Counter()
    if (checkout() / ".git").exists() and not refusal():
        history = History(checkout())
        reasons = (text for line in lines.values() for text in history.doubts(line))
        doubts.update(text.partition(";")[0] for text in reasons)
    else:
        doubts["their code cannot be checked, since git does not read this clone"] = len(lines)
    places = Counter(map(_place, lines.values()))
    return [
        *(
            f"{path}: {count} records: {text}: cannot be contributed"
            for text, count in doubts.items()
        ),
        *(f"{path}: {count} records from {place}" for place, count in places.items()),
    ]


def _other_data(line: Record, config: RunConfig) -> bool:
    """Return whether a record was made with another text than the study's, if that is at hand."""
    try:
        return corpora.find(config.data).identity != str(line["data"]["sha256"])
    except UserError:
        return False


def _place(line: Record) -> str:
    """Return the hardware and torch of a record."""
    origin, device = line["provenance"], line["cost"]["device"]
    where = origin.get("processor", origin["cpu"]) if device == "cpu" else device
    return f"{where}, torch {origin['torch']}, {line['config']['precision']}"


def settings(line: Record, config: RunConfig) -> Iterator[str]:
    """Yield each difference between a record's settings and those that its study gives its id."""
    stated: dict[str, Any] = {**line["config"]}
    if (stated.get("file") is None) is not (config.file is None):
        yield f"config.file: {stated.get('file')!r} is not that of its id; {RESTORE}"
    if "digest" not in line and "evaluation" in line:
        yield f"has no digest, which each run writes; {RESTORE}"
    stated.pop("file_sha256", None)
    stated["file"] = config.file
    if stated["data"] == corpora.find(config.data).recorded:
        stated["data"] = config.data  # with the folder of a reader's own text
    try:
        written = RunConfig.from_dict(stated).to_dict()
        if written | {"preset": config.preset} != config.to_dict():  # a preset is a mere name
            yield f"config: its settings are not those of its id; {RESTORE}"
    except UserError as error:
        yield f"{error}; {RESTORE}"
    version = line.get("evaluation", 1)  # records of version 1 do not say it
    if line.get("evaluation_digest", "") != config.evaluation_digest_of(version):
        yield f"was measured by other [evaluate] settings than its study's; {AGAIN}"


@dataclass(frozen=True)
class History:
    """The commits of the repository in ``root``, and the code of each."""

    root: Path

    def doubts(self, line: Record) -> Iterator[str]:
        """Yield the first thing wrong with each origin that a record names.

        A record that was measured again comes from two places.
        """
        method = None if line["config"].get("file") else line["config"]["baseline"]
        origin = line["provenance"]
        if text := self._doubt(origin, method):
            yield text
        if "measured" in origin and (text := self._doubt(origin["measured"], None)):
            yield f"measured again: {text}"

    def _doubt(self, origin: Mapping[str, Any], method: str | None) -> str:
        commit, digest = origin.get("commit"), origin.get("code_sha256", "")
        if commit is None:
            return (
                "names no commit: it ran outside a git clone, or where git refuses the clone "
                f"(`pcbench doctor` tells why); with that mended, {AGAIN}"
            )
        short = commit[:12]
        if origin.get("dirty") is not False:
            return f"ran with changes to the code that were not committed; {AGAIN}"
        if not re.fullmatch("[0-9a-f]{40}", commit):
            return f"commit {short!r} is not the full hash of a commit; {AGAIN}"
        if git(self.root, "cat-file", "-e", f"{commit}^{{commit}}").returncode:
            shallow = git(self.root, "rev-parse", "--is-shallow-repository").stdout == b"true\n"
            fetch = "this clone is shallow: `git fetch --unshallow`"
            push = f"push the branch that holds it, or {AGAIN}"
            return f"commit {short} is unknown here; {fetch if shallow else push}"
        if git(self.root, "merge-base", "--is-ancestor", commit, "HEAD").returncode:
            return (
                f"commit {short} is not in the history of this branch: it was rebased, squashed or "
                f"left on another one; merge the branch that holds it, or {AGAIN}"
            )
        code = _code(self.root, commit)
        if digest not in code.digests:
            known = code.digests[0][:12]
            return f"code_sha256 {digest[:12]} is not that of commit {short} ({known}); {AGAIN}"
        if method and origin.get("method_sha256", "") not in ("", code.method_sha256(method)):
            return f"ran with another {method}.py than that of commit {short}; {AGAIN}"
        if any(later != digest for later in origin.get("code_sha256_resumed", [])):
            return f"was resumed with other code than it began with; {AGAIN}"
        return ""


@dataclass(frozen=True)
class Code:
    """The code of a commit: ``code_sha256`` by today's and the earlier rule, and the baselines."""

    digests: tuple[str, str]
    baselines: dict[str, bytes]

    def method_sha256(self, method: str) -> str | None:
        """Return the digest of a baseline's file, or None if there is none."""
        source = self.baselines.get(method)
        return None if source is None else registry.digest_of(source, method)


@cache
def _code(root: Path, commit: str) -> Code:
    listed = git(root, "ls-tree", "--name-only", commit).stdout.decode().splitlines()
    paths = sorted({"benchmark", "baselines", "constraints.txt"} & {*listed})
    packed = git(root, "archive", "--format=zip", commit, *paths).stdout
    with tempfile.TemporaryDirectory() as name:
        with zipfile.ZipFile(io.BytesIO(packed)) as files:
            files.extractall(name)
        folder = Path(name)
        return Code(
            (code_sha256(folder), code_sha256(folder, methods=True)),
            {path.stem: path.read_bytes() for path in folder.glob("baselines/*.py")},
        )
