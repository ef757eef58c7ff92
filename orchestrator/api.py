"""The same as the command line, from Python: a function per command, typed results.

::

    from orchestrator import api

    result = api.sweep("tame", "heads", dataset="scientific", num_seeds=3)
    result.table        # pandas: a row per point
    result.figures      # the files drawn

Every function raises :class:`orchestrator.errors.OrchError` with one clear sentence for what a
user can mend. Ray and MLflow are imported by the functions that need them, not by this module.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.config import TrialConfig, default_trial, flatten, model_type, override
from orchestrator.data import (
    Dataset,
    Description,
    data_folder,
    dataset_names,
    describe,
    open_dataset,
)
from orchestrator.errors import ConfigError
from orchestrator.results import Epoch, Record
from orchestrator.sweep.events import Listener, Silent
from orchestrator.sweep.objective import train_recorded
from orchestrator.sweep.options import Executor, Options
from orchestrator.sweep.prepare import at_least_one, check_devices, prepare
from orchestrator.sweep.space import Choice, SpaceFile, base_trial, find_space, read_spaces
from orchestrator.sweep.study import Scheduler, Study, claim
from orchestrator.training.loop import pick_device

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.tracking.mlflow import Tracker
    from orchestrator.tracking.runs import SweepInfo

_LOG = logging.getLogger(__name__)

RESULTS = Path("results")
"""Default folder of runs, sweeps and the tracking store, below the working directory."""


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """One line of ``orch models``."""

    name: str
    about: str
    """First line of the model's docstring."""
    spaces: tuple[str, ...]
    variants: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """What a sweep left behind."""

    name: str
    """Repeating the sweep, or ``orch plot NAME``, uses it."""
    records: tuple[Record, ...]
    table: "pd.DataFrame"
    """A row per point; see :func:`orchestrator.reporting.tables.sweep_table`."""
    text: str
    """The table as the command line prints it."""
    num_reused: int
    """Runs that were done before and not run again."""
    figures: tuple[Path, ...]
    tracking_uri: str

    @property
    def failed(self) -> tuple[Record, ...]:
        """Records of the runs that failed, with their reasons."""
        return tuple(record for record in self.records if record.status == "failed")


def models() -> tuple[ModelDescription, ...]:
    """The zoo, in alphabetical order."""
    import models as zoo

    return tuple(_describe_model(name) for name in zoo.names())


def _describe_model(name: str) -> ModelDescription:
    import sys

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
    import models as zoo

    wanted = zoo.names() if model is None else [model]
    for name in wanted:
        model_type(name)
    return {name: read_spaces(name) for name in wanted}


def datasets(*, data_dir: Path | None = None) -> tuple[Description, ...]:
    """The data sets that can be used, in alphabetical order."""
    return describe(data_dir)


