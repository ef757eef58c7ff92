"""Means over seeds, made by hand."""

import pytest

from orchestrator.evaluation.significance import interval
from orchestrator.reporting.points import Mean


@pytest.fixture
def mean():
    """A mean of values at seeds 0, 1, ..."""

    def make(*values):
        bounds = interval(list(values))
        return Mean(
            mean=bounds.mean,
            low=bounds.low,
            high=bounds.high,
            seeds=tuple(range(len(values))),
            by_seed=tuple(values),
        )

    return make
