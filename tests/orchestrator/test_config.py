import dataclasses
import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import models
from orchestrator.config import (
    MONITOR,
    EvalConfig,
    TrainConfig,
    content_hash,
    default_trial,
    flatten,
    model_type,
    override,
    parse_assignment,
    trial_from_json,
)
from orchestrator.errors import ConfigError
from orchestrator.results import run_id

BASE = default_trial("tame", "toys")


def changed(**values):
    dotted = {key.replace("__", "."): value for key, value in values.items()}
    return override(BASE, dotted, where="file.toml")


def refused(message):
    return pytest.raises(ConfigError, match=f"^{re.escape(message)}$")


def test_an_override_sets_its_keys_and_leaves_the_rest():
    config = changed(model__dim=32, train__patience=3, eval__ties="mean")
    assert config.settings == dataclasses.replace(BASE.settings, dim=32)
    assert config.train == dataclasses.replace(BASE.train, patience=3)
    assert config.evaluation == dataclasses.replace(BASE.evaluation, ties="mean")
    assert (config.model, config.dataset, config.seed) == ("tame", "toys", 0)
    assert default_trial("tame", "toys") == BASE
    assert changed() == BASE


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("model.dmi", "Did you mean `model.dim`?"),
        ("model.text_head", "Did you mean `model.text_heads`?"),
        ("train.lr", "Did you mean `train."),
        ("dim", "Did you mean `model.dim`?"),
        ("eval.cutoff", "Did you mean `eval.cutoffs`?"),
        ("settings.dim", ""),
        ("seed", ""),
        ("", "Known: data.mean, data.noise, "),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(key, hint):
    with pytest.raises(ConfigError) as caught:
        override(BASE, {key: 1}, where="file.toml")
    assert str(caught.value).startswith(f"file.toml: There is no key `{key}`. {hint}")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.dim", 32.0),
        ("model.dim", "32"),
        ("model.dim", True),
        ("model.dim", None),
        ("model.dim", [32]),
        ("model.dropout", "0.2"),
        ("model.dropout", True),
        ("model.use_text", 1),
        ("model.use_text", "true"),
        ("model.norm", "middle"),
        ("model.gate_activation", None),
        ("train.max_epochs", 2.5),
        ("train.learning_rate", {"low": 1e-3}),
        ("eval.cutoffs", 10),
        ("eval.cutoffs", [10, "20"]),
        ("eval.cutoffs", [10, 20.0]),
        ("eval.ties", "best"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_key_and_value(key, value):
    shown = tuple(value) if isinstance(value, list) else value
    begin = re.escape(f"file.toml: `{key}` cannot be {shown!r}: it ")
    with pytest.raises(ConfigError, match=f"^{begin}.+\\.$"):
        override(BASE, {key: value}, where="file.toml")


def test_whole_numbers_stand_for_fractions_and_lists_for_tuples():
    config = changed(model__dropout=0, train__learning_rate=1, eval__cutoffs=[1, 10])
    assert config.evaluation.cutoffs == (1, 10)
    for value in (config.settings.dropout, config.train.learning_rate):
        assert type(value) is float
    same = changed(model__dropout=0.0, train__learning_rate=1.0, eval__cutoffs=(1, 10))
    assert config == same
    assert run_id(config, "data") == run_id(same, "data")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model.dim", 0, "[model] `dim` cannot be 0: it must be at least 1."),
        ("model.dropout", 1.0, "[model] `dropout` cannot be 1.0: it must be in [0, 1)."),
        ("model.dropout", -0.1, "[model] `dropout` cannot be -0.1: it must be in [0, 1)."),
        ("model.text_heads", 3, "[model] `text_heads` cannot be 3: it must divide `dim` = 64."),
        (
            "train.learning_rate",
            0.0,
            "[train] `learning_rate` cannot be 0.0: it must be above 0 and finite.",
        ),
        (
            "train.learning_rate",
            math.nan,
            "[train] `learning_rate` cannot be nan: it must be above 0 and finite.",
        ),
        ("train.weight_decay", -1, "[train] `weight_decay` cannot be -1.0: it must be at least 0."),
        ("train.patience", 0, "[train] `patience` cannot be 0: it must be at least 1."),
        ("train.max_epochs", 0, "[train] `max_epochs` cannot be 0: it must be at least 1."),
        ("train.batch_targets", 0, "[train] `batch_targets` cannot be 0: it must be at least 1."),
        ("train.clip_norm", -1.0, "[train] `clip_norm` cannot be -1.0: it must be at least 0."),
        ("eval.cutoffs", (0, 10), "[eval] `cutoffs` cannot be 0: it must be at least 1."),
        (
            "eval.cutoffs",
            (5, 20),
            "[eval] `cutoffs` cannot be (5, 20): 10 must be among them, and none twice.",
        ),
    ],
)
def test_a_value_outside_its_domain_names_section_and_key(key, value, message):
    with refused(f"file.toml: {message}"):
        override(BASE, {key: value}, where="file.toml")


