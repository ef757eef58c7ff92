"""Which points of a search for two things nothing beats in both; draws nothing."""

import numpy as np
import pandas as pd

from orchestrator.tracking.runs import COLUMNS, SweepInfo

LABELS = {"num_parameters": "number of parameters", "seconds": "training time in seconds"}
"""Second objective's column -> its axis."""


def on_front(gain: pd.Series, cost: pd.Series) -> np.ndarray:
    """Which points no other beats: none is as good in both and better in one; NaN is never."""
    good, dear = gain.to_numpy(dtype=float), cost.to_numpy(dtype=float)
    beaten = (
        (good[None, :] >= good[:, None])
        & (dear[None, :] <= dear[:, None])
        & ((good[None, :] > good[:, None]) | (dear[None, :] < dear[:, None]))
    )
    return ~beaten.any(axis=1) & ~np.isnan(good) & ~np.isnan(dear)


def cost_column(info: SweepInfo) -> str | None:
    """The column that is to be low; None where a search was for NDCG alone."""
    return COLUMNS[info.objectives[1]] if len(info.objectives) > 1 else None
