"""What is refused of a search, and what is said of a sampler that does less than its name."""

import pytest

from orchestrator.errors import ConfigError
from orchestrator.sweep.prepare_search import check_executor, check_search, read_objectives

RATE = "train.learning_rate = {low = 1e-4, high = 1e-2, log = true}"
LAYERS = "model.num_layers = {choices = [1, 2]}"
DROPOUT = 'model.dropout = {low = 0.0, high = 0.5, when = {"model.num_layers" = [2]}}'


@pytest.fixture
def checked(make_space):
    def check(*factors, kind="joint", **options):
        given = {"sampler": "tpe", "scheduler": "none", "objectives": ("ndcg",), "num_trials": 20}
        return check_search(make_space(*factors, kind=kind), **{**given, **options})

    return check


def test_tpe_and_random_take_every_joint_space(checked):
    for sampler in ("tpe", "random"):
        assert checked(RATE, LAYERS, DROPOUT, sampler=sampler) == ()


def test_a_sampler_is_refused_where_nothing_is_searched(checked):
    with pytest.raises(ConfigError, match="--sampler cannot be random with space test: nothing"):
        checked(LAYERS, kind="grid", sampler="random")
    with pytest.raises(ConfigError, match="--objectives with space test: nothing is searched"):
        checked(LAYERS, kind="one-factor", objectives=("ndcg", "seconds"))


def test_a_grid_of_a_range_is_refused(checked):
    with pytest.raises(ConfigError, match=r"`train\.learning_rate` is a range"):
        checked(RATE, LAYERS, sampler="grid")


def test_a_grid_runs_all_points_and_says_so(checked):
    (note,) = checked(LAYERS, "model.dropout = {choices = [0.1, 0.2, 0.3]}", sampler="grid")
    assert note == "all 6 points of the space are run, whatever --trials says."


def test_cmaes_says_what_it_does_not_search(checked):
    """Optuna draws these at random, and tells its log alone."""
    (note,) = checked(RATE, LAYERS, DROPOUT, sampler="cmaes")
    assert note.startswith("`model.num_layers`, `model.dropout`: drawn at random, as CMA-ES")
    assert checked(RATE, sampler="cmaes") == ()


def test_cmaes_without_a_range_that_always_exists_is_refused(checked):
    for factors in ([LAYERS, DROPOUT], [LAYERS, "train.patience = {choices = [1, 2, 3]}"]):
        with pytest.raises(ConfigError, match="it searches ranges, and no factor there is one"):
            checked(*factors, sampler="cmaes", num_trials=2)


def test_cmaes_searches_for_one_thing(checked):
    with pytest.raises(ConfigError, match="cmaes with several --objectives"):
        checked(RATE, sampler="cmaes", objectives=("ndcg", "parameters"))


def test_gp_says_that_conditional_factors_are_drawn_at_random(checked):
    (note,) = checked(RATE, LAYERS, DROPOUT, sampler="gp")
    assert note.startswith("`model.dropout`: drawn at random, as GP")
    assert checked(RATE, LAYERS, sampler="gp") == ()


def test_a_sampler_that_has_nothing_to_choose_is_told(checked):
    assert checked(LAYERS, num_trials=2) == ()
    (note,) = checked(LAYERS, sampler="random", num_trials=2)
    assert note == (
        "all 2 points of the space are run, being no more than --trials: random has nothing to "
        "choose."
    )


@pytest.mark.parametrize("scheduler", ["asha", "hyperband", "median"])
def test_a_scheduler_is_refused_where_it_would_leave_gaps(checked, scheduler):
    assert checked(RATE, LAYERS, scheduler=scheduler) == ()
    with pytest.raises(ConfigError, match="leaves gaps in a grid space"):
        checked(LAYERS, kind="grid", scheduler=scheduler)
    with pytest.raises(ConfigError, match="leaves gaps in a grid"):
        checked(LAYERS, sampler="grid", scheduler=scheduler)
    with pytest.raises(ConfigError, match="all 2 points of space test are run"):
        checked(LAYERS, scheduler=scheduler)
    with pytest.raises(ConfigError, match="by validation NDCG@10 alone"):
        checked(RATE, scheduler=scheduler, objectives=("ndcg", "seconds"))


def test_schedulers_are_rays(checked):
    check_executor("ray", "asha")
    check_executor("local", "none")
    with pytest.raises(ConfigError, match="with --executor local: schedulers are Ray Tune's"):
        check_executor("local", "median")


def test_objectives_are_words_between_commas():
    assert read_objectives("ndcg") == ("ndcg",)
    assert read_objectives("ndcg, seconds") == ("ndcg", "seconds")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ndcg,parameter", "Did you mean `parameters`?"),
        ("test/ndcg@10", "There is no objective `test/ndcg@10`"),
        ("", "There is no objective ``"),
        ("seconds", "--objectives cannot be seconds"),
        ("ndcg,ndcg", "--objectives cannot be ndcg,ndcg"),
        ("ndcg,seconds,parameters", "it must be `ndcg`, `ndcg,parameters` or `ndcg,seconds`"),
    ],
)
def test_other_objectives_are_refused(text, message):
    with pytest.raises(ConfigError) as error:
        read_objectives(text)
    assert message in str(error.value)
