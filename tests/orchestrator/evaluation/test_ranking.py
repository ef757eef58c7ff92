import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import TrialError
from orchestrator.evaluation.ranking import Ties, ranks

TIES: tuple[Ties, ...] = ("worst", "mean")


@st.composite
def rankings(draw):
    """Small whole-number scores (so ties are common and sums exact), targets, seen items."""
    num_items = draw(st.integers(1, 12))
    batch = draw(st.integers(1, 4))
    length = draw(st.integers(0, 6))
    row = st.lists(st.integers(-3, 3), min_size=num_items, max_size=num_items)
    scores = torch.tensor([draw(row) for _ in range(batch)], dtype=torch.float32)
    targets = torch.tensor([draw(st.integers(1, num_items)) for _ in range(batch)])
    seen = [[draw(st.integers(0, num_items)) for _ in range(length)] for _ in range(batch)]
    return scores, targets, torch.tensor(seen, dtype=torch.int64).reshape(batch, length)


def by_definition(scores, target, *, ties, seen=()):
    """Rank of one row's target, one competitor at a time."""
    own = scores[target - 1].item()
    rank = 1.0
    for item in range(1, len(scores) + 1):
        if item == target or item in seen:
            continue
        score = scores[item - 1].item()
        rank += 1.0 if score > own else 0.0
        rank += (1.0 if ties == "worst" else 0.5) if score == own else 0.0
    return rank


def rank(scores, target, **options):
    return ranks(torch.tensor([scores]), torch.tensor([target]), **options).item()


def test_item_one_is_the_first_column():
    assert rank([0.9, 0.5, 0.1], 1) == 1
    assert rank([0.9, 0.5, 0.1], 3) == 3


def test_tied_target_takes_worst_rank_by_default():
    assert rank([0.9, 0.5, 0.5, 0.5, 0.1], 3) == 4


def test_tied_target_takes_mean_of_the_ties_ranks():
    assert rank([0.9, 0.5, 0.5, 0.5, 0.1], 3, ties="mean") == (2 + 3 + 4) / 3
    assert rank([0.5, 0.5], 1, ties="mean") == 1.5


@pytest.mark.parametrize("target", [1, 3, 5])
def test_constant_scores_earn_the_last_or_middle_rank(target):
    assert rank([2.0] * 5, target) == 5
    assert rank([2.0] * 5, target, ties="mean") == 3


def test_seen_items_leave_the_ranking():
    seen = torch.tensor([[0, 1, 2]])
    assert rank([0.9, 0.8, 0.7, 0.6], 4, seen=seen) == 2


def test_seen_item_below_the_target_changes_nothing():
    assert rank([0.9, 0.8, 0.7, 0.6], 2, seen=torch.tensor([[4]])) == 2


def test_item_seen_twice_leaves_once():
    assert rank([0.9, 0.8, 0.7], 3, seen=torch.tensor([[1, 1, 1]])) == 2


@pytest.mark.parametrize("ties", TIES)
def test_target_stays_though_seen(ties):
    assert rank([0.9, 0.8, 0.7], 2, seen=torch.tensor([[2, 2]]), ties=ties) == 2


def test_seen_item_tied_with_the_target_leaves_the_tie():
    assert rank([0.5, 0.5, 0.5], 1, seen=torch.tensor([[2]])) == 2
    assert rank([0.5, 0.5, 0.5], 1, seen=torch.tensor([[2]]), ties="mean") == 1.5


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("column", [0, 2])
def test_scores_that_are_not_finite_are_refused(bad, column):
    scores = torch.tensor([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]])
    scores[1, column] = bad
    with pytest.raises(TrialError, match="NaN or infinite"):
        ranks(scores, torch.tensor([1, 1]))


@pytest.mark.parametrize("target", [0, -1, 4])
def test_padding_and_unknown_items_cannot_be_targets(target):
    with pytest.raises(ValueError, match=f"cannot be {target}: items run from 1 to 3"):
        rank([0.1, 0.2, 0.3], target)


def test_no_rows_have_no_ranks():
    assert ranks(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_precision_of_scores_does_not_limit_the_ranks(dtype):
    scores = torch.zeros(1, 5001, dtype=dtype)
    assert ranks(scores, torch.tensor([7])).item() == 5001
    assert ranks(scores, torch.tensor([7]), ties="mean").item() == 2501


def test_scores_are_left_as_they_were():
    scores = torch.tensor([[0.9, 0.8, 0.7]])
    ranks(scores, torch.tensor([3]), seen=torch.tensor([[1]]))
    assert scores.tolist() == torch.tensor([[0.9, 0.8, 0.7]]).tolist()


@given(rankings(), st.sampled_from(TIES), st.booleans())
def test_equals_the_definition_item_by_item(ranking, ties, exclude):
    scores, targets, seen = ranking
    expected = [
        by_definition(row, target, ties=ties, seen=history if exclude else ())
        for row, target, history in zip(scores, targets.tolist(), seen.tolist(), strict=True)
    ]
    found = ranks(scores, targets, ties=ties, seen=seen if exclude else None)
    assert found.tolist() == expected


@given(rankings(), st.sampled_from(TIES))
def test_rank_lies_between_first_and_last(ranking, ties):
    scores, targets, seen = ranking
    found = ranks(scores, targets, ties=ties, seen=seen)
    assert bool(((found >= 1) & (found <= scores.shape[1])).all())


@given(rankings(), st.sampled_from(TIES), st.integers(-50, 50))
def test_adding_a_constant_changes_nothing(ranking, ties, constant):
    scores, targets, seen = ranking
    moved = ranks(scores + constant, targets, ties=ties, seen=seen)
    assert moved.tolist() == ranks(scores, targets, ties=ties, seen=seen).tolist()


@given(rankings(), st.sampled_from(TIES), st.randoms(use_true_random=False))
def test_order_of_items_changes_nothing(ranking, ties, random):
    scores, targets, seen = ranking
    order = list(range(scores.shape[1]))
    random.shuffle(order)
    new_id = torch.zeros(len(order) + 1, dtype=torch.int64)  # padding keeps id 0
    new_id[torch.tensor(order) + 1] = torch.arange(1, len(order) + 1)
    moved = ranks(scores[:, order], new_id[targets], ties=ties, seen=new_id[seen])
    assert moved.tolist() == ranks(scores, targets, ties=ties, seen=seen).tolist()


@given(rankings())
def test_worst_rank_is_never_better_than_mean(ranking):
    scores, targets, _ = ranking
    assert bool((ranks(scores, targets) >= ranks(scores, targets, ties="mean")).all())


@given(rankings(), st.sampled_from(TIES))
def test_leaving_items_out_never_worsens_a_rank(ranking, ties):
    scores, targets, seen = ranking
    without = ranks(scores, targets, ties=ties, seen=seen)
    assert bool((without <= ranks(scores, targets, ties=ties)).all())
