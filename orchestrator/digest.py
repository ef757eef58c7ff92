"""Which source files a run's result may depend on, and one digest of them.

Those that the training loop and the model's own file import, directly or through others. A new
model or a new importer of data thus leaves the other models' runs what they are.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import models
import orchestrator

LOOP = "orchestrator.training.loop"
"""The module that makes every result."""
FOLDERS = ("models", "orchestrator.training", "orchestrator.evaluation", "orchestrator.data")
"""What may alter a number; settings and data are in a run's hash as values."""


@cache
def code_digest(model: str) -> str:
    """Digest of the source files that a run of a model may depend on."""
    return _digest(run_files(model))


@cache
def whole_digest() -> str:
    """Digest of all that may alter any run: equal on two machines if the code there is equal."""
    files = {path for folder in FOLDERS for path in _file(folder).parent.rglob("*.py")}
    return _digest(files)


def run_files(model: str) -> set[Path]:
    """The source files, of ``FOLDERS``, that the loop and a model import.

    Re-exports in a package's ``__init__`` are followed to the module that has the name.
    """
    waiting, seen = [LOOP, f"models.{model}"], set[str]()
    while waiting:
        module = waiting.pop()
        if module in seen or not _matters(module):
            continue
        seen.add(module)
        waiting += _imports(module)
    return {_file(module) for module in seen}


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _matters(module: str) -> bool:
    return any(module == folder or module.startswith(f"{folder}.") for folder in FOLDERS)


def _imports(module: str) -> Iterator[str]:
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (_home(node.module, name.name) for name in node.names)


def _home(module: str, name: str) -> str:
    """The module whose code a name of a module is: itself, a submodule or one it re-exports."""
    if not _matters(module):
        return module
    if _file(module).name == "__init__.py":
        if _is_module(f"{module}.{name}"):
            return f"{module}.{name}"
        for node in _tree(module).body:
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return _home(node.module, alias.name)
    return module


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_file(module).read_bytes())


def _file(module: str) -> Path:
    path = _place(module)
    package = path / "__init__.py"
    return package if package.exists() else path.with_suffix(".py")


def _is_module(module: str) -> bool:
    return _file(module).exists()


def _place(module: str) -> Path:
    """Where a module would be, without its suffix."""
    top, *rest = module.split(".")
    roots = {"models": models, "orchestrator": orchestrator}
    return Path(str(roots[top].__file__)).parent.joinpath(*rest)
