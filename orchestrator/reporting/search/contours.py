"""Contours of a search over two parameters: what a Gaussian process makes of its trials.

The surface is fitted to the two parameters alone, as if the others were noise, and is meant to be
looked at, not read off: the trials are drawn on it. Listed values get a place each and no order.
"""

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from orchestrator.config import MONITOR
from orchestrator.reporting.parts import Part, compose, even_columns
from orchestrator.reporting.points import short_names
from orchestrator.reporting.search.history import VALUE
from orchestrator.reporting.search.scales import FactorScale, factor_scale, spread
from orchestrator.reporting.search.trials import FINISHED, domains
from orchestrator.reporting.style import COLUMN, PAGE, style
from orchestrator.tracking.runs import SweepInfo

_STEPS = 60
"""Places at which the surface is computed along a range."""
_LEVELS = 10
_MOST = 3
"""Parameters whose pairs are drawn."""
_LEAST = 10
"""Trials that have both parameters, below which a pair is left out."""

Pair = tuple[str, str]


def surfaces_frame(trials: pd.DataFrame, info: SweepInfo, factors: Sequence[str]) -> pd.DataFrame:
    """The surfaces over the pairs of the first parameters.

    Args:
        trials: what :func:`~orchestrator.reporting.search.trials.trials_frame` gave.
        info: the sweep.
        factors: parameters, the most important first.

    Returns:
        ``x, y`` (parameters), ``x_place, y_place`` (logarithms for log axes, numbers of listed
        values), ``value``; empty where no pair has trials enough.
    """
    finished = trials[trials["state"] == FINISHED]
    known = {key: factor_scale(domain) for key, domain in domains(trials, info).items()}
    parts = [_surface(finished, pair, known) for pair in itertools.combinations(factors[:_MOST], 2)]
    columns = ["x", "y", "x_place", "y_place", "value"]
    filled = [part for part in parts if len(part)]
    return pd.concat(filled) if filled else pd.DataFrame(columns=columns)


def _surface(trials: pd.DataFrame, pair: Pair, known: dict[str, FactorScale]) -> pd.DataFrame:
    there = trials[trials[list(pair)].notna().all(axis=1)]
    if len(there) < _LEAST:
        return pd.DataFrame()
    scales = [known[key] for key in pair]
    seen = [
        np.array([scale.at(v) for v in there[key]]) for key, scale in zip(pair, scales, strict=True)
    ]
    grid = np.meshgrid(*map(_axis, scales))
    places = [one.ravel() for one in grid]
    fitted = _fit(_features(seen, scales), there[MONITOR].to_numpy(dtype=float))
    value = fitted.predict(_features(places, scales))
    return pd.DataFrame(
        {"x": pair[0], "y": pair[1], "x_place": places[0], "y_place": places[1], "value": value}
    )


def _axis(scale: FactorScale) -> np.ndarray:
    if scale.choices:
        return np.arange(len(scale.choices), dtype=float)
    return np.linspace(scale.at(scale.low), scale.at(scale.high), _STEPS)


def _features(places: Sequence[np.ndarray], scales: Sequence[FactorScale]) -> np.ndarray:
    """Ranges from 0 to 1; a column per listed value."""
    columns: list[np.ndarray] = []
    for at, scale in zip(places, scales, strict=True):
        if scale.choices:
            columns += [(at == index).astype(float) for index in range(len(scale.choices))]
        else:
            low, high = scale.at(scale.low), scale.at(scale.high)
            columns.append((at - low) / ((high - low) or 1.0))
    return np.stack(columns, axis=1)


def _fit(features: np.ndarray, values: np.ndarray) -> GaussianProcessRegressor:
    kernel = ConstantKernel(1.0) * RBF(0.5, (0.15, 10.0)) + WhiteKernel(0.3, (1e-2, 1e1))
    process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound is flat
        return process.fit(features, values)


def draw_contours(frame: pd.DataFrame, trials: pd.DataFrame, info: SweepInfo, title: str) -> Figure:
    """A panel per pair, one colour scale for all; dots are trials, the star the best one."""
    return compose([contours_part(frame, trials, info)], title=title)


