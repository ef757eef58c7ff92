"""Results folders that are moved or copied, and their artifacts."""

import shutil
import sqlite3
from contextlib import closing

import pytest
from mlflow.tracking import MlflowClient

from orchestrator.errors import StoreError
from orchestrator.tracking import Tracker, tracking_uri
from orchestrator.tracking.moved import find_artifacts


@pytest.fixture
def kept(tracker, results, info, make_run, make_record):
    """A results folder with a finished run, whose record is an artifact."""
    run = make_run()
    with tracker.open_sweep(info) as sweep:
        sweep.start_run(run)
        sweep.finish_run(run.run_id, make_record(run))
    return results


def files(results, uri=None):
    """Paths of a run's artifacts, as MLflow finds them."""
    client = MlflowClient(uri or tracking_uri(None, results))
    (run,) = client.search_runs(["1"], "tags.`orch.role` = 'run'")
    return [file.path for file in client.list_artifacts(run.info.run_id)]


def test_a_moved_folders_artifacts_are_found(kept, tmp_path):
    moved = kept.rename(tmp_path / "else where")
    assert files(moved) == []
    assert find_artifacts(tracking_uri(None, moved), moved) == 1
    assert files(moved) == ["config.json", "record.json"]
    assert find_artifacts(tracking_uri(None, moved), moved) == 0


def test_what_goes_on_in_a_moved_folder_writes_there(kept, tmp_path, info, make_run, make_record):
    moved = kept.rename(tmp_path / "moved")
    run = make_run(heads=4)
    with Tracker(tracking_uri(None, moved), moved).open_sweep(info) as sweep:
        sweep.start_run(run)
        sweep.finish_run(run.run_id, make_record(run))
    assert not kept.exists()
    assert len(list((moved / "mlartifacts").rglob("record.json"))) == 2


def test_a_copy_shows_its_own_artifacts(kept, tmp_path):
    copied = shutil.copytree(kept, tmp_path / "copy")
    find_artifacts(tracking_uri(None, copied), copied)
    shutil.rmtree(kept)
    assert files(copied) == ["config.json", "record.json"]


def test_a_store_that_is_shared_by_results_folders_stays_as_it_is(kept, tmp_path):
    uri = tracking_uri(None, kept)
    elsewhere = tmp_path / "other"
    shutil.copytree(kept / "mlartifacts", elsewhere / "mlartifacts")
    assert find_artifacts(uri, elsewhere) == 0
    assert files(kept) == ["config.json", "record.json"]


def test_artifacts_that_were_always_elsewhere_stay_there(kept, tmp_path):
    """A store in one results folder, used from another by --tracking-uri."""
    (tmp_path / "store").mkdir()
    file = (kept / "mlflow.db").rename(tmp_path / "store" / "mlflow.db")
    assert find_artifacts(f"sqlite:///{file}", tmp_path / "store") == 0
    assert files(kept, f"sqlite:///{file}") == ["config.json", "record.json"]


@pytest.mark.parametrize("uri", ["http://tracking.example", "sqlite:////nowhere/mlflow.db"])
def test_other_stores_are_left_alone(tmp_path, uri):
    assert find_artifacts(uri, tmp_path) == 0


def test_a_database_that_is_held_is_one_sentence(kept, tmp_path, monkeypatch):
    monkeypatch.setattr("orchestrator.tracking.moved.REACH_SECONDS", 0.1)
    moved = kept.rename(tmp_path / "moved")
    with closing(sqlite3.connect(moved / "mlflow.db")) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=r"mlflow\.db: its artifacts cannot be found .*locked"):
            find_artifacts(tracking_uri(None, moved), moved)
