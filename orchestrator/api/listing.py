"""What there is: models, search spaces and variants, data sets."""

import sys
from pathlib import Path

from torch import nn

import models as zoo
from orchestrator.api.docstrings import sections, settings
from orchestrator.api.results import ModelDescription
from orchestrator.config import model_type
from orchestrator.data import Description, describe
from orchestrator.sweep.space import SpaceFile, read_spaces


def models() -> tuple[ModelDescription, ...]:
    """The zoo, in alphabetical order."""
    return tuple(map(model, zoo.names()))


def model(name: str) -> ModelDescription:
    """One model of the zoo.

    Raises:
        ConfigError: there is no such model.
    """
    kind = model_type(name)
    text = (sys.modules[kind.__module__].__doc__ or "").splitlines()
    declared = read_spaces(name)
    return ModelDescription(
        name=name,
        about=text[0],
        sections=sections(text[1:]),
        needs=kind.config_type().needs(),
        causal=kind.causal,
        samples=_samples(kind),
        settings=settings(kind.config_type),
        spaces=tuple(declared.spaces),
        variants=tuple(declared.variants),
    )


def _samples(kind: type[zoo.Recommender]) -> zoo.Samples:
    """What it trains on by default, which follows from its settings: no catalogue is needed."""
    bare = kind.__new__(kind)
    nn.Module.__init__(bare)
    bare.config = kind.config_type()
    return bare.samples()


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
