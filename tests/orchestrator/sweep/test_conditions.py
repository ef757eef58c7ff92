"""Factors that exist only where others have certain values: points, order, refusals, sampling."""

import pytest

from orchestrator.config import flatten, override
from orchestrator.errors import ConfigError
from orchestrator.sweep.conditions import activations, ordered, settled, walk
from orchestrator.sweep.factors import plain
from orchestrator.sweep.sampling import open_study, suggest
from orchestrator.sweep.space import check

LAYERS = "model.num_layers = {choices = [1, 2, 3]}"
DROPOUT = 'model.dropout = {low = 0.0, high = 0.5, when = {"model.num_layers" = [2, 3]}}'
DECAY = 'train.average_decay = {choices = [0.0, 0.9], when = {"model.num_layers" = [2]}}'


@pytest.fixture
def make(make_space):
    def make_checked(*factors, base, kind="joint"):
        space = make_space(*factors, kind=kind)
        check(space, base)
        return space

    return make_checked


def test_points_hold_no_key_of_a_factor_that_does_not_exist(make, base):
    space = make(LAYERS, DECAY, base=base)
    assert list(walk(space.factors)) == [
        {"model.num_layers": 1},
        {"model.num_layers": 2, "train.average_decay": 0.0},
        {"model.num_layers": 2, "train.average_decay": 0.9},
        {"model.num_layers": 3},
    ]
    assert space.size() == 4


def test_a_range_makes_a_space_endless_only_where_it_can_exist(make, base):
    assert make(LAYERS, DROPOUT, base=base).size() == float("inf")
    assert make(LAYERS, base=base).size() == 3


def test_the_size_is_the_number_of_points(make, base):
    """Counted without listing them, as spaces may be large."""
    space = make(LAYERS, DECAY, "model.dropout = {choices = [0.1, 0.2]}", base=base)
    assert space.size() == len(list(walk(space.factors))) == 8


def test_a_factor_may_be_declared_before_what_it_needs(make, base):
    space = make(DECAY, LAYERS, base=base)
    keys = ["model.num_layers", "train.average_decay"]
    assert list(ordered(space.factors)) == keys
    assert space.size() == 4


def test_without_conditions_the_order_is_as_declared(make, base):
    space = make("train.patience = {choices = [1, 2]}", LAYERS, base=base)
    assert list(ordered(space.factors)) == list(space.factors)


def test_conditions_hang_together(make, base):
    """A factor whose condition names one that does not exist does not exist either."""
    deep = 'train.patience = {choices = [4, 5], when = {"train.average_decay" = [0.9]}}'
    space = make(LAYERS, DECAY, deep, base=base)
    assert [p for p in walk(space.factors) if "train.patience" in p] == [
        {"model.num_layers": 2, "train.average_decay": 0.9, "train.patience": patience}
        for patience in (4, 5)
    ]
    needed = [{"model.num_layers": 2, "train.average_decay": 0.9}]
    assert activations(space.factors, "train.patience") == needed


def test_one_is_not_true(read, base):
    text = """
    [spaces.test]
    kind = "grid"
    factors.model.num_layers = {choices = [1, 2]}
    factors.model.dropout = {choices = [0.1, 0.2], when = {"model.num_layers" = [true]}}
    """
    with pytest.raises(ConfigError, match=r"never holds with `model\.num_layers` = True"):
        check(read(text).spaces["test"], base)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (
            [LAYERS, 'model.dropout = {choices = [0.1], when = {"model.num_layer" = [2]}}'],
            "There is no factor of this space `model.num_layer`. Did you mean `model.num_layers`?",
        ),
        (
            [LAYERS, 'model.dropout = {choices = [0.1], when = {"model.num_layers" = [7]}}'],
            r"never holds with `model.num_layers` = 7: its values are \[1, 2, 3\]",
        ),
        (
            [
                "model.dropout = {low = 0.1, high = 0.2}",
                'train.patience = {choices = [1], when = {"model.dropout" = [0.1]}}',
            ],
            "`when` cannot name `model.dropout`: it must have `choices`",
        ),
        (
            [
                'model.num_layers = {choices = [1, 2], when = {"train.patience" = [3]}}',
                'train.patience = {choices = [3, 4], when = {"model.num_layers" = [1]}}',
            ],
            "the conditions go in a circle",
        ),
        (
            [
                LAYERS,
                DECAY,
                'train.patience = {choices = [3, 4], when = {"train.average_decay" = [0.9], '
                '"model.num_layers" = [3]}}',
            ],
            "`train.patience`: `when` never holds: the factors that it names exist only with",
        ),
    ],
)
def test_a_condition_that_cannot_be_is_refused(make, base, factors, message):
    with pytest.raises(ConfigError, match=message):
        make(*factors, base=base)


