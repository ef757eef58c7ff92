"""Figures of runs whose seeds were added one by one, as :mod:`orchestrator.sweep.settle` does."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from orchestrator.evaluation.significance import ALPHA, Paired, interval
from orchestrator.reporting.points import FINISHED
from orchestrator.tracking.runs import SweepInfo


def for_looks(paired: Paired, differences: Sequence[float] | np.ndarray, looks: int) -> Paired:
    """A test over seeds that holds although its seeds were added after so many looks.

    Whenever one stops, the chance of a false alarm is at most the sum over the looks (Bonferroni):
    p is multiplied by their number, and the inner interval is wider likewise.

    Args:
        paired: the test as if there had been one look.
        differences: what it rests on.
        looks: looks at most.
    """
    if looks == 1 or paired.num < 2:
        return paired
    confidence = 1 - 2 * ALPHA / looks
    _, low, high = interval(np.asarray(differences).tolist(), confidence=confidence)
    p_value = min(1.0, paired.p_value * looks)
    return replace(paired, p_value=p_value, inner_low=low, inner_high=high)


def looks_note(info: SweepInfo) -> list[str]:
    """What a reader must be told of the looks; nothing where there was one."""
    if info.looks == 1:
        return []
    return [
        "Seeds were added until validation settled a difference: p over seeds is multiplied by the "
        f"{info.looks} looks (Bonferroni) before Holm's correction, and the 90 % interval over "
        "seeds that a neutral verdict asks for is as much wider; ± is that of a single look."
    ]


def at_shared_seeds(runs: pd.DataFrame, of_points: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """The runs of each point at the seeds that finished in all points that have any.

    Args:
        runs: all of them.
        of_points: the same, point by point.
    """
    finished = [set(point.loc[point["status"] == FINISHED, "seed"]) for point in of_points]
    shared = set(runs["seed"]).intersection(*(seeds for seeds in finished if seeds))
    return [point[point["seed"].isin(shared)] for point in of_points]
