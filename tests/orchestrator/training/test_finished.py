import dataclasses

import pytest
import torch

from orchestrator.config import override
from orchestrator.diagnosis.finished import clustered_items, measured_again
from orchestrator.errors import StoreError
from orchestrator.sweep.objective import WEIGHTS, run_folder, train_recorded


@pytest.fixture
def finished(cycle, trial, tmp_path):
    """Settings -> the same with the record and the weights of their run."""

    def run(model="decorec", **values):
        config = trial(model, train__max_epochs=2, **values)
        record = train_recorded(config, cycle, results=tmp_path, device="cpu")
        return config, record, run_folder(tmp_path, record.run_id) / WEIGHTS

    return run


def test_the_same_settings_measure_the_same(cycle, finished):
    config, record, weights = finished()
    again = measured_again(config, weights, cycle, device="cpu")
    assert again == {name: v for name, v in record.metrics.items() if name.startswith("test/")}
    assert "test/ndcg@10/cold" in again


def test_one_modality_ranks_otherwise_than_both(cycle, finished):
    config, record, weights = finished()
    found = [
        measured_again(override(config, {"model.scoring": one}, where="test"), weights, cycle)
        for one in ("text", "image")
    ]
    assert found[0] != found[1]
    assert all(one["test/mrr@10"] != record.metrics["test/mrr@10"] for one in found)


def test_weights_of_other_parameters_are_refused(cycle, finished):
    config, _, weights = finished()
    other = override(config, {"model.use_clusters": False}, where="test")
    with pytest.raises(StoreError, match=r"model\.safetensors: .* is on one side alone"):
        measured_again(other, weights, cycle, device="cpu")


def test_items_differ_by_what_their_cluster_adds(cycle, finished):
    config, _, weights = finished(model__cluster_ratio=0.2)
    found = clustered_items(config, weights, cycle)
    assert set(found) == {"text", "image"}
    for one in found.values():
        assert not one.after.requires_grad
        added = one.after - one.before
        assert set(one.clusters.tolist()) == set(range(4))
        for cluster in range(4):
            members = added[one.clusters == cluster]
            torch.testing.assert_close(members, members[:1].expand_as(members))
            assert members.abs().max() > 0


def test_a_model_without_clusters_has_no_such_items(cycle, finished):
    for model, values in (("sasrec", {}), ("decorec", {"model__use_clusters": False})):
        config, _, weights = finished(model, **values)
        assert clustered_items(config, weights, cycle) == {}


def test_looking_again_draws_no_number_of_the_callers(cycle, finished):
    config, _, weights = finished()
    before = torch.get_rng_state()
    measured_again(dataclasses.replace(config), weights, cycle, device="cpu")
    clustered_items(config, weights, cycle)
    assert torch.equal(torch.get_rng_state(), before)
