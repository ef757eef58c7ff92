"""Finished runs looked at again: their kept weights under other settings, and their items."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from models import Clustered, Recommender
from orchestrator.config import TrialConfig
from orchestrator.data.split import activity_groups
from orchestrator.data.store import Dataset
from orchestrator.evaluation.evaluate import evaluate
from orchestrator.training.checkpoint import load_weights
from orchestrator.training.loop import build_model, pick_device
from orchestrator.training.seeding import reproducible


def measured_again(
    config: TrialConfig, weights: Path, dataset: Dataset, *, device: str = "auto"
) -> dict[str, float]:
    """Test metrics of a finished run's weights, also of cold and warm users.

    Args:
        config: the run's settings; those that change no parameter may be others, such as the
            modality that ranks.
        weights: the run's kept weights.
        dataset: that it was trained on.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.

    Raises:
        ConfigError: settings and data set do not go together.
        StoreError: the weights cannot be read, or are of a model with other parameters.
    """
    place = pick_device(device)
    with _trained(config, weights, dataset, place) as model:
        return evaluate(
            model,
            dataset.split.test,
            config=config.evaluation,
            max_length=config.settings.max_length,
            device=place,
            prefix="test",
            groups=activity_groups(dataset.split),
        )


def clustered_items(
    config: TrialConfig, weights: Path, dataset: Dataset
) -> Mapping[str, Clustered]:
    """A finished run's items without and with what its model adds for their clusters.

    Raises:
        ConfigError: settings and data set do not go together.
        StoreError: the weights cannot be read, or are of another model.
    """
    with _trained(config, weights, dataset, torch.device("cpu")) as model, torch.no_grad():
        return model.eval().clustered()


def item_tables(
    config: TrialConfig, weights: Path, dataset: Dataset
) -> Mapping[str, Float[Tensor, "items ..."]]:
    """A finished run's representations of all items, by the model's own names, without padding.

    Raises:
        ConfigError: settings and data set do not go together.
        StoreError: the weights cannot be read, or are of another model.
    """
    with _trained(config, weights, dataset, torch.device("cpu")) as model, torch.no_grad():
        return {name: table[1:] for name, table in model.eval().encode_items().items()}


@contextmanager
def _trained(
    config: TrialConfig, weights: Path, dataset: Dataset, device: torch.device
) -> Iterator[Recommender]:
    with reproducible(device):
        model = build_model(config, dataset).to(device)
        load_weights(model, weights)
        yield model
