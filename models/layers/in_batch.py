"""Softmax over a batch's own targets, debiased by how popular they are.

Where representing an item is dear (side networks, token mixers), a step represents the items of its
batch alone. A popular item is a candidate more often than others; taking its log share of the
training interactions from its logits makes up for that.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models._interface import Batch, Catalogue

NEVER = -1e4
"""Logit of a candidate that does not count; finite, so that a product with its share is 0."""


@dataclass(frozen=True)
class Candidates:
    """What each target of a batch is told from: the batch's distinct targets."""

    items: Int[Tensor, " candidates"]
    own: Int[Tensor, " targets"]
    """Place of each target among the candidates."""
    shift: Float[Tensor, " candidates"]
    """What is added to a candidate's logits: log of its count here over its share of training."""
    seen: Bool[Tensor, "targets candidates"]
    """Candidates that are no negatives, being in the history before a target; never itself."""


def log_shares(catalogue: Catalogue) -> Float[Tensor, " rows"]:
    """Logarithm of each item's share of the training interactions; one never met counts as once."""
    counts = catalogue.derivations().popularity().clamp(min=1)
    return (counts / counts[1:].sum()).log().float()


def candidates_of(
    batch: Batch, log_share: Float[Tensor, " rows"], *, spares_seen: bool
) -> Candidates:
    """The candidates of a batch's targets.

    Args:
        batch: training samples.
        log_share: of every item (:func:`log_shares`).
        spares_seen: whether items of the history before a target are no negatives. Nothing then
            tells a model not to recommend them, which is for a ranking that leaves them out.
    """
    targets = batch.targets()
    items, own, counts = torch.unique(targets, return_inverse=True, return_counts=True)
    if spares_seen:
        seen = torch.cat([_seen(g.history.items, g.targets > 0, items) for g in batch.groups])
        seen = seen.scatter(1, own[:, None], value=False)
    else:
        seen = torch.zeros(len(targets), len(items), dtype=torch.bool, device=items.device)
    return Candidates(items, own, counts.float().log() - log_share[items], seen)


def _seen(
    history: Int[Tensor, "batch length"],
    is_target: Bool[Tensor, "batch length"],
    items: Int[Tensor, " candidates"],
) -> Bool[Tensor, "targets candidates"]:
    """Which candidates stand at a target's position or before it."""
    length = history.shape[1]
    place = torch.searchsorted(items, history).clamp(max=len(items) - 1)
    when = torch.arange(length, device=history.device).expand_as(history)
    when = torch.where(items[place] == history, when, length)  # elsewhere: never
    first = history.new_full((len(history), len(items)), length)
    first = first.scatter_reduce(1, place, when, reduce="amin")
    of, at = torch.nonzero(is_target, as_tuple=True)
    return first[of] <= at[:, None]


def debiased_softmax(
    states: Float[Tensor, "targets dim"],
    items: Float[Tensor, "candidates dim"],
    among: Candidates,
) -> Float[Tensor, ""]:
    """Mean cross-entropy of each target against the batch's other targets."""
    logits = logits_among(states, items, among)
    return F.cross_entropy(logits, among.own)


def logits_among(
    states: Float[Tensor, "targets dim"],
    items: Float[Tensor, "candidates dim"],
    among: Candidates,
) -> Float[Tensor, "targets candidates"]:
    """Debiased logits; :data:`NEVER` where a candidate is no negative."""
    logits = (states @ items.T).float() + among.shift
    return logits.masked_fill(among.seen, NEVER)


def rows_of(batch: Batch, among: Candidates) -> Int[Tensor, " rows"]:
    """The items of a batch, candidates and histories, each once and ascending; 0 is among them."""
    histories = (group.history.items.flatten() for group in batch.groups)
    return torch.cat([among.items.new_zeros(1), among.items, *histories]).unique()
