"""Slices of a search: what its trials are worth against each parameter alone."""

import math

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from orchestrator.config import JSON, MONITOR
from orchestrator.reporting.parts import Part, compose, even_columns
from orchestrator.reporting.points import short_names
from orchestrator.reporting.search.history import VALUE, end_handles, mark_ends
from orchestrator.reporting.search.scales import factor_scale, spread
from orchestrator.reporting.search.trials import domains
from orchestrator.reporting.style import COLUMN, PAGE, style
from orchestrator.tracking.runs import SweepInfo

_COLORS = mpl.colormaps["viridis_r"]
"""Light to dark, in grey too."""
_DOT = Line2D(
    [], [], marker="o", ms=3.5, mfc=_COLORS(0.5), mec="0.25", mew=0.3, ls="none", label="trial"
)


def draw_slices(trials: pd.DataFrame, info: SweepInfo, title: str) -> Figure:
    """A panel per parameter; later trials are darker."""
    return compose([slices_part(trials, info)], title=title)


@style()
def slices_part(trials: pd.DataFrame, info: SweepInfo) -> Part:
    """The panels of :func:`draw_slices`."""
    num = len(info.factors)

    def draw(place: FigureBase, width: float) -> None:
        _draw_panels(place, trials, info, columns=_columns(num, width))

    return Part(
        frame=trials,
        draw=draw,
        height=lambda width: 0.4 + 1.6 * math.ceil(num / _columns(num, width)),
        width=COLUMN if num == 1 else PAGE,
        handles=[_DOT, *end_handles(trials)],
        notes=["Means over seeds; the other parameters vary freely."],
    )


def _columns(num: int, width: float) -> int:
    """Of panels; each row has a scale on its left, and the colours stand at the right."""
    return even_columns(num, width - 0.9, 1.2, most=3)


def _draw_panels(place: FigureBase, trials: pd.DataFrame, info: SweepInfo, *, columns: int) -> None:
    known = domains(trials, info)
    lines = math.ceil(len(known) / columns)
    names = short_names(known)
    shades = ScalarMappable(Normalize(1, max(len(trials), 2)), _COLORS)
    panels = place.subplots(lines, columns, sharey=True, squeeze=False).ravel()
    for panel in panels[len(known) :]:
        panel.remove()
    for index, key in enumerate(known):
        _draw(panels[index], trials, key, known[key], shades)
        factor_scale(known[key]).mark(panels[index], "x", names[key])
        if index % columns == 0:
            panels[index].set_ylabel(VALUE)
    ticks = MaxNLocator(6, integer=True)
    bar = place.colorbar(shades, ax=list(panels[: len(known)]), aspect=30, pad=0.01, ticks=ticks)
    bar.set_label("trial")
    bar.outline.set_visible(False)


def _draw(axes: Axes, trials: pd.DataFrame, key: str, domain: JSON, shades: ScalarMappable) -> None:
    scale = factor_scale(domain)
    there = trials[trials[key].notna()]
    places = spread([scale.at(value) for value in there[key]], scale)
    axes.spines["right"].set_visible(False)
    axes.margins(y=0.12)  # room for marks at the foot
    axes.scatter(
        places,
        there[MONITOR],
        c=shades.to_rgba(there["trial"].to_numpy()),
        s=11,
        linewidths=0.3,
        edgecolors="0.25",
        zorder=3,
    )
    mark_ends(axes, there, places.tolist())
