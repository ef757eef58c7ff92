"""How much of a model's attention lies on the tokens that a planted world marks as true."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool

from models import Recommender
from orchestrator.config import TrialConfig
from orchestrator.data import planted_config, planted_marks
from orchestrator.data.store import Dataset
from orchestrator.training.checkpoint import load_weights
from orchestrator.training.loop import build_model
from orchestrator.training.seeding import reproducible


@dataclass(frozen=True, kw_only=True)
class Mass:
    """Share of attention that marked tokens get: means over a modality's items and heads."""

    chance: float
    """What they would get if every token got the same."""
    untrained: float
    """With the initial weights; a mean over queries too."""
    trained: float
    """With the kept weights; a mean over queries too."""
    best_query: float
    """With the kept weights, of the query that gives them most."""


def attention_mass(config: TrialConfig, weights: Path, dataset: Dataset) -> Mapping[str, Mass]:
    """Attention on a planted world's marked tokens before and after training, by modality.

    Args:
        config: a finished run's settings; its seed gives the initial weights.
        weights: the run's kept weights.
        dataset: the planted world that it was trained on.

    Raises:
        ConfigError: the data set is no planted world, or settings do not go with it.
        StoreError: the weights cannot be read, or are of another model.
    """
    marks = planted_marks(planted_config(dataset))
    with reproducible(torch.device("cpu")), torch.no_grad():
        model = build_model(config, dataset).eval()
        before = _masses(model, marks, dataset.num_items)
        load_weights(model, weights)
        after = _masses(model, marks, dataset.num_items)
    return {
        modality: Mass(
            chance=before[modality].chance,
            untrained=float(before[modality].by_query.mean()),
            trained=float(after[modality].by_query.mean()),
            best_query=float(after[modality].by_query.max()),
        )
        for modality in before
    }


@dataclass(frozen=True)
class _Found:
    chance: float
    by_query: np.ndarray


def _masses(
    model: Recommender, marks: Mapping[str, Bool[np.ndarray, " packed"]], num_items: int
) -> dict[str, _Found]:
    maps = model.attention(torch.arange(1, num_items + 1))
    return {name: _mass(own, torch.from_numpy(marks[name])) for name, own in maps.items()}


def _mass(maps: list[torch.Tensor], marks: torch.Tensor) -> _Found:
    """Over items that have tokens; the marks of all items follow one another as the maps do."""
    lengths = [one.shape[2] for one in maps]
    assert sum(lengths) == len(marks), "the tokens are the generator's"
    pairs = [(one, of) for one, of in zip(maps, marks.split(lengths), strict=True) if len(of)]
    by_query = torch.stack([one[:, :, of].sum(dim=2).mean(dim=1) for one, of in pairs])
    chance = torch.stack([of.float().mean() for _, of in pairs])
    return _Found(float(chance.mean()), by_query.mean(dim=0).numpy())
