"""Where MLflow's pages are opened."""

import json

import pytest
from mlflow.tracking import MlflowClient

from orchestrator.errors import StoreError
from orchestrator.tracking.view import VIEW_TAGS, opening

TRAINING = "workflowType=machine_learning"


def test_a_store_without_studies_is_opened_on_its_experiments(tracker):
    assert opening(tracker.uri) == f"/#/experiments?{TRAINING}"


def test_pages_open_on_the_newest_studys_runs_with_its_columns(tracker, info, make_run):
    with tracker.open_sweep(info):
        pass
    assert opening(tracker.uri) == f"/#/experiments/1/runs?viewStateShareKey=orch&{TRAINING}"
    tags = MlflowClient(tracker.uri).get_experiment("1").tags
    assert VIEW_TAGS.items() <= tags.items()
    columns = json.loads(tags["mlflow.sharedViewState.orch"])["selectedColumns"]
    assert "metrics.`best/val/ndcg_at_10`" in columns


def test_an_experiment_of_before_is_shown_without_columns_and_has_them_once_it_goes_on(
    tracker, info
):
    client = MlflowClient(tracker.uri)
    client.create_experiment("tame-heads")
    run = client.create_run("1", tags={"orch.role": "sweep", "orch.sweep": "of-before"})
    client.set_terminated(run.info.run_id)
    assert opening(tracker.uri) == f"/#/experiments/1/runs?{TRAINING}"
    with tracker.open_sweep(info):
        pass
    assert "viewStateShareKey=orch" in opening(tracker.uri)


def test_a_store_that_is_none_cannot_be_opened(tmp_path):
    (tmp_path / "mlflow.db").write_text("no database")
    with pytest.raises(StoreError, match="cannot be read as a database"):
        opening(f"sqlite:///{tmp_path / 'mlflow.db'}")
