"""How well a model ranks the next item of each user, against the whole catalogue.

Whatever gives scores is measured here, by one rule: a trained model, the planted world's own
probabilities (:mod:`orchestrator.evaluation.ceiling`), popularity.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor, nn

from models import Recommender
from orchestrator.config import EvalConfig
from orchestrator.data.batches import SMALLEST_GROUP
from orchestrator.data.split import MIN_LENGTH, EvalUsers
from orchestrator.errors import DataError
from orchestrator.evaluation.metrics import metrics
from orchestrator.evaluation.ranking import ranks

Prefix = Literal["val", "test"]
Groups = Mapping[str, Bool[np.ndarray, " users"]]
"""Name -> which of the evaluated users belong to the group."""
Scorer: TypeAlias = Callable[[Int[np.ndarray, " batch"]], Tensor]
"""Positions among the evaluated users -> scores, batch x items."""

MAX_SCORES = 2**24
"""Scores held at once (64 MiB in single precision); bounds users per batch by the catalogue."""
MAX_POSITIONS = 2**16
"""Places in histories held at once, padding included; bounds users per batch by their length."""


def evaluate(
    model: Recommender,
    users: EvalUsers,
    *,
    config: EvalConfig,
    max_length: int,
    device: torch.device,
    prefix: Prefix,
    groups: Groups | None = None,
) -> dict[str, float]:
    """A model's metrics over all users and over each group, as :func:`summary` names them."""
    found = model_ranks(model, users, config=config, max_length=max_length, device=device)
    return summary(found, cutoffs=config.cutoffs, prefix=prefix, groups=groups)


def summary(
    found: Float64[np.ndarray, " users"],
    *,
    cutoffs: Iterable[int],
    prefix: Prefix,
    groups: Groups | None = None,
) -> dict[str, float]:
    """Means over all users (``val/ndcg@10``) and over each group (``test/recall@20/cold``).

    A group without users has no mean, so it has no entries.

    Raises:
        ValueError: there are no users at all.
    """
    of_users = torch.from_numpy(found)
    cutoffs = tuple(cutoffs)
    result = {f"{prefix}/{name}": value for name, value in metrics(of_users, cutoffs).items()}
    for group, members in (groups or {}).items():
        if members.any():
            of_group = metrics(of_users[torch.from_numpy(members)], cutoffs)
            result |= {f"{prefix}/{name}/{group}": value for name, value in of_group.items()}
    return result


def model_ranks(
    model: Recommender,
    users: EvalUsers,
    *,
    config: EvalConfig,
    max_length: int,
    device: torch.device,
) -> Float64[np.ndarray, " users"]:
    """Rank of each user's target, in the order of ``users``; what paired tests compare.

    The model runs in evaluation mode and without gradients, and is left in the mode it was in.

    Args:
        model: must be on ``device``.
        users: whose next items are ranked.
        config: ties and seen items.
        max_length: newest items of a history that the model is given.
        device: where scores are computed and compared.

    Raises:
        TrialError: a score is NaN or infinite.
    """
    lengths = np.minimum(users.lengths, max_length)
    with torch.inference_mode(), _evaluation_mode(model):
        items = model.encode_items()

        def scores(rows: Int[np.ndarray, " batch"]) -> Tensor:
            longest = int(lengths[rows].max())
            return model.scores(users.history(longest, rows).to(device), items)

        return target_ranks(scores, users, config=config, max_length=max_length)


def target_ranks(
    scorer: Scorer, users: EvalUsers, *, config: EvalConfig, max_length: int
) -> Float64[np.ndarray, " users"]:
    """Rank of each user's target under any scores, in the order of ``users``.

    Users of like history length are scored together, longest first so that what does not fit
    fails at once, in batches bounded by :data:`MAX_SCORES` and :data:`MAX_POSITIONS`. Seen items,
    where excluded, are those of the whole history, whatever part of it the scores rest on.

    Raises:
        DataError: no user is long enough to be evaluated.
        TrialError: a score is NaN or infinite.
    """
    if not len(users):
        raise DataError(
            f"the data set cannot be evaluated: no user has {MIN_LENGTH} interactions. "
            "Import one with longer histories."
        )
    lengths = users.lengths
    given = np.minimum(lengths, max_length)
    order = np.argsort(given, kind="stable")[::-1].copy()
    found = np.empty(len(users))
    for rows in _batches(order, given[order], size=_batch_size(users, max_length)):
        scores = scorer(rows)
        seen = users.histories(int(lengths[rows].max()), rows) if config.exclude_seen else None
        place = ranks(
            scores,
            torch.from_numpy(users.targets[rows]).to(scores.device),
            ties=config.ties,
            seen=None if seen is None else torch.from_numpy(seen).to(scores.device),
        )
        found[rows] = place.cpu().numpy()
    return found


def _batch_size(users: EvalUsers, max_length: int) -> int:
    """Users per batch, for the longest history there is; never 0."""
    num_items = int(users.sequences.items.max())
    longest = min(max_length, int(users.lengths.max()))
    return max(1, min(MAX_SCORES // num_items, MAX_POSITIONS // longest))


def _batches(
    order: Int[np.ndarray, " users"], lengths: Int[np.ndarray, " users"], *, size: int
) -> Iterator[Int[np.ndarray, " batch"]]:
    """Batches of at most ``size``, whose longest history is at most twice as long as any other."""
    doublings = np.ceil(np.log2(np.maximum(lengths, SMALLEST_GROUP)))
    for alike in np.split(order, np.flatnonzero(np.diff(doublings)) + 1):
        for start in range(0, len(alike), size):
            yield alike[start : start + size]


@contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards every module is in the mode it was in."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
