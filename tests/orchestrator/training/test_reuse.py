"""A first stage that is the whole of another run is taken from there, to the same bits."""

import pytest
from safetensors.torch import load_file, save_file

from orchestrator.errors import StoreError
from orchestrator.results import run_id
from orchestrator.sweep.objective import WEIGHTS, run_folder, train_recorded

TWO_STAGES = {"model__dropout": 0.2, "model__cluster_ratio": 0.2}


@pytest.fixture
def recorded(trial, cycle, tmp_path):
    """Settings of DeCoRec -> the record of a run and its weights."""

    def run(results, **settings):
        config = trial("decorec", **{**TWO_STAGES, **settings})
        heard = []
        record = train_recorded(
            config, cycle, results=tmp_path / results, device="cpu", on_epoch=heard.append
        )
        folder = run_folder(tmp_path / results, record.run_id)
        assert tuple(heard) == record.epochs
        return record, load_file(folder / WEIGHTS)

    return run


def same_epochs(record, other):
    def figures(of):
        return [(e.step, e.stage, dict(e.loss), dict(e.valid)) for e in of.epochs]

    return figures(record) == figures(other)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_reused_stage_gives_the_same_bits_as_one_trained_here(recorded, average):
    settings = {"train__average_decay": average}
    whole, weights = recorded("alone", **settings)
    assert not whole.reused
    first, _ = recorded("shared", model__fusion="modality", **settings)
    record, others = recorded("shared", **settings)
    assert record.reused == {"modality": first.run_id}
    assert same_epochs(record, whole)
    assert record.metrics == whole.metrics
    assert record.best_step == whole.best_step
    assert weights.keys() == others.keys()
    assert all(weights[name].equal(others[name]) for name in weights)


def test_settings_of_stage_2_alone_share_stage_1(recorded):
    first, _ = recorded("shared", model__fusion="modality")
    for settings in ({"model__freeze_adapters": False}, {"model__use_clusters": False}):
        record, _ = recorded("shared", **settings)
        assert record.reused == {"modality": first.run_id}
        assert record.epochs[: len(first.epochs)] == first.epochs


@pytest.mark.parametrize(
    "settings", [{"model__dropout": 0.3}, {"model__adapter": "linear"}, {"seed": 1}]
)
def test_settings_of_stage_1_do_not(recorded, settings):
    recorded("shared", model__fusion="modality")
    record, _ = recorded("shared", **settings)
    assert not record.reused


def test_runs_that_are_the_same_computation_have_one_id(trial):
    one = trial("decorec", model__fusion="modality")
    other = trial("decorec", model__fusion="modality", model__id_rate=1.0)
    assert run_id(one, "data") == run_id(other, "data")
    assert run_id(trial("decorec"), "data") != run_id(trial("decorec", model__id_rate=1.0), "data")


def test_weights_of_another_model_are_refused(recorded, tmp_path):
    first, weights = recorded("shared", model__fusion="modality")
    save_file(
        {name: w for name, w in weights.items() if not name.startswith("output_norm")},
        run_folder(tmp_path / "shared", first.run_id) / WEIGHTS,
    )
    with pytest.raises(StoreError, match=r"damaged \(`output_norm.* is on one side alone\)"):
        recorded("shared")
