import pytest
import torch

from models.layers.graph import most_related, normalised, spread_over, unrelated

COUNTS = torch.tensor(
    [
        [0, 0, 0, 0, 0],
        [0, 0, 2, 5, 2],
        [0, 2, 0, 0, 1],
        [0, 5, 0, 0, 0],
        [0, 2, 1, 0, 0],
    ]
).float()


def sparse(dense):
    return dense.to_sparse().coalesce()


def test_the_most_related_come_first_and_of_equals_the_lower_number():
    found, values = most_related(sparse(COUNTS), 2)
    assert found.tolist() == [[0, 0], [3, 2], [1, 4], [1, 0], [1, 2]]
    assert values.tolist() == [[0, 0], [5, 2], [2, 1], [5, 0], [2, 1]]


def test_of_an_empty_graph_nothing_is_related_and_all_is_unrelated():
    empty = sparse(torch.zeros(4, 4))
    found, values = most_related(empty, 3)
    assert not found.any()
    assert not values.any()
    assert unrelated(empty, 2)[1:].all()


def test_unrelated_items_have_no_value_and_are_not_the_item_itself():
    torch.manual_seed(0)
    found = unrelated(sparse(COUNTS), 6)
    assert not found[0].any()
    assert not found[1].any()  # it is related to all others
    assert set(found[2].tolist()) == {3}
    assert set(found[3].tolist()) == {2, 4}
    assert set(found[4].tolist()) == {3}


def test_what_was_drawn_in_vain_stands_behind():
    torch.manual_seed(0)
    dense = torch.ones(30, 30)
    dense[0], dense[:, 0] = 0, 0
    dense[5, 7] = 0
    (row,) = unrelated(sparse(dense), 4)[[5]].tolist()
    assert set(row) <= {7, 0}
    assert row == sorted(row, reverse=True)


@pytest.mark.parametrize("norm", ["rows", "symmetric"])
def test_rows_without_neighbours_stay_empty(norm):
    near = normalised(sparse(COUNTS), norm)
    values = torch.randn(5, 3)
    spread = spread_over(near, values)
    assert not spread[0].any()
    if norm == "rows":
        torch.testing.assert_close(near.to_dense()[1:].sum(dim=1), torch.ones(4))
    torch.testing.assert_close(spread, near.to_dense() @ values)
