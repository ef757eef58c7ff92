import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from models import Prefixes
from models.dimo import DIMOConfig

from .conftest import HELD_OUT, SEQUENCES


@pytest.fixture
def batch(batch_of):
    return batch_of(SEQUENCES, samples=Prefixes())


def test_tables_are_spread_over_the_graph_without_an_average(build, catalogue):
    model = build("dimo", num_layers=2)
    counts = catalogue.derived.cooccurrence(max_distance=20, inverse=False).to_dense()
    near = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
    own = model.own_tables["id"].weight
    once = own + near @ own
    torch.testing.assert_close(model.tables()["id"], once + near @ once)


def test_features_of_both_modalities_are_added_where_they_are(build, catalogue):
    model = build("dimo", num_layers=0)
    text, image = (
        catalogue.modality(name).pooled.float() @ model.maps[name].map.weight.T
        + model.maps[name].map.bias
        for name in ("text", "image")
    )
    table = model.tables()["modality"]
    torch.testing.assert_close(table[1], text[1] + image[1])
    torch.testing.assert_close(table[6], image[6])  # has no text
    torch.testing.assert_close(table[3], text[3])  # has no picture
    assert not table[0].any()


def test_the_leak_counts_held_out_items_and_training_does_not(build, catalogue):
    honest, leaking = (build("dimo", counted=of) for of in ("training", "everything"))
    pair = HELD_OUT[2][0], HELD_OUT[2][2]  # 12 and 9 never meet in training
    assert not any(set(pair) <= set(items) for items in SEQUENCES)
    assert not honest.near.to_dense()[pair]
    assert leaking.near.to_dense()[pair]
    closed = dataclasses.replace(catalogue.derived, everything=None)
    with pytest.raises(ValueError, match="no held-out items"):
        build("dimo", dataclasses.replace(catalogue, derived=closed), counted="everything")


def test_overwritten_features_read_none(build, catalogue, histories):
    bare = dataclasses.replace(catalogue, modalities={})
    model = build("dimo", bare, features="overwritten")
    assert not model.input_forms()
    assert model.scores(histories).isfinite().all()


def test_losses_are_those_of_the_equations(build, batch):
    model = build("dimo", cooccurrence_weight=0.3, proxy_weight=0.2, counterfactual_weight=0.1)
    loss = model.loss(batch)
    tables, targets = model.tables(), batch.targets()
    found = batch.states(lambda history: model.encode(history, tables))
    s_id, s_mo, p_id, p_mo = found.chunk(4, dim=1)
    cos = F.cosine_similarity

    def proxy(name, state, own, other):
        maps = model.proxies[name].maps
        near = cos(maps["state"](state), maps["proxy"](own)).exp()
        return -(near / (near + cos(maps["own"](state), maps["other"](other)).exp())).log()

    proxies = proxy("id", s_id, p_id, s_mo) + proxy("modality", s_mo, p_mo, s_id)
    fits = [cos(s, tables[m][targets]).exp() for s, m in ((s_id, "id"), (s_mo, "modality"))]
    flags = torch.tensor(
        [
            1.0 if target in model.related[row].flatten().tolist() else -1.0
            for group in batch.groups
            for row, target in zip(group.history.items, group.targets[:, -1].tolist(), strict=True)
        ]
    )
    scores = torch.cat([s_id, s_mo], 1) @ torch.cat([tables["id"], tables["modality"]], 1)[1:].T
    expected = {
        "cross_entropy": F.cross_entropy(scores, targets - 1),
        "proxy": 0.2 * proxies.mean(),
        "counterfactual": 0.1 * (-flags * (fits[0] / sum(fits)).log()).mean(),
        "cooccurrence": 0.3 * _together(model, tables["id"].detach()),
    }
    assert -1 in flags
    assert 1 in flags
    assert set(loss.parts) == set(expected)
    for name, part in expected.items():
        torch.testing.assert_close(loss.parts[name], part, rtol=1e-4, atol=1e-5, msg=name)
    torch.testing.assert_close(loss.total, sum(expected.values()), rtol=1e-4, atol=1e-5)


def _together(model, ids):
    found = []
    for item in range(1, 13):
        near, far = model.related[item], model.unrelated[item]
        near, weights, far = near[near > 0], model.weights[item][near > 0], far[far > 0]
        if len(near) and len(far):
            positive = (weights[:, None] * ids[near]).sum(dim=0) / weights.sum()
            own = F.cosine_similarity(ids[item], positive, dim=0).exp()
            others = F.cosine_similarity(ids[[item]], ids[far]).exp().sum()
            found.append(-math.log(own / (own + others)))
    return torch.tensor(found).mean()


def test_a_proxy_is_the_mean_of_the_histories_items(build, histories):
    model = build("dimo")
    tables = model.tables()
    found = model.encode(histories, tables)
    expected = tables["id"][[3, 9, 1]].mean(dim=0)
    torch.testing.assert_close(found[0, -1, 32:48], expected)


@pytest.mark.parametrize("cause", ["id", "modality"])
def test_of_one_cause_there_is_nothing_to_keep_apart(build, batch, cause):
    model = build("dimo", causes=cause)
    assert set(model.loss(batch).parts) == {"cross_entropy"} | (
        {"cooccurrence"} if cause == "id" else set()
    )
    alone = DIMOConfig(causes=cause, proxy_weight=0.5, counterfactual_weight=0.5)
    assert alone.canonical() == DIMOConfig(causes=cause).canonical()
