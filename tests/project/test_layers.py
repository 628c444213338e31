"""Imports go one way: core < data, model, metrics < run < sweep < report < bench < cli."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = (
    ("core",),
    ("data", "model", "metrics"),
    ("run",),
    ("sweep",),
    ("report",),
    ("bench",),
    ("cli",),
)
LEVEL = {package: level for level, packages in enumerate(LAYERS) for package in packages}
# The names that were public before there were packages, and what opens the package.
ALIASES = ("__init__", "__main__", "annealing", "baseline", "loss")


def modules(root: Path) -> dict[str, Path]:
    """Dotted names and files of all modules below ``root``/benchmark."""
    files = {
        ".".join(path.relative_to(root).with_suffix("").parts): path
        for path in sorted((root / "benchmark").rglob("*.py"))
    }
    return {name.removesuffix(".__init__"): path for name, path in files.items()}


def imports(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """What a module imports of the package: anywhere in it, for types alone as well."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            wanted = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in wanted:
            while target and target not in known:  # a name inside a module
                target = target.rpartition(".")[0]
            # A package that opens its own modules is no circle: only names make one.
            if target and target != name and target != "benchmark":
                yield target


def upward(root: Path) -> list[str]:
    """Imports from a package into one above it, or beside it."""
    known, bad = modules(root), []
    for name, path in known.items():
        package = name.split(".")[1] if "." in name else "__init__"
        for target in imports(name, path, known):
            other = target.split(".")[1]
            if package in ALIASES or other == package:
                continue
            if other in ALIASES or LEVEL[other] >= LEVEL[package]:
                bad.append(f"{name} imports {target}")
    return bad


def circle(root: Path) -> list[str]:
    """Modules that import each other, in order; empty if there are none."""
    known = modules(root)
    graph = {name: set(imports(name, path, known)) for name, path in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except ValueError as error:  # CycleError
        return list(error.args[1])
    return []


def test_imports_go_one_way() -> None:
    assert upward(ROOT) == []


def test_no_modules_import_each_other() -> None:
    assert circle(ROOT) == []


@pytest.mark.parametrize(
    "line",
    [
        "from benchmark.run import config\n",
        "def f() -> None:\n    import benchmark.report.frame\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from benchmark.cli import main\n",
    ],
)
def test_a_planted_upward_import_is_seen(line: str, tmp_path: Path) -> None:
    for name in ("core", "run", "report", "cli"):
        (tmp_path / "benchmark" / name).mkdir(parents=True)
        (tmp_path / "benchmark" / name / "__init__.py").touch()
    (tmp_path / "benchmark" / "__init__.py").touch()
    (tmp_path / "benchmark" / "run" / "config.py").touch()
    (tmp_path / "benchmark" / "report" / "frame.py").touch()
    (tmp_path / "benchmark" / "core" / "files.py").write_text(line)
    assert len(upward(tmp_path)) == 1


def test_a_planted_circle_is_seen(tmp_path: Path) -> None:
    folder = tmp_path / "benchmark" / "core"
    folder.mkdir(parents=True)
    for path in (tmp_path / "benchmark" / "__init__.py", folder / "__init__.py"):
        path.touch()
    (folder / "a.py").write_text("from benchmark.core import b\n")
    (folder / "b.py").write_text("def f() -> None:\n    from benchmark.core.a import g\n")
    assert set(circle(tmp_path)) == {"benchmark.core.a", "benchmark.core.b"}


def test_a_listing_of_the_package_fits_a_screen() -> None:
    names = [p.name for p in (ROOT / "benchmark").iterdir() if not p.name.startswith("__")]
    assert len(names) <= 12
    for folder in {path.parent for path in modules(ROOT).values()}:
        files = [p for p in folder.iterdir() if p.is_file()]
        assert len(files) <= 14, folder
