import time
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.data.twins import SameTarget


@settings(deadline=None)
@given(targets=st.lists(st.integers(1, 6), min_size=1, max_size=40), seed=st.integers(0, 99))
def test_a_twin_has_the_same_target_and_is_another_sample_where_there_is_one(targets, seed):
    targets = np.array(targets)
    index, random = SameTarget(targets), np.random.default_rng(seed)
    picked = random.integers(len(targets), size=30)
    twins = index.draw(picked, random)
    assert (targets[twins] == targets[picked]).all()
    is_alone = np.bincount(targets)[targets[picked]] == 1
    assert ((twins == picked) == is_alone).all()


def test_all_others_of_a_target_are_alike_likely():
    index = SameTarget(np.array([7, 3, 7, 7, 3, 7]))
    drawn = Counter(index.draw(np.full(30_000, 2), np.random.default_rng(0)).tolist())
    assert set(drawn) == {0, 3, 5}
    assert all(abs(times - 10_000) < 400 for times in drawn.values())


def test_a_million_samples_of_one_target_are_no_million_times_more_work():
    targets = np.ones(1_000_000, dtype=np.int64)
    started = time.process_time()
    index = SameTarget(targets)
    index.draw(np.arange(1000), np.random.default_rng(0))
    assert time.process_time() - started < 5
