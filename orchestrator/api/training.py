"""One run, without Ray and without a tracker."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.api.results import RESULTS
from orchestrator.config import TrialConfig, override
from orchestrator.data import Dataset, open_dataset
from orchestrator.results import Epoch, Record
from orchestrator.sweep.objective import train_recorded
from orchestrator.sweep.settings_file import base_settings
from orchestrator.training.loop import pick_device


def train(
    model: str,
    *,
    dataset: str = "planted",
    seed: int = 0,
    config: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    results: Path = RESULTS,
    data_dir: Path | None = None,
    device: str = "auto",
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Record:
    """Train one model at one seed; nothing is tracked, the record and weights are kept.

    A run that was cut goes on; one that is done is not run again.

    Args:
        model: a model of the zoo.
        dataset: a data set by name.
        seed: decides weights, order and dropout.
        config: a TOML file of settings to begin from, such as :func:`export_best` writes.
        overrides: dotted key -> value, such as ``{"train.learning_rate": 3e-4}``.
        results: the run's folder is ``results/runs/<run id>``.
        data_dir: folder of data sets.
        device: ``auto``, ``cpu``, ``cuda``.
        on_epoch: called after each epoch.

    Raises:
        OrchError: unknown names, impossible settings, damaged data, a loss that is not a number.
    """
    trial, opened = planned(
        model,
        dataset=dataset,
        seed=seed,
        config=config,
        overrides=overrides,
        data_dir=data_dir,
        device=device,
    )
    return train_recorded(
        trial, opened, results=results.resolve(), device=device, on_epoch=on_epoch
    )


def planned(
    model: str,
    *,
    dataset: str,
    seed: int,
    config: Path | None,
    overrides: Mapping[str, Any] | None,
    data_dir: Path | None,
    device: str,
) -> tuple[TrialConfig, Dataset]:
    """The settings and the data set of the run that :func:`train` trains."""
    base = replace(base_settings(model, dataset, config), seed=seed)
    trial = override(base, overrides or {}, where="--set")
    pick_device(device)
    return trial, open_dataset(dataset, data_dir, verify=True)
