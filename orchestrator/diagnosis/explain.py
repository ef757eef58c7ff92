"""Which of an item's tokens each query of a finished model reads, and what those stand for."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from orchestrator.config import TrialConfig
from orchestrator.data import PLANTED, planted_config, planted_marks
from orchestrator.data.store import Dataset
from orchestrator.errors import ConfigError
from orchestrator.training.checkpoint import load_weights
from orchestrator.training.loop import build_model
from orchestrator.training.seeding import reproducible


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the queries of a model read of an item in one modality: of two tokens at least."""

    modality: str
    weights: Float[np.ndarray, "queries heads tokens"]
    """Shares that add up to 1 over the tokens."""
    words: tuple[str, ...]
    """What each token stands for."""
    grid: tuple[int, int] | None = None
    """Rows and columns of a picture's patches, which are the last tokens."""
    preprocessing: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """From text or picture to what the encoder read, where that is known."""

    @property
    def by_query(self) -> Float[np.ndarray, "queries tokens"]:
        """Means over the heads."""
        return self.weights.mean(axis=1)

    @property
    def uniform(self) -> float:
        """The share that each token would have if all had the same."""
        return 1 / len(self.words)


@dataclass(frozen=True, kw_only=True)
class Readings:
    """What a model reads of an item."""

    shown: tuple[Reading, ...]
    """At least one."""
    notes: tuple[str, ...] = ()
    """Why a modality is not among them, or its tokens have no names."""


def item_readings(
    config: TrialConfig, weights: Path | None, dataset: Dataset, item: int
) -> Readings:
    """What each query of a model reads of one item.

    Args:
        config: the run's settings.
        weights: its kept weights; None takes the initial ones, which tells whether there is
            anything to show.
        dataset: that it was trained on.
        item: number of the item, counted from 1.

    Raises:
        ConfigError: the model attends to no tokens, or has no choice in any modality; or settings
            and data set do not go together.
        StoreError: the weights cannot be read, or are of another model.
    """
    with reproducible(torch.device("cpu")), torch.no_grad():
        model = build_model(config, dataset).eval()
        if weights is not None:
            load_weights(model, weights)
        maps = {name: own[0].numpy() for name, own in model.attention(torch.tensor([item])).items()}
    if not maps:
        raise ConfigError(
            f"{config.model} on {dataset.name}: with these settings the model has no attention "
            "over an item's tokens. Choose one that has, such as tame with its retriever."
        )
    several = {name: own for name, own in maps.items() if own.shape[2] > 1}
    if not several:
        raise _nothing_to_choose(config, dataset, item, list(maps))
    notes = [
        *(_left_out(dataset, name, own.shape[2]) for name, own in maps.items() if own.shape[2] < 2),
        *(_controlled(config, name) for name in several if _control_of(config, name)),
    ]
    shown = [_reading(config, dataset, item, name, own) for name, own in several.items()]
    notes += [_nameless(dataset, reading) for reading in shown if _could_be_named(dataset, reading)]
    return Readings(shown=tuple(shown), notes=tuple(notes))


def _nothing_to_choose(
    config: TrialConfig, dataset: Dataset, item: int, modalities: list[str]
) -> ConfigError:
    """Whether it is the item that has no tokens, or the data set."""
    what = " and ".join(modalities)
    if max(_most_tokens(dataset, name) for name in modalities) > 1:
        return ConfigError(
            f"ITEM: #{item} has fewer than two tokens ({what}) in {dataset.name}, so there is "
            "nothing to choose from. Choose an item that has a longer text or a picture."
        )
    return ConfigError(
        f"{config.model} on {dataset.name}: every item is one token ({what}), so attention has "
        "nothing to choose from. Make tokens with "
        f"`orch data encode {dataset.name} --forms tokens`, or choose another data set."
    )


def _most_tokens(dataset: Dataset, modality: str) -> int:
    tokens = dataset.catalogue().modality(modality).tokens
    return 1 if tokens is None else int(tokens.lengths.max())


