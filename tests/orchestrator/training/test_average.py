import pytest
import torch
from torch import nn

from orchestrator.training.average import Average


@pytest.fixture
def model():
    model = nn.Linear(3, 2)
    model.bias.requires_grad_(requires_grad=False)
    return model


def step_to(model, value):
    with torch.no_grad():
        model.weight.fill_(value)


def test_the_mean_follows_the_weights_by_the_decay_and_its_warm_up(model):
    step_to(model, 1.0)
    average = Average(model, 0.3)
    mean = 1.0
    for number, value in enumerate([2.0, 5.0, -1.0], start=1):
        step_to(model, value)
        average.update()
        decay = min(0.3, (1 + number) / (10 + number))
        mean = decay * mean + (1 - decay) * value
    with average.applied():
        torch.testing.assert_close(model.weight, torch.full((2, 3), mean))
    assert (model.weight == -1.0).all()


def test_frozen_weights_are_left_alone(model):
    average = Average(model, 0.9)
    bias = model.bias.clone()
    model.bias.data.add_(1)
    average.update()
    with average.applied():
        assert torch.equal(model.bias, bias + 1)


def test_the_training_weights_come_back_after_an_error(model):
    average = Average(model, 0.9)
    step_to(model, 4.0)
    with pytest.raises(RuntimeError), average.applied():
        raise RuntimeError
    assert (model.weight == 4.0).all()


def test_what_was_kept_goes_on_as_if_never_cut(model):
    average = Average(model, 0.5)
    for value in (1.0, 2.0):
        step_to(model, value)
        average.update()
    with average.applied():
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        kept = {name: tensor.clone() for name, tensor in average.training_weights().items()}
    other = nn.Linear(3, 2)
    other.bias.requires_grad_(requires_grad=False)
    other.load_state_dict(state)
    again = Average(other, 0.5)
    again.restore(kept)
    assert torch.equal(other.weight, model.weight)
    for of, mean in ((model, average), (other, again)):
        step_to(of, 7.0)
        mean.update()
    with average.applied(), again.applied():
        assert torch.equal(other.weight, model.weight)
