"""What a deadline does to runs: none starts after it, and running ones end at their next epoch."""

import time

import pytest

from orchestrator.config import override
from orchestrator.data import open_dataset
from orchestrator.errors import ConfigError
from orchestrator.sweep import budget
from orchestrator.sweep.budget import OUT_OF_TIME, Deadline, is_out_of_time, left_out, seconds_of
from orchestrator.sweep.objective import run_folder, run_trial
from orchestrator.sweep.options import Options
from orchestrator.sweep.sampling import num_told_before

ONE_FACTOR = """
[spaces.test]
kind = "one-factor"
factors.model.num_heads = {choices = [1, 2, 4]}
"""
JOINT = """
[spaces.test]
kind = "joint"
factors.model.dropout = {low = 0.0, high = 0.5}
"""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200),
        ("90m", 5400),
        ("3600s", 3600),
        ("1h30m", 5400),
        ("0.5h", 1800),
        ("1d 2h", 93600),
    ],
)
def test_a_duration_is_read(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "0s", "2 weeks", "30m1h", "1e3s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ConfigError, match=r"^--max-time cannot be .*Write for example 2h"):
        seconds_of(text)


@pytest.fixture
def dataset(data_dir):
    return open_dataset("tiny", data_dir)


def test_a_run_out_of_time_ends_at_its_next_epoch_and_goes_on_later(
    dataset, base, tmp_path, comparable
):
    """To the same record as a run that was not cut."""
    config = override(base, {"train.max_epochs": 3}, where="test")
    told = []
    cut = Deadline(at=0.0).run_trial(config, dataset, results=tmp_path / "a", on_epoch=told.append)
    assert (cut.status, cut.reason, len(cut.epochs)) == ("stopped", OUT_OF_TIME, 1)
    assert [epoch.step for epoch in told] == [1]
    assert is_out_of_time(cut)
    assert not (run_folder(tmp_path / "a", cut.run_id) / "record.json").exists()
    steps = []
    on = Deadline().run_trial(
        config, dataset, results=tmp_path / "a", on_epoch=lambda epoch: steps.append(epoch.step)
    )
    whole = run_trial(config, dataset, results=tmp_path / "b")
    assert steps == [1, 2, 3]
    assert comparable(on) == comparable(whole)


def test_a_failure_is_no_end_of_time(dataset, base, tmp_path):
    config = override(base, {"train.learning_rate": 1e30}, where="test")
    record = Deadline(at=0.0).run_trial(config, dataset, results=tmp_path)
    assert record.status == "failed"
    assert not is_out_of_time(record)


class _Clock:
    """A deadline's clock: so many looks are in time, and all others after it."""

    def __init__(self, monkeypatch, *, looks):
        self.left = looks
        monkeypatch.setattr(Deadline, "is_over", self.is_over)

    def is_over(self):
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("executor", ["local", "ray"])
def test_no_run_starts_after_the_deadline(run_sweep, new_results, executor):
    """Nothing stands in the store but the sweep; the same call goes on with it."""
    given = {"results": new_results(), "executor": executor, "name": "m", "num_seeds": 1}
    first = run_sweep(ONE_FACTOR, max_time="0.001s", **given)
    assert (first.records, first.num_left) == ((), 3)
    assert "No run has finished." in first.text
    again = run_sweep(ONE_FACTOR, **given)
    assert (again.name, again.num_left) == ("m", 0)
    assert [record.status for record in again.records] == ["finished"] * 3


def test_a_run_that_is_cut_is_killed_in_the_store_with_the_reason(
    run_sweep, new_results, monkeypatch
):
    from mlflow.tracking import MlflowClient

    given = {"results": new_results(), "executor": "local", "name": "m", "num_seeds": 1}
    with monkeypatch.context() as patch:
        _Clock(patch, looks=4)  # start, both epochs, start; then the first epoch is the last
        cut = run_sweep(ONE_FACTOR, max_time="1h", **given)
    assert [record.status for record in cut.records] == ["finished", "stopped"]
    assert cut.num_left == 2
    client = MlflowClient(cut.tracking_uri)
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    parent = next(run for run in runs if run.data.tags["orch.role"] == "sweep")
    assert parent.data.tags["orch.status"] == "stopped"
    (killed,) = [run for run in runs if run.info.status == "KILLED"]
    assert killed.data.tags["orch.status"] == "stopped"
    assert killed.data.tags["orch.reason"] == OUT_OF_TIME
    assert len(client.get_metric_history(killed.info.run_id, "epoch/seconds")) == 1
    on = run_sweep(ONE_FACTOR, max_time="1h", **given)
    assert (on.num_left, on.num_reused) == (0, 1)
    again = client.get_run(killed.info.run_id)
    assert (again.info.status, again.data.tags["orch.reason"]) == ("FINISHED", "")


def test_a_sampled_point_that_is_cut_comes_again(run_sweep, new_results, monkeypatch):
    """The sampler is told of whole points alone, and none is lost."""
    results = new_results()
    given = {"results": results, "executor": "local", "name": "m", "num_trials": 3}
    with monkeypatch.context() as patch:
        _Clock(patch, looks=9)  # the first point's two seeds, and then one epoch of the second
        cut = run_sweep(JOINT, max_time="1h", **given)
    assert [record.status for record in cut.records] == ["finished", "finished", "stopped"]
    assert cut.num_left == 4
    journal = results / "sweeps" / "m" / "optuna.journal"
    assert num_told_before(journal, "m") == 1
    on = run_sweep(JOINT, max_time="1h", **given)
    assert num_told_before(journal, "m") == 3
    assert (on.num_left, [record.status for record in on.records]) == (0, ["finished"] * 6)
    assert {record.run_id for record in cut.records} <= {record.run_id for record in on.records}


def test_a_worker_of_ray_ends_its_run_and_says_that_it_is_left(
    data_dir, make_study, tmp_path, monkeypatch
):
    from orchestrator.sweep.ray import worker

    told = []
    monkeypatch.setattr(worker.tune, "report", told.append)
    study = make_study(
        "model.num_heads = {choices = [1, 2]}", data_hash=open_dataset("tiny", data_dir).data_hash
    )
    options = Options(
        results=tmp_path, data_dir=data_dir, folder=tmp_path, deadline=Deadline(time.time() + 1e3)
    )
    todo = study.runs({})[:1]
    context = worker.Context(study=study, options=options, todo=todo)
    _Clock(monkeypatch, looks=1)
    worker.work({"index": 0}, context=context)
    assert sum(len(report["epochs"]) for report in told) == 1
    (cut,) = told[-1]["records"]
    assert (told[-1]["state"], cut["reason"]) == (budget.LEFT, OUT_OF_TIME)
    worker.work({"index": 0}, context=context)
    assert (told[-1]["state"], told[-1]["records"]) == (budget.LEFT, [])


def test_points_beyond_the_budget_are_left_and_said_so(run_sweep, new_results):
    given = {"results": new_results(), "executor": "local", "num_seeds": 1}
    first = run_sweep(ONE_FACTOR, num_trials=2, **given)
    assert [record.config["settings"]["num_heads"] for record in first.records] == [2, 1]
    assert first.text.endswith("1 of 3 points are left, as --max-trials allows 2.")
    on = run_sweep(ONE_FACTOR, num_trials=3, **given)
    assert (on.name, on.num_reused, len(on.records)) == (first.name, 2, 3)
    assert "--max-trials" not in on.text


def test_a_budget_that_leaves_nothing_says_nothing():
    assert left_out("abc", "abc") == ()
    assert left_out("abc", "a") == ("2 of 3 points are left, as --max-trials allows 1.",)
