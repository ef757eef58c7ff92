import sys
from pathlib import Path

import pytest

import models
from models import Batch, Config, History, Loss, Recommender
from models._registry import register


def fake(module):
    class Fake(Recommender):
        config_type = Config

        def loss(self, batch: Batch) -> Loss:
            raise NotImplementedError

        def scores(self, history: History, items=None):
            raise NotImplementedError

    Fake.__module__ = module
    return Fake


def test_the_zoo_is_ours_and_not_another_distributions():
    assert Path(models.__file__).parents[1] == Path(__file__).parents[2]


def test_every_file_of_the_zoo_is_a_model():
    assert models.names() == sorted(models.names())
    assert {"sasrec", "tame"} <= set(models.names())
    for name in models.names():
        assert issubclass(models.find(name), Recommender)


def test_an_unknown_model_is_a_key_error():
    with pytest.raises(KeyError, match="no_such"):
        models.find("no_such")


def test_a_name_must_be_the_files():
    with pytest.raises(ValueError, match="cannot register `other`: use the file's name"):
        register("other")(fake("models.sasrec"))


def test_a_name_is_given_once():
    first = models.find("sasrec")
    with pytest.raises(ValueError, match="`sasrec` is taken by SASRec"):
        register("sasrec")(fake("models.sasrec"))
    assert models.find("sasrec") is first
    assert sys.modules["models.sasrec"].SASRec is first
