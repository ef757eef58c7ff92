import re

import pytest
import torch
import torch.nn.functional as F

from models import History
from models.nextitnet import CausalConvolution, NextItNetConfig


def reach(model, length=40):
    """How many items back the last state of a long history depends on."""
    items = torch.arange(length)[None] % 12 + 1
    with torch.no_grad():
        before = model.encode(History(items))[0, -1]
        changed = []
        for back in range(length):
            other = items.clone()
            other[0, -1 - back] = other[0, -1 - back] % 12 + 1
            changed.append(not torch.equal(model.encode(History(other))[0, -1], before))
    return max(back for back, differs in enumerate(changed) if differs) + 1


@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize("kernel", [2, 3])
def test_convolution_is_torchs(kernel, dilation):
    torch.manual_seed(0)
    own = CausalConvolution(4, kernel=kernel, dilation=dilation)
    torch.nn.init.normal_(own.bias)
    x = torch.randn(2, 7, 4)
    weight = own.taps.flip(0).permute(2, 1, 0)
    padded = F.pad(x.transpose(1, 2), ((kernel - 1) * dilation, 0))
    expected = F.conv1d(padded, weight, own.bias, dilation=dilation).transpose(1, 2)
    torch.testing.assert_close(own(x), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "items"),
    [
        ({"dilations": (1,), "repeats": 1}, 1 + 2 * (1 + 2)),
        ({"dilations": (1, 2), "repeats": 1}, 1 + 2 * (1 + 2 + 2 + 4)),
        ({"dilations": (1, 2), "repeats": 2}, 1 + 2 * 2 * (1 + 2 + 2 + 4)),
        ({"dilations": (1,), "repeats": 1, "kernel": 2}, 1 + 1 + 2),
        ({"dilations": (1, 4), "repeats": 1, "block": "bottleneck"}, 1 + 2 * (1 + 4)),
    ],
)
def test_it_sees_as_far_as_its_dilations_add_up_to(build, settings, items):
    assert reach(build("nextitnet", **settings)) == items


@pytest.mark.parametrize("block", ["pair", "bottleneck"])
def test_padding_stays_zero_between_layers(build, block):
    model = build("nextitnet", block=block)
    for parameter in model.blocks.parameters():
        torch.nn.init.normal_(parameter)  # biases above all
    seen = []
    for block in model.blocks:
        block.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model.encode(History(torch.tensor([[0, 0, 0, 3, 9, 1]])))
    assert all(not x[0, :3].any() and x[0, 3:].any() for x in seen)


def test_residuals_carry_the_input_through(build):
    model, bare = build("nextitnet"), build("nextitnet", use_residual=False)
    for of in (model, bare):
        for parameter in of.blocks.parameters():
            torch.nn.init.zeros_(parameter)
    history = History(torch.tensor([[3, 9, 1]]))
    carried = model.output(model.item_ids(history.items))
    torch.testing.assert_close(model.encode(history), carried)
    torch.testing.assert_close(bare.encode(history), bare.output(torch.zeros_like(carried)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel": 1}, "`kernel` cannot be 1: it must be at least 2."),
        ({"repeats": 0}, "`repeats` cannot be 0: it must be at least 1."),
        ({"dilations": ()}, "`dilations` cannot be empty: there must be a block."),
        ({"dilations": (1, 0)}, "`dilations` cannot be 0: it must be at least 1."),
        (
            {"block": "bottleneck", "dim": 15},
            "`block` cannot be bottleneck: it halves `dim` = 15.",
        ),
    ],
)
def test_impossible_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        NextItNetConfig(**settings)
