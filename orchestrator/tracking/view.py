"""Which of MLflow's own pages shows a study best, and with which columns."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from orchestrator.config import MONITOR
from orchestrator.tracking.client import connect_to_read, experiments, search, store_errors
from orchestrator.tracking.names import final_name

_KEY = "orch"
_SHARED = f"mlflow.sharedViewState.{_KEY}"
"""MLflow's tag of an experiment for a view that is shared by its key."""
_COLUMNS = (
    *("attributes.`Created`", "attributes.`Duration`"),
    *(f"metrics.`{final_name(name)}`" for name in (MONITOR, "test/recall@20", "test/ndcg@20")),
    *(f"tags.`orch.{name}`" for name in ("status", "dataset", "seed", "reason")),
)
VIEW_TAGS: Mapping[str, str] = MappingProxyType(
    {
        "mlflow.experimentKind": "custom_model_development",
        _SHARED: json.dumps({"selectedColumns": _COLUMNS}),
    }
)
"""Of an experiment: it holds trained models, not prompts, and is shown with these columns."""
_TRAINING = "workflowType=machine_learning"
"""MLflow's pages begin at traces of language models unless they are asked for training."""


def opening(uri: str) -> str:
    """The part of an address behind the host: the runs of the newest study's experiment.

    Where there is no study, the list of experiments.

    Raises:
        StoreError: the store cannot be read.
    """
    with store_errors(uri):
        client = connect_to_read(uri)
        parents = search(client, experiments(client), "tags.`orch.role` = 'sweep'")
        if not parents:
            return f"/#/experiments?{_TRAINING}"
        return _runs_page(client.get_experiment(parents[0].info.experiment_id))


def _runs_page(experiment: Any) -> str:  # noqa: ANN401 - MLflow's
    """An experiment of before there was a view is shown as MLflow shows any."""
    view = f"viewStateShareKey={_KEY}&" if _SHARED in experiment.tags else ""
    return f"/#/experiments/{experiment.experiment_id}/runs?{view}{_TRAINING}"
