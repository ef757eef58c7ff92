import math

import pytest
import torch
import torch.nn.functional as F

from models.layers.dropout import LEVELS, Dropout, attend, drop


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(1_000_003,), (1000, 7, 143)])
def test_that_share_is_dropped_and_the_mean_is_kept(share, shape):
    torch.manual_seed(0)
    x = torch.full(shape, 3.0)
    dropped = drop(x, share)
    assert dropped.shape == x.shape
    error = 5 * math.sqrt(share * (1 - share) / x.numel())  # five standard deviations
    assert abs((dropped == 0).float().mean().item() - share) < error + 1 / LEVELS
    assert abs(dropped.double().mean().item() / 3 - 1) < error / (1 - share)
    kept = dropped[dropped != 0]
    assert torch.allclose(
        kept, torch.full_like(kept, 3 / (1 - share)), rtol=2 / LEVELS / (1 - share)
    )


def test_neighbours_are_dropped_independently():
    torch.manual_seed(1)
    is_kept = (drop(torch.ones(400_000), 0.5) > 0).float()
    for distance in (1, 2, 3, 4, 8):
        both = (is_kept[distance:] * is_kept[:-distance]).mean().item()
        assert abs(both - 0.25) < 0.005


def test_what_is_dropped_has_no_gradient_and_what_is_kept_the_factor():
    torch.manual_seed(2)
    x = torch.randn(50, 40, requires_grad=True)
    y = drop(x, 0.25)
    y.sum().backward()
    assert torch.allclose(x.grad * x, y)
    assert (x.grad == 0).sum() > 300


def test_a_seed_decides_what_is_dropped():
    def once(seed):
        torch.manual_seed(seed)
        return drop(torch.ones(64), 0.5)

    assert torch.equal(once(3), once(3))
    assert not torch.equal(once(3), once(4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_number_format_stays(dtype):
    assert drop(torch.ones(9, dtype=dtype), 0.5).dtype == dtype


@pytest.mark.parametrize("share", [1e-7, 1 - 1e-7])
def test_shares_next_to_nothing_and_all_are_in_range(share):
    torch.manual_seed(5)
    dropped = drop(torch.ones(200_000), share)
    assert torch.isfinite(dropped).all()
    assert abs((dropped == 0).float().mean().item() - share) < 1e-3


def test_in_evaluation_and_at_zero_nothing_is_dropped():
    x = torch.randn(5, 6)
    layer = Dropout(0.5)
    assert not torch.equal(layer(x), x)
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert drop(torch.ones(0, 4), 0.5).shape == (0, 4)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_with_a_vanishing_dropout_is_that_of_torch(masked):
    torch.manual_seed(6)
    query, key, value = torch.randn(3, 2, 3, 5, 4)
    allowed = torch.ones(2, 1, 5, 5).tril().bool() if masked else None
    torch.manual_seed(0)
    # Of 150 weights each is dropped with a probability of 1/65,536.
    ours = attend(query, key, value, allowed=allowed, dropout=1e-9)
    theirs = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
    assert torch.allclose(ours, theirs, atol=1e-4)
    assert torch.equal(attend(query, key, value, allowed=allowed, dropout=0.0), theirs)


def test_attention_drops_weights_and_keeps_their_mean():
    torch.manual_seed(7)
    query, key, value = torch.randn(3, 1, 1, 6, 4)
    many = [t.expand(20_000, -1, -1, -1) for t in (query, key, value)]
    ours = attend(*many, allowed=None, dropout=0.4)
    assert not torch.equal(ours[0], ours[1])
    expected = F.scaled_dot_product_attention(query, key, value)
    assert torch.allclose(ours.mean(dim=0), expected[0], atol=0.03)
