"""Diagnoses from Python: runs, the store, figures drawn again, and views that cannot be."""

import pandas as pd
import pytest

from orchestrator import api
from orchestrator.errors import ConfigError
from orchestrator.sweep.objective import TRACE, run_folder
from orchestrator.tracking import Tracker, tracking_uri
from orchestrator.tracking.tree import runs_of


@pytest.fixture(scope="session")
def diagnose(place, small):
    """Diagnoses a small DeCoRec."""

    def run(**arguments):
        given = {
            "dataset": "tiny",
            "num_seeds": 2,
            "overrides": {**small, "model.num_heads": 2, "train.max_epochs": 1},
            "executor": "local",
            "results": place / "results",
            "data_dir": place / "data",
            **arguments,
        }
        return api.diagnose("decorec", **given)

    return run


@pytest.fixture(scope="session")
def diagnosed(diagnose):
    return diagnose(views="convergence,gradients,cold", on_problem=pytest.fail)


def test_each_variant_is_run_once_and_traced_where_it_is_looked_at(diagnosed, place):
    of = [(r.config["model"], r.config["train"]["trace_gradients"]) for r in diagnosed.records]
    assert (
        sorted(of) == [("decorec", False)] * 6 + [("decorec", True)] * 2 + [("sasrec", False)] * 2
    )
    for record in diagnosed.records:
        has_trace = (run_folder(place / "results", record.run_id) / TRACE).exists()
        assert has_trace == record.config["train"]["trace_gradients"]
    assert set(diagnosed.table["view"]) == {"convergence", "gradients", "cold"}
    assert diagnosed.text.splitlines()[0] == diagnosed.name


def test_the_store_has_a_run_per_variant_and_knows_the_other_model(diagnosed, place):
    tracker = Tracker(tracking_uri(None, place / "results"), place / "results")
    frame = tracker.runs_frame(diagnosed.name)
    assert frame.groupby("variant").size().to_dict() == {
        "base": 2,
        "id_only": 2,
        "modality_only": 2,
        "naive_joint": 2,
        "against-sasrec": 2,
    }
    assert tracker.find_sweep(diagnosed.name).kind == "diagnosis"
    tags = [run.data.tags for run in runs_of(tracker._client, tracker._parent(diagnosed.name))]
    models = {own["orch.model"] for own in tags if own["orch.variant"] == "against-sasrec"}
    assert models == {"sasrec"}
    assert {own["orch.model"] for own in tags if own["orch.variant"] == "base"} == {"decorec"}


def test_the_same_again_runs_nothing_and_draws_the_same(diagnosed, diagnose):
    before = [path.read_bytes() for path in diagnosed.figures]
    again = diagnose(views="convergence,gradients,cold")
    assert (again.name, again.num_reused) == (diagnosed.name, len(again.records))
    assert [path.read_bytes() for path in again.figures] == before


def test_it_is_drawn_again_from_the_store_alone(diagnosed, place, tmp_path):
    """The store has the numbers of every view: neither data set nor runs are looked at."""
    uri = f"sqlite:///{place / 'results' / 'mlflow.db'}"
    for kind in ("convergence", "gradients", "cold"):
        drawn = api.plot(kind, diagnosed.name, results=tmp_path / "none", tracking_uri=uri)
        assert len(drawn.frame)
    with pytest.raises(ConfigError, match="it has not drawn the view `clusters`"):
        api.plot("tsne", diagnosed.name, results=tmp_path / "none", tracking_uri=uri)


def test_recall_needs_no_run(diagnose):
    done = diagnose(views="recall")
    assert done.records == ()
    assert done.figures[2].name == "decorec-recall-tiny.csv"
    assert len(pd.read_csv(done.figures[2])) == 3


def test_a_view_whose_files_are_gone_is_left_out_and_told(diagnosed, diagnose, place):
    """The records tell of convergence still; nothing tells of gradients."""
    told = []
    traces = sorted((place / "results" / "runs").glob(f"*/{TRACE}"))
    for trace in traces:
        trace.rename(trace.with_suffix(".away"))
    try:
        drawn = diagnose(views="convergence,gradients,cold", on_problem=told.append)
    finally:
        for trace in traces:
            trace.with_suffix(".away").rename(trace)
    assert {path.name.split("-")[1] for path in drawn.figures} == {"convergence", "cold"}
    (problem,) = told
    assert problem.startswith("`gradients` is not drawn: ")
    assert "is no trace of gradients" in problem


def test_a_view_without_a_finished_run_is_left_out_and_told(diagnose, small):
    told = []
    broken = {**small, "model.num_heads": 2, "train.learning_rate": 1e30, "train.max_epochs": 1}
    done = diagnose(views="cold,recall", overrides=broken, num_seeds=1, on_problem=told.append)
    assert len(done.failed) == 2
    assert told == ["`cold` is not drawn: no run of `base` has finished."]
    assert set(done.table["view"]) == {"recall"}
