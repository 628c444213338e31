"""Appendix A: what a method's file says of itself, and what settings the studies gave it."""

import ast
import re
from collections.abc import Iterator
from typing import Any

from benchmark.model import registry
from benchmark.report.formats import escape, tabular
from benchmark.report.paper.quantities import Quantities


def macros() -> Iterator[tuple[str, str]]:
    """Yield name and text of each macro: what a method is, its defaults, its source's settings."""
    for name in registry.names():
        sections = registry.documented(name)
        yield f"{name}:what", _prose(sections[""])
        yield f"{name}:defaults", _settings(_defaults(name)) or "none"
        yield f"{name}:theirs", _prose(sections["Settings in the source"])
        yield f"{name}:ours", _prose(sections["Differences here"])


def settings(known: Quantities) -> str:
    """Return a table of the settings that recorded studies gave to methods, beside the defaults."""
    rows = [["study", "method", "settings"]]
    for study in filter(known.done, known.studies):
        table = known.stated(study)
        settings_of: dict[str, dict[str, list[Any]]] = {}
        for row in table["baseline"]:
            given = {key: value for key, value in row.items() if key not in registry.RESERVED}
            for key, value in (given | row.get("train", {})).items():
                values = settings_of.setdefault(row["name"], {}).setdefault(key, [])
                values += [value] if value not in values else []
        rows += [
            [_code(study), _code(method), _settings(values)]
            for method, values in settings_of.items()
        ]
    wide = r">{\raggedright\arraybackslash}p{0.5\linewidth}"
    return tabular(f"ll{wide}", [rows[0], *(_repeated(rows[1:]))])


def _repeated(rows: list[list[str]]) -> Iterator[list[str]]:
    before = ""
    for study, *rest in rows:
        yield [study if study != before else "", *rest]
        before = study


def _defaults(name: str) -> dict[str, list[Any]]:
    """Return the hyper-parameters of a method, whose file is read, not imported."""
    for node in ast.parse(registry.path_of(name).read_bytes()).body:
        if isinstance(node, ast.ClassDef) and "Baseline" in map(ast.unparse, node.bases):
            return {
                one.target.id: [ast.literal_eval(one.value)]
                for one in node.body
                if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.value
                and not ast.unparse(one.annotation).startswith("ClassVar")
            }  # fmt: skip
    return {}


def _settings(values: dict[str, list[Any]]) -> str:
    return "; ".join(f"{_code(key)} {', '.join(map(_shown, some))}" for key, some in values.items())


def _shown(value: Any) -> str:
    return escape(value) if isinstance(value, str) else f"{value:g}"


def _prose(text: str) -> str:
    """Return a docstring's words as LaTeX, each line a part of one paragraph."""
    words = " ".join(text.replace("``", "`").split())
    named = re.match(r"\w(_\w+)? |[^a-z]", words)  # a variable keeps its case
    return escape(words if named else words[:1].upper() + words[1:])


def _code(name: str) -> str:
    return rf"\texttt{{{escape(name)}}}"
