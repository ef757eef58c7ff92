import pytest
import torch

from models import History
from models.gru4rec import GRU4RecConfig


def test_states_are_those_of_gated_recurrent_units(build):
    model = build("gru4rec", hidden_dim=5)
    items = torch.tensor([3, 9, 1])
    into, hidden = model.units.weight_ih_l0, model.units.weight_hh_l0
    state = torch.zeros(5)
    for x in model.item_ids(items):
        reset, update, new = (into @ x).chunk(3)
        reset_h, update_h, new_h = (hidden @ state).chunk(3)
        reset, update = (reset + reset_h).sigmoid(), (update + update_h).sigmoid()
        new = (new + reset * new_h).tanh()
        state = (1 - update) * new + update * state
    expected = model.output(state) @ model.item_ids.weight[1:].T
    torch.testing.assert_close(model.scores(History(items[None]))[0], expected)


@pytest.mark.parametrize("num_layers", [1, 3])
def test_padding_leaves_no_trace(build, num_layers):
    model = build("gru4rec", num_layers=num_layers)
    states = model.encode(History(torch.tensor([[0, 0, 0, 3, 9, 1]])))
    assert torch.equal(states[0, :3], model.output.bias.expand(3, -1))
    alone = model.encode(History(torch.tensor([[3, 9, 1]])))
    torch.testing.assert_close(states[:, 3:], alone, rtol=1e-5, atol=1e-7)


def test_items_are_compared_with_by_their_own_embeddings_unless_told_otherwise(build, histories):
    tied, untied = build("gru4rec"), build("gru4rec", tied=False)
    assert tied.output_ids is None
    state = untied.encode(histories)[:, -1]
    torch.testing.assert_close(untied.scores(histories), state @ untied.output_ids.weight[1:].T)


@pytest.mark.parametrize("key", ["hidden_dim", "num_layers"])
def test_impossible_settings_are_refused_by_name(key):
    with pytest.raises(ValueError, match=f"^`{key}` cannot be 0: it must be at least 1.$"):
        GRU4RecConfig(**{key: 0})
