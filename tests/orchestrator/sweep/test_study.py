import dataclasses
import itertools
import json

import pytest

from orchestrator.config import flatten, override
from orchestrator.digest import code_digest
from orchestrator.errors import ConfigError, StoreError
from orchestrator.results import run_id
from orchestrator.sweep import study as study_module
from orchestrator.sweep.study import claim, default_name, point_name

HEADS = "model.num_heads = {choices = [1, 2, 4]}"
LAYERS = "model.num_layers = {choices = [2, 1]}"
DROPOUT = "model.dropout = {low = 0.0, high = 0.5}"


def test_a_one_factor_study_varies_each_factor_alone(make_study):
    """The base (2 heads, 1 layer) is a value of both factors and is run once, first."""
    study = make_study(HEADS, LAYERS)
    assert study.points == (
        {},
        {"model.num_heads": 1},
        {"model.num_heads": 4},
        {"model.num_layers": 2},
    )


def test_a_base_that_is_no_value_of_a_factor_is_not_run(make_study):
    study = make_study("model.num_heads = {choices = [1, 4]}")
    assert study.points == ({"model.num_heads": 1}, {"model.num_heads": 4})


@pytest.mark.parametrize("kind", ["grid", "joint"])
def test_a_grid_is_the_product_of_its_factors(make_study, base, kind):
    study = make_study(HEADS, LAYERS, kind=kind)
    values = [
        tuple(flatten(override(base, point, where=""))[f"model.{key}"] for key in KEYS)
        for point in study.points
    ]
    assert study.sampled is None
    assert set(values) == set(itertools.product([1, 2, 4], [1, 2]))
    assert len(values) == 6
    assert study.points[0] == {}, "the base comes first"


KEYS = ("num_heads", "num_layers")


def test_a_list_and_the_bases_tuple_are_one_value(make_study):
    study = make_study("eval.cutoffs = {choices = [[10, 20], [10]]}")
    assert study.points == ({}, {"eval.cutoffs": (10,)})


@pytest.mark.parametrize(
    ("factors", "kind", "num_trials", "is_sampled"),
    [
        ((HEADS, LAYERS), "joint", 5, True),
        ((HEADS, LAYERS), "joint", 6, False),
        ((HEADS, LAYERS), "grid", 1, False),
        ((HEADS, LAYERS), "one-factor", 1, False),
        ((HEADS, DROPOUT), "joint", 10**6, True),
    ],
)
def test_only_a_joint_space_larger_than_the_budget_is_sampled(
    make_study, factors, kind, num_trials, is_sampled
):
    study = make_study(*factors, kind=kind, num_trials=num_trials)
    assert study.sampled is (study if is_sampled else None)


def test_a_points_runs_differ_in_the_seed_alone(make_study, base):
    study = make_study(HEADS, seeds=(0, 1, 2))
    runs = study.runs({"model.num_heads": 4})
    assert [run.config.seed for run in runs] == [0, 1, 2]
    assert [run.name for run in runs] == [f"num_heads=4 seed={seed}" for seed in (0, 1, 2)]
    config = override(base, {"model.num_heads": 4}, where="")
    assert [run.config for run in runs] == [
        dataclasses.replace(config, seed=seed) for seed in (0, 1, 2)
    ]
    assert all(run.changed == {"model.num_heads": 4} for run in runs)


def test_a_run_is_named_by_what_it_computes(make_study, base):
    """Settings, seed and data decide the id; the study around it does not."""
    study = make_study(HEADS)
    other = make_study(LAYERS, kind="grid", name="other", seeds=(1, 0))
    ids = [run.run_id for run in study.runs({})]
    assert ids == [run_id(run.config, "d" * 16) for run in study.runs({})]
    assert ids == [run.run_id for run in reversed(other.runs({}))]
    elsewhere = make_study(HEADS, data_hash="e" * 16)
    changed = study.runs({"model.num_heads": 1})
    every = [*ids, *(run.run_id for run in (*elsewhere.runs({}), *changed))]
    assert len(set(every)) == 6


