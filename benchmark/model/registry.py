"""The registry of baselines: the files of `baselines/`.

`names` lists the files without importing them, so a broken file breaks no other; `load` imports
one.
"""

import ast
import hashlib
import re
import sys
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import ModuleType

from benchmark.core.errors import UserError, suggest
from benchmark.model.baseline import Baseline

FOLDER = Path(__file__).resolve().parents[2] / "baselines"
# A study's words beside a baseline's hyper-parameters.
RESERVED = ("name", "label", "file", "precision", "model", "train")


def names() -> list[str]:
    """The baselines in the folder, sorted; a leading underscore hides a file."""
    return sorted(p.stem for p in FOLDER.glob("*.py") if not p.stem.startswith("_"))


def describe(name: str) -> str:
    """The first line of a baseline's docstring, read without importing the file."""
    try:
        text = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_bytes())) or ""
    except SyntaxError as error:
        return f"(syntax error in line {error.lineno or 1})"
    except ValueError as error:  # null bytes, in early releases of Python 3.11
        return f"(syntax error: {error})"
    except OSError as error:
        return f"(cannot be read: {error.strerror})"
    return text.split("\n", 1)[0]


def digest(name: str, file: Path | None = None) -> str:
    """sha256 of what a baseline does: its file's syntax tree without docstrings, and its version.

    Comments, layout and words leave it as it is, and so does the version of Python that parses.

    Raises:
        UserError: the file cannot be read, or is no Python.
    """
    path = file or FOLDER / f"{name}.py"
    return digest_of(_read(path), shown(path))


def digest_of(source: bytes, where: str) -> str:
    """`digest` of a file's content; nothing is imported.

    Raises:
        UserError: naming ``where``: it is no Python.
    """
    try:
        module = ast.parse(source)
        version = _version(module)
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{where}: cannot be read: {error}") from error
    return hashlib.sha256(repr((_tree(module), version)).encode()).hexdigest()


def _version(module: ast.Module) -> int:
    """The `Baseline.version` that a file states."""
    for node in ast.walk(module):
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "version":
            if isinstance(node.value, ast.Constant) and type(node.value.value) is int:
                return node.value.value
            raise ValueError("version must be a number, such as version: ClassVar[int] = 2")
    return Baseline.version


def _tree(node: object) -> object:
    """A syntax tree as nested tuples, without places in the file, docstrings and empty fields.

    Fields that a newer Python adds are empty where older code does not use them.
    """
    if isinstance(node, list):
        return tuple(_tree(item) for item in node)
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = node.body[1:]
    kept = [(name, fields[name]) for name in sorted(fields) if fields[name] not in (None, [])]
    return (type(node).__name__, *((name, _tree(value)) for name, value in kept))


def load(name: str, file: Path | None = None) -> type[Baseline]:
    """The one `Baseline` that a file defines.

    Args:
        name: a name from `names`, or with ``file`` any name.
        file: a baseline outside the folder.

    Raises:
        UserError: no such baseline, a file that cannot be imported, not exactly one Baseline, one
            that is no frozen dataclass, or a field without a default or with a reserved
            name.
    """
    path = file or FOLDER / f"{name}.py"
    if file is not None and not name.isidentifier():  # it becomes a folder's name
        raise UserError(f"baseline {name!r}: a name is letters, digits and underscores")
    if file is None and name not in names():
        raise UserError(f"baseline '{name}': unknown; {suggest(name, names())}")
    source = _read(path)
    module_name = f"baselines.{name}"
    if file is not None:  # by its content too: an edited file is another method
        module_name = f"_outside_baseline_{name}_{hashlib.sha256(source).hexdigest()}"
    module = sys.modules.get(module_name)
    if module is None or module.__file__ != str(path):
        module = _import(module_name, path, source)
    if re.search(rb"^\s*(from|import) baselines\b", source, re.MULTILINE):
        raise UserError(
            f"{shown(path)}: imports another baseline, whose edits its own runs would not show; "
            "copy what it needs"
        )
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Baseline)
        and value.__module__ == module_name
    ]
    if len(own) != 1:
        found = f" ({', '.join(cls.__name__ for cls in own)})" if own else ""
        raise UserError(
            f"{shown(path)}: defines {len(own)} Baseline classes{found}; one file, one method"
        )
    if "__dataclass_params__" not in vars(own[0]) or not is_dataclass(own[0]):
        raise UserError(f"{shown(path)}: {own[0].__name__} lacks @dataclass(frozen=True)")
    for field in fields(own[0]):
        if field.name in RESERVED:
            raise UserError(f"{shown(path)}: {own[0].__name__}.{field.name}: the name is reserved")
        if field.default is MISSING and field.default_factory is MISSING:
            raise UserError(f"{shown(path)}: {own[0].__name__}.{field.name} has no default")
    return own[0]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such baseline file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _import(module_name: str, path: Path, source: bytes) -> ModuleType:
    """Run these bytes: no compiled copy that may be of an earlier version."""
    module = ModuleType(module_name)
    module.__file__ = str(path)
    sys.modules[module_name] = module
    try:
        exec(compile(source, path, "exec", dont_inherit=True), vars(module))
    except SyntaxError as error:
        del sys.modules[module_name]
        line = error.lineno or 1
        raise UserError(f"{shown(path)}:{line}: syntax error: {error.msg}") from error
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        problem = f"{type(error).__name__}: {error}"
        raise UserError(f"{shown(path)}: cannot be imported: {problem}") from error
    return module


def shown(path: Path) -> str:
    """The path as a user knows it: baselines/NAME.py inside the folder."""
    return f"baselines/{path.name}" if path.parent == FOLDER else str(path)
