import math

import torch

from models import Batch, Group, History
from models import sasrec as module


def group_of(items):
    items = torch.tensor(items)
    return Group(History(items[:, :-1]), items[:, 1:] * (items[:, :-1] > 0))


def test_drawn_items_are_any_that_the_user_does_not_have():
    torch.manual_seed(0)
    group = group_of([[0, 0, 1, 2, 3], [4, 5, 6, 7, 8]] * 500)
    drawn = module._not_taken(group, 12)
    rows = (group.targets > 0).nonzero()[:, 0]
    assert len(drawn) == len(rows)
    short, long = drawn[rows % 2 == 0], drawn[rows % 2 == 1]
    for found, own in ((short, {1, 2, 3}), (long, {4, 5, 6, 7, 8})):
        possible = set(range(1, 13)) - own
        shares = torch.bincount(found, minlength=13) / len(found)
        assert set(found.tolist()) == possible
        assert all(abs(shares[item] - 1 / len(possible)) < 0.04 for item in possible)


def test_who_has_every_item_is_given_an_own_one():
    drawn = module._not_taken(group_of([[1, 2, 3]]), 3)
    assert set(drawn.tolist()) <= {1, 2, 3}


def test_the_binary_objective_is_that_of_the_paper(build, monkeypatch):
    model = build("sasrec", objective="binary")
    group = group_of([[0, 4, 6, 1], [3, 5, 2, 9]])
    others = torch.tensor([7, 8, 10, 11, 12])
    monkeypatch.setattr(module, "_not_taken", lambda group, num_items: others)
    loss = model.loss(Batch((group,)))
    table = model.item_ids.weight.detach()
    states = model.encode(group.history)[group.targets > 0].detach()
    expected = [
        -math.log(torch.sigmoid(state @ table[target]))
        - math.log(1 - torch.sigmoid(state @ table[other]))
        for state, target, other in zip(states, [6, 1, 5, 2, 9], others, strict=True)
    ]
    assert math.isclose(loss.total.item(), sum(expected) / 5, rel_tol=1e-5)
    assert loss.parts["cross_entropy"] == loss.total
    assert not math.isclose(build("sasrec").loss(Batch((group,))).total.item(), loss.total.item())
