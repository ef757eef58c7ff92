import re

import pytest
import torch
import torch.nn.functional as F

from models import HIDDEN, Batch, Group, History, Masked
from models.bert4rec import BERT4RecConfig

from .conftest import NUM_ITEMS, SEQUENCES


@pytest.fixture
def model(build):
    return build("bert4rec")


def test_the_loss_is_that_of_the_hidden_items_alone(model):
    items = torch.tensor([[4, HIDDEN, 2, 5], [0, 7, HIDDEN, HIDDEN]])
    targets = torch.tensor([[0, 6, 0, 0], [0, 0, 3, 9]])
    history = History(items)
    torch.nn.init.normal_(model.item_bias)
    loss = model.loss(Batch((Group(history, targets),))).total
    states = model.encode(history)[targets > 0]
    logits = states @ model.item_ids.weight[1:].T + model.item_bias
    torch.testing.assert_close(loss, F.cross_entropy(logits, torch.tensor([6, 3, 9]) - 1))


def test_recommending_is_telling_an_item_hidden_behind_the_history(model, histories):
    torch.nn.init.normal_(model.item_bias)
    items = torch.cat([histories.items, torch.full((4, 1), HIDDEN)], dim=1)
    told = model.encode(History(items))[:, -1]
    expected = told @ model.item_ids.weight[1:].T + model.item_bias
    torch.testing.assert_close(model.scores(histories), expected)


def test_a_hidden_item_is_told_from_both_sides(model):
    def told(items):
        return model.encode(History(torch.tensor([items])))[0, 2]

    middle = told([4, 6, HIDDEN, 5, 8])
    assert not torch.allclose(told([4, 9, HIDDEN, 5, 8]), middle)
    assert not torch.allclose(told([4, 6, HIDDEN, 5, 9]), middle)


def test_places_count_only_where_positions_are_used(build):
    swapped = [History(torch.tensor([items])) for items in ([4, 6, 2], [6, 4, 2])]
    scores = [build("bert4rec").scores(history) for history in swapped]
    assert not torch.allclose(*scores)
    scores = [build("bert4rec", use_positions=False).scores(history) for history in swapped]
    torch.testing.assert_close(*scores)


def test_of_a_longer_history_the_newest_items_are_read(model):
    long = torch.arange(1, NUM_ITEMS + 1)[None]
    newest = long[:, -model.config.max_length :]
    assert torch.equal(model.scores(History(long)), model.scores(History(newest)))


def test_a_full_history_has_room_for_the_mask(model, batch_of):
    lists = [[*range(1, 10)]]  # one more than the limit
    batch = batch_of(lists, samples=model.samples())
    assert batch.groups[0].history.items.shape[1] == model.config.max_length + 1
    assert model.loss(batch).total.isfinite()


def test_settings_decide_what_is_hidden(build, batch_of):
    model = build("bert4rec", mask_ratio=0.4, last_ratio=0.25, copies=7)
    assert model.samples() == Masked(ratio=0.4, last_ratio=0.25, copies=7)
    batch = batch_of(SEQUENCES, samples=model.samples())
    assert sum(len(group.targets) for group in batch.groups) == 7 * (len(SEQUENCES))


def test_where_the_last_item_alone_is_hidden_no_ratio_makes_another_run():
    configs = [BERT4RecConfig(last_ratio=1.0, mask_ratio=ratio).canonical() for ratio in (0.3, 0.6)]
    assert configs[0] == configs[1]
    plain = BERT4RecConfig(mask_ratio=0.3)
    assert plain.canonical() == plain


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mask_ratio": 0.0}, "`mask_ratio` cannot be 0.0: it must be above 0 and finite."),
        ({"mask_ratio": 1.5}, "`mask_ratio` cannot be 1.5: it is at most 1."),
        ({"last_ratio": -0.1}, "`last_ratio` cannot be -0.1: it must be at least 0."),
        ({"last_ratio": 1.1}, "`last_ratio` cannot be 1.1: it is at most 1."),
        ({"copies": 0}, "`copies` cannot be 0: it must be at least 1."),
    ],
)
def test_impossible_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        BERT4RecConfig(**settings)
