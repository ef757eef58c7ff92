"""Models by name: the file's name is the model's name, and importing it registers it."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from models._interface import Recommender

_registered: dict[str, type[Recommender]] = {}
_Model = TypeVar("_Model", bound=type[Recommender])


def register(name: str) -> Callable[[_Model], _Model]:
    """Class decorator that enters a model under the name of its file.

    Raises:
        ValueError: the name is not the module's, or is taken.
    """

    def enter(model: _Model) -> _Model:
        if model.__module__ != f"models.{name}":
            raise ValueError(f"{model.__module__} cannot register `{name}`: use the file's name.")
        if name in _registered and _registered[name].__qualname__ != model.__qualname__:
            raise ValueError(f"`{name}` is taken by {_registered[name].__qualname__}.")
        _registered[name] = model
        return model

    return enter


def names() -> list[str]:
    """All models, sorted; nothing is imported."""
    files = Path(__file__).parent.glob("*.py")
    return sorted(file.stem for file in files if not file.stem.startswith("_"))


def find(name: str) -> type[Recommender]:
    """The model of that name; imports its file alone.

    Raises:
        KeyError: there is no such model.
    """
    if name not in names():
        raise KeyError(name)
    importlib.import_module(f"models.{name}")
    return _registered[name]
