"""From a search to its path: run, tracked, drawn again, resumed, refused."""

import pandas as pd
import pytest

from orchestrator import api
from orchestrator.errors import ConfigError, DataError, StoreError
from orchestrator.sweep import space as space_module
from orchestrator.tracking import Tracker, tracking_uri

SPACE = """
[spaces.test]
kind = "joint"
factors.train.learning_rate = {choices = [1e-4, 1e-2]}
factors.model.dropout = {choices = [0.5, 0.1]}

[spaces.one]
kind = "one-factor"
factors.model.dropout = {choices = [0.5, 0.1]}
"""
BASE = {
    "model.dim": 8,
    "model.inner_dim": 16,
    "model.num_layers": 1,
    "model.max_length": 10,
    "model.dropout": 0.5,
    "train.learning_rate": 1e-4,
    "train.max_epochs": 2,
    "train.batch_targets": 64,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory, made_store):
    import shutil

    folder = tmp_path_factory.mktemp("paths") / "results"
    folder.mkdir()
    shutil.copy(made_store, folder / "mlflow.db")
    return folder


@pytest.fixture(scope="module")
def searched(place, tmp_path_factory, data_dir):
    """A search of four points at two seeds, and a sweep that is none."""
    spaces = tmp_path_factory.mktemp("spaces")
    text = SPACE
    for space in ("test", "one"):
        swept = ("train.learning_rate", "model.dropout") if space == "test" else ("model.dropout",)
        (spaces / "sasrec.toml").write_text(
            text + f"[spaces.{space}.base]\nmodel.dropout = 0.5\ntrain.learning_rate = 1e-4\n"
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(space_module, "folder", lambda: spaces)
            api.sweep(
                "sasrec",
                space,
                dataset="tiny",
                num_seeds=2,
                executor="local",
                device="cpu",
                overrides={key: v for key, v in BASE.items() if key not in swept},
                name=space,
                results=place,
                data_dir=data_dir,
            )
    return place


@pytest.fixture(scope="module")
def walked(searched, data_dir):
    return api.path(
        "test",
        num_seeds=2,
        executor="local",
        device="cpu",
        results=searched,
        data_dir=data_dir,
    )


def test_a_path_ends_at_the_best_point_of_the_search(walked, searched):
    tracker = Tracker(tracking_uri(None, searched), searched)
    runs = tracker.runs_frame("test")
    means = runs.groupby(["train.learning_rate", "model.dropout"])["val/ndcg@10"].mean()
    assert walked.table["val/ndcg@10"].iloc[-1] == pytest.approx(means.max())
    assert walked.table["val/ndcg@10"].iloc[0] == pytest.approx(means[1e-4, 0.5])


def test_runs_of_the_search_are_not_run_again(walked):
    assert walked.num_reused == len(walked.records)


def test_a_path_is_a_sweep_of_its_own_in_the_store(walked, searched):
    tracker = Tracker(tracking_uri(None, searched), searched)
    info = tracker.find_sweep(walked.name)
    assert (info.kind, info.search) == ("path", "test")
    runs = tracker.runs_frame(walked.name)
    assert "base" in set(runs["variant"])
    assert (runs["status"] == "finished").all()


def test_the_same_command_again_gives_the_same(walked, searched, data_dir):
    again = api.path(
        "test", num_seeds=2, executor="local", device="cpu", results=searched, data_dir=data_dir
    )
    assert again.name == walked.name
    assert again.text == walked.text


def test_a_path_is_drawn_again_from_the_store(walked, searched, tmp_path):
    drawn = api.plot("path", walked.name, output=tmp_path, results=searched)
    frame = pd.read_csv(tmp_path / f"{walked.name}-path.csv")
    assert frame["is_chosen"].sum() == len(walked.table) == drawn.frame["is_chosen"].sum()


def test_a_sweep_that_is_no_search_is_refused(searched, data_dir):
    with pytest.raises(ConfigError, match="there is no path in it: it is a one-factor sweep"):
        api.path("one", results=searched, data_dir=data_dir)


def test_an_unknown_sweep_is_refused(searched, data_dir):
    with pytest.raises(StoreError, match="Did you mean `test`"):
        api.path("tests", results=searched, data_dir=data_dir)


def test_a_search_whose_data_are_gone_is_refused(searched, tmp_path):
    with pytest.raises(DataError, match="its data set `tiny` is not here as it was"):
        api.path("test", results=searched, data_dir=tmp_path)
