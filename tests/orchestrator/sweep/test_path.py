"""Walking a path: what is tried at each step, and what no config allows."""

import pytest

from orchestrator.config import override
from orchestrator.errors import ConfigError
from orchestrator.sweep.path import AblationPath


@pytest.fixture
def make(base):
    def make_path(target, **changes):
        given = {
            "name": "p",
            "search": "s",
            "base": override(base, changes, where="test"),
            "target": target,
            "seeds": (0, 1),
            "data_hash": "d" * 16,
        }
        return AblationPath(**given)

    return make_path


def test_every_setting_that_is_left_is_tried_alone(make):
    path = make({"model.dropout": 0.1, "train.patience": 3, "train.learning_rate": 0.01})
    start = frozenset({"train.patience"})
    assert path.candidates(start) == [start | {"model.dropout"}, start | {"train.learning_rate"}]
    assert path.candidates(frozenset(path.target)) == []


def test_a_setting_that_no_config_allows_alone_waits(make):
    """Three heads divide nine and not eight."""
    path = make({"model.num_heads": 3, "model.dim": 9}, **{"model.dim": 8, "model.num_heads": 1})
    assert path.candidates(frozenset()) == [frozenset({"model.dim"})]
    path = make({"model.num_heads": 3, "model.dim": 9}, **{"model.dim": 8, "model.num_heads": 2})
    assert path.candidates(frozenset()) == [frozenset(path.target)], "both at once"
    with pytest.raises(ConfigError):
        path.trial(frozenset({"model.dim"}))


def test_trials_are_named_by_what_is_changed(make):
    path = make({"model.dropout": 0.1, "train.patience": 3})
    assert path.trial(frozenset()).variant == "base"
    both = path.trial(frozenset(path.target))
    assert both.variant == both.label == "dropout+patience"
    assert both.config.train.patience == 3
    assert dict(both.changed) == path.target


def test_the_target_is_part_of_the_plan(make):
    one, other = make({"model.dropout": 0.1}), make({"model.dropout": 0.2})
    assert one.plan() != other.plan()
    assert one.plan()["kind"] == "path"
