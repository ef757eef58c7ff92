"""Circles, bands and lags against their definitions by Fourier transforms and by loops."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.layers.frequency import (
    HybridAttention,
    band,
    band_kernels,
    circles,
    circulant,
)
from models.layers.transformer import attention_mask

IS_ITEM = torch.tensor([[False, False, True, True, True, True], [True] * 6, [False] * 5 + [True]])
LENGTHS = (4, 6, 1)


def attention(*, share=0.6, layer=0, num_lags=2, time_share=0.3, num_heads=2, max_size=6):
    torch.manual_seed(1)
    kernels = band_kernels(max_size, share=share, layer=layer, num_layers=2)
    return HybridAttention(
        8, num_heads, 0.0, kernels=kernels, num_lags=num_lags, time_share=time_share
    ).eval()


@pytest.mark.parametrize(
    ("size", "share", "num_layers", "expected"),
    [
        (50, 0.6, 2, [(10, 26), (0, 16)]),
        (50, 1.0, 2, [(0, 26), (0, 26)]),
        (50, 0.2, 2, [(13, 26), (0, 13)]),
        (50, 0.6, 1, [(0, 26)]),
        (50, 0.4, 4, [(15, 26), (10, 21), (5, 16), (0, 11)]),
        (1, 0.3, 2, [(0, 1), (0, 1)]),
    ],
)
def test_bands_slide_from_high_frequencies_to_low_ones(size, share, num_layers, expected):
    found = [
        band(size, share=share, layer=layer, num_layers=num_layers) for layer in range(num_layers)
    ]
    assert found == expected


@given(
    size=st.integers(1, 60),
    share=st.floats(0.01, 1.0),
    num_layers=st.integers(1, 5),
)
def test_every_layer_keeps_frequencies_that_there_are(size, share, num_layers):
    for layer in range(num_layers):
        first, beyond = band(size, share=share, layer=layer, num_layers=num_layers)
        assert 0 <= first < beyond <= size // 2 + 1


@settings(deadline=None)
@given(size=st.integers(1, 12), layer=st.integers(0, 1), share=st.floats(0.1, 1.0))
def test_a_band_is_kept_as_by_a_fourier_transform(size, layer, share):
    signal = torch.randn(size, 3, dtype=torch.float64)
    first, beyond = band(size, share=share, layer=layer, num_layers=2)
    spectrum = torch.fft.rfft(signal, dim=0)
    spectrum[:first], spectrum[beyond:] = 0, 0
    expected = torch.fft.irfft(spectrum, n=size, dim=0)
    kernels = band_kernels(12, share=share, layer=layer, num_layers=2)
    on = circles(torch.ones(1, size, dtype=torch.bool), size=None)
    kept = circulant(kernels[on.sizes], on.lags)[0].double()
    torch.testing.assert_close(kept @ signal, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [None, 9])
def test_correlation_is_that_of_the_band_on_the_circle(size):
    layer = attention(max_size=9)
    on = circles(IS_ITEM, size=size)
    query, key = (torch.randn(3, 6, 8) * IS_ITEM[:, :, None] for _ in range(2))
    found = layer.correlation(query, key, on)
    for row, length in enumerate(LENGTHS):
        places = size or length
        first, beyond = band(places, share=0.6, layer=0, num_layers=2)
        padded = torch.zeros(2, places, 8)
        padded[0, :length], padded[1, :length] = query[row, -length:], key[row, -length:]
        spectra = torch.fft.rfft(padded, dim=1)
        product = spectra[0] * spectra[1].conj()
        product[:first], product[beyond:] = 0, 0
        expected = torch.fft.irfft(product, n=places, dim=0).mean(dim=1)
        torch.testing.assert_close(found[row, :places], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [None, 9])
@pytest.mark.parametrize("num_lags", [1, 3, 20])
def test_values_are_rolled_by_the_lags_of_largest_correlation(size, num_lags):
    layer = attention(max_size=9, num_lags=num_lags, time_share=0.0)
    on, x = circles(IS_ITEM, size=size), torch.randn(3, 6, 8)
    found = layer(x, attention_mask(IS_ITEM, causal=True), on)
    query, key, value = (layer.into(x) * IS_ITEM[:, :, None]).chunk(3, dim=-1)
    correlation = layer.correlation(query, key, on)
    for row, length in enumerate(LENGTHS):
        places = size or length
        ranked = correlation[row, :places].argsort(descending=True)[:num_lags]
        shares = correlation[row, ranked].softmax(dim=0)
        padded = torch.zeros(places, 8)
        padded[:length] = value[row, -length:]
        rolled = [share * padded.roll(-int(lag), 0) for share, lag in zip(shares, ranked)]  # noqa: B905
        expected = layer.out(torch.stack(rolled).sum(dim=0)[:length])
        torch.testing.assert_close(found[row, -length:], expected, rtol=1e-4, atol=1e-5)


def test_self_attention_reads_the_band_of_queries_keys_and_values():
    layer = attention(time_share=1.0)
    on, x = circles(IS_ITEM, size=None), torch.randn(3, 6, 8)
    found = layer(x, attention_mask(IS_ITEM, causal=True), on)
    for row, length in enumerate(LENGTHS):
        kept = circulant(layer.kernels[on.sizes], on.lags)[row, -length:, -length:]
        inputs = kept @ layer.into(x[row, -length:])
        query, key, value = inputs.chunk(3, dim=-1)
        heads = []
        for part in (slice(0, 4), slice(4, 8)):
            logits = query[:, part] @ key[:, part].T / math.sqrt(4)
            logits = logits.masked_fill(torch.ones(length, length).triu(1).bool(), -torch.inf)
            heads.append(logits.softmax(dim=1) @ value[:, part])
        expected = layer.out(torch.cat(heads, dim=1))
        torch.testing.assert_close(found[row, -length:], expected, rtol=1e-4, atol=1e-5)


def test_both_branches_are_weighted():
    x, allowed = torch.randn(3, 6, 8), attention_mask(IS_ITEM, causal=True)
    on = circles(IS_ITEM, size=None)
    mixed, time, lags = (attention(time_share=share)(x, allowed, on) for share in (0.3, 1.0, 0.0))
    torch.testing.assert_close(mixed, 0.3 * time + 0.7 * lags)


def test_of_equal_correlations_the_shorter_lags_are_read():
    """The lowest frequency alone correlates alike at every lag; rounding does not choose."""
    layer = attention(share=0.1, layer=1, num_lags=2, time_share=0.0)
    layer.kernels[:] = band_kernels(6, share=0.01, layer=4, num_layers=5)
    on = circles(IS_ITEM[[1]], size=None)
    query, key = torch.randn(2, 1, 6, 8).unbind()
    shares = layer._weights(query, key, on)[0]
    assert band(6, share=0.01, layer=4, num_layers=5) == (0, 1)
    place = np.arange(6)
    lag = (place[:, None] - place) % 6
    expected = torch.from_numpy(np.where(lag < 2, 0.5, 0.0)).float()
    torch.testing.assert_close(shares, expected)


def test_histories_of_full_length_are_the_same_on_both_circles():
    x, full = torch.randn(2, 6, 8), torch.ones(2, 6, dtype=torch.bool)
    layer, allowed = attention(), attention_mask(full, causal=True)
    found = [layer(x, allowed, circles(full, size=size)) for size in (None, 6)]
    torch.testing.assert_close(*found)
