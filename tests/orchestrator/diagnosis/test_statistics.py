import numpy as np
import pytest

from orchestrator.data import Content, ItemTable, Origin, write_dataset
from orchestrator.data.interactions import sequences_of
from orchestrator.diagnosis.statistics import statistics


@pytest.fixture
def found(tmp_path):
    """Three users, four items; user 0 takes item 1 twice, and nobody item 4."""
    content = Content(
        sequences=sequences_of([[1, 2, 1, 3], [1, 2], [1, 3, 2]]),
        users=["a", "b", "c"],
        items=ItemTable(["", *list("wxyz")], [""] * 5, [None] * 5),
        origin=Origin(importer="test", licence="none"),
    )
    return statistics(write_dataset(content, tmp_path / "small"))


def test_sparsity_counts_a_repeated_pair_once(found):
    assert found.sparsity == pytest.approx(1 - 8 / 12)
    assert found.repeats == 1


def test_lengths_and_popularity(found):
    assert found.lengths.tolist() == [4, 2, 3]
    assert found.popularity.tolist() == [4, 3, 2, 0]
    assert found.evaluated == 2
    assert found.length_spread.mean == 3.0
    assert found.length_spread.quantiles[0] == 2.0
    assert found.length_spread.quantiles[3] == 3.0
    assert found.popularity_spread.quantiles[-1] == 4.0


@pytest.mark.parametrize(("part", "share"), [(0.25, 4 / 9), (0.3, 7 / 9), (1.0, 1.0)])
def test_the_share_of_the_most_popular_items(found, part, share):
    assert found.share_of_top(part) == pytest.approx(share)


def test_quantiles_are_numbers_that_occur(found):
    assert set(found.length_spread.quantiles) <= set(np.array([2.0, 3.0, 4.0]))
