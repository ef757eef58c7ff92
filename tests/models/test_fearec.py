import re
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from models import History, Prefixes
from models.fearec import FEARecConfig

from .conftest import SEQUENCES


@pytest.fixture
def batch(batch_of):
    return batch_of([*SEQUENCES, [5, 9, 1], [8, 1, 2]], samples=Prefixes(twins=True))


@pytest.mark.parametrize(("contrast", "frequency"), [(0.1, 0.2), (0.0, 0.2), (0.3, 0.0)])
def test_the_loss_is_the_sum_of_its_weighted_parts(build, batch, contrast, frequency):
    model = build("fearec", contrast_weight=contrast, frequency_weight=frequency, temperature=0.7)
    loss = model.loss(batch)

    def newest(history):
        return model.encode(history)[:, -1]

    own, twins = batch.newest(newest), batch.twins.newest(newest)
    entropy = F.cross_entropy(own @ model.item_ids.weight[1:].T, batch.targets() - 1)
    spectra = [torch.fft.rfft(states, dim=1, norm="ortho") for states in (own, twins)]
    both, num = torch.cat([own, twins]), len(own)
    logits = (both @ both.T / 0.7).fill_diagonal_(-torch.inf)
    nce = F.cross_entropy(logits, torch.arange(2 * num).roll(num))
    expected = {
        "cross_entropy": entropy,
        "contrast": contrast * nce,
        "frequency": frequency * (spectra[0] - spectra[1]).abs().mean(),
    }
    expected = {name: part for name, part in expected.items() if name in loss.parts}
    assert len(expected) == 1 + (contrast > 0) + (frequency > 0)
    for name, part in expected.items():
        torch.testing.assert_close(loss.parts[name], part, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(loss.total, sum(expected.values()), rtol=1e-4, atol=1e-5)


def test_twins_are_asked_for_only_where_they_are_compared(build, batch_of):
    assert build("fearec").samples() == Prefixes(twins=True)
    plain = build("fearec", contrast_weight=0.0, frequency_weight=0.0)
    assert plain.samples() == Prefixes()
    assert set(plain.loss(batch_of(SEQUENCES, samples=Prefixes())).parts) == {"cross_entropy"}


@pytest.mark.parametrize("circle", ["history", "limit"])
def test_a_later_item_reaches_earlier_states(build, circle):
    """Which is why it may be trained on prefixes alone."""
    model = build("fearec", circle=circle)
    before, after = (
        model.encode(History(torch.tensor([items])))[0, 1] for items in ([3, 9, 1], [3, 9, 2])
    )
    assert not torch.allclose(before, after)


def test_circles_differ_for_short_histories_and_agree_at_the_limit(build):
    models = [build("fearec", circle=circle) for circle in ("history", "limit")]
    short, full = History(torch.tensor([[3, 9, 1]])), History(torch.tensor([[*range(1, 9)]]))
    assert not torch.allclose(*[model.scores(short) for model in models])
    torch.testing.assert_close(*[model.scores(full) for model in models], rtol=1e-4, atol=1e-5)


def test_layers_keep_different_bands_unless_all_is_kept(build):
    first, second = (block.attention.kernels for block in build("fearec").encoder.blocks)
    assert not torch.equal(first, second)
    first, second = (
        block.attention.kernels for block in build("fearec", band_share=1.0).encoder.blocks
    )
    assert torch.equal(first, second)


def test_lags_grow_with_the_logarithm_of_the_limit():
    assert [FEARecConfig(lag_factor=factor).num_lags() for factor in (0.01, 1.0, 3.0, 5.0)] == [
        *(1, 3, 11, 19)
    ]


@pytest.mark.parametrize(
    ("switch", "unused"),
    [
        ({"contrast_weight": 0.0}, {"temperature": 0.5}),
        ({"time_share": 1.0}, {"lag_factor": 3.0}),
        ({"time_share": 0.0}, {"num_heads": 4}),
        ({"band_share": 0.5}, {"band_share": 0.2}),
        ({"num_layers": 1}, {"band_share": 0.2}),
    ],
)
def test_what_a_switch_leaves_unused_makes_no_other_run(build, histories, switch, unused):
    plain = FEARecConfig(**switch)
    assert replace(plain, **unused).canonical() == plain.canonical()
    assert plain.canonical().canonical() == plain.canonical()
    used = replace(plain, circle="limit")
    assert used.canonical() != plain.canonical()
    scores = [build("fearec", **more).scores(histories) for more in (switch, switch | unused)]
    torch.testing.assert_close(*scores)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"band_share": 0.0}, "`band_share` cannot be 0.0: it must be above 0 and finite."),
        ({"band_share": 1.2}, "`band_share` cannot be 1.2: it is at most 1."),
        ({"time_share": -0.1}, "`time_share` cannot be -0.1: it must be at least 0."),
        ({"time_share": 1.1}, "`time_share` cannot be 1.1: it is at most 1."),
        ({"temperature": 0.0}, "`temperature` cannot be 0.0: it must be above 0 and finite."),
        ({"contrast_weight": -1.0}, "`contrast_weight` cannot be -1.0: it must be at least 0."),
    ],
)
def test_impossible_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        FEARecConfig(**settings)
