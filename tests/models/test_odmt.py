import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from models import Batch, Group, History
from models.layers.tokens import PaddedTokens
from models.odmt import BRANCHES, ODMTConfig

BATCH = Batch(
    (Group(History(torch.tensor([[3, 9, 1], [4, 6, 2]])), torch.tensor([[9, 1, 7]] * 2)),)
)


def test_tokens_of_items_are_padded_to_the_longest(catalogue):
    text = catalogue.modality("text").tokens
    found = PaddedTokens(catalogue, "text", "tokens")(torch.tensor([0, 2, 1, 6]))
    assert found.is_token.int().tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 1], [0, 0, 0]]
    torch.testing.assert_close(found.values[2], text.values[:3])
    torch.testing.assert_close(found.values[1, 0], text.values[3])
    assert not found.values[~found.is_token].any()


def test_pooled_vectors_are_one_token_and_make_it_another_model(build, catalogue):
    bare = {n: dataclasses.replace(m, tokens=None) for n, m in catalogue.modalities.items()}
    model = build("odmt", dataclasses.replace(catalogue, modalities=bare))
    assert model.reads.label("odmt") == "odmt-pooled"
    found = model.mixer.tokens["image"](torch.tensor([1, 3, 4]))
    assert found.is_token.tolist() == [[True], [False], [True]], "item 3 has no picture"


@pytest.mark.parametrize(
    ("id_mask", "changes"), [(True, [False, False, True]), (False, [True] * 3)]
)
def test_nothing_but_the_id_reads_the_id(build, id_mask, changes):
    model = build("odmt", id_mask=id_mask)
    before = model.encode_items()["items"][1].chunk(3)
    with torch.no_grad():
        model.mixer.item_ids.weight[1] += 1
    after = model.encode_items()["items"][1].chunk(3)
    assert [not torch.equal(*pair) for pair in zip(before, after, strict=True)] == changes


def test_unmixed_branches_are_their_own_first_tokens(build, catalogue):
    model = build("odmt", use_mixing=False)
    text, _, _ = model.encode_items()["items"][2].chunk(3)
    mixer, first = model.mixer, catalogue.modality("text").tokens.values[3]
    torch.testing.assert_close(text, mixer.heads["text"](mixer.into["text"](first)))


def test_items_without_a_modality_are_zeros_in_its_branch(build):
    text, image, ids = build("odmt").encode_items()["items"][[3, 6]].chunk(3, dim=1)
    assert not text[1].any()  # item 6 has no text
    assert not image[0].any()  # item 3 has no picture
    assert text[0].any()
    assert image[1].any()
    assert ids.any(dim=1).all()


def test_the_weight_of_lessons_rises_with_the_epochs(build):
    model = build("odmt", ramp_epochs=10, distillation_temperature=0.5, distillation_weight=2.0)
    (stage,) = model.stages()
    found = []
    for epoch in (1, 5, 10, 30):
        model.start_epoch(stage, epoch)
        found.append(model._strength())
    full = 2.0 * 0.5**2
    assert found == pytest.approx(
        [full * math.exp(-5 * 0.81), full * math.exp(-5 * 0.25), full, full]
    )
    assert build("odmt", ramp_epochs=0)._strength() == pytest.approx(0.3**2)


@pytest.mark.parametrize("teachers", ["detached", "released"])
def test_detached_teachers_take_no_gradient(build, teachers):
    model = build("odmt", teachers=teachers)
    logits = {name: torch.randn(4, 5, requires_grad=True) for name in BRANCHES}
    taught = model._lesson(logits["id"], logits["text"])
    tau = model.config.distillation_temperature
    expected = F.cross_entropy(logits["text"] / tau, (logits["id"] / tau).softmax(1))
    torch.testing.assert_close(taught, expected)
    taught.backward()
    assert logits["text"].grad is not None
    assert (logits["id"].grad is not None) == (teachers == "released")


def test_the_loss_is_the_sum_of_its_parts_and_lessons_are_one(build):
    loss = build("odmt").loss(BATCH)
    assert loss.parts.keys() == {*BRANCHES, "distillation"}
    torch.testing.assert_close(loss.total, torch.stack(list(loss.parts.values())).sum())
    assert "distillation" not in build("odmt", distillation_weight=0.0).loss(BATCH).parts


def test_scores_are_the_mean_of_three_branches(build, histories):
    model = build("odmt")
    table = model.encode_items()["items"]
    states = model.encode(histories, table)[:, -1]
    pairs = zip(states.chunk(3, 1), table[1:].chunk(3, 1), strict=True)
    expected = torch.stack([own @ items.T for own, items in pairs]).mean(dim=0)
    torch.testing.assert_close(model.scores(histories), expected)


def test_what_is_off_is_level():
    off = ODMTConfig(distillation_weight=0.0, ramp_epochs=3, teachers="released")
    assert off.canonical() == ODMTConfig(distillation_weight=0.0)
    assert ODMTConfig(use_mixing=False, mixing_layers=4).canonical().mixing_layers == 2
