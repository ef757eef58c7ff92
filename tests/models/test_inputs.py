import re

import pytest
import torch

import models
from models import (
    CATEGORIES,
    IDS,
    TIMESTAMPS,
    Catalogue,
    Categories,
    Inputs,
    MissingInputError,
    Need,
    settle,
)

BOTH = (
    Need("text", ("layers",), degraded=("pooled",)),
    Need("image", ("layers",), degraded=("pooled",)),
)


def test_the_first_form_that_is_there_is_read():
    needs = (Need(IDS), Need("text", ("tokens", "pooled")), Need(TIMESTAMPS))
    found = settle(needs, {IDS: (), "text": ("pooled", "tokens"), TIMESTAMPS: ()})
    assert found == Inputs({"text": "tokens"}, (IDS, TIMESTAMPS))
    assert found.label("x") == "x"
    assert settle(needs, {IDS: (), "text": ("pooled",), TIMESTAMPS: ()}).forms == {"text": "pooled"}


@pytest.mark.parametrize(
    ("text", "image", "name"),
    [
        (("layers", "pooled"), ("pooled", "layers"), "x"),
        (("pooled",), ("pooled",), "x-pooled"),
        (("layers",), ("pooled",), "x-image-pooled"),
        (("pooled",), ("layers",), "x-text-pooled"),
    ],
)
def test_a_degraded_model_has_another_name(text, image, name):
    assert settle(BOTH, {"text": text, "image": image}).label("x") == name


def test_a_model_without_an_input_that_it_can_lack_has_another_name():
    needs = (Need(IDS), Need(CATEGORIES, degraded=("without",)))
    there = settle(needs, {IDS: (), CATEGORIES: ()})
    assert (there.others, there.label("x")) == ((IDS, CATEGORIES), "x")
    lacking = settle(needs, {IDS: ()})
    assert (lacking.others, lacking.label("x")) == ((IDS,), "x-without-categories")


@pytest.mark.parametrize(
    ("need", "available", "rule"),
    [
        (Need(TIMESTAMPS), {"text": ("pooled",)}, "the data set has no timestamps."),
        (Need("text", ("tokens",)), {}, "the data set has no `text` features; it has no features"),
        (Need("text", ("tokens",)), {IDS: (), "image": ("pooled",)}, "features; it has image."),
        (BOTH[0], {"text": ("tokens",)}, "the data set has no layers of `text`; it has tokens."),
    ],
)
def test_what_is_lacking_is_named(need, available, rule):
    with pytest.raises(MissingInputError, match=re.escape(rule)) as caught:
        settle((need,), available)
    assert caught.value.need is need


def test_a_catalogue_says_what_it_has(catalogue):
    forms = ("pooled", "tokens", "layers")
    assert catalogue.available() == {
        "text": forms,
        "image": forms,
        IDS: (),
        TIMESTAMPS: (),
        CATEGORIES: (),
    }
    assert Catalogue(3).available() == {IDS: ()}


def test_categories_are_ones_in_a_row_per_item():
    found = Categories(("a", "b", "c"), torch.tensor([0, 2, 1]), torch.tensor([0, 2, 0, 1]))
    assert found.multi_hot().int().tolist() == [[0, 0, 0], [1, 0, 1], [0, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("name", models.names())
def test_a_model_reads_what_its_settings_say(build, catalogue, name):
    model = build(name)
    found = settle(model.config.needs(), catalogue.available())
    assert model.reads == found or not found.forms
    assert model.input_forms().keys() == found.forms.keys()
    assert found.label(name) == name, "nothing is lacking here"


@pytest.mark.parametrize("name", models.names())
def test_a_model_without_an_input_it_needs_is_refused(build, catalogue, name):
    forms = build(name).input_forms()
    for modality in forms:
        rest = {key: own for key, own in catalogue.modalities.items() if key != modality}
        with pytest.raises(ValueError, match=f"has no `{modality}` features"):
            build(name, Catalogue(12, rest, catalogue.derived))
