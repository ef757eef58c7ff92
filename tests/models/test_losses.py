import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from models._losses import full_softmax, in_batch_contrast, pair_contrast

NUM_ITEMS = 9
DIM = 5


def example(num_targets, seed=0, *, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(num_targets, DIM, generator=generator, dtype=dtype).requires_grad_()
    items = torch.randn(NUM_ITEMS + 1, DIM, generator=generator, dtype=dtype).requires_grad_()
    targets = torch.randint(1, NUM_ITEMS + 1, (num_targets,), generator=generator)
    return states, items, targets


def with_gradients(loss, *inputs):
    return [loss.detach(), *torch.autograd.grad(loss, inputs)]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def slow_softmax(states, items, targets):
    """The definition, one target and one candidate at a time."""
    total = 0.0
    for state, target in zip(states, targets.tolist(), strict=True):
        candidates = torch.stack([state @ items[item] for item in range(1, len(items))])
        total = total - (state @ items[target]) + candidates.exp().sum().log()
    return total / len(states)


def slow_contrast(states, items, targets, temperature):
    """Eq. 16 over the batch's targets, the positive once and its item's repeats never."""
    total = 0.0
    for state, target in zip(states, targets.tolist(), strict=True):
        positive = F.cosine_similarity(state, items[target], dim=0) / temperature
        negatives = [
            F.cosine_similarity(state, items[other], dim=0) / temperature
            for other in targets.tolist()
            if other != target
        ]
        total = total - positive + torch.stack([positive, *negatives]).exp().sum().log()
    return total / len(states)


@settings(deadline=None, max_examples=25)
@given(num_targets=st.integers(1, 12), seed=st.integers(0, 1000), limit=st.integers(1, 200))
def test_softmax_is_the_definition_in_any_number_of_chunks(num_targets, seed, limit):
    states, items, targets = example(num_targets, seed)
    expected = with_gradients(slow_softmax(states, items, targets), states, items)
    assert_same(with_gradients(full_softmax(states, items, targets), states, items), expected)
    chunked = full_softmax(states, items, targets, max_logits=limit)
    assert_same(with_gradients(chunked, states, items), expected)


def test_softmax_equals_torchs_cross_entropy():
    states, items, targets = example(20)
    expected = F.cross_entropy(states @ items[1:].T, targets - 1)
    assert_same([full_softmax(states, items, targets)], [expected])


def test_padding_is_no_candidate_of_the_softmax():
    states, items, targets = example(20)
    before = full_softmax(states, items, targets)
    with torch.no_grad():
        items[0] = 1e6
    loss, _, gradient = with_gradients(full_softmax(states, items, targets), states, items)
    assert loss == before
    assert not gradient[0].any()


def test_equal_states_and_items_cost_the_logarithm_of_the_catalogue():
    loss = full_softmax(torch.ones(4, DIM), torch.ones(NUM_ITEMS + 1, DIM), torch.tensor([1] * 4))
    assert loss.item() == pytest.approx(math.log(NUM_ITEMS))


@settings(deadline=None, max_examples=25)
@given(
    num_targets=st.integers(1, 12),
    seed=st.integers(0, 1000),
    limit=st.integers(1, 200),
    temperature=st.sampled_from([0.05, 0.5, 2.0]),
)
def test_contrast_is_the_definition_in_any_number_of_chunks(num_targets, seed, limit, temperature):
    states, items, targets = example(num_targets, seed)
    slow = slow_contrast(states, items, targets, temperature)
    expected = with_gradients(slow, states, items)
    for options in ({}, {"max_logits": limit}):
        fast = in_batch_contrast(states, items, targets, temperature=temperature, **options)
        assert_same(with_gradients(fast, states, items), expected)


def test_contrast_touches_no_item_outside_the_batch():
    states, items, _ = example(4)
    targets = torch.tensor([2, 5, 2, 7])
    loss = in_batch_contrast(states, items, targets, temperature=0.5)
    _, _, gradient = with_gradients(loss, states, items)
    assert gradient.any(dim=1).nonzero().flatten().tolist() == [2, 5, 7]


def test_a_batch_of_one_item_has_nothing_to_contrast():
    states, items, _ = example(4)
    loss = in_batch_contrast(states, items, torch.tensor([3, 3, 3, 3]), temperature=0.1)
    assert loss.item() == pytest.approx(0.0)


def test_a_colder_contrast_of_a_far_item_stays_finite():
    states = torch.tensor([[1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    items = torch.tensor([[0.0, 0.0], [-1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    loss = in_batch_contrast(states, items, torch.tensor([1, 2]), temperature=0.001)
    assert loss.item() == pytest.approx(1000.0)  # (2 / 0.001 + 0) / 2
    assert all(part.isfinite().all() for part in with_gradients(loss, states, items))


def test_chunks_hold_no_more_logits_than_they_may(monkeypatch):
    sizes = []
    original = F.cross_entropy

    def watched(logits, *args, **options):
        sizes.append(logits.numel())
        return original(logits, *args, **options)

    monkeypatch.setattr(F, "cross_entropy", watched)
    states, items, targets = example(40)
    full_softmax(states, items, targets, max_logits=35)
    assert max(sizes) <= 35
    assert sum(sizes) == 40 * NUM_ITEMS


def slow_pairs(first, second, temperature):
    """The definition, one state and one candidate at a time."""
    states = [*first, *second]
    total = 0.0
    for place, state in enumerate(states):
        others = [k for k in range(len(states)) if k != place]
        logits = {k: state @ states[k] / temperature for k in others}
        positive = logits[(place + len(first)) % len(states)]
        total = total - positive + torch.stack(list(logits.values())).exp().sum().log()
    return total / len(states)


@settings(deadline=None, max_examples=25)
@given(
    num_pairs=st.integers(1, 8),
    seed=st.integers(0, 1000),
    limit=st.integers(1, 200),
    temperature=st.floats(0.2, 3.0),
)
def test_contrast_of_pairs_is_the_definition_in_any_number_of_chunks(
    num_pairs, seed, limit, temperature
):
    generator = torch.Generator().manual_seed(seed)
    first, second = (
        torch.randn(num_pairs, DIM, generator=generator, dtype=torch.float64).requires_grad_()
        for _ in range(2)
    )
    expected = with_gradients(slow_pairs(first, second, temperature), first, second)
    found = pair_contrast(first, second, temperature=temperature, max_logits=limit)
    assert_same(with_gradients(found, first, second), expected)
