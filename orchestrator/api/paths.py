"""The path from a search's base to its best point: prepared, run, tracked and drawn."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Unpack, runtime_checkable

import pandas as pd

from orchestrator.api.command import Command
from orchestrator.api.results import PathResult
from orchestrator.api.tracked import tracked
from orchestrator.api.way import How, Way
from orchestrator.config import TrialConfig, default_trial, flatten, override
from orchestrator.data import Dataset, dataset_names, open_dataset
from orchestrator.errors import ConfigError, DataError, StoreError
from orchestrator.sweep.path import AblationPath, run_path
from orchestrator.sweep.prepare import at_least_one, checked_name
from orchestrator.sweep.study import default_name
from orchestrator.tracking.runs import SweepInfo

if TYPE_CHECKING:
    from orchestrator.reporting.report import Report


@runtime_checkable
class Store(Protocol):
    """What a study's runs are read from: a tracker, or what reads alone."""

    def find_sweep(self, name: str) -> SweepInfo:
        """A study by name; StoreError where there is none."""

    def runs_frame(self, name: str) -> pd.DataFrame:
        """Its runs, as :meth:`Tracker.runs_frame`."""


def path(
    search: str,
    *,
    num_seeds: int = 3,
    name: str | None = None,
    **how: Unpack[How],
) -> PathResult:
    """Walk from a search's base to its best point, one setting at a time, by real runs.

    At each step the setting with the highest mean validation NDCG@10 is changed. The same call
    again goes on where it stopped, and a run that any sweep did before is not run again.

    Args:
        search: the name of a sweep of a joint space or a grid.
        num_seeds: seeds 0, 1, ... of every step.
        name: the path's name; by default it follows from the content.
        how: see :class:`orchestrator.api.way.How`.

    Raises:
        OrchError: anything a user can mend, before the first run starts.
    """
    command = Command.of("path", locals())
    from orchestrator.tracking.mlflow import Tracker
    from orchestrator.tracking.store import existing_uri

    way = Way(
        command=command,
        **how,
    )
    seeds = tuple(range(at_least_one("--seeds", num_seeds)))
    way.options()
    tracker = Tracker(existing_uri(way.tracking_uri, way.results), way.results)
    searched = tracker.find_sweep(search)
    dataset = _same_data(searched, way.data_dir)
    plan = _plan(searched, tracker.runs_frame(search), seeds=seeds, name=name)
    info = _path_info(plan, searched, dataset)
    draw = partial(draw_path, info=info, store=tracker, on_problem=way.problem)
    return PathResult(**tracked(plan, info, way, partial(run_path, plan), draw))


def _same_data(searched: SweepInfo, data_dir: Path | None) -> Dataset:
    if searched.dataset in dataset_names(data_dir):
        dataset = open_dataset(searched.dataset, data_dir, verify=True)
        if dataset.data_hash == searched.data_hash:
            return dataset
    raise DataError(
        f"{searched.name}: its data set `{searched.dataset}` is not here as it was. "
        "Name its folder with --data-dir."
    )


def _plan(
    searched: SweepInfo, runs: pd.DataFrame, *, seeds: tuple[int, ...], name: str | None
) -> AblationPath:
    base = settings_of(searched)
    plan = AblationPath(
        name=checked_name(name or "unnamed"),
        search=searched.name,
        base=base,
        target=_target(searched, runs, base),
        seeds=seeds,
        data_hash=searched.data_hash,
    )
    plan.trial(frozenset(plan.target))
    if name:
        return plan
    named = default_name("path", base, plan.plan())
    return AblationPath(**{**vars(plan), "name": named})


def settings_of(info: SweepInfo) -> TrialConfig:
    """A sweep's base."""
    where = f"settings of {info.name}"
    return override(default_trial(info.model, info.dataset), info.base, where=where)


def _target(searched: SweepInfo, runs: pd.DataFrame, base: TrialConfig) -> dict[str, Any]:
    """Where a search's best point, by validation, differs from its base.

    Raises:
        ConfigError: it has none, or it is the base.
    """
    from orchestrator.reporting.search.trials import best_point

    if searched.kind not in ("joint", "grid"):
        raise ConfigError(
            f"{searched.name}: there is no path in it: it is a {searched.kind} sweep. Name one of "
            "a joint space or a grid."
        )
    point = best_point(runs, searched)
    if point is None:
        raise StoreError(f"{searched.name}: no trial of it has finished. Type its command again.")
    before = flatten(base)
    target = {key: value for key, value in point.items() if value != before[key]}
    if not target:
        raise ConfigError(f"{searched.name}: there is no path: its best point is its base.")
    return target


def _path_info(plan: AblationPath, searched: SweepInfo, dataset: Dataset) -> SweepInfo:
    """What the tracker is told of a path."""
    base = flatten(plan.base)
    return SweepInfo(
        name=plan.name,
        kind="path",
        model=searched.model,
        label=searched.label,
        dataset=dataset.name,
        data_hash=plan.data_hash,
        space="path",
        description=f"From the base of {searched.name} to its best point, a setting at a time.",
        factors={key: (base[key], value) for key, value in plan.target.items()},
        base=base,
        seeds=plan.seeds,
        synthetic=searched.synthetic,
        search=searched.name,
    )


def draw_path(
    runs: pd.DataFrame,
    *,
    info: SweepInfo,
    store: Store,
    folder: Path,
    on_problem: Callable[[str], None],
) -> "Report":
    """A path's table and figure, and where it and the search's importance disagree."""
    from orchestrator.reporting.path_report import report_path

    try:
        searched = store.find_sweep(info.search)
        trials = store.runs_frame(info.search)
    except StoreError as error:
        on_problem(f"the path is not compared with its search: {error}")
        return report_path(runs, info, folder=folder)
    return report_path(runs, info, folder=folder, search=(trials, searched))
