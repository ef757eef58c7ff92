"""What a user asks of a diagnosis, what of it cannot be, and what is run for it."""

import json
import re
from dataclasses import replace

import pytest

from orchestrator.config import default_trial, override
from orchestrator.data import open_dataset
from orchestrator.errors import ConfigError
from orchestrator.sweep.diagnosis import diagnosis_of_plan
from orchestrator.sweep.diagnostics import Diagnostics
from orchestrator.sweep.prepare_diagnosis import Wish, prepare_diagnosis
from orchestrator.sweep.space import read_spaces

SMALL = {
    "model.dim": 8,
    "model.num_heads": 2,
    "model.inner_dim": 8,
    "model.adapter_hidden": 8,
    "model.num_clusters": 3,
}
TRACED = {"train.trace_gradients": True}


@pytest.fixture(scope="module")
def tiny(data_dir):
    return open_dataset("tiny", data_dir)


@pytest.fixture
def ask(tiny):
    """Prepares a diagnosis of a small DeCoRec on the tiny world."""

    def asked(views=None, *, model="decorec", declared=None, changed=None, dataset=tiny, **fields):
        file = read_spaces(model)
        if declared is not None:
            file = replace(file, diagnostics=declared)
        values = SMALL if model == "decorec" else {}
        base = override(default_trial(model, "tiny"), {**values, **(changed or {})}, where="test")
        given = {"against": "sasrec", "num_seeds": 2, "overrides": {}, "views": views, **fields}
        return prepare_diagnosis(Wish(**given), file, base, dataset)

    return asked


def test_all_views_of_a_model_that_has_them_all(ask):
    plan = ask()
    assert plan.views == ("convergence", "gradients", "clusters", "recall", "unimodal", "cold")
    assert plan.notes == (
        "`attention` is not drawn: with these settings the model reads no tokens.",
    )
    changes = read_spaces("decorec").variants
    assert plan.needed() == {
        "base": {},
        "id_only": changes["id_only"],
        "modality_only": changes["modality_only"],
        "naive_joint": {**changes["naive_joint"], **TRACED},
        "without_cluster_embedding": changes["without_cluster_embedding"],
        "text_retrieval": changes["text_retrieval"],
        "image_retrieval": changes["image_retrieval"],
    }
    trials = plan.study().listed()
    assert [trial.variant for trial in trials] == [*plan.needed(), "against-sasrec"]
    assert [v.name for v in plan.variants()] == [*list(plan.needed())[1:], "against-sasrec"]
    assert trials[-1].config.model == "sasrec"
    assert [run.config.seed for run in plan.study().runs_of(trials[0])] == [0, 1]


@pytest.mark.parametrize(
    ("views", "variants"),
    [
        ("recall", []),
        ("cold", ["base", "against-sasrec"]),
        ("gradients", ["naive_joint"]),
        ("convergence", ["id_only", "modality_only", "naive_joint"]),
        ("clusters", ["base", "without_cluster_embedding"]),
        (
            "unimodal,clusters",
            ["base", "without_cluster_embedding", "text_retrieval", "image_retrieval"],
        ),
    ],
)
def test_a_view_needs_its_own_runs_only(ask, views, variants):
    assert [trial.variant for trial in ask(views).study().listed()] == variants


def test_attention_is_of_a_model_that_reads_tokens_where_it_is_known_which_tell(ask, tiny):
    plan = ask("attention", model="tame")
    assert [trial.variant for trial in plan.study().listed()] == ["base"]
    with pytest.raises(ConfigError, match="with these settings the model reads no tokens"):
        ask("attention", model="tame", changed={"model.use_retriever": False})
    origin = replace(tiny.manifest.origin, importer="benchmark")
    other = replace(tiny, manifest=replace(tiny.manifest, origin=origin))
    with pytest.raises(ConfigError, match="tiny does not say which tokens tell"):
        ask("attention", model="tame", dataset=other)


