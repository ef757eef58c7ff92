import math
import re

import pytest
import torch

import models
from models import Batch, Catalogue, Group, History
from models.decorec import DeCoRec, DeCoRecConfig, Ids
from models.layers.graph import normalised
from orchestrator.config import TrainConfig
from orchestrator.training.optim import optimizer

from .conftest import NUM_ITEMS, SEQUENCES


@pytest.fixture
def batch(batch_of):
    return batch_of(SEQUENCES)


def states_and_targets(model, batch):
    tables = model.tables()
    states = batch.states(lambda history: model.encode(history, tables))
    return tables, states.unflatten(1, (len(tables), -1)), batch.targets()


def hand_made_losses(model, batch, *, alpha, tau):
    """Eq. 12-15 with plain exponentials, in double precision."""
    tables, states, targets = states_and_targets(model, batch)
    tables = {name: table[1:].double() for name, table in tables.items()}
    total = {}
    for place, own in enumerate(tables):
        state = states[:, place].double() / tau
        exps = {name: (state @ table.T).exp() for name, table in tables.items()}
        every = sum(part.sum(dim=1) for part in exps.values())
        rows = torch.arange(len(targets))
        wanted = sum(
            (1 if name == own else alpha) * part[rows, targets - 1] for name, part in exps.items()
        )
        total[own] = -(wanted / every).log().mean()
    return total


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_loss_is_equation_15(build, batch, alpha):
    model = build("decorec", alpha=alpha, temperature=0.7)
    expected = hand_made_losses(model, batch, alpha=alpha, tau=0.7)
    loss = model.loss(batch)
    torch.testing.assert_close(loss.total.double(), sum(expected.values()), rtol=1e-5, atol=0)
    for name, part in expected.items():
        torch.testing.assert_close(loss.parts[name].double(), part, rtol=1e-5, atol=0)


def test_the_loss_stays_finite_where_exponentials_overflow(build, batch):
    model = build("decorec", temperature=1e-3)
    with torch.no_grad():
        for adapter in model.adapters.values():
            adapter.map[2].weight.mul_(1e3)
    loss = model.loss(batch).total
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_scores_are_equations_16_to_18_for_each_user_alone(build, histories, alpha):
    model = build("decorec", alpha=alpha, temperature=0.5)
    tables = model.tables()
    states = model.encode(histories, tables)[:, -1].unflatten(1, (2, -1))
    both = torch.cat([table[1:] for table in tables.values()])
    expected = torch.zeros(len(histories.items), NUM_ITEMS)
    for place in range(2):
        found = (states[:, place] @ both.T / 0.5).softmax(dim=1)
        own, other = (
            found.split(NUM_ITEMS, dim=1) if place == 0 else found.split(NUM_ITEMS, 1)[::-1]
        )
        expected += own + alpha * other
    torch.testing.assert_close(model.scores(histories), expected)


def test_intra_retrieval_compares_each_modality_with_itself(build, batch, histories):
    model = build("decorec", retrieval="intra")
    tables, states, targets = states_and_targets(model, batch)
    expected = sum(
        torch.nn.functional.cross_entropy(states[:, place] @ table[1:].T / 2, targets - 1)
        for place, table in enumerate(tables.values())
    )
    torch.testing.assert_close(model.loss(batch).total, expected)
    last = model.encode(histories, tables)[:, -1].unflatten(1, (2, -1))
    scores = sum(
        (last[:, place] @ table[1:].T / 2).softmax(dim=1)
        for place, table in enumerate(tables.values())
    )
    torch.testing.assert_close(model.scores(histories), scores)


@pytest.mark.parametrize("modality", ["text", "image"])
def test_retrieval_by_one_modality_needs_no_other(build, catalogue, histories, modality):
    alone = Catalogue(NUM_ITEMS, {modality: catalogue.modality(modality)}, catalogue.derived)
    model = build("decorec", alone, retrieval=modality)
    assert list(model.adapters) == list(model.interests) == [modality]
    assert model.scores(histories).shape == (4, NUM_ITEMS)
    with pytest.raises(ValueError, match="has no `"):
        build("decorec", alone)


def test_scoring_by_one_modality_uses_the_same_weights(build, histories):
    both, text = build("decorec"), build("decorec", scoring="text")
    text.load_state_dict(both.state_dict())
    tables = both.tables()
    state = both.encode(histories, tables)[:, -1, :16]
    expected = (state @ tables["text"][1:].T / 2).softmax(dim=1)
    torch.testing.assert_close(text.scores(histories), expected)
    assert not torch.allclose(text.scores(histories), both.scores(histories))


