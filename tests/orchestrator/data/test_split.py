"""Leave-one-out and activity groups."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.data import Split, activity_groups, leave_one_out
from orchestrator.data.interactions import k_core, sequences_of


@pytest.fixture
def split() -> Split:
    """Users of 4, 2, 3 and 6 interactions, with times."""
    lists = [[1, 2, 3, 4], [5, 6], [7, 8, 9], [1, 3, 5, 7, 9, 2]]
    return leave_one_out(sequences_of(lists, [[10 * item for item in row] for row in lists]))


def test_last_tests_second_to_last_validates_rest_trains(split: Split) -> None:
    assert [split.train.of(user).tolist() for user in range(4)] == [
        [1, 2],
        [5, 6],
        [7],
        [1, 3, 5, 7],
    ]
    assert split.valid.users.tolist() == split.test.users.tolist() == [0, 2, 3]
    assert split.valid.targets.tolist() == [3, 8, 9]
    assert split.test.targets.tolist() == [4, 9, 2]


def test_histories_are_padded_left_and_hold_what_came_before(split: Split) -> None:
    assert split.valid.histories(4).tolist() == [[0, 0, 1, 2], [0, 0, 0, 7], [1, 3, 5, 7]]
    assert split.test.histories(4).tolist() == [[0, 1, 2, 3], [0, 0, 7, 8], [3, 5, 7, 9]]
    assert split.test.lengths.tolist() == [3, 2, 5]


def test_histories_of_chosen_rows_keep_the_newest_items(split: Split) -> None:
    assert split.test.histories(2, slice(1, 3)).tolist() == [[7, 8], [7, 9]]
    assert split.test.histories(2, np.array([2, 0])).tolist() == [[7, 9], [2, 3]]


def test_timestamps_travel_with_their_items(split: Split) -> None:
    history = split.valid.history(3)
    assert history.timestamps is not None
    assert history.timestamps.tolist() == [[0, 10, 20], [0, 0, 70], [30, 50, 70]]
    assert history.timestamps.tolist() == (10 * history.items).tolist()
    assert split.train.timestamps is not None
    assert split.train.timestamps.tolist() == (10 * split.train.items).tolist()


def test_without_clock_times_there_are_none() -> None:
    split = leave_one_out(sequences_of([[1, 2, 3]]))
    assert split.test.timestamps(5) is None
    assert split.test.history(5).timestamps is None
    assert split.train.timestamps is None


@given(st.lists(st.lists(st.integers(1, 9), max_size=7), min_size=1, max_size=6))
def test_every_interaction_is_in_exactly_one_part(lists: list[list[int]]) -> None:
    split = leave_one_out(sequences_of(lists))
    parts = [split.train.of(user).tolist() for user in range(len(lists))]
    for user, valid, test in zip(
        split.test.users, split.valid.targets, split.test.targets, strict=True
    ):
        parts[user] += [valid, test]
    assert parts == lists


def test_ties_with_the_last_cold_user_are_cold() -> None:
    # Training interactions 1, 2, 2, 2, 5: two of five users are 40 %, and two more tie with them.
    split = leave_one_out(sequences_of([[1] * (n + 2) for n in (5, 2, 1, 2, 2)]))
    groups = activity_groups(split)
    assert groups["cold"].tolist() == [False, True, True, True, True]
    assert groups["warm"].tolist() == [True, False, False, False, False]


def test_without_ties_forty_percent_are_cold() -> None:
    split = leave_one_out(sequences_of([[1] * n for n in range(3, 38)]))
    assert activity_groups(split)["cold"].sum() == 14
    assert activity_groups(split, share=0.0)["cold"].sum() == 0


def test_users_that_are_not_evaluated_are_in_no_group() -> None:
    split = leave_one_out(sequences_of([[1], [1, 2], [1, 2, 3], [1, 2, 3, 4, 5]]))
    assert activity_groups(split)["cold"].tolist() == [True, False]


def test_k_core_drops_again_until_nothing_is_rare() -> None:
    # Item 2 is rare; without it user 2 is; without that user item 1 stays at two.
    users = np.array([0, 0, 1, 1, 2, 2])
    items = np.array([0, 1, 0, 1, 1, 2])
    assert k_core(users, items, minimum=2).tolist() == [True, True, True, True, False, False]
    assert not k_core(users, items, minimum=3).any()
    assert k_core(users, items, minimum=1).all()
