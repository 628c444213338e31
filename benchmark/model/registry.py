"""The registry of baselines: the files of `baselines/`, and files elsewhere.

`names` lists the files without importing them, so a broken file breaks no other; `load` imports
one.
"""

import ast
import hashlib
import re
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from types import ModuleType

from benchmark.core.errors import UserError, suggest
from benchmark.model.baseline import Baseline

FOLDER = Path(__file__).resolve().parents[2] / "baselines"
# Of a baseline's docstring, each a paragraph that begins with its title and a colon.
SECTIONS = ("Formula", "Source", "Settings in the source", "Differences here")
# What a row of a study holds besides the baseline's hyper-parameters.
RESERVED = ("name", "label", "file", "precision", "model", "train")


def names() -> list[str]:
    """Return the sorted names of the folder's baselines; a leading underscore hides a file."""
    return sorted(p.stem for p in FOLDER.glob("*.py") if not p.stem.startswith("_"))


def path_of(name: str, file: str | Path | None = None) -> Path:
    """Return the file of a baseline: ``file`` itself if it lies outside the folder."""
    return Path(file) if file else FOLDER / f"{name}.py"


def shown(path: Path) -> str:
    """Return the path to show a user: baselines/NAME.py for a file in the folder."""
    return f"baselines/{path.name}" if path.parent == FOLDER else str(path)


def documented(name: str) -> dict[str, str]:
    """Return a baseline's docstring by section, read without importing the file.

    The keys are those of `SECTIONS` that it has, and "" for the text before them.

    Raises:
        OSError, SyntaxError, ValueError: the file cannot be read.
    """
    text = ast.get_docstring(ast.parse(path_of(name).read_bytes())) or ""
    titles = "|".join(map(re.escape, SECTIONS))
    what, *parts = re.split(rf"^({titles}): ", text, flags=re.MULTILINE)
    return {"": what, **dict(zip(parts[::2], parts[1::2], strict=True))}


def describe(name: str) -> str:
    """Return the first line of a baseline's docstring, read without importing the file."""
    try:
        text = documented(name)[""]
    except SyntaxError as error:
        return f"(syntax error in line {error.lineno or 1})"
    except (OSError, ValueError) as error:  # ValueError: null bytes, in early releases of 3.11
        return f"(error: {error})"
    return text.split("\n", 1)[0]


def digest(name: str, file: str | Path | None = None) -> str:
    """Return the sha256 of a baseline's code; see `digest_of`."""
    path = path_of(name, file)
    return digest_of(_read(path), shown(path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such baseline file") from None


def digest_of(source: bytes, where: str) -> str:
    """Return the sha256 of a file's syntax tree without docstrings, and of its version.

    Comments, layout and docstrings do not change it; nor does the version of Python that parses.

    Raises:
        UserError: the file is not valid Python; the message begins with ``where``.
    """
    version: object = Baseline.version
    try:
        module = ast.parse(source)
        for node in ast.walk(module):
            if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "version":
                version = node.value.value if isinstance(node.value, ast.Constant) else None
                if type(version) is not int:
                    raise ValueError("version must be an integer, as in version: ClassVar[int] = 2")
                break
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{where}: cannot be read: {error}") from error
    return hashlib.sha256(repr((_tree(module), version)).encode()).hexdigest()


def _tree(node: object) -> object:
    """Return a syntax tree as nested tuples, without docstrings and positions in the file.

    Empty fields are left out: those that a newer Python adds are empty in older code.
    """
    if isinstance(node, list):
        return tuple(_tree(item) for item in node)
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = dict(ast.iter_fields(node))
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
        parts["body"] = node.body[1:]
    used = [(name, parts[name]) for name in sorted(parts) if parts[name] not in (None, [])]
    return (type(node).__name__, *((name, _tree(value)) for name, value in used))


def load(name: str, file: str | Path | None = None) -> type[Baseline]:
    """Return the one `Baseline` that a file defines, in the folder or (``file``) elsewhere.

    Raises:
        UserError: no such baseline, or its file is not one frozen dataclass with defaults.
    """
    path = path_of(name, file)
    if file is None and name not in names():
        raise UserError(f"baseline '{name}': unknown; {suggest(name, names())}")
    if not name.isidentifier():  # it becomes a folder's name
        raise UserError(f"baseline {name!r}: a name may hold only letters, digits and underscores")
    where, source = shown(path), _read(path)
    module_name = f"baselines.{name}"
    if file is not None:  # by its content too: an edited file is another method
        module_name = f"_outside_baseline_{name}_{hashlib.sha256(source).hexdigest()}"
    module = sys.modules.get(module_name)
    if module is None or module.__file__ != str(path):
        module = _import(module_name, path, source)
    if re.search(rb"^\s*(from|import) baselines\b", source, re.MULTILINE):
        raise UserError(
            f"{where}: imports another baseline, whose edits would not show in this one's runs; "
            "copy the code that it needs"
        )
    named = vars(module).values()
    classes = [cls for cls in named if isinstance(cls, type) and cls.__module__ == module_name]
    classes = [cls for cls in classes if issubclass(cls, Baseline)]
    if len(classes) != 1:
        listed = f" ({', '.join(cls.__name__ for cls in classes)})" if classes else ""
        raise UserError(
            f"{where}: defines {len(classes)} Baseline classes{listed}; a file must define one"
        )
    cls: type[Baseline] = classes[0]
    if "__dataclass_params__" not in vars(cls):
        raise UserError(f"{where}: {cls.__name__} lacks the decorator @dataclass(frozen=True)")
    for field in fields(cls):
        if field.name in RESERVED:
            raise UserError(f"{where}: {cls.__name__}.{field.name}: reserved name; rename it")
        if field.default is MISSING and field.default_factory is MISSING:
            raise UserError(f"{where}: {cls.__name__}.{field.name} has no default; add one")
    return cls


def _import(module_name: str, path: Path, source: bytes) -> ModuleType:
    # Not by importlib: its compiled copy may be of a version of equal size from the same second,
    # and then the code that runs would not be that of the id.
    module = ModuleType(module_name)
    module.__file__ = str(path)
    sys.modules[module_name] = module
    try:
        exec(compile(source, path, "exec", dont_inherit=True), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        where, problem = shown(path), f"cannot be imported: {type(error).__name__}: {error}"
        if isinstance(error, SyntaxError) and error.filename == str(path):
            where, problem = f"{where}:{error.lineno or 1}", f"syntax error: {error.msg}"
        raise UserError(" ".join(f"{where}: {problem}".split())) from error
    return module
