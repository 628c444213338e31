"""Are collected records what their runs wrote, of a study here, from code in the history?

``python tests/tools/origin.py results/mine.jsonl`` prints a line for each that is not.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmark.core import records
from benchmark.core.errors import UserError
from benchmark.core.provenance import refusal
from benchmark.sweep import study
from benchmark.sweep.origin import RESTORE, History, settings, wrong

ROOT = Path(__file__).parents[2]


def problems(file: Path, root: Path = ROOT) -> list[str]:
    """Return a line for each thing that is wrong: file, record, reason and what to do."""
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
    doubts = wrong(lines)
    refused = refusal(root)
    found += [f"{here}: the commits of its records cannot be checked: {refused}"] if refused else []
    history = History(root) if (root / ".git").exists() and not refused else None
    for line in done:
        texts = [f"{doubts[line['id']]}; {RESTORE}"] if line["id"] in doubts else []
        if line["id"] in configs:
            texts += settings(line, configs[line["id"]])
        texts += history.doubts(line) if history else []
        found += [f"{here}: {line['id']}: {text}" for text in texts]
    return found


def _whole(file: Path, lines: list[records.Record], named: set[str]) -> Iterator[str]:
    """Yield what is wrong with the file as a whole."""
    ids = {line["id"] for line in lines}
    paper = f"paper/{file.stem}.toml"
    for name in sorted(ids - named):
        yield f"{name}: not a run of {paper}; `pcbench collect {paper} --prune` drops it"
    for name in sorted(named - ids):
        yield f"{name}: a run of {paper} without a line; `pcbench collect {paper}` writes it"
    ordered = sorted(lines, key=lambda line: str(line["id"]))
    if file.read_text() != "".join(records.dumps(line) + "\n" for line in ordered):
        yield f"is not as `pcbench collect {paper}` writes it: collect again, edit nothing"


if __name__ == "__main__":
    listed = [text for name in sys.argv[1:] for text in problems(Path(name))]
    print("\n".join(listed) or "nothing is wrong")
    sys.exit(bool(listed))