def test_enrichment_is_equations_2_and_3(catalogue):
    near = normalised(catalogue.derivations().cooccurrence(max_distance=50), "symmetric")
    config = DeCoRecConfig(dim=8, num_heads=2, cooccurrence_layers=3)
    ids = Ids(config, NUM_ITEMS, near)
    own, dense = ids.table.weight, near.to_dense()
    expected = own
    layer = own
    for gate in ids.gates:
        spread = dense @ layer
        strength = (torch.cat([layer, spread], dim=1) @ gate.weight.T + gate.bias).sigmoid()
        expected = expected + strength * spread / 3
        layer = spread
    torch.testing.assert_close(ids(), expected)
    assert len(ids.gates) == 3


def test_a_fixed_gate_has_strength_one(catalogue):
    near = normalised(catalogue.derivations().cooccurrence(max_distance=50), "symmetric")
    ids = Ids(DeCoRecConfig(dim=8, num_heads=2, gate="fixed"), NUM_ITEMS, near)
    own, dense = ids.table.weight, near.to_dense()
    torch.testing.assert_close(ids(), own + (dense @ own + dense @ (dense @ own)) / 2)
    assert not list(ids.gates.parameters())


@pytest.mark.parametrize(("norm", "power"), [("symmetric", 0.5), ("rows_and_columns", 1.0)])
def test_cooccurrence_is_divided_by_degrees(catalogue, norm, power):
    counts = catalogue.derivations().cooccurrence(max_distance=50)
    dense = counts.to_dense()
    degrees = dense.sum(dim=1)
    scale = torch.where(degrees > 0, degrees.clamp(min=1e-9) ** -power, 0.0)
    expected = scale[:, None] * dense * scale
    torch.testing.assert_close(normalised(counts, norm).to_dense(), expected)


def test_stage_1_knows_nothing_of_ids_and_interests(build, batch, histories):
    model = build("decorec").train()
    first, _ = model.stages()
    model.start_epoch(first, 1)
    model.loss(batch).total.backward()
    touched = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert touched == {"adapters", "encoder", "output_norm"}
    before = model.eval().scores(histories)
    with torch.no_grad():
        model.ids["shared"].table.weight.add_(1.0)
    assert torch.equal(model.scores(histories), before)
    plain = build("decorec", fusion="modality")
    plain.load_state_dict(model.state_dict(), strict=False)
    assert torch.equal(plain.scores(histories), before)


def test_stage_2_asks_frozen_adapters_once_and_gets_the_same(build, batch):
    model = build("decorec").train()
    _, second = model.stages()
    asked = model.loss(batch).total
    model.start_epoch(second, 1)
    calls = []
    for adapter in model.adapters.values():
        adapter.register_forward_hook(lambda *_: calls.append(1))
    assert torch.equal(model.loss(batch).total, asked)
    assert not calls
    model.eval()
    assert torch.equal(model.loss(batch).total, asked)
    assert len(calls) == 2


def test_the_tables_of_ids_have_their_own_rate_in_stage_2(build):
    model = build("decorec", id_rate=0.25)
    adam = optimizer(model, model.stages()[1], TrainConfig(learning_rate=0.01))
    rates = {id(p): group["lr"] for group in adam.param_groups for p in group["params"]}
    assert rates[id(model.ids["shared"].table.weight)] == 0.0025
    assert rates[id(model.ids["shared"].gates[0].weight)] == 0.01
    assert id(next(model.adapters.parameters())) not in rates


@pytest.mark.parametrize(
    ("settings", "stages"),
    [
        ({}, [("modality", {"ids.*", "interests.*"}), ("fusion", {"adapters.*"})]),
        ({"freeze_adapters": False}, [("modality", {"ids.*", "interests.*"}), ("fusion", set())]),
        ({"use_clusters": False}, [("modality", {"ids.*"}), ("fusion", {"adapters.*"})]),
        ({"fusion": "joint"}, [("joint", set())]),
        ({"fusion": "modality"}, [("modality", set())]),
        ({"fusion": "id"}, [("id", set())]),
    ],
)
def test_settings_decide_the_stages(build, settings, stages):
    model = build("decorec", **settings)
    assert [(stage.name, set(stage.frozen)) for stage in model.stages()] == stages


def test_an_id_only_model_has_no_modality(build, histories):
    model = build("decorec", Catalogue(NUM_ITEMS), fusion="id", use_cooccurrence=False)
    assert not model.adapters
    assert not model.interests
    assert not model.input_forms()
    table = model.ids["shared"].table.weight
    state = model.encode(histories, {"ids": table})[:, -1]
    expected = (state @ table[1:].T / 2).softmax(dim=1)
    torch.testing.assert_close(model.scores(histories), expected)


def test_ids_without_sequences_to_derive_from_are_refused(build, catalogue):
    bare = Catalogue(NUM_ITEMS, catalogue.modalities)
    with pytest.raises(ValueError, match="no training sequences"):
        build("decorec", bare)
    build("decorec", bare, fusion="modality")


