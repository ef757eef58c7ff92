import dataclasses

import pytest

from orchestrator.config import default_trial, override
from orchestrator.sweep.objective import failure
from orchestrator.sweep.probe import Probe
from orchestrator.sweep.retune import SWITCHED_OFF, Search, best
from orchestrator.sweep.run import StudyOutcome
from orchestrator.sweep.space import read_spaces
from orchestrator.tracking import VariantInfo

JOINT = ("model.num_heads = {choices = [1, 2]}", "model.dropout = {low = 0.0, high = 0.5}")


@pytest.fixture
def search(make_space):
    return Search(space=make_space(*JOINT, kind="joint"), num_trials=5)


def study_of(search, base, name="x", **changed):
    variant = VariantInfo(name=name, changed=changed)
    return search.study(variant, base, name="mine", data_hash="d" * 16)


def test_each_variant_gets_the_same_budget_at_the_first_seed(search, base):
    for changed in ({}, {"model.num_heads": 1}, {"model.num_layers": 2}):
        study = study_of(search, base, **changed)
        assert (study.num_trials, study.seeds, study.scheduler) == (5, (0,), "none")
        assert study.sampled is study
        assert study.base == override(base, changed, where="test")


def test_a_searched_run_is_named_after_variant_and_point(search, base):
    study = study_of(search, base, **{"model.num_layers": 2})
    assert study.name == "mine-x"
    (run,) = study.runs({"model.num_heads": 1, "model.dropout": 0.25})
    assert run.name == "search x: num_heads=1 dropout=0.25 seed=0"
    assert (run.variant, run.phase) == ("x", "search")
    assert run.changed == {"model.num_layers": 2, "model.num_heads": 1, "model.dropout": 0.25}
    assert run.config == override(base, run.changed, where="test")
    assert run.key == f"{run.run_id}.search.x"


def test_the_spaces_own_base_counts_unless_the_variant_sets_it(search, base):
    with_base = dataclasses.replace(search.space, base={"train.patience": 3, "model.dim": 16})
    study = study_of(dataclasses.replace(search, space=with_base), base, **{"model.dim": 4})
    assert study.base == override(base, {"train.patience": 3, "model.dim": 4}, where="test")
    (run,) = study.runs({"model.num_heads": 1})
    assert run.changed == {"train.patience": 3, "model.dim": 4, "model.num_heads": 1}


def test_a_variant_that_sets_every_factor_is_its_own_best(search, base):
    study = study_of(search, base, **{"model.num_heads": 1, "model.dropout": 0.1})
    assert study.sampled is None
    (trial,) = study.listed()
    assert trial.config == override(
        base, {"model.num_heads": 1, "model.dropout": 0.1}, where="test"
    )
    assert trial.label == "search x: base"


def test_what_a_variant_switches_off_is_not_searched(tmp_path):
    """Without ids nothing depends on clusters; where the fusion is searched as well, it may."""
    text = """
    [spaces.joint]
    kind = "joint"
    factors.model.cluster_ratio = {choices = [0.1, 0.2]}
    factors.model.fusion = {choices = ["modality", "phased"]}
    factors.model.dropout = {low = 0.0, high = 0.5}
    factors.train.learning_rate = {low = 1e-4, high = 1e-2}
    """
    (tmp_path / "decorec.toml").write_text(text)
    space = read_spaces("decorec", path=tmp_path / "decorec.toml").spaces["joint"]
    base = override(default_trial("decorec", "tiny"), {"model.fusion": "modality"}, where="test")
    none = VariantInfo(name="base", changed={})
    modality = VariantInfo(name="modality", changed={"model.fusion": "modality"})
    search = Search(space=space, num_trials=5)
    found = search.without_inert((none, modality), base, NothingInert())
    assert found.inert == {"base": {}, "modality": {"model.cluster_ratio": SWITCHED_OFF}}
    study = found.study(modality, base, name="mine", data_hash="d" * 16)
    assert list(study.space.factors) == ["model.dropout", "train.learning_rate"]
    assert study.notes[1] == (
        "`model.cluster_ratio` is not searched: it changes nothing, "
        "since the variant switches it off."
    )


class NothingInert(Probe):
    def __init__(self):
        pass

    def inert_settings(self, config):
        return {}


@pytest.fixture
def outcome(search, base):
    """Validation and test figures by point -> the outcome of a search."""

    def make(*figures):
        ended = []
        for place, (value, tested) in enumerate(figures):
            (run,) = study_of(search, base).runs({"model.dropout": 0.1 + place / 100})
            record = failure(run.config, "d" * 16, reason="no luck")
            if value is not None:
                metrics = {"val/ndcg@10": value, "test/ndcg@10": tested}
                record = dataclasses.replace(record, status="finished", metrics=metrics)
            ended.append((run, record))
        return StudyOutcome(ended=tuple(ended), num_reused=0)

    return make


def test_the_best_is_chosen_by_validation(outcome):
    """The test figures say the opposite, and choose nothing; failed runs are no candidates."""
    found = best(outcome((0.1, 0.9), (0.3, 0.1), (None, None), (0.2, 0.5)))
    assert found.config.settings.dropout == pytest.approx(0.11)


def test_equal_figures_give_the_same_choice_in_any_order(outcome):
    two = outcome((0.3, 0.1), (0.3, 0.2))
    other = StudyOutcome(ended=two.ended[::-1], num_reused=0)
    assert best(two) == best(other)


def test_a_search_in_which_nothing_finished_has_no_best(outcome):
    assert best(outcome((None, None))) is None
