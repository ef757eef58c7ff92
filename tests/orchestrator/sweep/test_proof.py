"""Swept values that change nothing are refused, with the reason, before anything starts."""

import pytest

from orchestrator.config import default_trial, override
from orchestrator.data import open_dataset
from orchestrator.errors import ConfigError
from orchestrator.sweep.proof import RULES, prove
from orchestrator.sweep.space import Choice, Range, Space
from orchestrator.training.loop import build_model, training_batches

TAME = {"model.dim": 8, "model.inner_dim": 16, "model.num_layers": 1, "model.text_heads": 1}


@pytest.fixture
def dataset(data_dir):
    return open_dataset("tiny", data_dir)


@pytest.fixture
def tame():
    return override(default_trial("tame", "tiny"), TAME, where="test")


@pytest.fixture
def proven(dataset):
    """Tries to prove a space of the given factors around a base; gives what was told."""

    def prove_factors(base, *, kind="one-factor", **factors):
        told = []
        space = Space(
            name="test",
            model=base.model,
            kind=kind,
            about="",
            factors={key.replace("__", "."): factor for key, factor in factors.items()},
            source=f"{base.model}.toml: [spaces.test]",
        )
        prove(space, base, dataset, on_check=lambda *numbers: told.append(numbers))
        return told

    return prove_factors


def test_values_that_act_pass(proven, base):
    told = proven(
        base,
        model__num_heads=Choice((1, 2, 4)),
        model__dropout=Choice((0.0, 0.1, 0.2)),
        train__learning_rate=Choice((1e-3, 1e-4)),
        train__weight_decay=Choice((0.0, 0.1)),
        train__precision=Choice(("fp32", "bf16")),
        train__max_epochs=Choice((1, 2)),
        train__average_decay=Choice((0.0, 0.9, 0.98)),
        train__clip_norm=Choice((0.0, 1.0)),
        train__batch_targets=Choice((16, 64)),
    )
    assert told == [(place, 9) for place in range(9)]


def test_a_setting_that_others_switch_off_is_refused(proven, tame):
    off = override(tame, {"model.contrast_weight": 0.0}, where="test")
    with pytest.raises(ConfigError) as refusal:
        proven(off, model__temperature=Choice((0.1, 0.5)))
    assert str(refusal.value) == (
        "tame.toml: [spaces.test] `model.temperature` cannot be swept over 0.1 and 0.5: they are "
        "the same computation in tame on tiny: the model's other settings switch it off. "
        "Leave one of them out, or change what switches it off with --set."
    )


def test_beside_another_factor_that_switches_it_on_it_passes(proven, tame):
    """In a joint space or a grid; a one-factor space has the others at the base."""
    off = override(tame, {"model.contrast_weight": 0.0}, where="test")
    factors = {
        "model__temperature": Range(0.1, 0.5),
        "model__contrast_weight": Choice((0.0, 0.1)),
    }
    assert proven(off, kind="joint", **factors)


def test_two_values_of_many_are_named(proven, base, monkeypatch):
    """Heads that the model reads as one number or another."""
    from models.sasrec import SASRec

    scores = SASRec.scores
    monkeypatch.setattr(SASRec, "scores", lambda self, *given: scores(self, *given) * 0)
    with pytest.raises(ConfigError, match=r"`model.num_heads` .* over 1 and 2: .* bit for bit\. "):
        proven(base, model__num_heads=Choice((1, 2, 4)))


@pytest.mark.parametrize(
    ("factors", "why"),
    [
        ({"train__trace_gradients": Choice((False, True))}, "it decides what is recorded"),
        ({"eval__cutoffs": Choice(((10,), (10, 20)))}, "it decides what is recorded"),
        (
            {"train__patience": Choice((1, 5, 7))},
            "over 1 and 5: .* with `train.max_epochs` = 2 neither runs out before the last epoch",
        ),
        (
            {"train__batch_targets": Choice((16, 10_000, 20_000))},
            "over 10000 and 20000: .* an epoch has [0-9]+ targets, which either takes in one step",
        ),
    ],
)
def test_what_no_step_shows_goes_by_a_rule(proven, base, factors, why):
    with pytest.raises(ConfigError, match=why):
        proven(base, **factors)


def test_the_rule_on_batches_is_the_loops(dataset, base):
    """Batches that take an epoch in one step are one batch; smaller ones are not."""
    model = build_model(base, dataset)

    def num_steps(targets):
        batches = training_batches(model, dataset, max_length=10, batch_targets=targets)
        return len(list(batches.epoch(0))), batches.num_targets

    _, whole = num_steps(64)
    rule = RULES["train.batch_targets"]

    def same(*targets):
        pair = (override(base, {"train.batch_targets": n}, where="test") for n in targets)
        return bool(rule(*pair, dataset))

    assert (num_steps(whole)[0], num_steps(whole - 1)[0]) == (1, 2)
    assert same(whole, whole + 1)
    assert not same(whole - 1, whole)


def test_the_rule_on_patience_is_the_loops(dataset, base, tmp_path):
    """With 4 epochs, patience 3 is that of 4, and 2 may end earlier."""
    rule = RULES["train.patience"]

    def same(*values):
        pair = (
            override(base, {"train.patience": n, "train.max_epochs": 4}, where="test")
            for n in values
        )
        return bool(rule(*pair, dataset))

    assert same(3, 4)
    assert not same(2, 3)


def test_few_of_a_data_set_do_not_decide_alone(dataset, base, monkeypatch):
    """The whole is asked before a value is refused."""
    from orchestrator.sweep import proof

    asked = []

    class Blind:
        is_small = False

        def __init__(self, dataset):
            pass

        def differ(self, one, other, *, in_whole=False):
            asked.append(in_whole)
            return in_whole

    monkeypatch.setattr(proof, "Probe", Blind)
    space = Space(
        name="t",
        model="sasrec",
        kind="one-factor",
        about="",
        factors={"model.num_heads": Choice((1, 2))},
        source="t",
    )
    prove(space, base, dataset, on_check=lambda *_: None)
    assert asked == [False, True]
