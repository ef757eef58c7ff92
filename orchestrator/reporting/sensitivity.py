"""What each factor does to the test metrics, as in Figures 2 to 5 of the TAME paper.

:func:`sensitivity_frame` computes, :func:`sensitivity` draws what it computed, and
:func:`write_figure` writes both.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from orchestrator.reporting.panels import Reference, sensitivity_part
from orchestrator.reporting.parts import compose
from orchestrator.reporting.points import (
    METRICS,
    at_value,
    exists,
    is_same,
    mean_over_seeds,
    newest_runs,
    num_failed,
    tried,
)
from orchestrator.reporting.style import save, write_whole
from orchestrator.tracking.runs import SweepInfo

__all__ = ["METRICS", "sensitivity", "sensitivity_frame", "write_figure"]

_COLUMNS = [
    *("factor", "value", "is_base", "metric"),
    *("mean", "low", "high", "n", "failed", "seeds", "by_seed"),
]
_DOTTED = (0, (1.0, 1.5))
_DASHED = (0, (7.0, 2.0, 1.0, 2.0))


def sensitivity_frame(
    runs: pd.DataFrame, info: SweepInfo, metrics: Sequence[str] = METRICS
) -> pd.DataFrame:
    """Mean and 95 % t interval over seeds of each metric at each value of each factor.

    One factor at a time: a factor's runs are those whose other swept keys are at the base, so the
    base point belongs to every factor. In a joint space or a grid the other factors vary freely
    and a seed's value is the mean over its points, of those in which the factor exists.

    Args:
        runs: the sweep's runs, as :meth:`Tracker.runs_frame` gives them.
        info: the sweep.
        metrics: columns of ``runs``.

    Returns:
        Columns ``factor, value, is_base, metric, mean, low, high, n, failed, seeds, by_seed``:
        ``n`` seeds finished and ``failed`` runs did not, which no mean includes.
    """
    newest = newest_runs(runs, info)
    rows = []
    for factor in info.factors:
        chosen = _runs_of(newest, info, factor)
        for value in tried(chosen, info, factor):
            here = at_value(chosen, factor, value)
            rows += [_row(here, info, factor, value, metric) for metric in metrics]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _runs_of(runs: pd.DataFrame, info: SweepInfo, factor: str) -> pd.DataFrame:
    if info.kind != "one-factor":
        is_there = [exists(info, factor, point) for point in runs.to_dict("records")]
        return runs.loc[np.array(is_there, dtype=bool)]
    for other in info.factors:
        if other != factor:
            runs = at_value(runs, other, info.base[other])
    return runs


def _row(runs: pd.DataFrame, info: SweepInfo, factor: str, value: object, metric: str) -> list[Any]:
    over = mean_over_seeds(runs, metric)
    is_base = is_same(value, info.base.get(factor))
    bounds = [over.mean, over.low, over.high]
    counts = [len(over.seeds), num_failed(runs)]
    return [factor, value, is_base, metric, *bounds, *counts, over.seeds, over.by_seed]


def sensitivity(
    frame: pd.DataFrame,
    info: SweepInfo,
    *,
    ceiling: Mapping[str, float] | None = None,
    published: Mapping[str, float] | None = None,
) -> Figure:
    """A panel per factor: the first metric on the left axis, the second on the right.

    Args:
        frame: what :func:`sensitivity_frame` gave, of one or two metrics.
        info: the sweep.
        ceiling: metric -> the best any ranking can do, where that is known.
        published: metric -> the full model's value in TAME's Table II for this data set.
    """
    part = sensitivity_part(frame, info, references(ceiling, published))
    origin = " (synthetic data)" if info.synthetic else ""
    return compose([part], title=f"{info.shown_model}, {info.space}, on {info.dataset}{origin}")


def references(
    ceiling: Mapping[str, float] | None, published: Mapping[str, float] | None
) -> list[Reference]:
    """What the metrics of a sweep are compared with."""
    return [
        Reference(label="known ceiling", heights=ceiling or {}, line=_DOTTED),
        Reference(label="TAME paper, Table II", heights=published or {}, line=_DASHED),
    ]


def write_figure(figure: Figure, stem: Path, frame: pd.DataFrame) -> tuple[Path, Path]:
    """Write ``stem.pdf`` and ``stem.png``, and the numbers beside them as ``stem.csv``.

    Raises:
        StoreError: the folder cannot be written.
    """
    pdf, png, csv = (stem.with_name(f"{stem.name}.{suffix}") for suffix in ("pdf", "png", "csv"))
    plain = frame.assign(
        **{name: frame[name].map(_joined) for name in ("seeds", "by_seed") if name in frame}
    )
    write_whole(csv, plain.to_csv(index=False, lineterminator="\n").encode())
    return save(figure, pdf), save(figure, png)


def _joined(values: tuple[int | float, ...]) -> str:
    return " ".join(map(str, values))
