"""Between what and what a model's metrics lie: popularity below, the planted world's oracle above.

Both are measured as a model is: the same users, ties, seen items and cutoffs.
"""

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from orchestrator.config import EvalConfig
from orchestrator.data.planted import oracle_scores, planted_config
from orchestrator.data.split import EvalUsers, Split
from orchestrator.data.store import Dataset
from orchestrator.errors import ConfigError
from orchestrator.evaluation.evaluate import Groups, Prefix, summary, target_ranks


def ceiling(
    dataset: Dataset, *, config: EvalConfig, prefix: Prefix, groups: Groups | None = None
) -> dict[str, float] | None:
    """Metrics of the planted world's own probabilities; None for any other data set.

    No ranking is better in expectation; on a sample of users one may be by luck. Items that are
    exactly as likely as each other are put in the order of their ids: any order of them is as
    good, and one that leaves them tied would be charged for ties that no best ranking needs.

    Args:
        dataset: data set with its manifest.
        config: ties, seen items and cutoffs.
        prefix: validation or test users, and how the metrics' names begin.
        groups: which of those users belong to each group.
    """
    try:
        world = planted_config(dataset)
    except ConfigError:
        return None
    users = evaluated(dataset.split, prefix)

    def scores(rows: Int[np.ndarray, " batch"]) -> Tensor:
        return torch.from_numpy(_untied(oracle_scores(world, users.histories(1, rows))))

    found = target_ranks(scores, users, config=config, max_length=1)
    return summary(found, cutoffs=config.cutoffs, prefix=prefix, groups=groups)


def popularity(
    dataset: Dataset, *, config: EvalConfig, prefix: Prefix, groups: Groups | None = None
) -> dict[str, float]:
    """Metrics of ranking every user's items by how often they occur in the training parts.

    Raises:
        DataError: no user is long enough to be evaluated.
    """
    users = evaluated(dataset.split, prefix)
    counts = np.bincount(dataset.split.train.items, minlength=dataset.num_items + 1)[1:]
    row = torch.from_numpy(counts).double()

    def scores(rows: Int[np.ndarray, " batch"]) -> Tensor:
        return row.expand(len(rows), -1)

    found = target_ranks(scores, users, config=config, max_length=1)
    return summary(found, cutoffs=config.cutoffs, prefix=prefix, groups=groups)


def evaluated(split: Split, prefix: Prefix) -> EvalUsers:
    """The users that a prefix stands for."""
    return split.valid if prefix == "val" else split.test


def _untied(
    scores: Float64[np.ndarray, "batch items"],
) -> Float64[np.ndarray, "batch items"]:
    """Other scores of the same order, where equal ones fall with the item id."""
    order = np.argsort(-scores, axis=1, kind="stable")
    distinct = np.empty_like(scores)
    np.put_along_axis(distinct, order, -np.arange(scores.shape[1], dtype=np.float64)[None], axis=1)
    return distinct
