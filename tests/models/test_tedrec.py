import pytest
import torch

from models import History
from models.tedrec import Fusion, TedRecConfig


def by_hand(fusion, texts, ids):
    """Sums over a circle of as many places as a history may have, term by term."""
    length = fusion.length
    lags = torch.fft.irfft(torch.view_as_complex(fusion.filter), n=length, dim=0)
    filtered, product = torch.zeros_like(ids), torch.zeros_like(ids)
    for place in range(length):
        for other in range(length):
            lag = (place - other) % length
            filtered[:, place] += ids[:, other] * lags[lag]
            product[:, place] += ids[:, other] * texts[:, lag] / length**0.5
    gates = (
        torch.sigmoid(fusion.filtered_gate(filtered)),
        torch.sigmoid(fusion.product_gate(product)),
    )
    return 2 * (gates[0] * filtered + gates[1] * product)


@pytest.mark.parametrize("length", [8, 7])
@pytest.mark.parametrize("places", [1, 3, 4, 5, 7])
def test_fusion_is_a_convolution_on_a_circle_of_the_history_limit(length, places):
    torch.manual_seed(0)
    fusion = Fusion(TedRecConfig(dim=4, num_heads=2, max_length=length))
    texts, ids = torch.zeros(2, 2, length, 4)
    texts[:, :places], ids[:, :places] = torch.randn(2, 2, places, 4)
    found = fusion(texts[:, :places], ids[:, :places])
    expected = by_hand(fusion, texts, ids)[:, :places]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_filter_of_ones_changes_nothing():
    fusion = Fusion(TedRecConfig(dim=4, num_heads=2, max_length=6))
    torch.nn.init.zeros_(fusion.filter)
    fusion.filter.data[..., 0] = 1
    kernel = fusion._kernel(2, 3)
    torch.testing.assert_close(kernel, torch.eye(3)[:, :1].expand(3, 4))


def test_texts_at_padding_are_zero_whatever_the_shifts(build):
    """In the original code they are not, and the convolution spreads them over all places."""
    model = build("tedrec")
    with torch.no_grad():
        for mixture in model.adaptors.values():
            mixture.shifts.fill_(1.0)
    texts = model._texts(torch.tensor([[3, 9, 1, 0, 0]]), model.tables())
    assert texts[0, :3].all()
    assert not texts[0, 3:].any()


def test_an_earlier_state_reads_a_later_text(build):
    model = build("tedrec", use_filter=False)
    items = [[3, 9, 1, 7, 2, 4, 6], [3, 9, 1, 7, 2, 4, 8]]
    before, after = (model.encode(History(torch.tensor([i])), model.tables())[0, 1] for i in items)
    assert not torch.allclose(before, after)


def test_without_filter_and_product_there_is_nothing_of_ids():
    with pytest.raises(ValueError, match="`use_filter` and `use_product`"):
        TedRecConfig(use_filter=False, use_product=False)
