import dataclasses

import pytest
import torch

from models import Catalogue


def without_layers(catalogue, *names):
    bare = {name: dataclasses.replace(catalogue.modality(name), layers=None) for name in names}
    return dataclasses.replace(catalogue, modalities={**catalogue.modalities, **bare})


@pytest.mark.parametrize(
    ("lacking", "label", "sites"),
    [
        ((), "iisan", [3, 3]),
        (("text", "image"), "iisan-pooled", [1, 1]),
        (("image",), "iisan-image-pooled", [3, 1]),
    ],
)
def test_pooled_vectors_make_it_another_model(build, catalogue, lacking, label, sites):
    model = build("iisan", without_layers(catalogue, *lacking))
    assert model.reads.label("iisan") == label
    assert [len(tower.sites) for tower in model.states.values()] == sites
    assert len(model.side["inter"].adapters) == min(sites)
    inert = {"layers"} if len(lacking) == 2 else set()
    assert set(model.inert_settings()) == inert


def test_tokens_alone_are_refused(build, catalogue):
    bare = {
        name: dataclasses.replace(own, layers=None, pooled=None)
        for name, own in catalogue.modalities.items()
    }
    with pytest.raises(ValueError, match="has no layers of `text`; it has tokens"):
        build("iisan", Catalogue(12, bare, catalogue.derived))


def test_items_are_their_states_alone(build, catalogue):
    """Items of equal states are told apart by nothing."""
    same = {}
    for name, own in catalogue.modalities.items():
        layers = own.layers.clone()
        layers[5] = layers[8]
        same[name] = dataclasses.replace(own, layers=layers)
    model = build("iisan", dataclasses.replace(catalogue, modalities=same))
    items = model.encode_items()["items"]
    torch.testing.assert_close(items[5], items[8])
    assert not torch.allclose(items[5], items[9])


def test_a_step_represents_the_batchs_items_alone(build, batch_of, monkeypatch):
    model = build("iisan")
    seen = []
    represented = model.represented
    monkeypatch.setattr(
        model, "represented", lambda rows: (seen.append(rows), represented(rows))[1]
    )
    model.loss(batch_of([[3, 9, 1], [9, 4]]))
    assert seen[0].tolist() == [0, 1, 3, 4, 9]


def test_both_losses_are_of_the_same_states(build, batch_of):
    batch = batch_of([[3, 9, 1, 7], [4, 6, 2]])
    debiased, full = build("iisan"), build("iisan", loss="full_softmax")
    full.load_state_dict(debiased.state_dict())
    table = full.encode_items()["items"]
    states = batch.states(lambda history: full.encode(history, table))
    expected = torch.nn.functional.cross_entropy(states @ table[1:].T, batch.targets() - 1)
    torch.testing.assert_close(full.loss(batch).total, expected)
    assert debiased.loss(batch).total != full.loss(batch).total


def test_side_networks_have_a_rate_of_their_own(build):
    (stage,) = build("iisan", adapter_rate=0.25).stages()
    assert stage.rates == {"side.*": 0.25, "heads.*": 0.25}
