"""Records as the frame that the tracker gives: for when the store does not answer."""

from collections.abc import Sequence

import pandas as pd

from orchestrator.config import flatten, trial_from_json
from orchestrator.results import Record


def records_frame(records: Sequence[Record]) -> pd.DataFrame:
    """A row per record, with the columns of :meth:`Tracker.runs_frame`."""
    head = ["run_id", "status", "seed"]
    frame = pd.DataFrame([_row(record) for record in records])
    return frame.reindex(columns=[*head, *frame.columns.difference(head)])


def _row(record: Record) -> dict[str, object]:
    config = trial_from_json(record.config)
    head = {"run_id": record.run_id, "status": record.status, "seed": config.seed}
    figures = {"num_parameters": float(record.num_parameters), "seconds": record.seconds}
    if record.cpu_seconds is not None:
        figures["cpu_seconds"] = record.cpu_seconds
    best = {} if record.best_step is None else {"best_step": float(record.best_step)}
    return {**head, **flatten(config), **record.metrics, **figures, **best}
