import torch
import torch.nn.functional as F

from models import Batch, Group, History
from models.layers.in_batch import candidates_of, debiased_softmax, log_shares, logits_among

BATCH = Batch(
    (
        Group(History(torch.tensor([[0, 3, 5, 3]])), torch.tensor([[0, 5, 3, 7]])),
        Group(History(torch.tensor([[9, 5]])), torch.tensor([[5, 2]])),
    )
)
SHARES = torch.arange(1, 12).float() / 66


def test_candidates_are_the_batchs_targets_with_their_counts():
    among = candidates_of(BATCH, SHARES.log(), spares_seen=False)
    assert not among.seen.any()
    assert among.items.tolist() == [2, 3, 5, 7]
    assert among.items[among.own].tolist() == [5, 3, 7, 5, 2]
    counts = torch.tensor([1.0, 1.0, 2.0, 1.0])
    torch.testing.assert_close(among.shift, counts.log() - SHARES[among.items].log())


def test_what_was_taken_before_a_target_can_be_spared():
    seen = candidates_of(BATCH, SHARES.log(), spares_seen=True).seen
    assert seen.int().tolist() == [
        [0, 1, 0, 0],  # 3, then 5
        [0, 0, 1, 0],  # 3, 5, then 3 once more: the target itself is never left out
        [0, 1, 1, 0],
        [0, 0, 0, 0],  # 9, then 5
        [0, 0, 1, 0],
    ]


def test_popular_items_cost_no_more_than_they_must():
    """A state that says nothing gives each item its count over its share of training."""
    among = candidates_of(BATCH, SHARES.log(), spares_seen=True)
    nothing = logits_among(torch.zeros(5, 4), torch.zeros(4, 4), among)
    shares = torch.tensor([1.0, 1.0, 2.0, 1.0]) / SHARES[among.items]
    torch.testing.assert_close(nothing[3].softmax(0), shares / shares.sum())
    states, items = torch.randn(5, 4), torch.randn(4, 4)
    logits = states @ items.T + shares.log()
    logits = logits.masked_fill(among.seen, -torch.inf)
    expected = F.cross_entropy(logits, torch.tensor([2, 1, 3, 2, 0]))
    torch.testing.assert_close(debiased_softmax(states, items, among), expected)


def test_shares_are_those_of_training(catalogue):
    found = log_shares(catalogue).exp()
    counts = catalogue.derivations().popularity()
    assert counts[0] == 0
    assert counts.sum() == 4 + 9 + 2 + 6
    torch.testing.assert_close(found[1:], counts[1:] / counts.sum())
