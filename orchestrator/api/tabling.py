"""Tables for papers, from the runs in MLflow and from what data sets say of themselves."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from orchestrator.api.drawing import ranks_of
from orchestrator.api.results import RESULTS
from orchestrator.data import open_dataset
from orchestrator.errors import ConfigError, StoreError, unknown
from orchestrator.reporting.standing import best_point
from orchestrator.tracking.reading import StoreReader, SweepState
from orchestrator.tracking.runs import BASE, SweepInfo, VariantInfo
from orchestrator.tracking.store import existing_uri

if TYPE_CHECKING:
    from orchestrator.reporting.table import Table

_LOG = logging.getLogger(__name__)


class _Part(NamedTuple):
    """The runs of some models on one data set."""

    state: SweepState
    models: tuple[str, ...]
    runs: pd.DataFrame
    """With a model as ``variant``, all of phase ``fixed``."""
    origin: str
    """How they were chosen."""


def table_comparison(
    names: Sequence[str],
    *,
    metrics: Sequence[str] | None = None,
    ours: str | None = None,
    has_intervals: bool = False,
    has_published: bool = False,
    results: Path = RESULTS,
    tracking_uri: str | None = None,
    on_problem: Callable[[str], None] | None = None,
) -> "Table":
    """The papers' table of models: best, second, the gain and whether it is resolved.

    Args:
        names: comparisons; sweeps, of which the best point by validation is taken; ablations, of
            which the base is. Those of one data set are set beside each other, and several data
            sets below each other if they have the same models.
        metrics: such as ``ndcg@10``, of the test split unless they say ``val/``; by default those
            that a paper prints of the data set, else Recall and NDCG at 10 and 20.
        ours: the model whose gain over the best of the others is told; by default as the
            comparison says.
        has_intervals: show intervals in the papers' form too.
        has_published: set what papers print beside, as theirs.
        results: the results folder, where the ranks of users are that tests over users need.
        tracking_uri: an MLflow store; by default ``MLFLOW_TRACKING_URI``, else SQLite in results.
        on_problem: told of what the table must do without.

    Raises:
        OrchError: an unknown name, one of which no run has finished, data sets or models that do
            not go together, or a metric that was not logged.
    """
    from orchestrator.reporting.compare.report import compared, comparison_in_forms

    reader = StoreReader(existing_uri(tracking_uri, results))
    parts = [_part(reader.sweep(name)) for name in dict.fromkeys(names)]
    problem = on_problem or _LOG.warning
    every = []
    for own in _by_dataset(parts):
        info, runs = _joined(own, ours)
        chosen = None if metrics is None else _metrics(runs, metrics)
        of = compared(runs, info, ranks=ranks_of(runs, results, problem), metrics=chosen)
        origin = "" if _is_whole(own) else " ".join(part.origin for part in own)
        frame = of.frame if has_published else of.frame.assign(published=math.nan)
        every.append(replace(of, frame=frame, origin=origin))
    return comparison_in_forms(every, with_asides=False, has_intervals=has_intervals)


def table_ablation(
    name: str,
    *,
    metrics: Sequence[str] | None = None,
    has_published: bool = False,
    results: Path = RESULTS,
    tracking_uri: str | None = None,
    on_problem: Callable[[str], None] | None = None,
) -> "Table":
    """An ablation's table: variants against the base, tests and verdicts.

    Args:
        name: the ablation.
        metrics: such as ``ndcg@10``; by default those of the ablation in the model's paper.
        has_published: set what the paper prints beside, as its own.
        results: the results folder, where the ranks of users are that tests over users need.
        tracking_uri: an MLflow store.
        on_problem: told of what the table must do without.

    Raises:
        OrchError: no such ablation, none of its runs has finished, or a metric was not logged.
    """
    from orchestrator.reporting.ablation import ablation_in_forms
    from orchestrator.reporting.comparison import BOUND, ablation_frame

    state = StoreReader(existing_uri(tracking_uri, results)).sweep(name)
    if state.info.kind != "ablation":
        raise ConfigError(
            f"{name} is {_called(state.info)}, and no ablation. `orch status` lists what there is."
        )
    _refuse_unfinished(state, state.runs)
    chosen = None if metrics is None else _metrics(state.runs, metrics)
    ranks = ranks_of(state.runs, results, on_problem or _LOG.warning)
    bound = BOUND if state.info.bound is None else state.info.bound
    frame = ablation_frame(state.runs, state.info, ranks=ranks, bound=bound, metrics=chosen)
    if not has_published:
        frame = frame.assign(published=math.nan, published_difference=math.nan)
    return ablation_in_forms(frame, state.info, bound=bound)


def table_statistics(
    datasets: Sequence[str], *, has_published: bool = False, data_dir: Path | None = None
) -> "Table":
    """The papers' table of data sets: users, items, interactions, average length, sparsity.

    Args:
        datasets: by name.
        has_published: set what papers print of them below, as theirs.
        data_dir: folder of data sets.

    Raises:
        DataError: there is no such data set.
    """
    from orchestrator.reporting.statistics import statistics_table

    opened = [open_dataset(name, data_dir) for name in dict.fromkeys(datasets)]
    return statistics_table([each.manifest for each in opened], has_published=has_published)


def _part(state: SweepState) -> _Part:
    """What one name stands for."""
    info = state.info
    if info.kind == "comparison":
        from orchestrator.reporting.compare.frame import compared_runs

        models = tuple(variant.name for variant in info.variants)
        runs = compared_runs(state.runs, info)
        _refuse_unfinished(state, runs)
        return _Part(
            state, models, runs.assign(phase="fixed"), f"{', '.join(models)}: {info.name}."
        )
    if info.kind == "ablation":
        runs = state.runs[(state.runs["variant"] == BASE) & (state.runs["phase"] == "fixed")]
        _refuse_unfinished(state, runs)
        told = f"{info.model}: the base of {info.name}."
    elif info.kind in ("one-factor", "grid", "joint"):
        best = best_point(state.runs, info)
        if best is None:
            _refuse_unfinished(state, state.runs)
        runs = best.runs if best else state.runs
        told = f"{info.model}: the best point of {info.name} by validation."
    else:
        raise ConfigError(
            f"{info.name} is {_called(info)}, which compares no models. Name a comparison, a "
            "sweep or an ablation."
        )
    return _Part(state, (info.model,), runs.assign(variant=info.model, phase="fixed"), told)


def _called(info: SweepInfo) -> str:
    if info.kind in ("one-factor", "grid", "joint"):
        return "a sweep"
    return f"an {info.kind}" if info.kind[0] in "aeiou" else f"a {info.kind}"


def _refuse_unfinished(state: SweepState, runs: pd.DataFrame) -> None:
    name = state.info.name
    if not (runs["status"] == "finished").any():
        raise StoreError(f"{name}: no run has finished yet; see `orch status {name}`.")


def _by_dataset(parts: Sequence[_Part]) -> list[list[_Part]]:
    """Parts of the same data together, in the order named.

    Raises:
        ConfigError: data sets of one name differ, a model stands twice, or data sets do not have
            the same models.
    """
    found: dict[str, list[_Part]] = {}
    for part in parts:
        found.setdefault(part.state.info.data_hash, []).append(part)
    groups = list(found.values())
    for own in groups:
        _refuse_twice(own)
    first = groups[0]
    for own in groups[1:]:
        _refuse_mixed(first, own)
    return groups


def _refuse_twice(parts: Sequence[_Part]) -> None:
    seen: dict[str, str] = {}
    for part in parts:
        for model in part.models:
            name = part.state.info.name
            if model in seen:
                raise ConfigError(f"`{model}` is in both {seen[model]} and {name}. Leave one out.")
            seen[model] = name
    if len(seen) < 2:
        only, name = next(iter(seen.items()))
        raise ConfigError(
            f"{name} has {only} alone: there is nothing to compare it with. Name more sweeps of "
            "its data set, or a comparison."
        )


def _refuse_mixed(one: Sequence[_Part], other: Sequence[_Part]) -> None:
    first, second = one[0].state.info, other[0].state.info
    if first.dataset == second.dataset:
        raise ConfigError(
            f"{first.name} and {second.name} ran on different data of the name {first.dataset}: "
            "they cannot stand in one table. Leave one out."
        )
    models, others = _models(one), _models(other)
    if set(models) != set(others):
        odd = sorted(set(models) ^ set(others))[0]
        has, lacks = (first, second) if odd in models else (second, first)
        raise ConfigError(
            f"{first.dataset} and {second.dataset} cannot stand in one table: {odd} is compared "
            f"on {has.dataset} ({has.name}) and not on {lacks.dataset}. Leave one data set out, "
            f"or run {odd} there."
        )


def _models(parts: Sequence[_Part]) -> list[str]:
    return [model for part in parts for model in part.models]


def _is_whole(parts: Sequence[_Part]) -> bool:
    return len(parts) == 1 and parts[0].state.info.kind == "comparison"


def _joined(parts: Sequence[_Part], ours: str | None) -> tuple[SweepInfo, pd.DataFrame]:
    """Parts of one data set as one comparison."""
    info, models = parts[0].state.info, _models(parts)
    if ours is not None and ours not in models:
        raise ConfigError(f"--ours: {unknown('compared model', ours, models)}")
    variants = tuple(VariantInfo(name=name, changed={}, model=name) for name in models)
    whole = replace(info, variants=variants, ours=ours or info.ours, kind="comparison")
    runs = pd.concat([part.runs for part in parts], ignore_index=True)
    if not _is_whole(parts):
        whole = replace(whole, name="Comparison", num_tuned=0, looks=1)
    return whole, runs


def _metrics(runs: pd.DataFrame, wanted: Sequence[str]) -> tuple[str, ...]:
    """Metrics as columns of the runs.

    Raises:
        ConfigError: one was not logged.
    """
    logged = [name for name in runs.columns if name.startswith(("test/", "val/"))]
    short = [name.removeprefix("test/") for name in logged if name.count("/") == 1]
    found = []
    for name in dict.fromkeys(wanted):
        full = name if "/" in name else f"test/{name}"
        if full not in logged:
            raise ConfigError(f"--metrics: {unknown('logged metric', name, short)}")
        found.append(full)
    return tuple(found)
