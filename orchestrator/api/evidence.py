"""What a diagnosis's views are drawn from: records, traces, weights and the data set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from orchestrator.config import TrialConfig, override, trial_from_json
from orchestrator.data import Dataset
from orchestrator.errors import StoreError
from orchestrator.results import Record
from orchestrator.sweep.diagnosis import Diagnosis
from orchestrator.sweep.diagnostics import View
from orchestrator.sweep.objective import TRACE, WEIGHTS, finished_record, run_folder
from orchestrator.tracking.runs import BASE, SweepInfo

if TYPE_CHECKING:
    from orchestrator.reporting.diagnostics.drawing import Drawing, Runs
    from orchestrator.reporting.report import Report


def draw_diagnosis(
    runs: pd.DataFrame,
    *,
    info: SweepInfo,
    diagnosis: Diagnosis,
    dataset: Dataset,
    results: Path,
    device: str,
    folder: Path,
    on_problem: Callable[[str], None],
) -> "Report":
    """Draw every view of a diagnosis whose runs have finished.

    Args:
        runs: as :meth:`Tracker.runs_frame` gives them.
        info: the diagnosis, as the tracker knows it.
        diagnosis: its plan.
        dataset: that it ran on.
        results: the results folder, where records, traces and weights are.
        device: where finished models are scored again.
        folder: where the files go, ``<model>-<view>-<data set>``.
        on_problem: told of views that cannot be drawn.

    Raises:
        StoreError: the folder cannot be written.
    """
    from orchestrator.reporting.diagnostics.report import report_diagnosis

    evidence = _Evidence(info, diagnosis, dataset, results, device, _records(runs, results))
    drawings = []
    for view in diagnosis.views:
        missing = [name for name in evidence.needed(view) if name not in evidence.runs]
        if missing:
            on_problem(f"`{view}` is not drawn: no run of `{missing[0]}` has finished.")
            continue
        try:
            drawings.append(_DRAW[view](evidence))
        except StoreError as error:
            on_problem(f"`{view}` is not drawn: {error}")
    return report_diagnosis(drawings, info, folder=folder)


def _records(runs: pd.DataFrame, results: Path) -> "Runs":
    """Records of finished runs by variant and seed."""
    found: dict[str, dict[int, Record]] = {}
    for row in runs.to_dict("records"):
        record = finished_record(results, row["run_id"])
        if record is not None:
            found.setdefault(row["variant"], {})[row["seed"]] = record
    return found


@dataclass(frozen=True)
class _Evidence:
    """What the views of one diagnosis are drawn from."""

    info: SweepInfo
    diagnosis: Diagnosis
    dataset: Dataset
    results: Path
    device: str
    runs: "Runs"

    def needed(self, view: View) -> list[str]:
        """Variants that a view is drawn from."""
        names = list(replace(self.diagnosis, views=(view,)).needed())
        return [*names, self.diagnosis.against] if view == "cold" else names

    def file(self, record: Record, name: str) -> Path:
        """A file beside a run's record."""
        return run_folder(self.results, record.run_id) / name


def _convergence(of: _Evidence) -> "Drawing":
    from orchestrator.reporting.diagnostics.convergence import draw_convergence

    return draw_convergence(of.runs, of.diagnosis.declared.convergence, of.info)


def _gradients(of: _Evidence) -> "Drawing":
    from orchestrator.reporting.diagnostics.gradients import draw_gradients
    from orchestrator.training.trace import read_trace

    traces = {
        name: {seed: read_trace(of.file(r, TRACE)) for seed, r in of.runs[name].items()}
        for name in of.diagnosis.declared.gradients
    }
    return draw_gradients(traces, of.info)


def _clusters(of: _Evidence) -> "Drawing":
    from orchestrator.diagnosis.finished import clustered_items, item_tables
    from orchestrator.reporting.diagnostics.clusters import Items, draw_clusters

    never = of.runs.get(of.diagnosis.declared.without_clusters, {})
    return draw_clusters(
        {
            seed: Items(
                clustered=clustered_items(*_kept(of, record)),
                never=item_tables(*_kept(of, never[seed])) if seed in never else {},
            )
            for seed, record in of.runs[BASE].items()
        },
        of.info,
    )


def _kept(of: _Evidence, record: Record) -> tuple[TrialConfig, Path, Dataset]:
    return trial_from_json(record.config), of.file(record, WEIGHTS), of.dataset


def _recall(of: _Evidence) -> "Drawing":
    from orchestrator.diagnosis.recall_views import recall_views
    from orchestrator.reporting.diagnostics.recall import draw_recall, target_predictions

    target = target_predictions(of.dataset.name, len(of.dataset.split.test))
    return draw_recall(recall_views(of.dataset, num_predicted=target), of.info)


def _unimodal(of: _Evidence) -> "Drawing":
    from orchestrator.diagnosis.finished import measured_again
    from orchestrator.reporting.diagnostics.unimodal import draw_unimodal

    declared = of.diagnosis.declared
    alone: dict[str, dict[int, Mapping[str, float]]] = {}
    together: dict[str, dict[int, Mapping[str, float]]] = {}
    for value, variant in declared.alone.items():
        alone[value] = {seed: record.metrics for seed, record in of.runs[variant].items()}
        together[value] = {}
        for seed, record in of.runs[BASE].items():
            config, weights, dataset = _kept(of, record)
            scored = override(config, {declared.setting: value}, where=declared.setting)
            together[value][seed] = measured_again(scored, weights, dataset, device=of.device)
    return draw_unimodal(alone, together, of.info)


def _cold(of: _Evidence) -> "Drawing":
    from orchestrator.reporting.diagnostics.cold import draw_cold

    baseline = of.diagnosis.baseline
    assert baseline is not None
    others = of.runs[of.diagnosis.against]
    return draw_cold(of.runs[BASE], others, of.info, against=baseline.model)


def _attention(of: _Evidence) -> "Drawing":
    from orchestrator.diagnosis.attention import attention_mass
    from orchestrator.reporting.diagnostics.attention import draw_attention

    masses = {seed: attention_mass(*_kept(of, record)) for seed, record in of.runs[BASE].items()}
    return draw_attention(masses, of.info)


_DRAW: Mapping[View, "Callable[[_Evidence], Drawing]"] = {
    "convergence": _convergence,
    "gradients": _gradients,
    "clusters": _clusters,
    "recall": _recall,
    "unimodal": _unimodal,
    "cold": _cold,
    "attention": _attention,
}
