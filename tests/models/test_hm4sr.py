import dataclasses

import pytest
import torch
import torch.nn.functional as F

from models import Batch, Group, History
from models._losses import matched_contrast
from models.hm4sr import HM4SRConfig
from models.layers.clock import LONGEST, ORIGIN, ClockEmbedding

DAY = 86_400


def test_intervals_are_on_a_logarithmic_scale():
    clock = ClockEmbedding(4, scale=100, in_days=True)
    times = torch.tensor([[0, ORIGIN, ORIGIN + 1, ORIGIN + 4, ORIGIN, 2 * ORIGIN]])
    rows = clock(times, times > 0)[0, :, :4]
    wanted = [0, 100, 200, 0, clock.intervals.num_embeddings - 1]
    torch.testing.assert_close(rows[1:], clock.intervals.weight[wanted])
    assert clock.intervals.num_embeddings == 1 + int(100 * torch.log2(torch.tensor(LONGEST + 1.0)))


@pytest.mark.parametrize(("in_days", "value"), [(True, 3.0), (False, float(ORIGIN + 3 * DAY))])
def test_absolute_times_are_waves(in_days, value):
    clock = ClockEmbedding(4, scale=1, in_days=in_days)
    times = torch.tensor([[ORIGIN + 3 * DAY]])
    waves = clock(times, times > 0)[0, 0, 4:]
    inner = clock.time(torch.tensor([value])) * 10_000.0 ** (-torch.arange(4) / 4)
    torch.testing.assert_close(waves, torch.cos(inner))


def test_released_temporal_experts_do_not_train_and_are_kept(build):
    released, trained = build("hm4sr", temporal_experts="released"), build("hm4sr")
    assert "temporal.weights" not in dict(released.named_parameters())
    assert "temporal.weights" in dict(trained.named_parameters())
    assert torch.equal(released.state_dict()["temporal.weights"], trained.temporal.weights)


def test_when_items_were_taken_counts_unless_nothing_reads_time(build, histories):
    later = dataclasses.replace(
        histories, timestamps=histories.timestamps + 5000 * histories.is_item.long().cumsum(1)
    )
    model = build("hm4sr")
    assert not torch.allclose(model.scores(later), model.scores(histories))
    plain = build("hm4sr", use_temporal=False, placeholder_weight=0.0)
    assert torch.equal(plain.scores(History(histories.items)), plain.scores(histories))


def test_without_clock_times_it_is_refused_unless_nothing_reads_them(build, catalogue):
    timeless = dataclasses.replace(catalogue, has_timestamps=False)
    with pytest.raises(ValueError, match="has no timestamps"):
        build("hm4sr", timeless)
    build("hm4sr", timeless, use_temporal=False, placeholder_weight=0.0)


def test_without_categories_it_has_another_name(build, catalogue, batch_of):
    bare = dataclasses.replace(catalogue, categories=None)
    model = build("hm4sr", bare)
    assert model.reads.label("hm4sr") == "hm4sr-without-categories"
    assert model.inert_settings().keys() == {"category_weight"}
    assert "categories" not in model.loss(batch_of([[3, 9, 1]])).parts
    assert not build("hm4sr").inert_settings()
    assert build("hm4sr", bare, category_weight=0.0).reads.label("hm4sr") == "hm4sr"


def test_categories_count_once_for_every_target_behind_them(build, catalogue):
    """Item 7 has none; of the others the first stands before both targets."""
    model = build("hm4sr")
    history = History(torch.tensor([[0, 3, 7, 5]]), torch.tensor([[0, 1, 2, 3]]) * 60)
    batch = Batch((Group(history, torch.tensor([[0, 0, 5, 2]])),))
    table = torch.cat(list(model.encode_items().values()), dim=1)
    logits, told = model.tell_categories(table), catalogue.categories.multi_hot().float()
    of = [F.binary_cross_entropy_with_logits(logits[i], told[i]) for i in (3, 5)]
    expected = (2 * of[0] + of[1]) / 3
    torch.testing.assert_close(model.loss(batch).parts["categories"], expected)


def test_another_place_of_the_same_target_is_no_negative():
    torch.manual_seed(0)
    states, others = torch.randn(3, 4), torch.randn(3, 4)
    found = matched_contrast(states, others, torch.tensor([5, 5, 8]), temperature=0.5)
    cosines = F.normalize(states, dim=1) @ F.normalize(others, dim=1).T / 0.5
    cosines[0, 1] = cosines[1, 0] = -torch.inf
    torch.testing.assert_close(found, F.cross_entropy(cosines, torch.arange(3)))


def test_placeholders_are_drawn_by_place_in_training(build):
    model = build("hm4sr", placeholder_share=0.5)
    is_item = torch.ones(40, 6, dtype=torch.bool)
    regular = model._chosen(is_item)
    assert regular[0].tolist() == [True, False] * 3
    model.train()
    torch.manual_seed(1)
    drawn = model._chosen(is_item)
    assert 0.35 < drawn.float().mean() < 0.65
    torch.manual_seed(1)
    padded = F.pad(is_item, (3, 0))
    assert torch.equal(model._chosen(padded)[:, 3:], drawn)


def test_what_is_off_is_level():
    off = HM4SRConfig(use_temporal=False, num_temporal_experts=8, temporal_experts="released")
    assert off.canonical() == HM4SRConfig(use_temporal=False)
    off = HM4SRConfig(placeholder_weight=0.0, placeholder_share=0.1)
    assert off.canonical() == HM4SRConfig(placeholder_weight=0.0)
