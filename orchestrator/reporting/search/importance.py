"""How much each parameter of a search matters, by Optuna's PED-ANOVA, and how sure that is.

PED-ANOVA asks how far the values of a parameter among the best trials differ from those among all;
shares add up to 1. It answers whatever it is given, so there is a floor on the number of trials,
and an interval by drawing the trials anew.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState, create_trial

from orchestrator.config import JSON, MONITOR
from orchestrator.reporting.parts import Part, compose
from orchestrator.reporting.points import short_names
from orchestrator.reporting.search.trials import FINISHED, domains
from orchestrator.reporting.style import BARS, LOOKS, style
from orchestrator.tracking.runs import SweepInfo

optuna.logging.set_verbosity(optuna.logging.ERROR)

LEAST_TRIALS = 20
"""Finished trials below which nothing is said of importance."""
LEAST_PER_PARAMETER = 2
"""And this many for each parameter."""
_BEST = 5
"""Trials that the best part holds at least; it is a tenth of many."""
_DRAWS = 100
"""Times that the trials are drawn anew."""


def too_few(trials: pd.DataFrame, info: SweepInfo) -> str | None:
    """Why nothing can be said of importance, in a sentence; None where it can."""
    finished = trials[trials["state"] == FINISHED]
    needed = max(LEAST_TRIALS, LEAST_PER_PARAMETER * len(info.factors))
    if len(finished) < needed:
        return (
            f"No importance is told: {len(finished)} trials finished, and it takes {needed} for "
            f"{len(info.factors)} parameters."
        )
    if len(info.factors) < 2:
        return "No importance is told: one parameter alone has all of it."
    if finished[MONITOR].nunique() < 2:
        return "No importance is told: all trials are worth the same."
    return None


def importance_frame(trials: pd.DataFrame, info: SweepInfo) -> pd.DataFrame:
    """The share of each parameter, the most important first.

    Args:
        trials: what :func:`~orchestrator.reporting.search.trials.trials_frame` gave.
        info: the sweep.

    Returns:
        ``factor, importance, low, high, trials``: bounds of the 95 % bootstrap interval over
        trials.
    """
    finished = _as_optuna(trials[trials["state"] == FINISHED], domains(trials, info))
    shares = _shares(finished, list(info.factors))
    random = np.random.default_rng(0)
    num = len(finished)
    draws = [random.integers(num, size=num) for _ in range(_DRAWS)]
    drawn = [_shares([finished[index] for index in draw], [*shares]) for draw in draws]
    rows = []
    for factor, share in sorted(shares.items(), key=lambda item: -item[1]):
        low, high = np.nanpercentile([one[factor] for one in drawn], [2.5, 97.5])
        rows.append([factor, share, min(low, share), max(high, share), len(finished)])
    return pd.DataFrame(rows, columns=["factor", "importance", "low", "high", "trials"])


def _as_optuna(trials: pd.DataFrame, known: Mapping[str, JSON]) -> list[FrozenTrial]:
    distributions = {key: _distribution(domain) for key, domain in known.items()}
    made = []
    for row in trials.to_dict("records"):
        params = {key: _param(row[key]) for key in known if _is_there(row[key])}
        own = {key: distributions[key] for key in params}
        made.append(
            create_trial(
                state=TrialState.COMPLETE, value=row[MONITOR], params=params, distributions=own
            )
        )
    return made


def _is_there(value: object) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _param(value: Any) -> Any:  # noqa: ANN401 - a setting
    """Optuna knows no tuples."""
    return str(value) if isinstance(value, tuple) else value


def _distribution(domain: JSON) -> BaseDistribution:
    if "choices" in domain:
        return CategoricalDistribution([_param(value) for value in domain["choices"]])
    low, high, log = domain["low"], domain["high"], domain.get("log", False)
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


def _shares(trials: Sequence[FrozenTrial], keys: list[str]) -> dict[str, float]:
    """NaN where the best trials are all of them, as a draw of few values may have it."""
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    part = min(0.5, max(0.1, _BEST / len(trials)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = get_param_importances(
            study, evaluator=PedAnovaImportanceEvaluator(target_quantile=part), normalize=False
        )
    total = sum(found.values())
    return {key: found.get(key, 0.0) / total if total else math.nan for key in keys}


def draw_importance(frame: pd.DataFrame, info: SweepInfo, title: str) -> Figure:
    """A bar per parameter with its interval; a dotted line where all would matter alike."""
    return compose([importance_part(frame, info)], title=title)


@style()
def importance_part(frame: pd.DataFrame, info: SweepInfo) -> Part:
    """The panel of :func:`draw_importance`."""

    def draw(place: FigureBase, _: float) -> None:
        _draw(place.add_subplot(), frame, short_names(info.factors))

    handles = [
        Patch(label="share", lw=0.6, **BARS[0]),
        Line2D([], [], color="0.15", lw=0.9, label="95 % over trials"),
        Line2D([], [], color=LOOKS[0].color, lw=0.8, linestyle=":", label="all alike"),
    ]
    return Part(
        frame=frame,
        draw=draw,
        height=lambda _: 0.8 + 0.22 * len(frame),
        handles=handles,
        notes=[f"For validation NDCG@10, of {int(frame['trials'].iloc[0])} trials."],
    )


def _draw(axes: Axes, frame: pd.DataFrame, names: Mapping[str, str]) -> None:
    at = range(len(frame), 0, -1)
    axes.spines["right"].set_visible(False)
    axes.barh(at, frame["importance"], height=0.6, lw=0.6, zorder=2, **BARS[0])
    for place, low, high in zip(at, frame["low"], frame["high"], strict=True):
        axes.plot([low, high], [place] * 2, color="0.15", lw=0.9, zorder=3)
    axes.axvline(1 / len(frame), color=LOOKS[0].color, linestyle=":", lw=0.8, zorder=4)
    axes.set_yticks(list(at), labels=[names[key] for key in frame["factor"]])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of importance (PED-ANOVA)")
