"""Test users by how often the item that they took next was trained on."""

import numpy as np
from jaxtyping import Bool, Int64

from orchestrator.data import Split

SHARE = 0.4
"""Part of the test users whose targets are rare at least, as of the users who are cold."""


def popularity(split: Split) -> Int64[np.ndarray, " users"]:
    """How often each test target occurs in the training parts, in the order of ``split.test``."""
    items = split.train.items
    targets = split.test.targets
    num = int(max(items.max(initial=0), targets.max(initial=0))) + 1
    return np.bincount(items, minlength=num)[targets].astype(np.int64)


def popularity_groups(
    split: Split, *, share: float = SHARE
) -> dict[str, Bool[np.ndarray, " users"]]:
    """Test users by the popularity of their target: ``rare`` and ``frequent``, as masks.

    Rare are the ``share`` of them whose targets were trained on least. Targets of equal popularity
    are never parted, so that rare holds ``share`` or more.

    Args:
        split: the split; both masks run along ``split.test.users``.
        share: part of the users that is rare at least, in [0, 1].
    """
    trained = popularity(split)
    num_rare = int(np.ceil(share * len(trained) - 1e-9))  # 0.4 x 35 is 14, not 15
    bound = np.sort(trained)[num_rare - 1] if num_rare else -1
    rare = trained <= bound
    return {"rare": rare, "frequent": ~rare}
