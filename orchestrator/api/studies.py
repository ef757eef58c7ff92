"""Sweeps and ablations: prepared, run, tracked and drawn."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from orchestrator.api.drawing import BOUND, checked_bound, draw_ablation, draw_sweep
from orchestrator.api.results import RESULTS, AblationResult, SweepResult
from orchestrator.config import flatten
from orchestrator.data import Dataset, data_folder, open_dataset
from orchestrator.errors import StoreError
from orchestrator.sweep.ablation import Ablation, run_ablation
from orchestrator.sweep.events import Listener, Silent
from orchestrator.sweep.options import Executor, Options
from orchestrator.sweep.prepare import at_least_one, check_devices, prepare
from orchestrator.sweep.prepare_ablation import Question, prepare_ablation
from orchestrator.sweep.run import StudyOutcome, open_executor, run_study
from orchestrator.sweep.space import Choice, base_trial, find_space, read_spaces
from orchestrator.sweep.study import Planned, Scheduler, SpaceStudy, claim
from orchestrator.tracking.runs import SweepInfo

if TYPE_CHECKING:
    from orchestrator.reporting.report import Report
    from orchestrator.tracking.mlflow import Tracker

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Way:
    """How a sweep or an ablation is run, as its caller says."""

    num_workers: int
    num_threads: int
    num_gpus: float | None
    executor: Executor
    address: str | None
    device: str
    results: Path
    data_dir: Path | None
    tracking_uri: str | None
    listener: Listener | None
    on_problem: Callable[[str], None] | None

    def options(self, name: str = "unnamed") -> Options:
        """The same, checked, for a sweep or ablation of this name.

        Raises:
            ConfigError: a number or a device that cannot be.
        """
        results = self.results.resolve()
        options = Options(
            results=results,
            data_dir=data_folder(self.data_dir).resolve(),
            folder=results / "sweeps" / name,
            workers=at_least_one("--workers", self.num_workers),
            threads=at_least_one("--threads", self.num_threads),
            gpus=_gpus_per_run(self.num_gpus, self.num_workers, self.device),
            device=self.device,
            address=self.address,
        )
        if self.address is None:
            check_devices(options)
        return options

    def hears(self) -> Listener:
        """Who is told of progress."""
        return self.listener or Silent()

    def problem(self, text: str) -> None:
        """Tell of something that does not stop the runs."""
        (self.on_problem or _LOG.warning)(text)


def _gpus_per_run(wanted: float | None, workers: int, device: str) -> float:
    if wanted is not None:
        return wanted
    here = torch.cuda.device_count() if device != "cpu" else 0
    return min(1.0, here / workers)


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
    way = _Way(
        num_workers=num_workers,
        num_threads=num_threads,
        num_gpus=num_gpus,
        executor=executor,
        address=address,
        device=device,
        results=results,
        data_dir=data_dir,
        tracking_uri=tracking_uri,
        listener=listener,
        on_problem=on_problem,
    )
    base = base_trial(model, dataset)
    declared = find_space(model, space)
    way.options()
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
    info = sweep_info(study, opened)
    draw = partial(draw_sweep, info=info, base=study.base, dataset=opened)
    return SweepResult(**_tracked(study, info, way, partial(run_study, study), draw))


def ablate(
    model: str,
    *,
    dataset: str = "planted",
    num_seeds: int = 5,
    variants: str | None = None,
    retune: int | None = None,
    retune_space: str | None = None,
    pairs: bool = False,
    modality_controls: bool = False,
    bound: float = BOUND,
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
) -> AblationResult:
    """Compare a model's variants with its base, and leave a record in MLflow, tables and figures.

    Base and variants run with the same seeds. The same call again goes on where it stopped, and
    a run that any sweep or ablation did before is not run again.

    Args:
        model: a model of the zoo.
        dataset: a data set by name.
        num_seeds: seeds 0, 1, ... that base and variants are run with.
        variants: variants and groups of them by commas; by default the group ``components``,
            else all.
        retune: points of a search that base and variants each get of their own, chosen from by
            validation; None searches nothing.
        retune_space: the joint space that is searched; by default ``joint``.
        pairs: also every two variants together.
        modality_controls: also the base with each modality's features shuffled, noise, and mean.
        bound: part of the base's mean below which a difference does not matter.
        overrides: dotted key -> value, for the base and thereby for all variants.
        name: the ablation's name; by default it follows from the content.
        num_workers: as the following ones, see :func:`sweep`.
        num_threads: CPU threads per run.
        num_gpus: GPUs per run.
        executor: ``ray`` or ``local``.
        address: a Ray cluster to join.
        device: ``auto``, ``cpu``, ``cuda``.
        results: folder of runs, sweeps and the default store.
        data_dir: folder of data sets.
        tracking_uri: an MLflow store.
        listener: told of progress.
        on_problem: told of what does not stop the runs.

    Raises:
        OrchError: anything a user can mend, before the first run starts; a variant that changes
            nothing is refused.
    """
    way = _Way(
        num_workers=num_workers,
        num_threads=num_threads,
        num_gpus=num_gpus,
        executor=executor,
        address=address,
        device=device,
        results=results,
        data_dir=data_dir,
        tracking_uri=tracking_uri,
        listener=listener,
        on_problem=on_problem,
    )
    question = Question(
        variants=variants,
        has_pairs=pairs,
        has_controls=modality_controls,
        num_seeds=num_seeds,
        retune=retune,
        retune_space=retune_space,
        overrides=overrides or {},
        name=name,
    )
    checked_bound(bound)
    base = base_trial(model, dataset)
    declared = read_spaces(model)
    way.options()
    opened = open_dataset(dataset, data_dir, verify=True)
    ablation = prepare_ablation(question, declared, base, opened, on_check=way.hears().checking)
    info = ablation_info(ablation, opened, bound=bound)
    draw = partial(draw_ablation, info=info, results=results, on_problem=way.problem)
    return AblationResult(**_tracked(ablation, info, way, partial(run_ablation, ablation), draw))


def _tracked(
    plan: Planned,
    info: SweepInfo,
    way: _Way,
    work: Callable[..., StudyOutcome],
    draw: Callable[..., "Report"],
) -> dict[str, Any]:
    """Run, record and draw.

    Args:
        plan: what is checked.
        info: what the tracker is told of it.
        way: how it is run.
        work: runs it, given ``sink``, ``options``, ``execute`` and ``listener``.
        draw: makes a report of the runs' frame, given ``folder``.

    Returns:
        What the result has to tell, by name.
    """
    from orchestrator.tracking.mlflow import Tracker, tracking_uri

    options = way.options(plan.name)
    uri = tracking_uri(way.tracking_uri, options.results)
    tracker = Tracker(uri, options.results, on_problem=way.problem)
    claim(plan, options.folder)
    with tracker.open_sweep(info) as sink:
        with open_executor(way.executor) as execute:
            outcome = work(sink=sink, options=options, execute=execute, listener=way.hears())
        drawn = draw(_runs(tracker, plan.name, outcome), folder=options.folder / "figures")
        sink.finish_sweep(
            "failed" if outcome.failed else "finished",
            summary_markdown=drawn.markdown,
            artifacts=drawn.files,
        )
    return {
        "name": plan.name,
        "records": outcome.records,
        "table": drawn.table,
        "text": drawn.text,
        "num_reused": outcome.num_reused,
        "figures": drawn.files,
        "tracking_uri": uri,
    }


def _runs(tracker: "Tracker", name: str, outcome: StudyOutcome) -> pd.DataFrame:
    """The runs from the store, or from memory where the store went away meanwhile."""
    from orchestrator.reporting.records import records_frame

    try:
        return tracker.runs_frame(name)
    except StoreError:
        frame = records_frame(outcome.records)
        runs = [run for run, _ in outcome.ended]
        return frame.assign(variant=[r.variant for r in runs], phase=[r.phase for r in runs])


def sweep_info(study: SpaceStudy, dataset: Dataset) -> SweepInfo:
    """What the tracker is told of a study."""
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


def ablation_info(ablation: Ablation, dataset: Dataset, *, bound: float) -> SweepInfo:
    """What the tracker is told of an ablation."""
    base = ablation.base
    about = f"Ablation of {base.model}: the base against {len(ablation.variants)} variants."
    return SweepInfo(
        name=ablation.name,
        kind="ablation",
        model=base.model,
        dataset=dataset.name,
        data_hash=ablation.data_hash,
        space="ablation",
        description=" ".join([about, *ablation.notes]),
        factors={},
        base=flatten(base),
        seeds=ablation.seeds,
        synthetic=dataset.manifest.origin.synthetic,
        variants=ablation.variants,
        bound=bound,
    )
