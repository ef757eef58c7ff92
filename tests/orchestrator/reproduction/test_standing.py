"""What an exhibit needs, what of it is here, and what brings the rest."""

from dataclasses import replace

import pytest

import models as zoo
from orchestrator import api
from orchestrator.reproduction.declared import find_exhibit
from orchestrator.reproduction.standing import how_to_get, lacks, missing_models, standing


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A folder of data sets in which a tiny world goes by the name of one of TAME's."""
    folder = tmp_path_factory.mktemp("named")
    api.make_planted("beauty", num_users=30, num_items=20, data_dir=folder)
    return folder


def test_a_data_set_that_is_not_here_is_got_from_its_publisher(named):
    exhibit = find_exhibit("tame/fig2")
    assert lacks(exhibit, "toys", named) == ("not here; `orch data get amazon-2014/toys-and-games`")
    assert how_to_get("mine") == "`orch data import FOLDER --name mine`"


def test_features_that_the_papers_model_reads_are_encoded_as_the_paper_does(named):
    exhibit = find_exhibit("tame/fig2")
    assert lacks(exhibit, "beauty", named) == ""
    wanting = replace(exhibit, needs={"text": "tokens", "image": "layers"})
    assert lacks(wanting, "beauty", named) == (
        "without layers of image; `orch data encode beauty --modality image --encoder "
        "openai/clip-vit-base-patch32 --forms layers`"
    )


def test_models_that_are_missing_are_those_that_the_zoo_does_not_have(monkeypatch):
    exhibit = find_exhibit("decorec/fig9")
    monkeypatch.setattr(zoo, "names", lambda: ["decorec", "sasrec", "unisrec"])
    assert missing_models(exhibit) == ("missrec",)
    monkeypatch.setattr(zoo, "names", lambda: ["decorec", "missrec", "unisrec"])
    assert missing_models(exhibit) == ()


@pytest.mark.parametrize(
    ("name", "can_run"), [("tame/fig1", ""), ("tame/fig2", "in part"), ("decorec/fig3", "no")]
)
def test_whether_it_can_run_here(named, tmp_path, name, can_run):
    assert standing(find_exhibit(name), results=tmp_path, data_dir=named).can_run == can_run


def test_it_can_run_where_nothing_is_missing(named, tmp_path):
    exhibit = replace(find_exhibit("tame/fig2"), datasets=("beauty",))
    found = standing(exhibit, results=tmp_path, data_dir=named)
    assert (found.can_run, found.lacking, found.outcomes) == ("yes", {}, ())
