import dataclasses
import re

import pytest
import torch
from torch import nn

from models import Batch, Config, History, Loss, Recommender, Stage
from orchestrator.config import TrainConfig
from orchestrator.training.checkpoint import Checkpoints
from orchestrator.training.loop import build_model, train
from orchestrator.training.optim import optimizer, prepare_stage


class Net(Recommender):
    config_type = Config

    def __init__(self):
        super().__init__()
        self.ids = nn.Embedding(4, 3)
        self.adapter = nn.Linear(3, 3)
        self.head = nn.Linear(3, 3)

    def loss(self, batch: Batch) -> Loss:
        raise NotImplementedError

    def scores(self, history: History, items=None):
        raise NotImplementedError


def rates_of(model, adam):
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        names[id(p)]: group["lr"] for group in adam.param_groups for p in group["params"]
    }  # fmt: skip


def test_every_trainable_parameter_is_in_one_group_at_its_own_rate():
    model = Net()
    stage = Stage(name="second", frozen=("adapter.*",), rates={"ids.*": 0.1, "head.bias": 2.0})
    adam = optimizer(model, stage, TrainConfig(learning_rate=0.01))
    grouped = [id(p) for group in adam.param_groups for p in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert rates_of(model, adam) == pytest.approx(
        {"ids.weight": 0.001, "head.weight": 0.01, "head.bias": 0.02}
    )
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trainable == {"ids.weight", "head.weight", "head.bias"}


def test_a_later_stage_thaws_what_it_does_not_freeze():
    model = Net()
    prepare_stage(model, Stage(name="first", frozen=("ids.*", "head.*")))
    assert set(prepare_stage(model, Stage(name="second"))) == dict(model.named_parameters()).keys()
    assert all(p.requires_grad for p in model.parameters())


def test_a_frozen_parameter_keeps_no_gradient_of_an_earlier_stage():
    # It would count towards the norm that gradients are clipped to, and be lost by a resume.
    model = Net()
    model.head(model.adapter(model.ids.weight)).sum().backward()
    prepare_stage(model, Stage(name="second", frozen=("adapter.*",)))
    assert all(p.grad is None for p in model.parameters() if not p.requires_grad)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (Stage(name="s", frozen=("item_embedding",)), "`item_embedding` matches no parameter."),
        (Stage(name="s", rates={"ids": 0.1}), "`ids` matches no parameter."),
        (
            Stage(name="s", rates={"ids.*": 0.1, "*.weight": 2.0}),
            "`ids.weight` matches more than one rate.",
        ),
    ],
)
def test_a_pattern_that_misses_or_clashes_is_refused(stage, message):
    with pytest.raises(ValueError, match=re.escape(f"stage `s`: {message}")):
        optimizer(Net(), stage, TrainConfig())


def test_weight_decay_is_decoupled_and_off_by_default():
    for decay in (0.0, 0.5):
        model = Net()
        adam = optimizer(model, Stage(name="s"), TrainConfig(learning_rate=0.1, weight_decay=decay))
        before = model.head.weight.detach().clone()
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        adam.step()
        torch.testing.assert_close(model.head.weight.detach(), before * (1 - 0.1 * decay))


def test_stages_train_in_order_each_from_the_best_weights_of_the_one_before(
    cycle, two_stages, scripted
):
    looks = scripted(0.1, 0.9, 0.2, 0.2, 0.3, 0.5, 0.4, 0.1)  # stage 1: 4 epochs, stage 2: 4
    config = two_stages.trial(max_epochs=9, patience=2)
    record = train(config, cycle, device="cpu")
    (model,) = two_stages.models
    told = [(stage, epoch) for stage, epoch, _ in model.starts]
    assert told == [("both", n) for n in (1, 2, 3, 4)] + [("outputs", n) for n in (1, 2, 3, 4)]
    assert [epoch.stage for epoch in record.epochs] == ["both"] * 4 + ["outputs"] * 4
    assert [epoch.step for epoch in record.epochs] == list(range(1, 9))
    best_of_first = looks[1][2]
    start_of_second = model.starts[4][2]
    assert all(torch.equal(start_of_second[name], best_of_first[name]) for name in best_of_first)
    # The kept weights are the last stage's best, though an earlier stage reached a higher value.
    assert record.best_step == 6
    assert record.metrics["val/ndcg@10"] == 0.5
    tested, kept = looks[-1][2], looks[5][2]
    assert all(torch.equal(tested[name], kept[name]) for name in kept)


def test_frozen_parameters_keep_their_bits_and_others_do_not(cycle, two_stages, scripted):
    looks = scripted(0.1, 0.2, 0.3, 0.1, 0.2, 0.3)
    train(two_stages.trial(max_epochs=3, weight_decay=0.1), cycle, device="cpu")
    first, last = looks[2][2], looks[5][2]
    assert torch.equal(first["inputs.weight"], last["inputs.weight"])
    assert torch.equal(first["bias"], last["bias"])
    assert not torch.equal(first["outputs.weight"], last["outputs.weight"])


def test_rate_factors_reach_the_weights(cycle, two_stages):
    config = two_stages.trial(max_epochs=1, batch_targets=10**6, learning_rate=0.01)
    train(config, cycle, device="cpu")
    (model,) = two_stages.models
    start, after = model.starts[0][2], model.starts[1][2]

    def longest(name, before, later):
        return (later[name] - before[name]).abs().max().item()

    # One batch per epoch, and Adam's first step is one learning rate long.
    assert longest("inputs.weight", start, after) == pytest.approx(0.01, rel=1e-3)
    assert longest("bias", start, after) == pytest.approx(0.005, rel=1e-3)
    final = {name: p.detach() for name, p in model.named_parameters()}
    assert longest("outputs.weight", after, final) == pytest.approx(0.001, rel=1e-3)


def test_each_stage_has_an_optimiser_of_its_own_that_lives_as_long(cycle, two_stages, monkeypatch):
    made = []
    original = torch.optim.AdamW.__init__

    def watched(self, *args, **kwargs):
        made.append(self)
        original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "__init__", watched)
    train(two_stages.trial(max_epochs=3, batch_targets=10**6), cycle, device="cpu")
    assert len(made) == 2
    for adam in made:
        assert {int(state["step"]) for state in adam.state.values()} == {3}


def test_the_stored_weights_of_a_stage_are_complete(cycle, two_stages, tmp_path):
    config = two_stages.trial(max_epochs=2)
    record = train(config, cycle, folder=tmp_path / "run", device="cpu")
    model = build_model(config, cycle)
    Checkpoints(tmp_path / "run").load_model(record.best_step, model)
    trained = two_stages.models[0].state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in model.state_dict().items())


def test_a_stage_whose_pattern_matches_nothing_stops_the_run(cycle, two_stages):
    config = two_stages.trial(max_epochs=1)
    settings = dataclasses.replace(config.settings, frozen=("input.*",))
    with pytest.raises(ValueError, match=r"stage `outputs`: `input\.\*` matches no parameter\."):
        train(dataclasses.replace(config, settings=settings), cycle, device="cpu")
