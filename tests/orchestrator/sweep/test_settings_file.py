import tomllib

import pytest

import models
from orchestrator.config import default_trial, flatten, override
from orchestrator.errors import ConfigError, StoreError
from orchestrator.sweep.settings_file import (
    Origin,
    base_settings,
    overruled,
    read_settings,
    write_settings,
)
from orchestrator.sweep.space import base_trial, find_space

ORIGIN = Origin(model="sasrec", dataset="toys", sweep="mine", runs=("ab", "cd"))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "best.toml"


def write(file, settings, *, model="sasrec", overwrite=False):
    origin = Origin(model=model, dataset="toys", sweep="mine")
    write_settings(file, settings, origin, about="Where from.\nTwo lines.", overwrite=overwrite)


@pytest.mark.parametrize("name", models.names())
def test_all_settings_of_every_model_come_back(file, name):
    settings = flatten(default_trial(name, "toys"))
    write(file, settings, model=name)
    config = override(default_trial(name, "toys"), read_settings(file, name), where="file")
    assert flatten(config) == settings
    assert file.read_text().startswith("# Where from.\n# Two lines.\n\n[origin]\n")


def test_where_settings_come_from_stands_in_the_file(file):
    write_settings(file, {"model.dim": 8}, ORIGIN, about="", overwrite=False)
    plain = tomllib.loads(file.read_text())
    runs = ["ab", "cd"]
    assert plain["origin"] == {"model": "sasrec", "dataset": "toys", "sweep": "mine", "runs": runs}
    assert plain["model"] == {"dim": 8}


def test_values_that_toml_writes_otherwise(file):
    settings = {"model.a": 'a "b"\n\\ ü 😀', "train.b": 1e-05, "train.c": True, "eval.d": (1, 2)}
    write(file, settings)
    read = read_settings(file, "sasrec")
    assert read == {**settings, "eval.d": [1, 2]}


def test_a_file_that_is_there_stays_unless_told(file):
    file.write_text("mine")
    with pytest.raises(ConfigError, match=r"is there already\. Add --force to replace it\."):
        write(file, {})
    assert file.read_text() == "mine"
    write(file, {}, overwrite=True)
    assert file.read_text() != "mine"


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write(tmp_path / "file" / "best.toml", {})


def test_settings_of_a_file_go_over_those_of_the_data_set(file):
    before = base_trial("sasrec", "planted").settings
    file.write_text("[model]\ndropout = 0.45\n")
    after = base_settings("sasrec", "planted", file).settings
    assert (before.dropout != 0.45, after.dropout) == (True, 0.45)
    assert after.num_layers == before.num_layers
    assert base_settings("sasrec", "planted", None).settings == before


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[model]\ndimm = 8", "There is no key `model.dimm`. Did you mean `model.dim`?"),
        ("[model]\ndim = 'a'", "`model.dim` cannot be 'a': it should be a valid integer."),
        ("[model]\ndropout = 2.0", r"\[model\] `dropout` cannot be 2.0"),
        ("dim = 8", r"`dim` stands outside a table. Settings stand in \[model\], \[train\], "),
        ("[origin]\nmodel = 'tame'", "`origin.model` is tame, and the command is about sasrec."),
        ("[origin]\nmodle = 'tame'", r"\[origin\] There is no key `modle`. Did you mean `model`?"),
        ("origin = 1", "`origin` cannot be 1: it must be a table."),
        ("[model", "is not TOML: "),
        ("[modle]\ndim = 8", "There is no key `modle.dim`. Did you mean `model.dim`?"),
    ],
)
def test_what_a_file_cannot_say(file, text, sentence):
    file.write_text(text)
    with pytest.raises(ConfigError, match=sentence) as refusal:
        base_settings("sasrec", "planted", file)
    assert str(refusal.value).startswith(f"{file}: ")


def test_a_file_that_is_not_there(file):
    with pytest.raises(ConfigError, match=r"--config: .*best.toml cannot be read \(No such file"):
        base_settings("sasrec", "planted", file)


def test_what_a_space_sets_itself_is_told(file):
    """The space's question rests on it."""
    file.write_text("[model]\nfusion = 'phased'\ndim = 8\n")
    (sentence,) = overruled(find_space("decorec", "stage_1"), file)
    assert sentence == (
        f"`model.fusion` is 'modality', as space stage_1 says, and not 'phased' as in {file}."
    )
    file.write_text("[model]\nfusion = 'modality'\n")
    assert overruled(find_space("decorec", "stage_1"), file) == ()