@style()
def contours_part(frame: pd.DataFrame, trials: pd.DataFrame, info: SweepInfo) -> Part:
    """The panels of :func:`draw_contours`."""
    pairs = list(dict.fromkeys(zip(frame["x"], frame["y"], strict=True)))

    def draw(place: FigureBase, width: float) -> None:
        _draw_panels(place, frame, trials, info, columns=_columns(len(pairs), width))

    return Part(
        frame=frame,
        draw=draw,
        height=lambda width: 2.1 * math.ceil(len(pairs) / _columns(len(pairs), width)) + 0.2,
        width=COLUMN + 0.6 if len(pairs) == 1 else PAGE,
        least=3.0,
        handles=_handles(),
        notes=[_NOTE],
    )


def _columns(num: int, width: float) -> int:
    """Of panels; the colours stand at the right."""
    return even_columns(num, width - 0.7, 1.9)


def _draw_panels(
    place: FigureBase, frame: pd.DataFrame, trials: pd.DataFrame, info: SweepInfo, *, columns: int
) -> None:
    known = {key: factor_scale(domain) for key, domain in domains(trials, info).items()}
    names = short_names(info.factors)
    pairs = list(dict.fromkeys(zip(frame["x"], frame["y"], strict=True)))
    levels = np.linspace(frame["value"].min(), frame["value"].max() + 1e-9, _LEVELS)
    panels = place.subplots(math.ceil(len(pairs) / columns), columns, squeeze=False).ravel()
    for empty in panels[len(pairs) :]:
        empty.remove()
    for axes, pair in zip(panels, pairs, strict=False):
        part = frame[(frame["x"] == pair[0]) & (frame["y"] == pair[1])]
        drawn = _draw(axes, part, trials, pair, known, levels)
        known[pair[0]].mark(axes, "x", names[pair[0]])
        known[pair[1]].mark(axes, "y", names[pair[1]])
        _fill_panel(axes, *(known[key] for key in pair))
    aspect = 20.0 * math.ceil(len(pairs) / columns)
    shown = list(panels[: len(pairs)])
    ticks = MaxNLocator(5)  # round numbers, where the levels themselves have seven digits
    place.colorbar(drawn, ax=shown, pad=0.01, aspect=aspect, ticks=ticks).set_label(VALUE)


def _fill_panel(axes: Axes, x: FactorScale, y: FactorScale) -> None:
    """No margin beyond the surface."""
    axes.spines["right"].set_visible(False)
    if not x.choices:
        axes.set_xlim(x.at(x.low), x.at(x.high))
    if not y.choices:
        axes.set_ylim(y.at(y.low), y.at(y.high))


_NOTE = (
    "Surfaces: a Gaussian process of the two parameters alone, fitted to means over seeds; "
    "for looking at, not for reading off."
)
_DOT: Mapping[str, Any] = MappingProxyType(
    {"marker": "o", "ms": 2.6, "mfc": "white", "mec": "0.1", "mew": 0.4, "linestyle": "none"}
)
_STAR: Mapping[str, Any] = MappingProxyType(
    {"marker": "*", "ms": 8, "mfc": "white", "mec": "0.0", "mew": 0.7, "linestyle": "none"}
)


def _handles() -> list[Line2D]:
    dot = Line2D([], [], label="trial", **_DOT)
    return [dot, Line2D([], [], label="best trial", **_STAR)]


def _draw(
    axes: Axes,
    part: pd.DataFrame,
    trials: pd.DataFrame,
    pair: Pair,
    known: dict[str, FactorScale],
    levels: np.ndarray,
) -> ScalarMappable:
    surface = part.pivot_table(index="y_place", columns="x_place", values="value")
    x, y, z = surface.columns.to_numpy(), surface.index.to_numpy(), surface.to_numpy()
    if any(known[key].choices for key in pair):
        drawn: ScalarMappable = axes.pcolormesh(
            x, y, z, vmin=levels[0], vmax=levels[-1], shading="nearest"
        )
    else:
        drawn = axes.contourf(x, y, z, levels=levels)
    there = trials[(trials["state"] == FINISHED) & trials[list(pair)].notna().all(axis=1)]
    at = [spread([known[key].at(v) for v in there[key]], known[key]) for key in pair]
    axes.plot(*at, clip_on=False, **_DOT)
    best = int(np.argmax(there[MONITOR].to_numpy(dtype=float)))
    axes.plot(at[0][best], at[1][best], clip_on=False, **_STAR)
    return drawn
