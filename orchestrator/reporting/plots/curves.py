"""Figures of what was measured epoch by epoch."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from orchestrator.config import MONITOR
from orchestrator.errors import StoreError
from orchestrator.reporting.diagnostics.convergence import VALUE, convergence_part
from orchestrator.reporting.parts import Part
from orchestrator.reporting.plots.kind import Asked, factors_of, finished
from orchestrator.reporting.plots.variants import point_name
from orchestrator.reporting.points import (
    at_value,
    is_same,
    metric_text,
    newest_runs,
    short_names,
    tried,
    value_text,
)
from orchestrator.reporting.search.trials import trials_frame
from orchestrator.tracking.runs import BASE, SweepInfo
from orchestrator.tracking.stored import StoredStudy

_BEST = 3
"""Trials of a search that are told apart; the others are grey."""
OTHERS = "other trials"
COLUMNS = ("variant", "seed", "epoch", "value", "is_best")


def convergence(study: StoredStudy, asked: Asked) -> list[Part]:
    """Curves over epochs: of variants, of a factor's values, of a search's best trials."""
    metric = _metric(study, asked)
    curves = study.curves(metric)
    runs = finished(newest_runs_of(study))
    label = VALUE if metric == MONITOR else _label(metric)
    groups = _groups(runs, study.info, asked)
    return [
        convergence_part(
            _named(own, curves, names).assign(**({"factor": heading} if heading else {})),
            label,
            heading=heading,
            rest=OTHERS,
            order=_order(groups),
        )
        for heading, own, names in groups
    ]


def together(studies: Sequence[StoredStudy], asked: Asked) -> Part:
    """The bases of several studies in one panel."""
    frames = []
    metric = _metric(studies[0], asked)
    for study in studies:
        runs = finished(newest_runs_of(study))
        named = _with_names(runs, study.info)
        own = named[named["name"] == BASE] if (named["name"] == BASE).any() else named
        names = _names_together(own["name"].tolist(), study.info, studies)
        frames.append(_named(own, study.curves(_metric(study, asked)), names))
    label = VALUE if metric == MONITOR else _label(metric)
    return convergence_part(pd.concat(frames, ignore_index=True), label)


def _names_together(
    names: Sequence[str], info: SweepInfo, studies: Sequence[StoredStudy]
) -> list[str]:
    models = [study.info.shown_model for study in studies]
    called = info.shown_model if len(set(models)) == len(models) else info.name
    return [called if name == BASE else f"{called}, {name}" for name in names]


def newest_runs_of(study: StoredStudy) -> pd.DataFrame:
    """One run per place and seed; ``place`` is kept as the index."""
    if study.info.has_variants:
        settled = study.runs[study.runs["phase"] != "search"]
        return settled.drop_duplicates(subset=["variant", "phase", "seed"], keep="last")
    return newest_runs(study.runs, study.info)


def _metric(study: StoredStudy, asked: Asked) -> str:
    name = asked.metrics[0] if asked.metrics else MONITOR
    for full in (name, f"val/{name}"):
        if full in study.curve_names:
            return full
    raise StoreError(
        f"{study.info.name}: `{name}` is not logged per epoch. "
        f"There is {', '.join(study.curve_names) or 'nothing'}."
    )


def _label(metric: str) -> str:
    split, _, name = metric.partition("/")
    named = {"val": f"validation {metric_text(metric)}", "loss": f"loss, {name}"}
    return named.get(split, f"{name} of an epoch")


_Group = tuple[str, pd.DataFrame, list[str]]
"""Heading, runs, and what each run is called."""


def _groups(runs: pd.DataFrame, info: SweepInfo, asked: Asked) -> list[_Group]:
    if info.kind == "one-factor":
        keys = factors_of(info, asked)
        return [_of_factor(runs, info, key, is_alone=len(keys) == 1) for key in keys]
    named = _with_names(runs, info)
    return [("", named, named["name"].tolist())]


def _order(groups: Sequence[_Group]) -> list[str]:
    """What the runs of several panels are called; numbers by size."""
    if len(groups) == 1:
        return []
    names = list(dict.fromkeys(name for _, _, own in groups for name in own))
    return sorted(names, key=float) if all(map(_is_number, names)) else names


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _with_names(runs: pd.DataFrame, info: SweepInfo) -> pd.DataFrame:
    """The runs in the order to show them, with what each is called."""
    if info.kind == "one-factor":
        return runs.assign(name=[point_name(row, info) for row in runs.to_dict("records")])
    if info.has_variants:
        phases = runs["phase"].map({"fixed": "", "retuned": ", retuned"})
        order = [BASE, *(variant.name for variant in info.variants)]
        place = runs["variant"].map({name: at for at, name in enumerate(order)})
        named = runs.assign(name=runs["variant"] + phases, order=place.fillna(len(order)))
        return named.sort_values(["order", "phase"], kind="stable")
    return _of_trials(runs, info)


def _of_factor(runs: pd.DataFrame, info: SweepInfo, key: str, *, is_alone: bool) -> _Group:
    """A factor's values, the others being at the base; its name is above it or in the legend."""
    for other in info.factors:
        if other != key:
            runs = at_value(runs, other, info.base[other])
    name = short_names(info.factors)[key]
    values = tried(runs, info, key)
    parts = [at_value(runs, key, value) for value in values]
    told = [f"{name} = {value_text(value)}" if is_alone else value_text(value) for value in values]
    names = [text for text, part in zip(told, parts, strict=True) for _ in range(len(part))]
    return "" if is_alone else name, pd.concat(parts), names


def _of_trials(runs: pd.DataFrame, info: SweepInfo) -> pd.DataFrame:
    """A search's best trials by name, the others as one."""
    trials = trials_frame(runs, info)
    best = trials.nlargest(_BEST, MONITOR, keep="first")
    keys = list(info.factors)
    named = []
    for row in runs.to_dict("records"):
        found = [one["trial"] for one in best.to_dict("records") if _agree(one, row, keys)]
        named.append(f"trial {found[0]}" if found else OTHERS)
    order = {**{f"trial {n}": at for at, n in enumerate(best["trial"])}, OTHERS: len(best)}
    told = runs.assign(name=named)
    return told.sort_values("name", key=lambda names: names.map(order), kind="stable")


def _agree(trial: Mapping[Hashable, Any], row: Mapping[Hashable, Any], keys: Sequence[str]) -> bool:
    """A factor that does not exist at a trial agrees with anything."""
    return all(trial[key] is None or is_same(trial[key], row[key]) for key in keys)


def _named(runs: pd.DataFrame, curves: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Curves of the runs, in the order of their names."""
    known = pd.DataFrame(
        {"place": runs.index, "variant": list(names), "seed": runs["seed"].to_numpy()}
    )
    joined = known.merge(curves, on="place", how="inner", sort=False)
    joined["run"] = joined["place"]
    return joined[["variant", "seed", "run", "epoch", "value", "is_best"]]
