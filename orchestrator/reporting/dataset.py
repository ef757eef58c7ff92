"""A data set's sequence lengths and item popularity, drawn side by side."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from orchestrator.diagnosis.statistics import Statistics
from orchestrator.reporting.diagnostics.drawing import panel
from orchestrator.reporting.style import LOOKS, PAGE, new_figure, save, style, write_whole

HEIGHT = 2.3
WIDE = 100.0
"""Ratio of the ends of an axis from which on powers of ten alone are named."""


def draw_dataset(name: str, found: Statistics, stem: Path) -> tuple[Path, ...]:
    """Draw a data set's statistics.

    Args:
        name: what stands above the figure.
        found: its statistics.
        stem: the files' path without suffix.

    Returns:
        PDF, PNG, and CSV of the numbers behind them.

    Raises:
        StoreError: the folder cannot be written.
    """
    with style():
        figure = new_figure(PAGE, HEIGHT)
        figure.suptitle(name)
        _lengths(panel(figure, 1, 2, 1), found)
        _popularity(panel(figure, 1, 2, 2), found)
    drawn = [save(figure, stem.with_name(f"{stem.name}{suffix}")) for suffix in (".pdf", ".png")]
    table = _frame(found).to_csv(index=False, lineterminator="\n")
    return (*drawn, write_whole(stem.with_name(f"{stem.name}.csv"), table.encode()))


def _lengths(axes: Axes, found: Statistics) -> None:
    """Share of the users that have at least so many interactions."""
    values, counts = np.unique(found.lengths, return_counts=True)
    shares = counts[::-1].cumsum()[::-1] / max(1, len(found.lengths))
    look = LOOKS[0]
    axes.plot(values, shares, color=look.color, marker=look.marker, markersize=2.5, linewidth=0.8)
    axes.set(yscale="log", xlabel="interactions of a user, at least", ylabel="share of users")
    _log_of_numbers(axes, values)
    middle = found.length_spread.quantiles[3]
    axes.axvline(middle, color="0.5", linewidth=0.8, linestyle=":")
    axes.text(0.97, 0.95, f"median {middle:,.0f}", ha="right", va="top", transform=axes.transAxes)


def _popularity(axes: Axes, found: Statistics) -> None:
    """Interactions of each item, the most popular first; nobody's items have no place on it."""
    look = LOOKS[1]
    taken = found.popularity[found.popularity > 0]
    axes.plot(np.arange(1, len(taken) + 1), taken, color=look.color, linestyle="-")
    axes.set(yscale="log", xlabel="rank of an item", ylabel="interactions")
    _log_of_numbers(axes, np.arange(1, len(taken) + 1))
    told = f"top 10 % of items:\n{100 * found.share_of_top(0.1):.0f} % of interactions"
    axes.text(0.97, 0.95, told, ha="right", va="top", transform=axes.transAxes)


def _log_of_numbers(axes: Axes, values: np.ndarray) -> None:
    """A log axis that names whole numbers: one, two and five of each power of ten."""
    axes.set_xscale("log")
    low, high = (float(end) for end in (values.min(initial=1), values.max(initial=1)))
    wide = high / max(low, 1.0) > WIDE
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _frame(found: Statistics) -> pd.DataFrame:
    """Both distributions as rows: what, its value, how many have it."""
    parts = []
    for what, values in (("length", found.lengths), ("popularity", found.popularity)):
        unique, counts = np.unique(values, return_counts=True)
        parts.append(pd.DataFrame({"what": what, "interactions": unique, "count": counts}))
    return pd.concat(parts, ignore_index=True)
