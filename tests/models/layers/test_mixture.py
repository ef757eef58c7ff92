import pytest
import torch
import torch.nn.functional as F

from models.layers.mixture import ExpertMixture, MixtureConfig

FEATURES = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))


def mixture(num_places=1, **settings):
    torch.manual_seed(1)
    config = MixtureConfig(dim=4, **{"num_experts": 3, "adaptor_dropout": 0.0, **settings})
    made = ExpertMixture(FEATURES, config, num_places=num_places)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made.eval()


def test_each_expert_maps_what_its_shift_leaves_and_gates_weigh_them():
    of = mixture()
    gates = (FEATURES @ of.gate).softmax(dim=1)
    expected = sum(gates[:, [g]] * ((FEATURES - of.shifts[0, g]) @ of.maps[g]) for g in range(3))
    torch.testing.assert_close(of.tables(1)[0], expected)


def test_a_linear_expert_has_its_bias_behind_the_map():
    of = mixture(expert="linear", num_experts=1)
    torch.testing.assert_close(of.tables(1)[0], FEATURES @ of.maps[0] + of.shifts[0, 0])


def test_each_place_has_shifts_of_its_own():
    of = mixture(num_places=2)
    mixed, moved = of(), of.moved()
    for place in range(2):
        one = mixture()
        one.load_state_dict({**of.state_dict(), "shifts": of.shifts[[place]]})
        torch.testing.assert_close(mixed.values + mixed.gates @ moved[place], one.tables(1)[0])


def test_gates_are_noisy_in_training_alone_and_each_table_has_its_own_noise():
    of = mixture()
    first, second = of.tables(2)
    assert torch.equal(first, second)
    of.train()
    first, second = of.tables(2)
    assert not torch.allclose(first, second)
    calm = mixture(gate_noise=False).train()
    assert torch.equal(*calm.tables(2))


def test_noise_has_the_spread_that_is_learnt_for_each_item():
    of = mixture().train()
    torch.manual_seed(3)
    drawn = torch.randn(7, 3)
    torch.manual_seed(3)
    spread = F.softplus(FEATURES @ of.noise) + 0.01
    expected = (FEATURES @ of.gate + drawn * spread).softmax(dim=1)
    torch.testing.assert_close(of().gates, expected)


@pytest.mark.parametrize(
    "values", [{"num_experts": 0}, {"adaptor_dropout": 1.0}, {"temperature": 0.0}]
)
def test_values_outside_their_domain_are_refused(values):
    with pytest.raises(ValueError, match=f"`{next(iter(values))}` cannot be"):
        MixtureConfig(**values)


def test_noise_of_a_gate_that_is_not_there_is_no_setting():
    configs = [MixtureConfig(num_experts=1, gate_noise=noise) for noise in (True, False)]
    assert configs[0].canonical() == configs[1].canonical()
