"""Optimiser of a stage: each trainable parameter in exactly one group, frozen ones in none."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

import torch
from torch import nn

from models import Recommender, Stage
from orchestrator.config import TrainConfig


def prepare_stage(model: Recommender, stage: Stage) -> dict[str, float]:
    """Switch gradients on or off for a stage; give every trainable parameter its rate factor.

    Raises:
        ValueError: a pattern of the stage matches no parameter, or a parameter matches two rates.
    """
    check_stage(model, stage)
    factors = {}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not _matches(name, stage.frozen))
        parameter.grad = None  # an earlier stage's would count where the norm is clipped
        if parameter.requires_grad:
            factors[name] = _factor(name, stage)
    return factors


def check_stage(model: Recommender, stage: Stage) -> None:
    """Check a stage's patterns against the model's parameters; changes nothing.

    Raises:
        ValueError: a pattern matches no parameter, or a parameter matches two rates.
    """
    names = [name for name, _ in model.named_parameters()]
    for pattern in (*stage.frozen, *stage.rates):
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"stage `{stage.name}`: `{pattern}` matches no parameter.")
    for name in names:
        _factor(name, stage)


def optimizer(model: Recommender, stage: Stage, config: TrainConfig) -> torch.optim.Optimizer:
    """Adam (AdamW where there is weight decay) over a stage's trainable parameters."""
    factors = prepare_stage(model, stage)
    parameters: dict[str, nn.Parameter] = dict(model.named_parameters())
    groups = [
        {
            "params": [parameters[name] for name, own in factors.items() if own == factor],
            "lr": config.learning_rate * factor,
        }
        for factor in sorted(set(factors.values()))
    ]
    return torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=True)


def _factor(name: str, stage: Stage) -> float:
    own = [factor for pattern, factor in stage.rates.items() if fnmatchcase(name, pattern)]
    if len(own) > 1:
        raise ValueError(f"stage `{stage.name}`: `{name}` matches more than one rate.")
    return own[0] if own else 1.0


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
