from math import log2

import numpy as np
import pytest
import torch

from orchestrator.config import EvalConfig
from orchestrator.data.interactions import sequences_of
from orchestrator.data.split import activity_groups, leave_one_out
from orchestrator.errors import DataError, TrialError
from orchestrator.evaluation import evaluate as module
from orchestrator.evaluation.evaluate import evaluate, model_ranks, summary

CPU = torch.device("cpu")
CUTOFFS = (1, 3, 10)
LIMIT = 5


def reference(model, lists, *, prefix, config, max_length):
    """Ranks by the definition: one user, one competitor at a time, plain Python numbers."""
    table = model.table.tolist()
    held_out = {"val": 2, "test": 1}[prefix]
    found = []
    for items in lists:
        if len(items) < 3:
            continue
        history, target = items[:-held_out], items[-held_out]
        state = [0.0, 0.0, 0.0]
        for weight, item in enumerate(reversed(history[-max_length:]), start=1):
            state = [s + weight * value for s, value in zip(state, table[item], strict=True)]
        scores = {
            item: sum(s * value for s, value in zip(state, table[item], strict=True))
            for item in range(1, len(table))
        }
        rivals = {i: s for i, s in scores.items() if i != target}
        if config.exclude_seen:
            rivals = {i: s for i, s in rivals.items() if i not in history}
        ahead = sum(s > scores[target] for s in rivals.values())
        tied = sum(s == scores[target] for s in rivals.values())
        found.append(1 + ahead + tied * {"worst": 1, "mean": 0.5}[config.ties])
    return found


def users_of(walks, prefix):
    return walks.split.valid if prefix == "val" else walks.split.test


@pytest.mark.parametrize("prefix", ["val", "test"])
@pytest.mark.parametrize("ties", ["worst", "mean"])
@pytest.mark.parametrize("exclude_seen", [False, True])
def test_equals_a_slow_reference(walks, model, prefix, ties, exclude_seen):
    config = EvalConfig(cutoffs=CUTOFFS, ties=ties, exclude_seen=exclude_seen)
    users = users_of(walks, prefix)
    expected = reference(model, walks.lists, prefix=prefix, config=config, max_length=LIMIT)
    found = model_ranks(model, users, config=config, max_length=LIMIT, device=CPU)
    assert found.tolist() == expected
    measured = evaluate(model, users, config=config, max_length=LIMIT, device=CPU, prefix=prefix)
    for cutoff in CUTOFFS:
        share = sum(rank <= cutoff for rank in expected) / len(expected)
        gain = sum(1 / log2(rank + 1) for rank in expected if rank <= cutoff) / len(expected)
        first = sum(1 / rank for rank in expected if rank <= cutoff) / len(expected)
        assert measured[f"{prefix}/recall@{cutoff}"] == pytest.approx(share)
        assert measured[f"{prefix}/hit@{cutoff}"] == pytest.approx(share)
        assert measured[f"{prefix}/ndcg@{cutoff}"] == pytest.approx(gain)
        assert measured[f"{prefix}/mrr@{cutoff}"] == pytest.approx(first)
    assert len(measured) == 4 * len(CUTOFFS)


@pytest.mark.parametrize(
    ("scores", "positions"), [(1, 10**6), (10**6, 1), (60, 10**6), (10**6, 11)]
)
def test_batch_size_changes_nothing(walks, model, monkeypatch, scores, positions):
    config = EvalConfig(cutoffs=CUTOFFS, exclude_seen=True)
    users = walks.split.test
    whole = model_ranks(model, users, config=config, max_length=LIMIT, device=CPU)
    num_whole = len(model.calls)
    monkeypatch.setattr(module, "MAX_SCORES", scores)
    monkeypatch.setattr(module, "MAX_POSITIONS", positions)
    parts = model_ranks(model, users, config=config, max_length=LIMIT, device=CPU)
    assert num_whole <= 2  # one per doubling of the histories' lengths
    assert len(model.calls) > 2 * num_whole
    assert parts.tolist() == whole.tolist()


def test_batches_keep_within_their_bounds(walks, model, monkeypatch):
    monkeypatch.setattr(module, "MAX_SCORES", 8 * walks.num_items)
    monkeypatch.setattr(module, "MAX_POSITIONS", 6 * LIMIT)
    model_ranks(model, walks.split.test, config=EvalConfig(), max_length=LIMIT, device=CPU)
    assert max(len(history.items) for history in model.calls) == 6
    assert max(history.items.numel() for history in model.calls) == 6 * LIMIT


