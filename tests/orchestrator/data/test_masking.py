import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import Masked
from orchestrator.data.masking import hidden_places, usual_number

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=20).map(np.array)


@settings(deadline=None)
@given(lengths=LENGTHS, ratio=st.floats(0.01, 1.0), seed=st.integers(0, 99))
def test_something_of_every_sequence_is_hidden_and_padding_never(lengths, ratio, seed):
    hidden = hidden_places(lengths, Masked(ratio=ratio), np.random.default_rng(seed))
    longest = lengths.max()
    assert hidden.shape == (len(lengths), longest)
    is_item = np.arange(longest) >= longest - lengths[:, None]
    assert hidden.any(axis=1).all()
    assert not (hidden & ~is_item).any()
    if ratio == 1.0:
        assert (hidden == is_item).all()


@pytest.mark.parametrize("ratio", [0.1, 0.5])
def test_each_place_is_hidden_as_often_as_asked(ratio):
    lengths = np.full(20_000, 25)
    hidden = hidden_places(lengths, Masked(ratio=ratio), np.random.default_rng(0))
    # None is hidden by chance in 0.9 ** 25 = 7 % of sequences: there one of 25 places is.
    expected = ratio + (1 - ratio) ** 25 / 25
    assert hidden.mean(axis=0) == pytest.approx(np.full(25, expected), abs=0.015)


def test_some_sequences_have_their_last_item_alone_hidden():
    masked = Masked(ratio=0.9, last_ratio=0.25)
    hidden = hidden_places(np.full(20_000, 10), masked, np.random.default_rng(0))
    alone = hidden[:, -1] & (hidden.sum(axis=1) == 1)
    assert alone.mean() == pytest.approx(0.25, abs=0.01)
    always = Masked(ratio=0.9, last_ratio=1.0)
    hidden = hidden_places(np.array([4, 9]), always, np.random.default_rng(0))
    assert hidden.sum(axis=0).tolist() == [0] * 8 + [2]


@pytest.mark.parametrize("masked", [Masked(ratio=0.2), Masked(ratio=0.6, last_ratio=0.5)])
def test_the_usual_number_is_about_what_is_hidden(masked):
    lengths = np.repeat([2, 10, 40], 4000)
    found = hidden_places(lengths, masked, np.random.default_rng(0)).sum(axis=1)
    for length in (2, 10, 40):
        usual = usual_number(np.array([length]), masked)[0]
        assert found[lengths == length].mean() == pytest.approx(usual, abs=0.6)
