"""Figures of variants beside a base: bars and forest plots."""

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from orchestrator.reporting.ablation_notes import counts
from orchestrator.reporting.bars import bars_part
from orchestrator.reporting.compare.frame import compared_runs, comparison_frame
from orchestrator.reporting.compare.frame import metrics_of as compared_metrics
from orchestrator.reporting.comparison import BOUND, METRICS, ablation_frame
from orchestrator.reporting.forest import forest_part
from orchestrator.reporting.numbers import model_text
from orchestrator.reporting.parts import Part
from orchestrator.reporting.plots.kind import A_STUDY, Asked, CannotDrawError, finished, metrics_of
from orchestrator.reporting.points import is_same, newest_runs, short_names, value_text
from orchestrator.reporting.published import (
    ablation_metrics,
    ablation_source,
    comparison_source,
)
from orchestrator.tracking.runs import BASE, SweepInfo, VariantInfo
from orchestrator.tracking.stored import StoredStudy

_OVER_USERS = ("users", "users_low", "users_high", "p_users", "p_users_holm")
_SAME = ("phase", "variant", "role", "metric", "seeds")


def bars(study: StoredStudy, asked: Asked) -> list[Part]:
    """Every variant's or model's mean with its interval, and the seeds."""
    if study.info.kind == "comparison":
        return [_told(_of_models(study, asked))]
    runs, info = as_variants(study)
    frame = _frame(study, runs, info, asked)
    shown = frame[(frame["seeds"] > 0) | (frame["failed"] > 0)]
    return [_told(bars_part(shown, notes=_counts(frame), source=ablation_source(info.model)))]


def _of_models(study: StoredStudy, asked: Asked) -> Part:
    """The models of a comparison; none of them is a base."""
    info, runs = study.info, compared_runs(study.runs, study.info)
    metrics = metrics_of(study, asked, compared_metrics(runs, info))
    frame = comparison_frame(runs, info, metrics)
    shown = frame[frame["group"] == ""].assign(role="component", phase="fixed")
    named = shown.assign(variant=[model_text(model) for model in shown["model"]])
    most = int(named["seeds"].max())
    notes = [f"Means over {most} seeds." if most > 1 else "One seed: no interval."]
    return bars_part(named, notes=notes, source=comparison_source(info.dataset))


def forest(study: StoredStudy, asked: Asked) -> list[Part]:
    """Every variant's difference to the base, with intervals over seeds and over users."""
    return [_forest(study, asked, ("component", "control"), "it has no variant but the base")]


def interactions(study: StoredStudy, asked: Asked) -> list[Part]:
    """What two variants at once do beyond their sum."""
    return [_forest(study, asked, ("interaction",), "its ablation removed no pairs (`--pairs`)")]


def _forest(study: StoredStudy, asked: Asked, roles: tuple[str, ...], none: str) -> Part:
    runs, info = as_variants(study)
    frame = _frame(study, runs, info, asked)
    shown = frame[frame["role"].isin(roles)]
    if shown.empty:
        raise CannotDrawError(none)
    if not shown["paired"].any():
        raise CannotDrawError("no seed has finished both in a variant and in the base")
    bound = _bound(info)
    notes = [*_counts(frame), f"Band: ±{100 * bound:g} % of the base's mean."]
    return _told(forest_part(shown, info, bound=bound, notes=notes))


def _counts(frame: pd.DataFrame) -> list[str]:
    """Seeds and users of the comparisons."""
    if frame["users"].any():
        return counts(frame)
    most = int(frame["paired"].max())
    return [f"{most} seed{'s' * (most > 1)} in each comparison; none over users."] if most else []


def _told(part: Part) -> Part:
    """With seeds' values as text, for a file."""
    return replace(part, frame=part.frame.dropna(axis="columns", how="all"))


def _bound(info: SweepInfo) -> float:
    return BOUND if info.bound is None else info.bound


def _frame(study: StoredStudy, runs: pd.DataFrame, info: SweepInfo, asked: Asked) -> pd.DataFrame:
    """The comparison; with the tests over users that the ablation itself logged, if they fit."""
    default = ablation_metrics(info.model) or METRICS
    metrics = metrics_of(study, asked, default)
    frame = ablation_frame(runs, info, ranks={}, bound=_bound(info), metrics=metrics)
    stored = _stored(study, frame)
    return frame if stored is None else stored


def _stored(study: StoredStudy, frame: pd.DataFrame) -> pd.DataFrame | None:
    """What the ablation logged, where it is of these very runs; ranks of users are not logged."""
    name = f"{study.info.shown_model}-ablation-{study.info.dataset}.csv"
    if study.info.kind != "ablation" or name not in study.files:
        return None
    told = study.table(name)
    told = told[told["metric"].isin(frame["metric"])].reset_index(drop=True)
    is_same = list(told.columns) == list(frame.columns) and len(told) == len(frame)
    if not is_same or not (told[list(_SAME)] == frame[list(_SAME)]).all(axis=None):
        return None
    if not (told["mean"].fillna(0) - frame["mean"].fillna(0)).abs().lt(1e-9).all():
        return None
    kept = told[[*_OVER_USERS, "verdict"]].assign(verdict=told["verdict"].fillna(""))
    return frame.assign(**{str(name): kept[name].to_numpy() for name in kept})


def as_variants(study: StoredStudy) -> tuple[pd.DataFrame, SweepInfo]:
    """Runs that belong to variants: a sweep's points, one factor at a time, are such too."""
    info = study.info
    if info.kind != "one-factor":
        return study.runs, info
    runs = newest_runs(study.runs, info)
    names = [point_name(row, info) for row in runs.to_dict("records")]
    listed = [
        VariantInfo(name=_name(key, value, info), changed={key: value})
        for key, values in info.factors.items()
        for value in values
        if not is_same(value, info.base[key])
    ]
    return runs.assign(variant=names, phase="fixed"), replace(info, variants=tuple(listed))


def point_name(row: Mapping[Hashable, Any], info: SweepInfo) -> str:
    """What a point of a one-factor sweep is called: by what it changes."""
    changed = [key for key in info.factors if not is_same(row[key], info.base[key])]
    return ", ".join(_name(key, row[key], info) for key in changed) or BASE


def _name(key: str, value: object, info: SweepInfo) -> str:
    return f"{short_names(info.factors)[key]} = {value_text(value)}"


def why_no_variants(study: StoredStudy) -> str | None:
    """Its runs are of variants, or of points that can stand for such."""
    kind = study.info.kind
    if kind not in ("one-factor", "ablation", "diagnosis", "comparison"):
        return f"it is {A_STUDY[kind]}, which has no variants"
    return None


def why_no_base(study: StoredStudy) -> str | None:
    """And the base has finished."""
    reason = why_no_variants(study)
    if study.info.kind == "comparison":
        return f"it is {A_STUDY['comparison']}, of which none is the base"
    if reason is None:
        runs, _ = as_variants(study)
        if BASE not in set(finished(runs)["variant"]):
            return "no run of its base has finished"
    return reason


def why_no_pairs(study: StoredStudy) -> str | None:
    """Two variants at once were run."""
    has_pairs = any(variant.members for variant in study.info.variants)
    return None if has_pairs else f"it is {A_STUDY[study.info.kind]} without pairs of variants"