def test_points_are_told_in_few_words():
    assert point_name({}) == "base"
    point = {"model.num_heads": 4, "train.learning_rate": 0.00123456, "eval.cutoffs": (5, 10)}
    assert point_name(point) == "num_heads=4 learning_rate=0.001235 cutoffs=(5, 10)"


def test_the_default_name_follows_from_the_content(make_study, base):
    def name(*factors, **fields):
        study = make_study(*(factors or (HEADS,)), **fields)
        return default_name("test", study.base, study.plan())

    assert name() == name()
    assert name(name="whatever") == name(num_trials=7) == name(), "neither changes a result"
    assert name().startswith("sasrec-test-tiny-")
    others = [
        name(LAYERS),
        name(HEADS, LAYERS),
        name(seeds=(0, 1, 2)),
        name(kind="grid"),
        name(kind="joint"),
        name(data_hash="e" * 16),
        name(base=override(base, {"train.patience": 3}, where="")),
        name(HEADS, DROPOUT, kind="joint"),
        name(HEADS, DROPOUT, kind="joint", scheduler="asha"),
    ]
    assert len({name(), *others}) == 10


def test_more_points_of_a_sampled_space_go_on_with_the_same_sweep(make_study):
    few, more = (make_study(HEADS, DROPOUT, kind="joint", num_trials=n).plan() for n in (7, 20))
    assert few == more
    assert make_study(HEADS, LAYERS, kind="joint").plan() != (
        make_study(HEADS, LAYERS, kind="joint", num_trials=2).plan()
    ), "a grid is not a sample"


def test_the_default_name_follows_the_code(make_study, monkeypatch):
    study = make_study(HEADS)
    before = default_name("test", study.base, study.plan())
    monkeypatch.setattr(study_module, "code_digest", lambda model: "another")
    assert default_name("test", study.base, study.plan()) != before


def test_the_same_plan_claims_its_folder_again(make_study, tmp_path):
    claim(make_study(HEADS), tmp_path / "sweep")
    written = (tmp_path / "sweep" / "plan.json").read_text()
    claim(make_study(HEADS), tmp_path / "sweep")
    assert (tmp_path / "sweep" / "plan.json").read_text() == written
    plan = json.loads(written)
    assert plan["factors"] == {"model.num_heads": {"choices": [1, 2, 4]}}
    assert (plan["seeds"], plan["trials"]) == ([0, 1], None)
    assert plan["code"] == code_digest(plan["base"]["model"])


@pytest.mark.parametrize(
    ("factors", "fields", "different"),
    [
        ((LAYERS,), {}, "factors"),
        ((HEADS,), {"seeds": (0,)}, "seeds"),
        ((HEADS,), {"kind": "grid", "data_hash": "e" * 16}, "data, kind"),
        ((HEADS, DROPOUT), {"kind": "joint"}, "factors, kind, trials"),
    ],
)
def test_another_plan_of_the_same_name_is_refused(make_study, tmp_path, factors, fields, different):
    claim(make_study(HEADS), tmp_path)
    message = (
        f"--name: `test` is a sweep with other {different}. Choose another --name, "
        "or repeat the first sweep's options to go on with it."
    )
    with pytest.raises(ConfigError) as refusal:
        claim(make_study(*factors, **fields), tmp_path)
    assert str(refusal.value) == message


def test_a_sweep_of_other_code_is_not_gone_on_with(make_study, tmp_path, monkeypatch):
    claim(make_study(HEADS), tmp_path)
    monkeypatch.setattr(study_module, "code_digest", lambda model: "another")
    with pytest.raises(ConfigError, match=r"^--name: `test` is a sweep with other code\."):
        claim(make_study(HEADS), tmp_path)


def test_a_folder_that_cannot_be_written_is_told(make_study, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"plan\.json: cannot be written .+ --results folder\.$"):
        claim(make_study(HEADS), tmp_path / "file")
