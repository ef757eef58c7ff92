"""A call that is made again by the name of what it began."""

from pathlib import Path

import pytest

from orchestrator.api.command import Command, again, find_command
from orchestrator.errors import ConfigError

GIVEN = {
    "model": "sasrec",
    "overrides": {"eval.cutoffs": (10, 20)},
    "name": None,
    "num_workers": 2,
    "results": Path("results"),
    "data_dir": Path("data"),
    "tracking_uri": None,
    "listener": object(),
    "on_problem": print,
}


def keep(tmp_path, name="mine", **changes):
    Command("sweep", {**GIVEN, **changes}).keep(tmp_path / "sweeps" / name, name)


def call(tmp_path, name="mine", **changes):
    """What the function is called with when the call is made again."""
    found = []
    given = {"results": tmp_path, **changes}
    again(find_command(name, tmp_path), {"sweep": lambda **a: found.append(a)}, given)
    return found[0]


def test_the_call_is_made_again_under_its_name(tmp_path):
    keep(tmp_path)
    assert call(tmp_path) == {
        "model": "sasrec",
        "overrides": {"eval.cutoffs": [10, 20]},
        "name": "mine",
        "num_workers": 2,
        "results": tmp_path,
        "data_dir": Path("data").resolve(),
        "tracking_uri": None,
    }


def test_arguments_given_anew_replace_the_old_ones(tmp_path):
    keep(tmp_path)
    made = call(tmp_path, num_workers=7, tracking_uri="http://127.0.0.1:1", listener="new")
    assert (made["num_workers"], made["tracking_uri"]) == (7, "http://127.0.0.1:1")
    assert made["listener"] == "new"


def test_a_password_is_neither_kept_nor_forgotten(tmp_path):
    keep(tmp_path, tracking_uri="https://me:secret@host/mlflow")
    assert "secret" not in (tmp_path / "sweeps" / "mine" / "command.json").read_text()
    with pytest.raises(ConfigError, match="has a password, which is not kept"):
        call(tmp_path)
    made = call(tmp_path, tracking_uri="https://me:secret@host/mlflow")
    assert made["tracking_uri"] == "https://me:secret@host/mlflow"


def test_an_unknown_name_is_told_with_those_that_there_are(tmp_path):
    keep(tmp_path, name="tame-heads-planted-1")
    with pytest.raises(ConfigError, match="Did you mean `tame-heads-planted-1`"):
        find_command("tame-heads-planted-2", tmp_path)
