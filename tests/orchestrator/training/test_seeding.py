import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.training.seeding import derive, reproducible

CPU = torch.device("cpu")
PART = st.one_of(st.integers(), st.text("abcd", min_size=1, max_size=4))


def test_a_derived_seed_is_the_same_everywhere():
    assert derive(0, "weights") == 133441691874178746  # from SHA-256, not from Python's hash
    assert derive(0, "epoch", 1) != derive(0, "epoch", 2) != derive(1, "epoch", 1)
    assert derive(0, "epoch", 1) != derive(0, "order", 1)


@given(st.lists(PART, min_size=1, max_size=3), st.lists(PART, min_size=1, max_size=3))
def test_different_parts_give_different_seeds_in_range(first, second):
    assert 0 <= derive(*first) < 2**63
    same = [str(part) for part in first] == [str(part) for part in second]
    assert (derive(*first) == derive(*second)) == same


@pytest.mark.parametrize("raises", [False, True])
def test_the_callers_state_is_put_back(raises):
    before = torch.get_rng_state()
    try:
        with reproducible(CPU):
            assert torch.are_deterministic_algorithms_enabled()
            torch.manual_seed(1)
            torch.rand(3)
            if raises:
                raise RuntimeError
    except RuntimeError:
        assert raises
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()