def test_one_user_at_a_time_meets_no_padding(walks, model, monkeypatch):
    monkeypatch.setattr(module, "MAX_SCORES", 1)
    model_ranks(model, walks.split.test, config=EvalConfig(), max_length=LIMIT, device=CPU)
    assert all(bool(history.is_item.all()) for history in model.calls)
    assert {history.items.shape[1] for history in model.calls} == {2, 3, 4, 5}


def test_timestamps_go_with_their_items(walks, model):
    model_ranks(model, walks.split.test, config=EvalConfig(), max_length=LIMIT, device=CPU)
    assert model.calls
    for history in model.calls:
        assert history.timestamps is not None
        assert torch.equal(history.timestamps > 0, history.is_item)


def test_items_are_encoded_once_without_gradients_and_without_dropout(walks, model, monkeypatch):
    monkeypatch.setattr(module, "MAX_SCORES", 1)
    model_ranks(model, walks.split.test, config=EvalConfig(), max_length=LIMIT, device=CPU)
    assert model.num_encodings == 1
    assert not any(model.modes)


@pytest.mark.parametrize(("outer", "inner"), [(True, True), (True, False), (False, False)])
def test_every_module_is_left_in_its_mode(walks, model, outer, inner):
    model.train(outer)
    model.inner.train(inner)
    model_ranks(model, walks.split.test, config=EvalConfig(), max_length=LIMIT, device=CPU)
    assert (model.training, model.inner.training) == (outer, inner)


def test_nan_scores_fail_and_leave_the_mode(walks, model):
    model.table[3] = float("nan")
    with pytest.raises(TrialError, match="NaN"):
        evaluate(
            model,
            walks.split.test,
            config=EvalConfig(),
            max_length=LIMIT,
            device=CPU,
            prefix="test",
        )
    assert model.training
    assert model.inner.training


def test_constant_scores_are_not_rewarded(walks, model):
    model.table[1:] = 1.0
    users = walks.split.test
    found = model_ranks(model, users, config=EvalConfig(), max_length=LIMIT, device=CPU)
    assert set(found.tolist()) == {float(walks.num_items)}


def test_seen_items_beyond_the_history_limit_are_excluded_too(model):
    split = leave_one_out(sequences_of([[1, 2, 3, 4, 5]]))
    model.table[:] = 0.0
    model.table[1:, 0] = torch.arange(len(model.table) - 1, 0, -1)  # item 1 scores best
    model.table[4, 0] = 1.0
    options = {"max_length": 1, "device": CPU}
    with_seen = model_ranks(model, split.test, config=EvalConfig(), **options)
    without = model_ranks(model, split.test, config=EvalConfig(exclude_seen=True), **options)
    assert with_seen.tolist() == [4]  # behind 1, 2, 3
    assert without.tolist() == [1]


def test_groups_recombine_to_the_overall_mean(walks, model):
    groups = activity_groups(walks.split)
    options = {"max_length": LIMIT, "device": CPU, "prefix": "test", "groups": groups}
    measured = evaluate(model, walks.split.test, config=EvalConfig(), **options)
    sizes = {name: members.sum() for name, members in groups.items()}
    assert all(sizes.values())
    overall = [name for name in measured if name.count("/") == 1]
    assert len(measured) == 3 * len(overall)
    for name in overall:
        parts = sum(size * measured[f"{name}/{group}"] for group, size in sizes.items())
        assert parts / sum(sizes.values()) == pytest.approx(measured[name], abs=1e-12)


def test_group_without_users_has_no_entries():
    groups = {"cold": np.array([True, True]), "warm": np.array([False, False])}
    found = summary(np.array([1.0, 4.0]), cutoffs=(3,), prefix="val", groups=groups)
    assert found["val/recall@3/cold"] == 1 / 2
    assert set(found) == {
        f"val/{name}@3{group}"
        for name in ("recall", "hit", "ndcg", "mrr")
        for group in ("", "/cold")
    }


def test_ranks_keep_the_order_of_the_users(walks, model):
    users = walks.split.test
    found = model_ranks(model, users, config=EvalConfig(), max_length=LIMIT, device=CPU)
    for place in range(len(users)):
        alone = leave_one_out(sequences_of([walks.lists[users.users[place]]])).test
        rank = model_ranks(model, alone, config=EvalConfig(), max_length=LIMIT, device=CPU)
        assert rank.tolist() == [found[place]]


def test_users_too_short_to_be_evaluated_are_one_sentence(model):
    split = leave_one_out(sequences_of([[1, 2], [3]]))
    with pytest.raises(DataError, match="no user has 3 interactions"):
        model_ranks(model, split.test, config=EvalConfig(), max_length=LIMIT, device=CPU)
