"""Names and values as MLflow takes them, and back; used at its boundary only.

MLflow refuses ``@`` in names and keeps parameters as text.
"""

import json
from typing import Any

BEST = "best/"
"""Before a run's final validation figures: under their own name MLflow keeps the curve."""


def to_mlflow(metric: str) -> str:
    """A metric's name as MLflow accepts it: ``val/ndcg@10`` is ``val/ndcg_at_10`` there."""
    return metric.replace("@", "_at_")


def from_mlflow(name: str) -> str:
    """A metric's own name."""
    return name.replace("_at_", "@")


def final_name(metric: str) -> str:
    """MLflow's name of a run's final figure: ``best/val/ndcg_at_10``, ``test/ndcg_at_10``."""
    return to_mlflow(f"{BEST}{metric}" if metric.startswith("val/") else metric)


def param_text(value: object) -> str:
    """A setting as text: JSON, but strings that cannot be taken for JSON stand unquoted."""
    if not isinstance(value, str):
        return json.dumps(value, default=str)
    return json.dumps(value) if value == "" or param_value(value) != value else value


def param_value(text: str) -> Any:  # noqa: ANN401 - a setting's value
    """The setting that :func:`param_text` wrote; text of other origin stays text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return tuple(value) if isinstance(value, list) else value
