"""A data set's sequence lengths and item popularity, drawn side by side."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from orchestrator.diagnosis.statistics import Statistics
from orchestrator.reporting.diagnostics.drawing import panel
from orchestrator.reporting.style import LOOKS, PAGE, new_figure, save, style, write_whole

HEIGHT = 2.3


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
    values = np.sort(found.lengths)
    shares = 1.0 - np.arange(len(values)) / max(1, len(values))
    look = LOOKS[0]
    axes.step(values, shares, where="pre", color=look.color, linestyle=look.line)
    axes.set(xscale="log", yscale="log", xlabel="interactions of a user, at least")
    axes.set_ylabel("share of users")
    middle = found.length_spread.quantiles[3]
    axes.axvline(middle, color="0.5", linewidth=0.8, linestyle=":")
    axes.annotate(f" median {middle:,.0f}", (middle, 1.0), va="top", color="0.3", fontsize=7)


def _popularity(axes: Axes, found: Statistics) -> None:
    """Interactions of each item, the most popular first."""
    look = LOOKS[1]
    ranks = np.arange(1, len(found.popularity) + 1)
    axes.plot(ranks, found.popularity, color=look.color, linestyle="-")
    axes.set(xscale="log", yscale="log", xlabel="rank of the item", ylabel="interactions")
    share = found.share_of_top(0.1)
    axes.set_title(f"the most popular 10 % of items have {share:.0%} of the interactions")


def _frame(found: Statistics) -> pd.DataFrame:
    """Both distributions as rows: what, its value, how many have it."""
    parts = []
    for what, values in (("length", found.lengths), ("popularity", found.popularity)):
        unique, counts = np.unique(values, return_counts=True)
        parts.append(pd.DataFrame({"what": what, "interactions": unique, "count": counts}))
    return pd.concat(parts, ignore_index=True)
