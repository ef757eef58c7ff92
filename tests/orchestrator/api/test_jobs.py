"""The price of a sweep or an ablation is told without starting or writing anything."""

import inspect

import pytest

from orchestrator import api
from orchestrator.errors import ConfigError


@pytest.fixture
def given(place, small):
    return {
        "dataset": "tiny",
        "num_seeds": 2,
        "overrides": small,
        "executor": "local",
        "data_dir": place / "data",
    }


def test_nothing_is_written(given, tmp_path):
    told = api.plan(api.sweep, "sasrec", "heads", **given, results=tmp_path / "results")
    assert list(tmp_path.iterdir()) == []
    assert (told.tally.points, told.tally.runs, told.tally.left) == (4, 8, 8)
    assert told.wall.low < told.wall.expected < told.wall.high
    assert 0 < told.cpu.low <= told.cpu.high
    assert told.running > 0


def test_what_is_done_is_counted_and_costs_nothing(swept, given, place):
    told = api.plan(api.sweep, "sasrec", "heads", **given, results=place / "results")
    assert told.name == swept.name
    assert (told.tally.reused, told.tally.left, told.kept.high) == (8, 0, 0)
    assert told.epochs[""][0].num_runs >= 8


def test_more_seeds_cost_what_they_add(given, tmp_path):
    api.sweep("sasrec", "heads", **given, results=tmp_path)
    more = {**given, "num_seeds": 5, "until_resolved": True}
    told = api.plan(api.sweep, "sasrec", "heads", **more, results=tmp_path)
    assert (told.tally.runs, told.tally.reused, told.tally.left) == (20, 8, 12)
    assert told.tally.at_least == 4, "the third seed of each point"
    assert told.epochs[""][0].low == told.epochs[""][0].high == 2, "as the finished runs had"


def test_the_base_that_factors_share_is_told(given, place):
    told = api.plan(api.sweep, "tame", "heads", **{**given, "overrides": {"model.dim": 16}})
    assert (told.tally.listed, told.tally.shared, told.tally.points) == (10, 1, 9)
    ends = {f"{name}_heads={value}" for name in ("text", "image") for value in (1, 16)}
    assert set(told.timed) == {"base", *ends}


def test_an_ablation_with_searches_is_priced(given, tmp_path):
    settings = {**given["overrides"], "model.dim": 16, "train.max_epochs": 1}
    told = api.plan(
        api.ablate,
        "tame",
        **{**given, "overrides": settings},
        variants="without_text,without_vision",
        retune=3,
        results=tmp_path / "results",
    )
    assert told.tally.points == 3 + 3 * 3 + 3
    assert told.tally.left == 3 * 2 + 3 * 3 + 3 * 1
    assert {"base", "use_text=False", "use_image=False"} <= set(told.timed)
    assert list(tmp_path.iterdir()) == []


def test_a_sampled_space_counts_what_its_sampler_was_told(given, tmp_path):
    small = {**given, "num_seeds": 1, "results": tmp_path}
    small["overrides"] = {"model.dim": 8, "model.inner_dim": 16, "train.max_epochs": 1}
    api.sweep("sasrec", "joint", num_trials=2, **small)
    journal = next(tmp_path.glob("sweeps/*/optuna.journal"))
    before = journal.read_bytes()
    told = api.plan(api.sweep, "sasrec", "joint", num_trials=5, **small)
    assert (told.tally.points, told.tally.reused, told.tally.left) == (5, 2, 3)
    assert journal.read_bytes() == before


def test_what_is_refused_is_refused(given, tmp_path):
    with pytest.raises(ConfigError, match="--until-resolved cannot be used with --seeds 2"):
        api.plan(api.sweep, "sasrec", "heads", **given, until_resolved=True)


def test_a_sweep_still_says_what_it_takes_and_gives():
    assert inspect.signature(api.sweep).parameters["space"].kind.name == "POSITIONAL_OR_KEYWORD"
    assert api.sweep.__annotations__["return"] is api.SweepResult
    assert api.ablate.__annotations__["return"] is api.AblationResult
