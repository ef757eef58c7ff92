"""What a file of spaces says of diagnostics, and what it may not say."""

import pytest

import models
from orchestrator.cli import options
from orchestrator.errors import ConfigError
from orchestrator.sweep.diagnostics import DECLARED, VIEWS, Diagnostics
from orchestrator.sweep.space import read_spaces

VARIANTS = """
[variants.deep]
model.num_layers = 2
[variants.wide]
model.dim = 16
"""


def test_views_are_read_with_their_variants(read):
    text = (
        VARIANTS
        + """
[diagnostics.convergence]
variants = ["base", "deep", "wide", "deep"]
[diagnostics.gradients]
variants = ["wide"]
[diagnostics.clusters]
without = "deep"
[diagnostics.unimodal]
setting = "model.scoring"
alone = { text = "deep", image = "wide" }
"""
    )
    assert read(text).diagnostics == Diagnostics(
        views=frozenset(DECLARED),
        convergence=("base", "deep", "wide"),
        gradients=("wide",),
        without_clusters="deep",
        setting="model.scoring",
        alone={"text": "deep", "image": "wide"},
    )


def test_a_file_may_declare_some_views_or_none(read):
    assert read(VARIANTS).diagnostics == Diagnostics()
    found = read(VARIANTS + "[diagnostics.clusters]\n").diagnostics
    assert found == Diagnostics(views=frozenset({"clusters"}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[diagnostics.gradient]", "There is no view `gradient`. Did you mean `gradients`?"),
        ("[diagnostics.recall]", "There is no view `recall`. Known: "),
        ("[diagnostics.gradients]\nvariant = ['deep']", "Did you mean `variants`?"),
        ("[diagnostics.gradients]\n", "`variants` cannot be None: it must list one variant or"),
        ("[diagnostics.gradients]\nvariants = []", "`variants` cannot be []: it must list one"),
        ("[diagnostics.gradients]\nvariants = 'deep'", "`variants` cannot be 'deep': it must"),
        ("[diagnostics.gradients]\nvariants = ['dep']", "no variant `dep`. Did you mean `deep`?"),
        ("[diagnostics.clusters]\nwithout = 'deeep'", "There is no variant `deeep`."),
        ("[diagnostics.unimodal]\nsetting = 'model.dim'", "`alone` cannot be None: it must name"),
        ("[diagnostics.unimodal]\nalone = {text = 'deep'}", "`setting` cannot be None: it must"),
        (
            "[diagnostics.unimodal]\nsetting = 'model.dim'\nalone = {text = 'no'}",
            "There is no variant `no`.",
        ),
        ("[diagnostics]\ngradients = 3", "`gradients` cannot be 3: it must be a table."),
    ],
)
def test_what_cannot_be_is_told_with_the_file_and_the_table(read, text, message):
    with pytest.raises(ConfigError, match=r"^sasrec\.toml: \[diagnostics") as error:
        read(VARIANTS + text)
    assert message in str(error.value)


@pytest.mark.parametrize("name", models.names())
def test_every_models_file_can_be_read(name):
    assert read_spaces(name).diagnostics.views <= set(VIEWS)


def test_the_shell_offers_the_views_that_there_are():
    assert sorted(options.VIEWS) == sorted(VIEWS)