def test_only_what_is_looked_at_is_traced(ask):
    alone = ask("convergence").needed()["naive_joint"]
    assert alone.items().isdisjoint(TRACED.items())
    assert ask("gradients").config("naive_joint").train.trace_gradients


def test_settings_are_for_the_model_and_the_rest_for_both(ask):
    plan = ask("cold", overrides={"model.dim": 16, "train.max_epochs": 3})
    assert plan.base.settings.dim == 16
    assert plan.base.train.max_epochs == plan.baseline.train.max_epochs == 3
    assert plan.baseline.settings == default_trial("sasrec", "tiny").settings


def test_a_view_that_cannot_be_is_left_out_with_its_reason(ask):
    plan = ask(model="sasrec", against="tame")
    assert plan.views == ("recall", "cold")
    assert plan.notes == (
        "`convergence` is not drawn: sasrec.toml has no [diagnostics.convergence].",
        "`gradients` is not drawn: sasrec.toml has no [diagnostics.gradients].",
        "`clusters` is not drawn: sasrec.toml has no [diagnostics.clusters].",
        "`unimodal` is not drawn: sasrec.toml has no [diagnostics.unimodal].",
        "`attention` is not drawn: with these settings the model reads no tokens.",
    )
    assert plan.baseline.model == "tame"


WITHOUT_PARTS = Diagnostics(views=frozenset({"gradients"}), gradients=("id_only",))
NOT_SCORING = Diagnostics(
    views=frozenset({"unimodal"}), setting="model.id_tables", alone={"per_modality": "id_only"}
)
UNKNOWN = Diagnostics(
    views=frozenset({"unimodal"}), setting="model.scorin", alone={"text": "id_only"}
)


@pytest.mark.parametrize(
    ("views", "options", "message"),
    [
        (
            "clusters",
            {"changed": {"model.use_clusters": False}},
            "`clusters` cannot be drawn of decorec: with these settings the model has no clusters",
        ),
        ("gradients", {"declared": WITHOUT_PARTS}, "`id_only` has no id part and modality part"),
        ("unimodal", {"declared": UNKNOWN}, "There is no key `model.scorin`. Did you mean"),
        ("unimodal", {"changed": {"model.fusion": "id"}}, "`scoring` cannot be text: "),
        ("cold", {"against": "decorec"}, "it is compared with itself; name another model with"),
        ("cold", {"against": "sasre"}, "There is no model `sasre`. Did you mean `sasrec`?"),
        ("clusters, recal", {}, "--views: There is no view `recal`. Did you mean `recall`?"),
        ("gradients", {"model": "sasrec"}, "sasrec.toml has no [diagnostics.gradients]"),
        ("recall", {"num_seeds": 0}, "--seeds cannot be 0"),
        ("recall", {"name": "a/b"}, "--name cannot be 'a/b'"),
    ],
)
def test_what_is_asked_for_and_cannot_be_is_refused(ask, views, options, message):
    with pytest.raises(ConfigError) as error:
        ask(views, **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_setting_that_changes_parameters_cannot_score(ask):
    told = "`model.id_tables` = per_modality changes the model's parameters"
    with pytest.raises(ConfigError, match=re.escape(told)):
        ask("unimodal", declared=NOT_SCORING)


def test_the_name_follows_from_what_is_asked(ask):
    names = {
        ask("recall").name,
        ask("cold").name,
        ask("cold", against="tame").name,
        ask("cold", num_seeds=3).name,
    }
    assert len(names) == 4
    assert all(name.startswith("decorec-diagnosis-tiny-") for name in names)
    assert ask("cold").name in names
    assert ask("recall", name="mine").name == "mine"


def test_a_diagnosis_comes_back_from_its_plan(ask):
    plan = ask()
    stored = json.loads(json.dumps(plan.plan()))
    again = diagnosis_of_plan(plan.name, stored, plan.declared)
    assert again.needed() == plan.needed()
    assert json.loads(json.dumps(again.plan())) == stored
    assert again.baseline == plan.baseline
