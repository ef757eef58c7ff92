"""Figures and tables of sweeps, ablations and comparisons, now or from the store later."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orchestrator.api.evidence import draw_diagnosis
from orchestrator.api.paths import Store, draw_path, settings_of
from orchestrator.config import TrialConfig
from orchestrator.data import Dataset, dataset_names, open_dataset
from orchestrator.errors import ConfigError, StoreError
from orchestrator.results import read_json
from orchestrator.sweep.diagnosis import diagnosis_of_plan
from orchestrator.sweep.space import read_spaces
from orchestrator.tracking.runs import SweepInfo

if TYPE_CHECKING:
    from orchestrator.reporting.report import Report

BOUND = 0.02
"""Part of the base's mean below which a difference does not matter."""


def checked_bound(bound: float) -> float:
    """A part of the base's mean.

    Raises:
        ConfigError: it is none.
    """
    if not 0 < bound < 1:
        raise ConfigError(f"--bound cannot be {bound:g}: it must be between 0 and 1.")
    return bound


def drawn(
    store: Store,
    sweep: str,
    *,
    folder: Path,
    results: Path,
    data_dir: Path | None,
    on_problem: Callable[[str], None],
) -> "Report":
    """Figures and tables of whatever kind of study it is, from its runs in the store.

    Args:
        store: where its runs are.
        sweep: its name.
        folder: to write into.
        results: the results folder, where the ranks of users of an ablation and of a comparison
            are, and what a diagnosis is drawn from.
        data_dir: folder of data sets; a diagnosis, the known ceiling of a synthetic one, and a
            comparison's figures by popularity need the data.
        on_problem: told of what the figures must do without.

    Raises:
        StoreError: there is no such sweep, or the folder cannot be written.
    """
    info, runs = store.find_sweep(sweep), store.runs_frame(sweep)
    if info.kind == "diagnosis":
        return _draw_stored(runs, info, results, data_dir, folder, on_problem)
    if info.kind == "ablation":
        return draw_ablation(runs, info=info, results=results, folder=folder, on_problem=on_problem)
    if info.kind == "comparison":
        return draw_comparison(
            runs,
            info=info,
            dataset=dataset_of(info, data_dir),
            results=results,
            folder=folder,
            on_problem=on_problem,
        )
    if info.kind == "path":
        return draw_path(runs, info=info, store=store, folder=folder, on_problem=on_problem)
    base = settings_of(info)
    dataset = dataset_of(info, data_dir) if info.synthetic else None
    return draw_sweep(runs, info=info, base=base, dataset=dataset, folder=folder)


def _draw_stored(
    runs: pd.DataFrame,
    info: SweepInfo,
    results: Path,
    data_dir: Path | None,
    folder: Path,
    on_problem: Callable[[str], None],
) -> "Report":
    """A diagnosis's figures, by the plan that it was run by."""
    dataset = dataset_of(info, data_dir)
    if dataset is None:
        raise StoreError(
            f"{info.name}: cannot be drawn without its data set `{info.dataset}`, which is not "
            "here as it was. Name its folder with --data-dir."
        )
    plan = read_json(results / "sweeps" / info.name / "plan.json")
    diagnosis = diagnosis_of_plan(info.name, plan, read_spaces(info.model).diagnostics)
    return draw_diagnosis(
        runs,
        info=info,
        diagnosis=diagnosis,
        dataset=dataset,
        results=results,
        device="auto",
        folder=folder,
        on_problem=on_problem,
    )


def dataset_of(info: SweepInfo, data_dir: Path | None) -> Dataset | None:
    """The very data that a sweep ran on; None where they are gone or others by now."""
    if info.dataset not in dataset_names(data_dir):
        return None
    dataset = open_dataset(info.dataset, data_dir)
    return dataset if dataset.data_hash == info.data_hash else None


def draw_sweep(
    runs: pd.DataFrame,
    *,
    info: SweepInfo,
    base: TrialConfig,
    dataset: Dataset | None,
    folder: Path,
) -> "Report":
    """A sweep's table and figure, with what the best possible ranking reaches if that is known."""
    from orchestrator.evaluation.ceiling import ceiling
    from orchestrator.reporting.report import report_sweep

    best = None
    if dataset is not None:
        best = ceiling(dataset, config=base.evaluation, prefix="test")
    return report_sweep(runs, info, folder=folder, ceiling=best)


def draw_ablation(
    runs: pd.DataFrame,
    *,
    info: SweepInfo,
    results: Path,
    folder: Path,
    on_problem: Callable[[str], None],
) -> "Report":
    """An ablation's tables and figures; tests over users need the ranks in the results folder."""
    from orchestrator.reporting.ablation import report_ablation

    ranks = ranks_of(runs, results, on_problem)
    bound = BOUND if info.bound is None else info.bound
    return report_ablation(runs, info, ranks=ranks, folder=folder, bound=bound)


def draw_comparison(
    runs: pd.DataFrame,
    *,
    info: SweepInfo,
    dataset: Dataset | None,
    results: Path,
    folder: Path,
    on_problem: Callable[[str], None],
) -> "Report":
    """A comparison's tables and figure.

    Tests over users and figures by items' popularity need the ranks in the results folder, the
    latter the data set too.
    """
    from orchestrator.diagnosis.popularity import popularity_groups
    from orchestrator.reporting.compare.report import report_comparison

    ranks = ranks_of(runs, results, on_problem)
    if dataset is None:
        on_problem(
            f"{info.dataset} is not here as it was: nothing is told by the popularity of items. "
            "Name its folder with --data-dir."
        )
    groups = {} if dataset is None else popularity_groups(dataset.split)
    return report_comparison(runs, info, ranks=ranks, groups=groups, folder=folder)


def ranks_of(
    runs: pd.DataFrame, results: Path, on_problem: Callable[[str], None]
) -> Mapping[str, np.ndarray]:
    """Test ranks of users by run id, of the finished runs whose ranks are still there.

    Args:
        runs: with columns ``status`` and ``phase``; a search's runs are left out.
        results: the results folder.
        on_problem: told how many have none.
    """
    from orchestrator.evaluation.rank_file import read_ranks
    from orchestrator.sweep.objective import RANKS, run_folder

    compared = runs[(runs["status"] == "finished") & (runs["phase"] != "search")]
    found, missing = {}, 0
    for run_id in compared["run_id"].unique():
        try:
            found[run_id] = read_ranks(run_folder(results, run_id) / RANKS).test
        except StoreError:
            missing += 1
    if missing:
        on_problem(
            f"the ranks of {missing} runs are not in {results / 'runs'} any more: "
            "these are left out of the tests over users."
        )
    return found