def _left_out(dataset: Dataset, modality: str, num_tokens: int) -> str:
    if _most_tokens(dataset, modality) <= 1:
        why = "has one vector per item in the data set, which every query reads whole"
    else:
        why = "is one token here, which every query reads whole"
    return f"{modality}: {why if num_tokens else 'the item has none'}; not shown."


def _could_be_named(dataset: Dataset, reading: Reading) -> bool:
    """Whether a modality was encoded, by a version that kept no words."""
    made = bool(reading.preprocessing) and reading.grid is None
    return made and dataset.words(reading.modality, 1) is None


def _nameless(dataset: Dataset, reading: Reading) -> str:
    return (
        f"{reading.modality}: {dataset.name} does not keep what its tokens stand for. Encode it "
        "again with `orch data encode` and --overwrite to have their names."
    )


def _control_of(config: TrialConfig, modality: str) -> str:
    """The control that makes a modality uninformative in a run; empty where there is none."""
    kinds = (field.name for field in dataclasses.fields(config.data))
    return next((kind for kind in kinds if modality in getattr(config.data, kind)), "")


def _controlled(config: TrialConfig, modality: str) -> str:
    return (
        f"{modality}: the run has `data.{_control_of(config, modality)}` for it, so its tokens are "
        "not the item's own and have no names."
    )


def _reading(
    config: TrialConfig,
    dataset: Dataset,
    item: int,
    modality: str,
    weights: Float[np.ndarray, "queries heads tokens"],
) -> Reading:
    num_tokens = weights.shape[2]
    if _control_of(config, modality):
        return Reading(modality=modality, weights=weights, words=tuple(_numbered(num_tokens)))
    entry = dataset.manifest.modalities[modality].tokens
    made = entry.encoder if entry is not None else None
    preprocessing = {} if made is None else made.preprocessing
    grid = _grid(preprocessing, num_tokens)
    words = dataset.words(modality, item) or _unnamed(dataset, modality, item, num_tokens, grid)
    assert len(words) == num_tokens, "there is a word for each token"
    return Reading(
        modality=modality,
        weights=weights,
        words=tuple(words),
        grid=grid,
        preprocessing=preprocessing,
    )


def _unnamed(
    dataset: Dataset, modality: str, item: int, num_tokens: int, grid: tuple[int, int] | None
) -> list[str]:
    """Names by place where the data set has none: patches, and what a planted world marks."""
    names = _numbered(num_tokens)
    if grid is not None:
        patches = [f"patch {y + 1},{x + 1}" for y, x in np.ndindex(grid)]
        return [*names[: num_tokens - len(patches)], *patches]
    marks = _marks(dataset, modality, item)
    if marks is None:
        return names
    return [f"{name} (marked)" if of else name for name, of in zip(names, marks, strict=True)]


def _numbered(num_tokens: int) -> list[str]:
    return [f"token {place}" for place in range(1, num_tokens + 1)]


def _marks(dataset: Dataset, modality: str, item: int) -> Bool[np.ndarray, " tokens"] | None:
    """Which of an item's tokens a planted world marks; None where the tokens are no world's."""
    tokens = dataset.manifest.modalities[modality].tokens
    if dataset.manifest.origin.importer != PLANTED or tokens is None or tokens.encoder is not None:
        return None
    try:
        marks = planted_marks(planted_config(dataset))
    except ConfigError:  # generated by another version
        return None
    features = dataset.catalogue().modality(modality).tokens
    assert features is not None
    start, length = int(features.lengths[:item].sum()), int(features.lengths[item])
    return marks[modality][start : start + length]


def _grid(preprocessing: Mapping[str, Any], num_tokens: int) -> tuple[int, int] | None:
    """Rows and columns of patches that are stored, where an encoder's preprocessing says so."""
    patches, pooled = preprocessing.get("patches"), preprocessing.get("pool_patches")
    if not patches:
        return None
    rows, columns = (pooled, pooled) if pooled else patches
    return (rows, columns) if rows * columns <= num_tokens else None