def test_keys_are_checked_together():
    assert changed(model__dim=48, model__text_heads=3).settings.text_heads == 3
    with refused("file.toml: [model] `num_heads` cannot be 5: it must divide `dim` = 48."):
        changed(model__dim=48, model__num_heads=5)


def test_every_setting_has_a_dotted_key():
    flat = flatten(BASE)
    sections = {
        "model": BASE.settings,
        "train": BASE.train,
        "data": BASE.data,
        "eval": BASE.evaluation,
    }
    assert flat == {
        f"{section}.{field.name}": getattr(part, field.name)
        for section, part in sections.items()
        for field in dataclasses.fields(part)
    }
    assert override(BASE, flat, where="itself") == BASE


@pytest.mark.parametrize("name", models.names())
def test_settings_come_back_from_json(name):
    config = override(
        default_trial(name, "toys", seed=5),
        {"model.dropout": 0.1, "train.learning_rate": 3e-4, "eval.cutoffs": [3, 10]},
        where="test",
    )
    back = trial_from_json(json.loads(json.dumps(config.to_json())))
    assert back == config
    assert type(back.settings) is model_type(name).config_type
    assert run_id(back, "data") == run_id(config, "data")
    assert trial_from_json(config.to_json()) == config


@given(
    rate=st.floats(min_value=1e-30, max_value=1e30),
    dropout=st.floats(0, 1, exclude_max=True),
    cutoffs=st.lists(st.integers(11, 1000), max_size=4, unique=True),
)
def test_any_settings_come_back_from_json_bit_for_bit(rate, dropout, cutoffs):
    config = changed(
        train__learning_rate=rate, model__dropout=dropout, eval__cutoffs=[*cutoffs, 10]
    )
    assert trial_from_json(json.loads(json.dumps(config.to_json()))) == config


def test_stored_settings_of_another_version_are_refused():
    plain = json.loads(json.dumps(BASE.to_json()))
    plain["settings"]["num_experts"] = 4
    with pytest.raises(ConfigError, match=r"stored settings: There is no key `model\.num_experts`"):
        trial_from_json(plain)
    plain = {**json.loads(json.dumps(BASE.to_json())), "model": "tane"}
    with refused("There is no model `tane`. Did you mean `tame`?"):
        trial_from_json(plain)


def test_an_unknown_model_offers_the_nearest():
    with refused("There is no model `sasrek`. Did you mean `sasrec`?"):
        model_type("sasrek")
    with pytest.raises(ConfigError, match=r"There is no model `zzz`\. Known: .*sasrec.*tame"):
        default_trial("zzz", "toys")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train.patience=5", ("train.patience", 5)),
        ("train.learning_rate=1e-3", ("train.learning_rate", 1e-3)),
        ("model.use_text=false", ("model.use_text", False)),
        ("model.norm=pre", ("model.norm", "pre")),
        ('model.norm="pre"', ("model.norm", "pre")),
        ("eval.cutoffs=[1, 10]", ("eval.cutoffs", [1, 10])),
        (" model.dim = 32 ", ("model.dim", 32)),
        ("model.norm= pre ", ("model.norm", "pre")),
        ("a=b=c", ("a", "b=c")),
        ("model.use_text=False", ("model.use_text", "False")),  # and is then refused by its type
        ("a=", ("a", "")),
    ],
)
def test_an_assignment_is_read_as_toml_or_else_as_text(text, expected):
    key, value = parse_assignment(text)
    assert (key, value) == expected
    assert type(value) is type(expected[1])


def test_an_assignment_needs_an_equals_sign():
    with refused("--set: `patience` is not KEY=VALUE. Write for example train.patience=5."):
        parse_assignment("patience")


def test_equal_content_has_equal_hashes_whatever_its_order():
    assert content_hash({"a": 1, "b": [1, 2]}) == content_hash({"b": (1, 2), "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 2}) != content_hash({"b": 2})
    assert len(content_hash({})) == 16
    assert len(content_hash({}, length=8)) == 8


def test_what_is_maximised_is_a_validation_figure_that_is_always_measured():
    assert MONITOR == "val/ndcg@10"
    assert 10 in EvalConfig().cutoffs


def test_settings_cannot_be_changed_in_place():
    for part in (BASE, BASE.settings, BASE.train, BASE.evaluation):
        field = dataclasses.fields(part)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(part, field, getattr(part, field))


def test_positional_settings_are_refused():
    with pytest.raises(TypeError):
        TrainConfig(1e-3)
