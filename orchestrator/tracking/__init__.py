"""MLflow: the store of record for sweeps and their runs; one writer, batched."""

from orchestrator.tracking.mlflow import SweepTracker, Tracker
from orchestrator.tracking.runs import RunInfo, SweepInfo, VariantInfo
from orchestrator.tracking.store import tracking_uri

__all__ = ["RunInfo", "SweepInfo", "SweepTracker", "Tracker", "VariantInfo", "tracking_uri"]
