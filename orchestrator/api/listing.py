"""What there is: models, search spaces and variants, data sets."""

import sys
from pathlib import Path

import models as zoo
from orchestrator.api.results import ModelDescription
from orchestrator.config import model_type
from orchestrator.data import Description, describe
from orchestrator.sweep.space import SpaceFile, read_spaces


def models() -> tuple[ModelDescription, ...]:
    """The zoo, in alphabetical order."""
    return tuple(_describe_model(name) for name in zoo.names())


def _describe_model(name: str) -> ModelDescription:
    about = (sys.modules[model_type(name).__module__].__doc__ or "").splitlines()[0]
    declared = read_spaces(name)
    return ModelDescription(
        name=name,
        about=about,
        spaces=tuple(declared.spaces),
        variants=tuple(declared.variants),
    )


def spaces(model: str | None = None) -> dict[str, SpaceFile]:
    """Search spaces and variants, of one model or of all.

    Raises:
        ConfigError: there is no such model, or a file of spaces is wrong.
    """
    wanted = zoo.names() if model is None else [model]
    for name in wanted:
        model_type(name)
    return {name: read_spaces(name) for name in wanted}


def datasets(*, data_dir: Path | None = None) -> tuple[Description, ...]:
    """The data sets that can be used, in alphabetical order."""
    return describe(data_dir)
