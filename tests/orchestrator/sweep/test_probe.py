"""What a change of settings does to a model after a moment of training."""

import dataclasses

import pytest
import torch

from models import Stage
from models.sasrec import SASRec
from orchestrator.config import TrainConfig, default_trial, override
from orchestrator.data import open_dataset
from orchestrator.errors import ConfigError
from orchestrator.sweep import probe as probe_module
from orchestrator.sweep.probe import STEPS, Probe, footprint
from orchestrator.training.loop import build_model, training_batches

TAME = {
    "model.dim": 8,
    "model.inner_dim": 16,
    "model.num_layers": 1,
    "model.text_heads": 1,
    "model.image_heads": 1,
}


@pytest.fixture
def dataset(data_dir):
    return open_dataset("tiny", data_dir)


@pytest.fixture
def tame():
    return override(default_trial("tame", "tiny"), TAME, where="test")


@pytest.mark.parametrize(
    ("key", "value", "is_seen"),
    [
        ("model.dim", 4, True),
        ("model.num_heads", 1, True),
        ("model.dropout", 0.3, True),
        ("train.learning_rate", 2e-3, True),
        ("train.weight_decay", 0.1, True),
        ("train.max_epochs", 7, True),
        ("train.patience", 7, True),
        ("train.batch_targets", 7, True),
        ("train.clip_norm", 7.0, True),
        ("eval.ties", "mean", False),
        ("eval.cutoffs", (10,), False),
    ],
)
def test_what_acts_is_seen_and_how_it_is_measured_is_not(dataset, base, key, value, is_seen):
    changed = override(base, {key: value}, where="test")
    assert Probe(dataset).differ(base, changed) is is_seen


def test_the_loops_settings_do_not_make_up_for_a_switch_that_does_nothing(dataset, base):
    changed = override(base, {"train.max_epochs": 7, "eval.ties": "mean"}, where="test")
    assert not Probe(dataset).differ(base, changed)


def test_the_same_settings_are_the_same_to_the_bit(dataset, tame):
    """With dropout, and whatever was drawn before."""
    probe = Probe(dataset)
    assert not probe.differ(tame, override(tame, {}, where="test"))
    torch.rand(3)
    assert not Probe(dataset).differ(tame, tame)


@pytest.mark.parametrize("control", ["shuffle", "noise", "mean"])
@pytest.mark.parametrize("modality", ["text", "image"])
def test_a_control_is_seen_where_the_modality_is_used(dataset, tame, control, modality):
    spoilt = override(tame, {f"data.{control}": (modality,)}, where="test")
    probe = Probe(dataset)
    assert probe.differ(tame, spoilt)
    unused = override(tame, {f"model.use_{modality}": False}, where="test")
    both = override(spoilt, {f"model.use_{modality}": False}, where="test")
    assert not probe.differ(unused, both)


class Frozen(SASRec):
    """A model whose switch acts in training alone: what it builds and scores first is the same."""

    is_frozen = True

    def stages(self):
        return (Stage(name="joint", frozen=("encoder.*",) if self.is_frozen else ()),)


def test_a_switch_that_acts_through_training_alone_is_seen(dataset, base):
    def trained(*, is_frozen):
        torch.manual_seed(0)
        model = Frozen(base.settings, dataset.catalogue())
        model.is_frozen = is_frozen
        batches = training_batches(model, dataset, max_length=10, batch_targets=64)
        return footprint(model, next(batches.epoch(0)), TrainConfig())

    frozen = trained(is_frozen=True)
    assert not frozen.equals(trained(is_frozen=False))
    assert frozen.equals(trained(is_frozen=True))


