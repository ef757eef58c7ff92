"""Figures and tables of sweeps and ablations that have just ended."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orchestrator.config import TrialConfig
from orchestrator.data import Dataset
from orchestrator.errors import ConfigError, StoreError
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

    ranks, num_missing = _ranks(runs, results)
    if num_missing:
        on_problem(
            f"the ranks of {num_missing} runs are not in {results / 'runs'} any more: "
            "these are left out of the tests over users."
        )
    bound = BOUND if info.bound is None else info.bound
    return report_ablation(runs, info, ranks=ranks, folder=folder, bound=bound)


def _ranks(runs: pd.DataFrame, results: Path) -> tuple[Mapping[str, np.ndarray], int]:
    """Test ranks of users by run id, and how many finished runs have none."""
    from orchestrator.evaluation.rank_file import read_ranks
    from orchestrator.sweep.objective import RANKS, run_folder

    compared = runs[(runs["status"] == "finished") & (runs["phase"] != "search")]
    found, missing = {}, 0
    for run_id in compared["run_id"].unique():
        try:
            found[run_id] = read_ranks(run_folder(results, run_id) / RANKS).test
        except StoreError:
            missing += 1
    return found, missing
