"""How many epochs runs will take: from the curves of finished ones, else from the limits."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from orchestrator.config import MONITOR, TrainConfig
from orchestrator.errors import StoreError
from orchestrator.results import Record, read_record

FEW = 5
"""Finished runs below which their smallest and largest number of epochs are the interval."""
SURE = 2.0
"""Standard errors on either side of a mean."""


@dataclass(frozen=True, kw_only=True)
class Epochs:
    """Epochs of a run's stage, a mean over the runs to come."""

    low: float
    high: float
    expected: float
    """The middle of the range where no run has told better."""
    num_runs: int
    """Finished runs that it rests on; 0 where the limits alone are known."""


def finished_runs(results: Path, *, model: str, dataset: str, data_hash: str) -> tuple[Record, ...]:
    """Records of a model's finished runs on the very data, whatever their settings and code.

    Files that are no records are left out: this is a look back, and no result rests on them.
    """
    found = []
    for path in sorted((results / "runs").glob("*/record.json")):
        with suppress(StoreError):
            record = read_record(path)
            is_same = (record.config.get("model"), record.config.get("dataset")) == (model, dataset)
            if is_same and record.status == "finished" and record.provenance.data == data_hash:
                found.append(record)
    return tuple(found)


def forecast(records: Sequence[Record], stage: str, train: TrainConfig, *, num: int) -> Epochs:
    """Epochs of a stage: the mean over runs to come.

    The validation curve of each finished run is replayed with the limits that are planned.

    Args:
        records: finished runs.
        stage: its name.
        train: the limits that are planned.
        num: runs to come.
    """
    limit = float(train.max_epochs)
    least = min(limit, train.patience + 1.0)
    curves = [curve for record in records if (curve := _curve(record, stage))]
    if not curves:
        return Epochs(low=least, high=limit, expected=(least + limit) / 2, num_runs=0)
    lows = np.array([replayed(curve, train) for curve in curves], dtype=float)
    is_cut = np.array([_runs_on(curve, train) for curve in curves])
    highs = np.where(is_cut, limit, lows)
    expected = float((lows + highs).mean() / 2)
    if len(curves) < FEW:
        low, high = float(lows.min()), float(highs.max())
    else:
        error = SURE * math.sqrt(1 / len(curves) + 1 / max(1, num))
        low = float(lows.mean() - error * lows.std(ddof=1))
        high = float(highs.mean() + error * highs.std(ddof=1))
    return Epochs(low=max(low, 1.0), high=min(high, limit), expected=expected, num_runs=len(curves))


def _curve(record: Record, stage: str) -> list[float]:
    return [epoch.valid[MONITOR] for epoch in record.epochs if epoch.stage == stage]


def replayed(curve: Sequence[float], train: TrainConfig) -> int:
    """Epochs after which training with these limits ends, or the curve does.

    >>> replayed([0.1, 0.3, 0.2, 0.2, 0.4], TrainConfig(patience=2))
    4
    """
    best, best_at = -math.inf, 0
    for place, value in enumerate(curve, start=1):
        if value > best:
            best, best_at = value, place
        if place >= train.max_epochs or place - best_at >= train.patience:
            return place
    return len(curve)


def _runs_on(curve: Sequence[float], train: TrainConfig) -> bool:
    """Whether training with these limits would go on where the curve ends."""
    stale = len(curve) - 1 - int(np.argmax(curve))
    is_whole = replayed(curve, train) == len(curve)
    return is_whole and len(curve) < train.max_epochs and stale < train.patience