def import_data(
    path: Path,
    *,
    name: str | None = None,
    data_dir: Path | None = None,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Dataset:
    """Import a data set; its layout is recognised.

    Args:
        path: the folder to read.
        name: what to call it; by default what its layout suggests.
        data_dir: folder of data sets; by default ``ORCH_DATA``, else the user's cache.
        overwrite: replace a data set of that name.
        progress: hears what is done, how much of it is done, and how much there is.

    Raises:
        DataError: the folder is no known layout, or a file in it is wrong; names file and line.
    """
    from orchestrator.data import import_dataset

    return import_dataset(
        path, name=name, data_dir=data_dir, overwrite=overwrite, progress=progress
    )


def train(
    model: str,
    *,
    dataset: str = "planted",
    seed: int = 0,
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
        overrides: dotted key -> value, such as ``{"train.learning_rate": 3e-4}``.
        results: the run's folder is ``results/runs/<run id>``.
        data_dir: folder of data sets.
        device: ``auto``, ``cpu``, ``cuda``.
        on_epoch: called after each epoch.

    Raises:
        OrchError: unknown names, impossible settings, damaged data, a loss that is not a number.
    """
    base = replace(base_trial(model, dataset), seed=seed)
    config = override(base, overrides or {}, where="--set")
    pick_device(device)
    opened = open_dataset(dataset, data_dir, verify=True)
    return train_recorded(
        config, opened, results=results.resolve(), device=device, on_epoch=on_epoch
    )


def sweep(
    model: str,
    space: str,
    *,
    dataset: str = "planted",
    num_seeds: int = 3,
    num_trials: int = 20,
    scheduler: Scheduler = "none",
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
    num_workers: int = 2,
    num_threads: int = 1,
    num_gpus: float | None = None,
    executor: Executor = "ray",
    address: str | None = None,
    device: str = "auto",
    results: Path = RESULTS,
    data_dir: Path | None = None,
    tracking_uri: str | None = None,
    listener: Listener | None = None,
    on_problem: Callable[[str], None] | None = None,
) -> SweepResult:
    """Run a search space and leave a record in MLflow, a table and a figure.

    The same call again goes on where it stopped: runs that are done are not run again.

    Args:
        model: a model of the zoo.
        space: one of its search spaces.
        dataset: a data set by name.
        num_seeds: seeds 0, 1, ... that every point is run with.
        num_trials: points to sample in a joint space; a smaller discrete space is run as a grid.
        scheduler: ``asha`` ends poor trials of a sampled space early.
        overrides: dotted key -> value for the base point.
        name: the sweep's name; by default it follows from the content.
        num_workers: runs at once.
        num_threads: CPU threads per run.
        num_gpus: GPUs per run; by default those of this machine shared by the workers.
        executor: ``ray``, or ``local`` for one run after the other in this process.
        address: a Ray cluster to join.
        device: ``auto``, ``cpu``, ``cuda``.
        results: folder of runs, sweeps and the default store.
        data_dir: folder of data sets.
        tracking_uri: an MLflow store; by default ``MLFLOW_TRACKING_URI``, else SQLite in results.
        listener: told of progress.
        on_problem: told, once, of a store that fails while the sweep goes on.

    Raises:
        OrchError: anything a user can mend, before the first run starts.
    """
    results = results.resolve()
    base = base_trial(model, dataset)
    declared = find_space(model, space)
    opened = open_dataset(dataset, data_dir, verify=True)
    study = prepare(
        declared,
        base,
        opened,
        overrides=overrides or {},
        num_seeds=at_least_one("--seeds", num_seeds),
        num_trials=at_least_one("--trials", num_trials),
        scheduler=scheduler,
        name=name,
    )
    options = Options(
        results=results,
        data_dir=data_folder(data_dir).resolve(),
        folder=results / "sweeps" / study.name,
        workers=at_least_one("--workers", num_workers),
        threads=at_least_one("--threads", num_threads),
        gpus=_gpus_per_run(num_gpus, num_workers, device),
        device=device,
        address=address,
    )
    if address is None:
        check_devices(options)
    return _tracked(study, opened, options, executor, tracking_uri, listener, on_problem)


def _tracked(
    study: Study,
    dataset: Dataset,
    options: Options,
    executor: Executor,
    uri: str | None,
    listener: Listener | None,
    on_problem: Callable[[str], None] | None,
) -> SweepResult:
    from orchestrator.reporting.report import report_sweep
    from orchestrator.sweep.run import run_study
    from orchestrator.tracking.mlflow import Tracker, tracking_uri

    uri = tracking_uri(uri, options.results)
    tracker = Tracker(uri, options.results, on_problem=on_problem or _LOG.warning)
    info = sweep_info(study, dataset)
    claim(study, options.folder)
    with tracker.open_sweep(info) as sink:
        outcome = run_study(
            study, sink=sink, options=options, executor=executor, listener=listener or Silent()
        )
        runs = _runs(tracker, study.name, outcome.records)
        drawn = report_sweep(
            runs, info, folder=options.folder / "figures", ceiling=_ceiling(study.base, dataset)
        )
        sink.finish_sweep(
            "failed" if outcome.failed else "finished",
            summary_markdown=drawn.markdown,
            artifacts=drawn.files,
        )
    return SweepResult(
        name=study.name,
        records=outcome.records,
        table=drawn.table,
        text=drawn.text,
        num_reused=outcome.num_reused,
        figures=drawn.files,
        tracking_uri=uri,
    )


def _runs(tracker: "Tracker", name: str, records: tuple[Record, ...]) -> "pd.DataFrame":
    """The sweep's runs from the store, or from memory where the store went away meanwhile."""
    from orchestrator.errors import StoreError
    from orchestrator.reporting.records import records_frame

    try:
        return tracker.runs_frame(name)
    except StoreError:
        return records_frame(records)


def plot(
    sweep: str,
    *,
    out: Path,
    results: Path = RESULTS,
    data_dir: Path | None = None,
    tracking_uri: str | None = None,
) -> tuple[Path, ...]:
    """Draw a sweep's figure from its runs in MLflow.

    Args:
        sweep: its name.
        out: folder to write into.
        results: the results folder.
        data_dir: folder of data sets; the known ceiling of a synthetic one needs the data.
        tracking_uri: an MLflow store; by default ``MLFLOW_TRACKING_URI``, else SQLite in results.

    Returns:
        The PDF, the PNG and the CSV.

    Raises:
        StoreError: there is no such sweep, or the folder cannot be written.
    """
    from orchestrator.reporting.report import report_sweep
    from orchestrator.tracking.mlflow import Tracker
    from orchestrator.tracking.store import existing_uri

    tracker = Tracker(existing_uri(tracking_uri, results), results)
    info = tracker.find_sweep(sweep)
    base = override(
        default_trial(info.model, info.dataset), info.base, where=f"settings of {sweep}"
    )
    dataset = _dataset_of(info, data_dir) if info.synthetic else None
    runs = tracker.runs_frame(sweep)
    return report_sweep(runs, info, folder=out, ceiling=_ceiling(base, dataset)).files


def _dataset_of(info: "SweepInfo", data_dir: Path | None) -> Dataset | None:
    """The very data that a sweep ran on; None where they are gone or others by now."""
    if info.dataset not in dataset_names(data_dir):
        return None
    dataset = open_dataset(info.dataset, data_dir)
    return dataset if dataset.data_hash == info.data_hash else None


def _ceiling(base: TrialConfig, dataset: Dataset | None) -> dict[str, float] | None:
    """What the best possible ranking reaches on the test split; None where nobody knows."""
    from orchestrator.evaluation.ceiling import ceiling

    return None if dataset is None else ceiling(dataset, config=base.evaluation, prefix="test")


def sweep_info(study: Study, dataset: Dataset) -> "SweepInfo":
    """What the tracker is told of a study."""
    from orchestrator.tracking.runs import SweepInfo

    factors = study.space.factors.items()
    return SweepInfo(
        name=study.name,
        kind=study.space.kind,
        model=study.base.model,
        dataset=dataset.name,
        data_hash=study.data_hash,
        space=study.space.name,
        description=" ".join([study.space.about, *study.notes]),
        factors={key: f.choices if isinstance(f, Choice) else () for key, f in factors},
        base=flatten(study.base),
        seeds=study.seeds,
        synthetic=dataset.manifest.origin.synthetic,
    )


def _gpus_per_run(wanted: float | None, workers: int, device: str) -> float:
    import torch

    if wanted is not None:
        return wanted
    here = torch.cuda.device_count() if device != "cpu" else 0
    return min(1.0, here / workers)


def make_planted(
    name: str,
    *,
    num_users: int = 600,
    num_items: int = 400,
    seed: int = 0,
    overwrite: bool = False,
    data_dir: Path | None = None,
) -> Dataset:
    """Make a synthetic data set whose best possible ranking is known.

    Raises:
        ConfigError: a size that no world has.
        DataError: there is a data set of that name, or the disk refuses.
    """
    from orchestrator import data

    try:
        config = data.PlantedConfig(num_users=num_users, num_items=num_items, seed=seed)
    except ValueError as error:
        raise ConfigError(f"orch data planted: {error}") from None
    return data.make_planted(config, name=name, data_dir=data_folder(data_dir), overwrite=overwrite)


def ui(
    *,
    results: Path = RESULTS,
    tracking_uri: str | None = None,
    port: int | None = None,
    on_ready: Callable[[str], None],
) -> None:
    """Show the store in MLflow's own pages on 127.0.0.1 until interrupted.

    Args:
        results: the results folder.
        tracking_uri: an MLflow store; by default ``MLFLOW_TRACKING_URI``, else SQLite in results.
        port: port to listen on; a free one by default.
        on_ready: hears the address once the pages answer.

    Raises:
        StoreError: the store cannot be opened, or the port is taken.
    """
    from orchestrator.tracking import store
    from orchestrator.tracking.ui import serve

    serve(store.tracking_uri(tracking_uri, results), results, port=port, on_ready=on_ready)
