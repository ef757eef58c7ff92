import doctest
from math import log2

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import ConfigError
from orchestrator.evaluation import metrics as module
from orchestrator.evaluation import ranking, significance
from orchestrator.evaluation.metrics import METRICS, gains, hit, metrics, mrr, ndcg, recall
from orchestrator.evaluation.ranking import ranks

NUM_ITEMS = 30
half_ranks = st.lists(st.integers(2, 2 * NUM_ITEMS).map(lambda r: r / 2), min_size=1, max_size=8)


def tensor(values):
    return torch.tensor(values, dtype=torch.float32)


@pytest.mark.parametrize("documented", [module, ranking, significance])
def test_worked_examples_hold(documented):
    outcome = doctest.testmod(documented)
    assert outcome.attempted
    assert not outcome.failed


def test_values_of_each_user():
    found = tensor([1, 2, 5, 6])
    assert hit(found, 5).tolist() == [1, 1, 1, 0]
    assert ndcg(found, 5).tolist() == pytest.approx([1, 1 / log2(3), 1 / log2(6), 0])
    assert mrr(found, 5).tolist() == pytest.approx([1, 1 / 2, 1 / 5, 0])


def test_means_over_users():
    found = metrics(tensor([1, 3, 7, 11]), (5, 10))
    assert found == pytest.approx(
        {
            "recall@5": 2 / 4,
            "hit@5": 2 / 4,
            "ndcg@5": (1 + 1 / 2) / 4,
            "mrr@5": (1 + 1 / 3) / 4,
            "recall@10": 3 / 4,
            "hit@10": 3 / 4,
            "ndcg@10": (1 + 1 / 2 + 1 / 3) / 4,
            "mrr@10": (1 + 1 / 3 + 1 / 7) / 4,
        }
    )


def test_half_ranks_are_used_as_they_stand():
    found = metrics(tensor([1.5, 10.5]), (10,))
    assert found["hit@10"] == 1 / 2
    assert found["ndcg@10"] == pytest.approx(1 / log2(2.5) / 2)
    assert found["mrr@10"] == pytest.approx(1 / 1.5 / 2)


def test_no_users_have_no_mean():
    with pytest.raises(ValueError, match="no mean of nothing"):
        metrics(tensor([]), (10,))


def test_many_users_lose_no_precision():
    assert metrics(tensor([3.0] * 100_003), (10,))["ndcg@10"] == 0.5


@given(half_ranks, st.integers(1, NUM_ITEMS))
def test_all_lie_between_zero_and_one_and_below_the_hit_rate(values, cutoff):
    found = metrics(tensor(values), (cutoff,))
    assert found[f"recall@{cutoff}"] == found[f"hit@{cutoff}"]
    low, high = found[f"mrr@{cutoff}"], found[f"ndcg@{cutoff}"]
    # 1 / r <= 1 / log2(r + 1) for every rank from 1; the sums may round differently
    assert 0 <= low <= high + 1e-12
    assert high <= found[f"hit@{cutoff}"] + 1e-12 <= 1 + 1e-12


@given(half_ranks, st.integers(1, NUM_ITEMS - 1), st.sampled_from(sorted(METRICS)))
def test_a_larger_cutoff_never_lowers_a_metric(values, cutoff, name):
    found = metrics(tensor(values), (cutoff, cutoff + 1))
    assert found[f"{name}@{cutoff}"] <= found[f"{name}@{cutoff + 1}"]


@given(half_ranks, st.integers(1, NUM_ITEMS), st.sampled_from(sorted(METRICS)))
def test_a_better_rank_never_lowers_a_gain(values, cutoff, name):
    gain = METRICS[name]
    assert bool(
        (gain(tensor(values), cutoff) <= gain((tensor(values) - 0.5).clamp(1), cutoff)).all()
    )


def chance(name, cutoff):
    """Expected gain of a target at a uniformly random rank."""
    return METRICS[name](torch.arange(1, NUM_ITEMS + 1).float(), cutoff).mean().item()


@pytest.mark.parametrize("name", sorted(METRICS))
@pytest.mark.parametrize("cutoff", [1, 5, 10, 29, 30])
def test_constant_scores_earn_chance_or_worse(name, cutoff):
    targets = torch.arange(1, NUM_ITEMS + 1)
    constant = torch.zeros(NUM_ITEMS, NUM_ITEMS)
    earned = metrics(ranks(constant, targets), (cutoff,))[f"{name}@{cutoff}"]
    assert earned <= chance(name, cutoff)


@pytest.mark.parametrize("name", sorted(METRICS))
@pytest.mark.parametrize("cutoff", [1, 5, 10, 15])
def test_constant_scores_with_mean_ties_earn_nothing_in_the_first_half(name, cutoff):
    targets = torch.arange(1, NUM_ITEMS + 1)
    middle = ranks(torch.zeros(NUM_ITEMS, NUM_ITEMS), targets, ties="mean")
    assert metrics(middle, (cutoff,))[f"{name}@{cutoff}"] == 0


def test_random_scores_earn_about_chance():
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(20_000, NUM_ITEMS, generator=generator)
    targets = torch.randint(1, NUM_ITEMS + 1, (20_000,), generator=generator)
    earned = metrics(ranks(scores, targets), (10,))
    assert earned["recall@10"] == pytest.approx(10 / NUM_ITEMS, abs=0.012)
    assert recall is not hit
    assert earned["ndcg@10"] == pytest.approx(chance("ndcg", 10), abs=0.01)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_metric_is_the_mean_of_its_users_gains(name):
    found = torch.tensor([1.0, 3.0, 10.5, 40.0], dtype=torch.float64)
    for cutoff in (3, 20):
        of_users = gains(found, f"{name}@{cutoff}")
        assert of_users.dtype is torch.float64
        mean = metrics(found, (cutoff,))[f"{name}@{cutoff}"]
        assert of_users.mean().item() == pytest.approx(mean, abs=1e-15)


def test_gains_by_hand():
    assert gains(torch.tensor([1.0, 3.0, 4.0]), "ndcg@3").tolist() == [1, 1 / 2, 0]


@pytest.mark.parametrize("metric", ["ngcg@10", "ndcg", "ndcg@", "ndcg@0", "ndcg@1.5", "val/hit@5"])
def test_unknown_metric_is_one_sentence(metric):
    with pytest.raises(ConfigError, match="There is no metric"):
        gains(torch.tensor([1.0]), metric)
