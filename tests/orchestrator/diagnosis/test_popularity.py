import numpy as np
import pytest

from orchestrator.data import Sequences, leave_one_out
from orchestrator.diagnosis.popularity import popularity, popularity_groups


@pytest.fixture
def split():
    """Training parts 1 1 2, 1 2, 1 2 3 and 5; test targets 4, 3, 2, 1 and none."""
    users = ([1, 1, 2, 9, 4], [1, 2, 9, 3], [1, 2, 3, 9, 2], [1, 9, 1], [5])
    items = np.concatenate(users).astype(np.int32)
    offsets = np.cumsum([0, *map(len, users)]).astype(np.int64)
    return leave_one_out(Sequences(items, offsets, None))


def test_a_target_is_as_popular_as_it_was_trained_on(split):
    """Held-out occurrences do not count: item 4 is met at the test alone, item 3 once before."""
    assert popularity(split).tolist() == [0, 1, 3, 5]


def test_the_rarest_share_is_rare_and_the_rest_frequent(split):
    groups = popularity_groups(split)
    assert groups["rare"].tolist() == [True, True, False, False]
    assert (groups["frequent"] == ~groups["rare"]).all()


@pytest.mark.parametrize(("share", "num_rare"), [(0.0, 0), (0.2, 1), (0.75, 3), (1.0, 4)])
def test_the_share_can_be_chosen(split, share, num_rare):
    assert popularity_groups(split, share=share)["rare"].sum() == num_rare


def test_targets_of_equal_popularity_are_not_parted():
    users = ([1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3])
    items = np.concatenate(users).astype(np.int32)
    same = leave_one_out(Sequences(items, np.arange(0, 13, 3), None))
    assert popularity_groups(same)["rare"].all()