def test_every_stage_is_trained_for_a_few_steps(dataset, base, monkeypatch):
    told = []
    monkeypatch.setattr(SASRec, "stages", lambda self: (Stage(name="first"), Stage(name="second")))
    monkeypatch.setattr(
        SASRec, "start_epoch", lambda self, stage, epoch: told.append((stage.name, epoch))
    )
    loss = SASRec.loss
    monkeypatch.setattr(SASRec, "loss", lambda self, b: told.append("step") or loss(self, b))
    Probe(dataset).differ(base, override(base, {"model.dim": 4}, where="test"))
    once = [("first", 1), *["step"] * STEPS, ("second", 1), *["step"] * STEPS]
    assert told == once * 2


def test_settings_are_tried_once_each(dataset, base, monkeypatch):
    built = []
    monkeypatch.setattr(
        probe_module, "build_model", lambda *given: built.append(given[0]) or build_model(*given)
    )
    probe = Probe(dataset)
    for heads in (1, 4, 1):
        probe.differ(base, override(base, {"model.num_heads": heads}, where="test"))
    assert [config.settings.num_heads for config in built] == [2, 1, 4]


def test_the_callers_generator_is_left_alone(dataset, base):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    Probe(dataset).differ(base, override(base, {"model.dim": 4}, where="test"))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_model_that_cannot_be_built_here_is_refused(dataset, tame):
    bad = override(tame, {"data.noise": ("sound",)}, where="test")
    with pytest.raises(ConfigError, match=r"^tame on tiny: `data\.noise` names `sound`"):
        Probe(dataset).differ(tame, bad)


class TestFewOfMany:
    """A data set that is larger than the sample that is looked at first."""

    @pytest.fixture
    def probe(self, dataset, monkeypatch):
        monkeypatch.setattr("orchestrator.data.sample.MAX_ITEMS", 20)
        probe = Probe(dataset)
        assert not probe.is_small
        return probe

    @pytest.fixture
    def places(self, monkeypatch):
        """How many items each model that is built has."""
        found = []
        monkeypatch.setattr(
            probe_module,
            "build_model",
            lambda config, where: found.append(where.num_items) or build_model(config, where),
        )
        return found

    def test_few_users_are_enough(self, probe, base, places):
        assert probe.differ(base, override(base, {"model.num_heads": 1}, where="test"))
        assert max(places) <= 20

    def test_the_whole_is_looked_at_when_asked_for(self, probe, base, places):
        changed = override(base, {"model.num_heads": 1}, where="test")
        assert probe.differ(base, changed, in_whole=True)
        assert places == [40, 40]

    def test_the_whole_is_looked_at_where_the_few_lack_something(self, probe, base, monkeypatch):
        """All sampled items without a picture, say."""
        found = []

        def build(config, where):
            found.append(where.num_items)
            if where.num_items < 40:
                raise ConfigError("no item has `image` features.")
            return build_model(config, where)

        monkeypatch.setattr(probe_module, "build_model", build)
        assert probe.differ(base, override(base, {"model.num_heads": 1}, where="test"))
        assert found.count(40) == 2

    def test_inert_settings_are_those_of_the_whole(self, probe, base, monkeypatch):
        def inert(self):
            return {"num_heads": "few items"} if len(self.item_ids.weight) < 30 else {}

        monkeypatch.setattr(SASRec, "inert_settings", inert)
        assert probe.inert_settings(base) == {}
        monkeypatch.setattr(SASRec, "inert_settings", lambda self: {"num_heads": "why"})
        assert probe.inert_settings(base) == {"num_heads": "why"}


def test_a_footprint_is_shapes_and_scores_of_a_model_in_evaluation(dataset, base):
    model = build_model(base, dataset)
    batches = training_batches(model, dataset, max_length=10, batch_targets=64)
    found = footprint(model, next(batches.epoch(0)), base.train)
    assert found.shapes == {name: tuple(p.shape) for name, p in model.named_parameters()}
    assert all(scores.shape[1] == 40 for scores in found.scores)
    assert not model.training
    assert not found.equals(dataclasses.replace(found, scores=found.scores[:-1]))
    assert not found.equals(dataclasses.replace(found, shapes={}))