@pytest.mark.parametrize("when", ['"model.num_layers"', "3", '{"model.num_layers" = 2}', "[]"])
def test_a_condition_of_another_form_is_refused(make_space, when):
    with pytest.raises(ConfigError, match="it must list another factor's values"):
        make_space(LAYERS, f"model.dropout = {{choices = [0.1], when = {when}}}", kind="joint")


def test_a_one_factor_space_knows_no_conditions(make, base):
    with pytest.raises(ConfigError, match="cannot be used in a one-factor space"):
        make(LAYERS, DECAY, base=base, kind="one-factor")


def test_a_value_is_checked_with_what_it_needs(make, base):
    """A width that only some numbers of heads divide: the pair that cannot meet is allowed."""
    heads = "model.num_heads = {choices = [1, 3]}"
    nine = override(base, {"model.dim": 9, "model.num_heads": 1}, where="test")
    make(heads, 'model.dim = {choices = [8], when = {"model.num_heads" = [1]}}', base=nine)
    with pytest.raises(ConfigError, match="must divide"):
        make(heads, "model.dim = {choices = [8]}", base=nine)


def test_nested_keys_of_a_condition_need_no_quotes(make_space):
    space = make_space(
        LAYERS, "model.dropout = {choices = [0.1], when.model.num_layers = [2]}", kind="joint"
    )
    assert space.factors["model.dropout"].when == {"model.num_layers": (2,)}


def test_what_is_set_settles_what_needs_it(make, base):
    factors = make(LAYERS, DECAY, DROPOUT, base=base).factors
    values = flatten(base)
    at_two = settled(factors, {"model.num_layers": 2})
    assert {key: factor.when for key, factor in at_two.items()} == {
        "train.average_decay": {},
        "model.dropout": {},
    }
    assert settled(factors, {"model.num_layers": values["model.num_layers"]}) == {}
    assert list(settled(factors, {"train.average_decay": 0.0})) == [
        "model.num_layers",
        "model.dropout",
    ]


def test_a_factor_without_condition_is_plain_as_before(make_space):
    """What decides the name of sweeps of before there were conditions."""
    space = make_space(LAYERS, "train.learning_rate = {low = 1e-3, high = 1e-2}", kind="joint")
    assert [plain(factor) for factor in space.factors.values()] == [
        {"choices": (1, 2, 3)},
        {"low": 1e-3, "high": 1e-2, "log": False},
    ]


def test_nothing_is_drawn_for_a_factor_that_does_not_exist(tmp_path, make, base):
    space = make(DROPOUT, LAYERS, DECAY, base=base)
    history = open_study(tmp_path / "optuna.journal", "s", seed=0)
    points = []
    for _ in range(30):
        trial = history.ask()
        points.append(suggest(trial, space))
        history.tell(trial, 0.5)
    optional = ("model.dropout", "train.average_decay")
    kinds = {(p["model.num_layers"], *(key in p for key in optional)) for p in points}
    assert kinds == {(1, False, False), (2, True, True), (3, True, False)}
    assert [trial.params for trial in history.get_trials()] == points


def test_the_grid_of_a_conditional_space_has_each_computation_once(make_study):
    study = make_study(LAYERS, DECAY, kind="grid")
    names = [trial.label for trial in study.listed()]
    assert len(names) == len(set(names)) == 4
    runs = {run.run_id for trial in study.listed() for run in study.runs_of(trial)}
    assert len(runs) == 8
