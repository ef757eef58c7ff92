import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models.layers.transformer import (
    Block,
    EncoderShape,
    PositionEmbedding,
    SelfAttention,
    SequenceEncoder,
    attention_mask,
    init_normal,
    item_table,
    positions,
    zero_padding,
)

SHAPE = EncoderShape(dim=8, num_layers=2, num_heads=2, inner_dim=12, dropout=0.0)
IS_ITEM = torch.tensor([[False, False, True, True, True], [True, True, True, True, True]])


def test_positions_count_from_the_historys_start():
    assert positions(IS_ITEM).tolist() == [[0, 0, 0, 1, 2], [0, 1, 2, 3, 4]]
    assert positions(torch.zeros(1, 3, dtype=torch.bool)).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("causal", [True, False])
def test_a_query_reads_items_and_itself_and_under_causality_nothing_later(causal):
    allowed = attention_mask(IS_ITEM, causal=causal)
    assert allowed.shape == (2, 1, 5, 5)
    for row in range(2):
        for query in range(5):
            for key in range(5):
                wanted = bool(IS_ITEM[row, key]) and (key <= query or not causal)
                assert allowed[row, 0, query, key] == (wanted or key == query)


def test_self_attention_is_the_definition():
    torch.manual_seed(0)
    attention = SelfAttention(8, 2, dropout=0.0).double()
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    allowed = attention_mask(IS_ITEM, causal=True)
    query, key, value = attention.into(x).split(8, dim=-1)
    found = attention(x, allowed)
    for row in range(2):
        for place in range(5):
            heads = []
            for part in (slice(0, 4), slice(4, 8)):
                readable = [k for k in range(5) if allowed[row, 0, place, k]]
                logits = [query[row, place, part] @ key[row, k, part] / 4**0.5 for k in readable]
                weights = torch.stack(logits).softmax(dim=0)
                heads.append(weights @ value[row, readable, part])
            expected = attention.out(torch.cat(heads))
            torch.testing.assert_close(found[row, place], expected)


def test_attention_without_a_mask_reads_everything():
    attention = SelfAttention(8, 4, dropout=0.0)
    x = torch.randn(2, 5, 8)
    everything = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    torch.testing.assert_close(attention(x), attention(x, everything))


def test_attention_drops_in_training_alone():
    attention = SelfAttention(8, 2, dropout=0.5)
    x = torch.randn(2, 5, 8)
    assert torch.equal(attention.eval()(x), attention(x))
    assert not torch.equal(attention.train()(x), attention(x))


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_blocks_norm_after_the_sum_or_before_the_layer(norm):
    torch.manual_seed(0)
    block = Block(dataclasses.replace(SHAPE, norm=norm))
    for module in (block.attention_norm, block.feed_forward_norm):
        nn.init.normal_(module.weight)
    x, allowed = torch.randn(2, 5, 8), attention_mask(IS_ITEM, causal=True)
    first, second = block.attention_norm, block.feed_forward_norm
    if norm == "post":
        middle = first(x + block.attention(x, allowed))
        expected = second(middle + block.feed_forward(middle))
    else:
        middle = x + block.attention(first(x), allowed)
        expected = middle + block.feed_forward(second(middle))
    torch.testing.assert_close(block(x, allowed), expected)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_an_encoders_states_are_normed(norm):
    encoder = SequenceEncoder(dataclasses.replace(SHAPE, norm=norm))
    states = encoder(torch.randn(2, 5, 8), IS_ITEM)
    torch.testing.assert_close(states, F.layer_norm(states, (8,)), rtol=0, atol=1e-4)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_what_stands_at_padding_never_reaches_an_item(norm):
    encoder = SequenceEncoder(dataclasses.replace(SHAPE, norm=norm))
    x = torch.randn(2, 5, 8)
    other = torch.where(IS_ITEM[:, :, None], x, 50 * torch.randn(2, 5, 8))
    same = encoder(x, IS_ITEM)[IS_ITEM], encoder(other, IS_ITEM)[IS_ITEM]
    torch.testing.assert_close(*same)


@pytest.mark.parametrize("causal", [True, False])
def test_a_later_item_reaches_earlier_states_only_without_causality(causal):
    encoder = SequenceEncoder(dataclasses.replace(SHAPE, causal=causal))
    x = torch.randn(2, 5, 8)
    other = x.clone()
    other[:, -1] *= -1.0  # adding a constant is undone by the input's LayerNorm
    before, after = encoder(x, IS_ITEM)[:, 3], encoder(other, IS_ITEM)[:, 3]
    assert torch.allclose(before, after) == causal


def test_a_history_of_padding_alone_gives_no_nan():
    encoder = SequenceEncoder(SHAPE)
    assert encoder(torch.randn(1, 4, 8), torch.zeros(1, 4, dtype=torch.bool)).isfinite().all()


def test_position_vectors_follow_the_item_not_the_column():
    embedding = PositionEmbedding(5, 8)
    vectors = embedding(IS_ITEM)
    assert torch.equal(vectors[0, 2:], embedding.table.weight[:3])
    assert torch.equal(vectors[1], embedding.table.weight)


def test_a_history_beyond_the_limit_is_refused():
    embedding = PositionEmbedding(4, 8)
    with pytest.raises(ValueError, match=r"a history of 5 items exceeds the limit 4\."):
        embedding(IS_ITEM)
    assert embedding(IS_ITEM[:1]).shape == (1, 5, 8)  # padding is not counted


def test_weights_start_small_and_padding_starts_at_zero():
    torch.manual_seed(0)
    model = nn.ModuleDict(
        {
            "ids": item_table(500, 8),
            "norm": nn.LayerNorm(8),
            "linear": nn.Linear(64, 64),
            "encoder": SequenceEncoder(SHAPE),
        }
    )
    nn.init.ones_(model["norm"].bias)
    model.apply(init_normal).apply(zero_padding)
    assert not model["ids"].weight[0].any()
    assert model["ids"].weight[1:].std().item() == pytest.approx(0.02, rel=0.1)
    assert model["linear"].weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not model["linear"].bias.any()
    assert not model["norm"].bias.any()
    assert (model["norm"].weight == 1).all()


def test_the_padding_row_never_trains():
    table = item_table(5, 8)
    adam = torch.optim.Adam(table.parameters(), lr=0.1)
    (table(torch.tensor([[0, 1, 2]])) * torch.randn(1, 3, 8)).sum().backward()
    adam.step()
    assert not table.weight[0].any()