def test_a_modality_without_pooled_vectors_is_refused(build, catalogue):
    import dataclasses

    tokens = dataclasses.replace(catalogue.modality("text"), pooled=None)
    bare = dataclasses.replace(catalogue, modalities={**catalogue.modalities, "text": tokens})
    with pytest.raises(ValueError, match="has no pooled of `text`"):
        build("decorec", bare)


@pytest.mark.parametrize(
    ("settings", "num_clusters"),
    [({"num_clusters": 5}, 5), ({"cluster_ratio": 0.25}, 3), ({"num_clusters": 99}, 12)],
)
def test_clusters_are_a_number_or_a_share_of_the_items(build, settings, num_clusters):
    interest = build("decorec", **settings).interests["text"]
    assert len(interest.table.weight) == num_clusters + 1
    assert interest.clusters[0] == 0
    assert interest.clusters[1:].min() == 1
    assert interest.clusters[1:].max() == num_clusters


def test_items_of_one_cluster_share_their_interest(build):
    interest = build("decorec", num_clusters=3).interests["image"]
    found = interest()
    for cluster in (1, 2, 3):
        members = found[interest.clusters == cluster]
        assert (members == members[0]).all()
    assert not torch.equal(found[interest.clusters == 1][0], found[interest.clusters == 2][0])


def test_each_modality_may_have_its_own_ids(build):
    model = build("decorec", id_tables="per_modality")
    assert list(model.ids) == ["text", "image"]
    with torch.no_grad():
        before = model.tables()
        model.ids["text"].table.weight.add_(1.0)
        after = model.tables()
    assert not torch.equal(before["text"], after["text"])
    assert torch.equal(before["image"], after["image"])


def test_large_catalogues_are_compared_in_chunks(build, batch, monkeypatch):
    import models._losses as losses

    model = build("decorec")
    whole = model.loss(batch)
    monkeypatch.setattr(losses.chunked_mean, "__defaults__", (3 * (NUM_ITEMS + 1),))
    parts = model.loss(batch)
    torch.testing.assert_close(parts.total, whole.total)
    torch.testing.assert_close(parts.parts["text"], whole.parts["text"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 1.5}, "`alpha` cannot be 1.5: it must be in [0, 1]."),
        ({"cluster_ratio": 0.0}, "`cluster_ratio` cannot be 0.0"),
        ({"cluster_ratio": 2.0}, "`cluster_ratio` cannot be 2.0: it must be in [0, 1]."),
        ({"temperature": 0.0}, "`temperature` cannot be 0.0"),
        ({"num_heads": 7}, "`num_heads` cannot be 7: it must divide `dim` = 300."),
        ({"num_clusters": -1}, "`num_clusters` cannot be -1"),
        ({"retrieval": "image", "scoring": "text"}, "train no such modality"),
        ({"fusion": "id", "scoring": "text"}, "train no such modality"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        DeCoRecConfig(**settings)


def test_the_encoder_is_one_for_all_modalities(build):
    model = build("decorec")
    assert isinstance(model, DeCoRec)
    encoders = [name for name, _ in model.named_parameters() if name.startswith("encoder.")]
    assert len(encoders) == len({name for name in encoders if ".blocks.0." in name}) + 2
    assert math.isclose(model.config.dropout, 0.0)
    assert models.find("decorec") is DeCoRec


def test_a_history_of_one_item_and_no_history_beside_it_agree(build):
    model = build("decorec")
    one = model.scores(History(torch.tensor([[5]])))
    padded = model.scores(History(torch.tensor([[0, 0, 5], [3, 4, 5]])))
    torch.testing.assert_close(padded[:1], one)
    assert Batch((Group(History(torch.tensor([[5]])), torch.tensor([[6]])),)).targets() == 6


def test_both_parts_take_part_only_in_stage_2(build):
    model = build("decorec")
    stages = {stage.name: stage for stage in model.stages()}
    assert set(model.parts()) == {"id", "modality"}
    model.start_epoch(stages["modality"], 1)
    assert model.parts() == {}
    model.start_epoch(stages["fusion"], 1)
    assert set(model.parts()) == {"id", "modality"}


def test_clustered_items_differ_by_their_interest(build):
    model = build("decorec", num_clusters=3)
    with torch.no_grad():
        for table in (interest.table for interest in model.interests.values()):
            table.weight.normal_()
        found, tables = model.clustered(), model.tables()
        for name, interest in model.interests.items():
            assert torch.equal(found[name].clusters + 1, interest.clusters[1:])
            assert torch.equal(found[name].after, tables[name][1:])
            torch.testing.assert_close(found[name].after - found[name].before, interest()[1:])
    model.start_epoch(model.stages()[0], 1)
    assert model.clustered() == {}
    assert build("decorec", use_clusters=False).clustered() == {}
