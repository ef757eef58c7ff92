"""A study's runs and its report -> the page that tells it from question to command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orchestrator
from orchestrator.config import MONITOR
from orchestrator.reporting.page.account import budget, failures, versions
from orchestrator.reporting.page.parts import Grid, Page, Part
from orchestrator.reporting.page.pictures import pictures
from orchestrator.reporting.points import metric_text, short_names, value_text
from orchestrator.reporting.report import Report
from orchestrator.tracking.reading import RunState, SweepState
from orchestrator.tracking.runs import SweepInfo, VariantInfo

_KINDS = {
    "one-factor": "sweep, one factor at a time",
    "grid": "sweep of a grid",
    "joint": "search of a joint space",
    "path": "ablation path",
}
_SOUGHT = {
    "ndcg": f"validation {metric_text(MONITOR)}, the higher the better",
    "parameters": "number of parameters, the fewer the better",
    "seconds": "training time in seconds, the less the better",
}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a page is made from."""

    state: SweepState
    runs: tuple[RunState, ...]
    report: Report
    dataset: Mapping[str, str] = field(default_factory=dict)
    """What is known of the data set here, by name; empty where it is not here as it was."""
    changed: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the base that are not the model's defaults."""
    problems: tuple[str, ...] = ()
    """What figures and tables must do without."""


def page_of(of: Evidence) -> Page:
    """The page of a study."""
    info = of.state.info
    origin = " (synthetic data)" if info.synthetic else ""
    parts = (
        _question(of.state),
        _verdicts(of),
        pictures(of.report.files, info),
        Part(title="Tables", markdown=of.report.markdown),
        _settings(info, of.changed),
        budget(of.state, of.runs),
        failures(of.runs),
        versions(of.runs),
        _dataset(info, of.dataset),
        _again(of.state),
    )
    return Page(
        title=info.name,
        lead=f"{_kind(info)} of {info.model} on {info.dataset}{origin}",
        warning=_unfinished(of.state),
        parts=tuple(part for part in parts if part is not None),
        made=f"Made by orch {orchestrator.__version__} from the runs in MLflow.",
    )


def _kind(info: SweepInfo) -> str:
    name = _KINDS.get(info.kind, info.kind)
    return name[0].upper() + name[1:]


def _unfinished(state: SweepState) -> str:
    if state.condition == "finished":
        return ""
    done = state.count("finished", "stopped")
    of = f" of {state.num_planned}" if state.num_planned else ""
    reason = f": {state.reason}" if state.reason else ""
    return f"This study is not finished ({state.condition}{reason}): {done}{of} runs are done."


def _question(state: SweepState) -> Part:
    info = state.info
    seeds = f"{len(info.seeds)} ({', '.join(map(str, info.seeds))})"
    if info.looks > 1:
        seeds += f", added one by one until the differences were settled: {info.looks} looks"
    facts = {
        "Model": info.model,
        "Data set": info.dataset,
        "What it is": _kind(info) + (f", space {info.space}" if info.factors else ""),
        "Chosen by": _chosen_by(info),
        "Test split": "scored once per run at its end; it chooses nothing",
        "Seeds": seeds,
        "Begun": f"{state.started:%Y-%m-%d %H:%M %Z}",
    }
    if info.search:
        facts["Search that it came from"] = info.search
    return Part(
        title="Question",
        sentences=(info.description,) if info.description else (),
        facts=tuple(facts.items()),
        grids=tuple(filter(None, [_factors(info), _variants(info)])),
    )


def _chosen_by(info: SweepInfo) -> str:
    if info.factors:
        return "; ".join(_SOUGHT[objective] for objective in info.objectives)
    return f"{_SOUGHT['ndcg']}, by which each run keeps its best epoch; nothing else is chosen"


def _factors(info: SweepInfo) -> Grid | None:
    if not info.factors:
        return None
    names = short_names(info.factors)
    rows = tuple(
        (names[key], key, _range(info, key), value_text(info.base.get(key, "-")))
        for key in info.factors
    )
    header = ("what is varied", "setting", "values", "base")
    return Grid(caption="What is varied", header=header, rows=rows)


def _range(info: SweepInfo, key: str) -> str:
    values, domain = info.factors[key], info.domains.get(key, {})
    if values:
        told = ", ".join(map(value_text, values))
    elif "low" in domain:
        scale = " (log scale)" if domain.get("log") else ""
        told = f"{value_text(domain['low'])} to {value_text(domain['high'])}{scale}"
    else:
        told = ", ".join(map(value_text, domain.get("choices", ()))) or "sampled"
    needed = [
        f"{other} = {' or '.join(map(value_text, some))}"
        for other, some in domain.get("when", {}).items()
    ]
    return f"{told}, where {' and '.join(needed)}" if needed else told


def _variants(info: SweepInfo) -> Grid | None:
    if not info.variants or info.kind == "comparison":  # whose models share no settings
        return None
    rows = tuple((variant.name.replace("_", " "), _change(variant)) for variant in info.variants)
    return Grid(caption="What is compared", header=("variant", "what differs"), rows=rows)


def _change(variant: VariantInfo) -> str:
    pairs = [f"{key} = {value_text(value)}" for key, value in variant.changed.items()]
    return ", ".join(pairs) or "nothing in the settings"


def _verdicts(of: Evidence) -> Part:
    told = of.report.verdicts
    none = (
        "This study tells numbers and passes no verdict: they stand in the tables, with intervals "
        "where there are several seeds."
    )
    notes = (*(() if told else (none,)), *(f"Left out: {text}" for text in of.problems))
    return Part(title="Verdicts", findings=told, sentences=notes)


def _settings(info: SweepInfo, changed: Mapping[str, Any]) -> Part | None:
    if not info.base:
        return None
    differs = _setting_rows(changed)
    grids = [
        Grid(
            caption="Every setting of the base",
            header=("setting", "value"),
            rows=_setting_rows(info.base),
            is_long=True,
        )
    ]
    if differs:
        caption = "Settings of the base that are not the model's defaults"
        grids.insert(0, Grid(caption=caption, header=("setting", "value"), rows=differs))
    told = () if differs else ("The base has the model's default settings.",)
    return Part(title="Settings", sentences=told, grids=tuple(grids))


def _setting_rows(settings: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((key, _exact(value)) for key, value in sorted(settings.items()))


def _exact(value: object) -> str:
    """A setting as one types it, with all its digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_exact, value)) or "none"
    return str(value)


def _dataset(info: SweepInfo, known: Mapping[str, str]) -> Part:
    made = {"Origin": "synthetic: made up, so that its truth is known"} if info.synthetic else {}
    facts = {"Name": info.dataset, "Content hash": info.data_hash, **made, **known}
    missing = "The data set is not here as it was, so its counts are not told."
    return Part(title="Data set", facts=tuple(facts.items()), sentences=() if known else (missing,))


def _again(state: SweepState) -> Part:
    if not state.command:
        told = (
            "It was started from Python, so no command is known; the same call with the settings "
            "above repeats it."
        )
        return Part(title="Repeat it", sentences=(told,))
    told = "What is done is reused, so a new --results folder repeats it from the beginning."
    return Part(title="Repeat it", sentences=(told,), code=state.command)
