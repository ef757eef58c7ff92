import pytest
import torch

from models.layers.side import Adapter, InterNetwork, IntraNetwork, sites_of


@pytest.mark.parametrize(
    ("layers", "sites"),
    [("even", [0, 2, 4, 6]), ("all", [0, 1, 2, 3, 4, 5, 6]), ("upper", [3, 4, 5, 6])],
)
def test_the_last_state_is_always_read(layers, sites):
    assert sites_of(7, layers) == sites
    assert sites_of(6, layers)[-1] == 5
    assert sites_of(1, layers) == [0]


def test_adapters_begin_near_the_identity():
    torch.manual_seed(0)
    x = torch.randn(3, 8)
    torch.testing.assert_close(Adapter(8, 4)(x), x, rtol=0, atol=0.02)


def test_a_network_within_a_modality_mixes_each_state_into_what_it_has():
    torch.manual_seed(0)
    net = IntraNetwork(8, 2, 4, is_gated=True)
    torch.nn.init.normal_(net.gates.values, std=0.1)
    h = torch.randn(3, 2, 8)
    g = torch.sigmoid(net.gates.values / 0.1)
    first = net.adapters[0](g[0] * h[:, 0])
    torch.testing.assert_close(net(h), net.adapters[1](g[1] * h[:, 1] + (1 - g[1]) * first))


def test_a_network_between_modalities_meets_at_the_last_sites_and_narrows_the_wider():
    torch.manual_seed(0)
    net = InterNetwork((8, 6), 2, 4, is_gated=True)
    first, second = torch.randn(3, 3, 8), torch.randn(3, 2, 6)
    assert [len(maps) for maps in net.narrowed] == [2, 0]
    c = torch.zeros(3, 6)
    for site in range(2):
        there = net.narrowed[0][site](first[:, 1 + site])
        c = net.adapters[site](c + 0.5 * there + 0.5 * second[:, site])
    torch.testing.assert_close(net(first, second), c)


def test_without_gates_all_is_added_up():
    net = IntraNetwork(8, 2, 4, is_gated=False)
    h = torch.randn(3, 2, 8)
    assert "gates.values" not in dict(net.named_parameters())
    torch.testing.assert_close(net(h), net.adapters[1](h[:, 1] + net.adapters[0](h[:, 0])))
