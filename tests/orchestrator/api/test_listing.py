import dataclasses

import pytest

import models
from orchestrator import api
from orchestrator import config as config_module
from orchestrator.errors import ConfigError


def test_models_and_spaces_agree():
    described = {model.name: model for model in api.models()}
    declared = api.spaces()
    assert list(described) == sorted(described) == list(declared)
    for name, file in declared.items():
        assert described[name].spaces == tuple(file.spaces)
        assert described[name].variants == tuple(file.variants)
        assert described[name].about
    assert api.spaces("sasrec") == {"sasrec": declared["sasrec"]}
    with pytest.raises(ConfigError, match="There is no model `sas`"):
        api.spaces("sas")


@pytest.mark.parametrize("name", models.names())
def test_every_setting_is_told_with_its_text(name):
    described = api.model(name)
    fields = dataclasses.fields(config_module.model_type(name).config_type)
    assert [one.name for one in described.settings] == [field.name for field in fields]
    assert all(one.about.endswith(".") for one in described.settings), "a text is under each field"
    assert all(one.kind for one in described.settings)
    assert {"Paper", "Idea", "Differs from the paper"} <= described.sections.keys()


def test_values_and_texts_are_those_of_the_config():
    told = {one.name: one for one in api.model("fearec").settings}
    assert told["circle"].kind == "history, limit"
    assert told["dropout"].default == 0.5, "the model's own, not the base's"
    assert told["num_heads"].about == (
        "Attention heads of each sequence encoder; must divide `dim`."
    )
    assert api.model("fearec").venue == "SIGIR 2023"


def test_datasets_are_listed(place):
    names = [dataset.name for dataset in api.datasets(data_dir=place / "data")]
    assert names == ["planted", "tiny"]
