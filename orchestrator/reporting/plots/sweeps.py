"""Figures of sweeps and searches: what their factors do."""

from dataclasses import replace

import pandas as pd

from orchestrator.reporting.panels import sensitivity_part
from orchestrator.reporting.parts import Part
from orchestrator.reporting.path import path_frame
from orchestrator.reporting.path_figure import path_part
from orchestrator.reporting.path_report import plain_path, step_label
from orchestrator.reporting.plots.kind import (
    A_STUDY,
    Asked,
    CannotDrawError,
    factors_of,
    finished,
    metrics_of,
)
from orchestrator.reporting.report import published_figures
from orchestrator.reporting.search.contours import contours_part, surfaces_frame
from orchestrator.reporting.search.front import front_frame, front_part
from orchestrator.reporting.search.history import history_part
from orchestrator.reporting.search.importance import importance_frame, importance_part, too_few
from orchestrator.reporting.search.slices import slices_part
from orchestrator.reporting.search.trials import FINISHED, trials_frame
from orchestrator.reporting.sensitivity import METRICS, references, sensitivity_frame
from orchestrator.tracking.runs import COLUMNS, Objective, SweepInfo
from orchestrator.tracking.stored import StoredStudy


def sensitivity(study: StoredStudy, asked: Asked) -> list[Part]:
    """A panel per factor: one metric on the left axis, a second one on the right."""
    info = narrowed(study.info, asked)
    metrics = metrics_of(study, asked, METRICS)
    frame = sensitivity_frame(study.runs, study.info, metrics)
    frame = frame[frame["factor"].isin(info.factors)].reset_index(drop=True)
    drawn = references(_ceiling(study), published_figures(info))
    return [sensitivity_part(frame, info, drawn)]


def _ceiling(study: StoredStudy) -> dict[str, float]:
    """What the best possible ranking reaches, as far as the sweep has logged it."""
    name = f"{study.info.shown_model}-{study.info.space}.csv"
    if not study.info.synthetic or name not in study.files:
        return {}
    told = study.table(name)
    if "ceiling" not in told:
        return {}
    known = told.dropna(subset="ceiling").drop_duplicates("metric")
    return {str(row["metric"]): float(row["ceiling"]) for row in known.to_dict("records")}


def narrowed(info: SweepInfo, asked: Asked) -> SweepInfo:
    """The sweep as if it had the factors alone that are asked for."""
    keys = factors_of(info, asked)
    return replace(info, factors={key: info.factors[key] for key in keys})


def history(study: StoredStudy, _: Asked) -> list[Part]:
    """Every trial in its order, and the best so far."""
    return [history_part(_trials(study))]


def slices(study: StoredStudy, asked: Asked) -> list[Part]:
    """What trials are worth against each factor alone."""
    return [slices_part(_trials(study), narrowed(study.info, asked))]


def importance(study: StoredStudy, _: Asked) -> list[Part]:
    """How much each factor matters."""
    trials = _trials(study)
    shares = _shares(trials, study.info)
    return [importance_part(shares, study.info)]


def contours(study: StoredStudy, asked: Asked) -> list[Part]:
    """What trials are worth over pairs of factors: those asked for, or the most important."""
    trials = _trials(study)
    if asked.factors:
        order = factors_of(study.info, asked)
    elif too_few(trials, study.info):
        order = list(study.info.factors)
    else:
        order = _shares(trials, study.info)["factor"].tolist()
    if len(order) < 2:
        raise CannotDrawError("a surface takes two factors, and there is one")
    surfaces = surfaces_frame(trials, study.info, order)
    if surfaces.empty:
        raise CannotDrawError("it takes ten finished trials that have both factors of a pair")
    return [contours_part(surfaces.reset_index(drop=True), trials, study.info)]


def _shares(trials: pd.DataFrame, info: SweepInfo) -> pd.DataFrame:
    reason = too_few(trials, info)
    if reason:
        raise CannotDrawError(reason.removeprefix("No importance is told: ").rstrip("."))
    return importance_frame(trials, info)


def _trials(study: StoredStudy) -> pd.DataFrame:
    trials = trials_frame(study.runs, study.info)
    if not (trials["state"] == FINISHED).any():
        raise CannotDrawError("none of its points has finished at all of its seeds")
    return trials


def front(study: StoredStudy, asked: Asked) -> list[Part]:
    """Validation NDCG@10 against what it costs, and the points that nothing beats in both."""
    objective = _cost(study, asked)
    info = replace(study.info, objectives=("ndcg", objective))
    trials = trials_frame(study.runs, info)
    if not (trials["state"] == FINISHED).any():
        raise CannotDrawError("none of its points has finished at all of its seeds")
    return [front_part(front_frame(trials, info), COLUMNS[objective])]


def _cost(study: StoredStudy, asked: Asked) -> Objective:
    """The second objective: the one asked for, the search's own, or what differs."""
    costs: dict[str, Objective] = {"num_parameters": "parameters", "seconds": "seconds"}
    for name in asked.metrics:
        if name not in costs:
            raise CannotDrawError(f"its --metric is what NDCG@10 costs: {' or '.join(costs)}")
        return costs[name]
    if len(study.info.objectives) > 1:
        return study.info.objectives[1]
    is_alike = finished(study.runs)["num_parameters"].nunique() < 2
    return "seconds" if is_alike else "parameters"


def why_no_search(study: StoredStudy) -> str | None:
    """Points that were chosen freely over several factors are there."""
    is_one = study.info.kind in ("joint", "grid")
    return None if is_one else f"it is {A_STUDY[study.info.kind]}, not a search"


def steps(study: StoredStudy, _: Asked) -> list[Part]:
    """A path's steps, each from the last mean to its own."""
    frame = path_frame(study.runs, study.info)
    chosen = frame[frame["is_chosen"]].to_dict("records")
    part = path_part(frame, [step_label(row, study.info) for row in chosen])
    return [replace(part, frame=plain_path(frame))]
