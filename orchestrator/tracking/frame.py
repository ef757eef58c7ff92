"""MLflow's runs of a sweep as a frame."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from orchestrator.tracking.tags import is_superseded, row


def frame_of(runs: Iterable[Any], *, has_variants: bool) -> pd.DataFrame:
    """``run_id``, ``status``, ``seed``, settings and final metrics by name, a row per run.

    Those of an ablation have a ``variant`` and a ``phase`` too. Runs at settings that a search
    chose once and no longer chooses are left out.
    """
    frame = pd.DataFrame([row(run) for run in runs if not is_superseded(run)])
    head = ["run_id", "status", "seed"]
    head += ["variant", "phase"] if has_variants else []
    rest = sorted(set(frame.columns) - set(head), key=lambda name: ("/" in name, name))
    return frame.reindex(columns=[*head, *rest])
