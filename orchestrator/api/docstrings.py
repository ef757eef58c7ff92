"""What a model's file says of it: the paragraphs of its docstring, and the text under each field.

Python keeps no docstrings of fields, so that they are read from the source.
"""

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Sequence
from typing import Any, get_args

from models import Config
from orchestrator.api.results import SettingDescription

_HEAD = re.compile(r"^([A-Z][a-z]+(?: [a-z]+)*): ")


def sections(lines: Sequence[str]) -> dict[str, str]:
    """Paragraphs of a docstring by their heads, such as ``Idea``; each in one line."""
    found: dict[str, list[str]] = {}
    for line in lines:
        head = _HEAD.match(line)
        if head:
            found[head[1]] = [line[head.end() :]]
        elif found and line.strip():
            found[list(found)[-1]].append(line.strip())
    return {head: " ".join(parts) for head, parts in found.items()}


def settings(config: type[Config]) -> tuple[SettingDescription, ...]:
    """Every setting of a model's config, in the order of its fields."""
    texts: dict[str, str] = {}
    for base in reversed(config.__mro__[:-1]):
        texts |= _texts(base)
    return tuple(
        SettingDescription(
            name=field.name, kind=_kind(field.type), default=field.default, about=texts[field.name]
        )
        for field in dataclasses.fields(config)
    )


def _texts(config: type) -> dict[str, str]:
    """Field -> the string under it, in one line."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(config))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            found[field.target.id] = " ".join(_text(below).replace("``", "`").split())
    return found


def _text(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return str(statement.value.value)
    return ""


def _kind(annotation: Any) -> str:  # noqa: ANN401 - a type
    if choices := get_args(annotation):
        return ", ".join(map(str, choices))
    return str(annotation.__name__)
