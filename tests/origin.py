"""Are collected records what their runs wrote, of a study here, from code in the history?

``python tests/origin.py results/mine.jsonl`` prints a line for each that is not.
"""

import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark import data as corpora
from benchmark import records, study
from benchmark.config import RunConfig
from benchmark.errors import UserError
from benchmark.provenance import code_sha256, refusal
from benchmark.report import consistency

ROOT = Path(__file__).parent.parent
RESTORE = "take its line out and collect again, or restore the file"
AGAIN = "take its line out, delete its run's folder, commit all code, sweep and collect again"


def problems(file: Path, root: Path = ROOT) -> list[str]:
    """One line for each thing that is wrong: file, record, reason, and how to mend it."""
    try:
        lines = records.read_jsonl(file)
    except UserError as error:
        return [f"{error}; {RESTORE}"]
    try:
        named = study.load(root / "paper" / f"{file.stem}.toml")
    except UserError as error:
        return [f"{error}; records need the study that they are of"]
    configs = {run.id: run.config for run in named.configs}
    here = f"{file.parent.name}/{file.name}"
    found = [f"{here}: {text}" for text in _whole(file, lines, set(configs))]
    done = [line for line in lines if line.get("status") == "done"]
    # The first of each record; what its settings should be, the study says better.
    doubts = {
        one.id: one.text
        for one in reversed(consistency.check(lines))
        if one.wrong and not one.text.startswith("config: ")
    }
    refused = refusal(root)
    found += [f"{here}: the commits of its records cannot be checked: {refused}"] if refused else []
    history = History(root) if (root / ".git").exists() and not refused else None
    for line in done:
        texts = [f"{doubts[line['id']]}; {RESTORE}"] if line["id"] in doubts else []
        if line["id"] in configs:
            texts += _settings(line, configs[line["id"]])
        texts += history.doubts(line["provenance"]) if history else []
        found += [f"{here}: {line['id']}: {text}" for text in texts]
    return found


def _whole(file: Path, lines: list[records.Record], named: set[str]) -> Iterator[str]:
    """What is wrong with the file as a whole."""
    ids = {line["id"] for line in lines}
    told = f"paper/{file.stem}.toml"
    for name in sorted(ids - named):
        yield f"{name}: not a run of {told}; `pcbench collect {told} --prune` drops it"
    for name in sorted(named - ids):
        yield f"{name}: a run of {told} without a line; `pcbench collect {told}` writes it"
    ordered = sorted(lines, key=lambda line: str(line["id"]))
    if file.read_text() != "".join(records.dumps(line) + "\n" for line in ordered):
        yield f"is not as `pcbench collect {told}` writes it: collect again, edit nothing"


def _settings(line: records.Record, config: RunConfig) -> Iterator[str]:
    """What a record says of its run against what its study says."""
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
    if line["evaluation_digest"] != config.evaluation_digest_of(version):
        yield f"was measured by other [evaluate] settings than its study's; {AGAIN}"


class History:
    """The commits of a repository, and the code of each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.digests: dict[str, str] = {}

    def doubts(self, origin: dict[str, Any]) -> Iterator[str]:
        """What is wrong with where a record says it comes from; the first reason alone."""
        commit, digest = origin["commit"], origin["code_sha256"]
        if commit is None:
            yield (
                "names no commit: it ran outside a git clone, or where git refuses the clone "
                f"(`pcbench doctor` tells why); with that mended, {AGAIN}"
            )
        elif origin["dirty"] is not False:
            yield f"ran with changes to the code that were not committed; {AGAIN}"
        elif not self._git("cat-file", "-e", f"{commit}^{{commit}}"):
            yield f"commit {commit[:12]} is unknown here; {self._mend()}"
        elif not self._git("merge-base", "--is-ancestor", commit, "HEAD"):
            yield (
                f"commit {commit[:12]} is in no history of this branch: it was rebased, squashed "
                f"or left on another one; merge the branch that holds it, or {AGAIN}"
            )
        elif self._code(commit) != digest:
            yield (
                f"code_sha256 {digest[:12]} is not that of commit {commit[:12]} "
                f"({self._code(commit)[:12]}); {AGAIN}"
            )
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

    def _code(self, commit: str) -> str:
        """The digest of a commit's code."""
        if commit not in self.digests:
            listed = ["git", "-C", str(self.root), "ls-tree", "--name-only", commit]
            there = subprocess.run(listed, check=True, capture_output=True, text=True).stdout
            paths = {"benchmark", "baselines", "constraints.txt"} & set(there.splitlines())
            archive = ["git", "-C", str(self.root), "archive", "--format=zip", commit]
            packed = subprocess.run([*archive, *sorted(paths)], check=True, capture_output=True)
            with tempfile.TemporaryDirectory() as folder:
                with zipfile.ZipFile(io.BytesIO(packed.stdout)) as files:
                    files.extractall(folder)
                self.digests[commit] = code_sha256(Path(folder))
        return self.digests[commit]


if __name__ == "__main__":
    wrong = [text for name in sys.argv[1:] for text in problems(Path(name))]
    print("\n".join(wrong) or "nothing is wrong")
    sys.exit(bool(wrong))
