import pytest

from orchestrator import api
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


def test_datasets_are_listed(place):
    names = [dataset.name for dataset in api.datasets(data_dir=place / "data")]
    assert names == ["planted", "tiny"]
