"""What was measured of an exhibit's subjects: by a study's runs, or told by a diagnosis."""

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from orchestrator.evaluation.significance import interval
from orchestrator.reporting.diagnostics.gradients import FIRST
from orchestrator.reporting.points import RUNNING, Mean, mean_over_seeds
from orchestrator.reporting.sensitivity import sensitivity_frame
from orchestrator.reproduction.verdict import Measured
from orchestrator.tracking.runs import SweepInfo

SPLIT = "test/"
"""Before a metric's name in a run: papers print the test split alone."""
Row = tuple[str, str, int, float]
"""Subject, metric, seed, value."""


def of_variants(runs: pd.DataFrame, metrics: Sequence[str]) -> Measured:
    """Of an ablation or a comparison: each variant's runs at its fixed settings.

    Args:
        runs: as :meth:`Tracker.runs_frame` gives them.
        metrics: without a split.
    """
    settled = runs[(runs["status"] != RUNNING) & (runs["phase"] != "search")]
    newest = settled.drop_duplicates(["variant", "phase", "seed"], keep="last")
    return {
        (str(variant), metric): mean_over_seeds(own, f"{SPLIT}{metric}")
        for variant, own in newest.groupby("variant", sort=False)
        for metric in metrics
    }


def of_values(runs: pd.DataFrame, info: SweepInfo, metrics: Sequence[str]) -> Measured:
    """Of a one-factor sweep of one factor: each of its values."""
    (factor,) = info.factors
    frame = sensitivity_frame(runs, info, [f"{SPLIT}{metric}" for metric in metrics])
    return {
        (str(row["value"]), str(row["metric"]).removeprefix(SPLIT)): Mean(
            **{name: row[name] for name in ("mean", "low", "high", "seeds", "by_seed")}
        )
        for row in frame[frame["factor"] == factor].to_dict("records")
    }


def of_view(view: str, frames: Mapping[str, pd.DataFrame], model: str) -> Measured:
    """Of a diagnosis: what the numbers behind a view's figure say of its subjects.

    Args:
        view: of :mod:`orchestrator.sweep.diagnostics`.
        frames: the view's tables by what their file's name ends in, empty for its main one.
        model: the model that was diagnosed.
    """
    if view == "recall":
        return _recall(frames[""])
    return _over_seeds(_VIEWS[view](frames, model))


def _over_seeds(rows: Iterator[Row]) -> Measured:
    frame = pd.DataFrame(rows, columns=["subject", "metric", "seed", "value"]).dropna()
    frame = frame.astype({"seed": int, "value": float})
    found = {}
    for (subject, metric), own in frame.groupby(["subject", "metric"], sort=False):
        values = own.sort_values("seed")
        mean, low, high = interval(values["value"].tolist())
        seeds, by_seed = tuple(values["seed"].tolist()), tuple(values["value"].tolist())
        found[str(subject), str(metric)] = Mean(
            mean=mean, low=low, high=high, seeds=seeds, by_seed=by_seed
        )
    return found


def _convergence(frames: Mapping[str, pd.DataFrame], model: str) -> Iterator[Row]:
    """The epoch at which each variant's validation is at its best."""
    for row in _rows(frames[""]):
        if row["is_best"]:
            yield row["variant"], "peak_epoch", row["seed"], row["epoch"]


def _gradients(frames: Mapping[str, pd.DataFrame], model: str) -> Iterator[Row]:
    """Means over the first and the last steps."""
    frame = frames[""]
    for seed in frame["seed"].drop_duplicates().tolist():
        run = frame[frame["seed"] == seed]
        for part, span in (("first", run.head(FIRST)), ("last", run.tail(FIRST))):
            for name in ("cosine", "norm_id", "norm_modality"):
                yield f"{name}_{part}", "gradients", seed, float(span[name].mean())


def _clusters(frames: Mapping[str, pd.DataFrame], model: str) -> Iterator[Row]:
    for row in _rows(frames["silhouette"]):
        yield f"{row['source']}_{row['side']}", "silhouette", row["seed"], row["silhouette"]


def _unimodal(frames: Mapping[str, pd.DataFrame], model: str) -> Iterator[Row]:
    for row in _rows(frames[""]):
        metric = row["metric"].removeprefix(SPLIT)
        yield f"{row['modality']}_{row['trained']}", metric, row["seed"], row["value"]


def _cold(frames: Mapping[str, pd.DataFrame], model: str) -> Iterator[Row]:
    """Gain for the users of fewest interactions."""
    for row in _rows(frames[""]):
        if row["group"] == "cold":
            yield model, row["metric"].removeprefix(SPLIT), row["seed"], row["gain"]


def _rows(frame: pd.DataFrame) -> list[dict[Hashable, Any]]:
    return frame.to_dict("records")


_VIEWS: Mapping[str, Callable[[Mapping[str, pd.DataFrame], str], Iterator[Row]]] = {
    "convergence": _convergence,
    "gradients": _gradients,
    "clusters": _clusters,
    "unimodal": _unimodal,
    "cold": _cold,
}


def _recall(frame: pd.DataFrame) -> Measured:
    """Counts are exact; precision has an interval over users."""
    found = {}
    for row in frame.to_dict("records"):
        bounds = {
            "precision_rate": (row["precision"], row["low"], row["high"]),
            "recall_count": (float(row["recalled"]), math.nan, math.nan),
            "predicted_count": (float(row["predicted"]), math.nan, math.nan),
        }
        for metric, (mean, low, high) in bounds.items():
            found[str(row["view"]), metric] = Mean(
                mean=mean, low=low, high=high, seeds=(), by_seed=()
            )
    return found
