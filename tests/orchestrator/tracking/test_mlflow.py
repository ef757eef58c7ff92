import dataclasses
import json
import multiprocessing
import subprocess
import sys

import pytest
from mlflow.tracking import MlflowClient

from orchestrator.errors import StoreError
from orchestrator.tracking import Tracker, tracking_uri


@pytest.fixture
def client(results):
    return MlflowClient(tracking_uri(None, results))


def all_runs(client):
    experiments = [e.experiment_id for e in client.search_experiments()]
    return client.search_runs(experiments)


def parents(client):
    return [r for r in all_runs(client) if r.data.tags["orch.role"] == "sweep"]


def children(client):
    runs = [r for r in all_runs(client) if r.data.tags["orch.role"] == "run"]
    return {run.data.tags["orch.run_id"]: run for run in runs}


def do(sweep, run, record):
    sweep.start_run(run)
    for epoch in record.epochs:
        sweep.log_epoch(run.run_id, epoch)
    sweep.finish_run(run.run_id, record)


def test_sweep_is_a_parent_with_a_child_per_run(tracker, client, info, make_run, make_record):
    with tracker.open_sweep(info) as sweep:
        for seed in info.seeds:
            run = make_run(seed=seed)
            do(sweep, run, make_record(run))
        sweep.finish_sweep("finished", summary_markdown="| heads | ndcg |")
    (parent,) = parents(client)
    experiment = client.get_experiment(parent.info.experiment_id)
    assert experiment.name == "tame-heads"
    assert parent.info.run_name == "heads-1"
    assert parent.info.status == "FINISHED"
    note = parent.data.tags["mlflow.note.content"]
    assert note == "Attention heads of the retrievers.\n\n| heads | ndcg |"
    assert len(children(client)) == 2
    for run in children(client).values():
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.info.status == "FINISHED"


def test_child_holds_curves_finals_settings_and_provenance(
    tracker, client, info, make_run, make_record
):
    with tracker.open_sweep(info) as sweep:
        run = make_run(heads=4, seed=1)
        do(sweep, run, make_record(run))
    child = children(client)["run-4-1"]
    curve = client.get_metric_history(child.info.run_id, "val/ndcg_at_10")
    assert [(m.step, m.value) for m in curve] == [(1, 0.01), (2, 0.02), (3, 0.03)]
    assert child.data.metrics["loss/alignment"] == 0.5
    assert child.data.metrics["epoch/seconds"] == 1.5
    assert child.data.metrics["best/val/ndcg_at_10"] == 0.02
    assert child.data.metrics["test/recall_at_20"] == 0.06
    assert child.data.metrics["num_parameters"] == 1234
    assert child.data.params["model.text_heads"] == "4"
    expected = {
        "orch.model": "tame",
        "orch.dataset": "toys",
        "orch.data_hash": "d" * 16,
        "orch.space": "heads",
        "orch.seed": "1",
        "orch.code": "c0de",
        "orch.commit": "abc+dirty",
        "orch.device": "cpu",
        "orch.synthetic": "true",
        "orch.status": "finished",
        "orch.inputs.image": "tokens",
        "orch.inputs.text": "pooled",
        "orch.version.torch": "2.13",
        "orch.changed.model.text_heads": "4",
        "orch.variant": "full",
    }
    assert expected.items() <= child.data.tags.items()


def test_settings_and_record_are_artifacts_in_the_results_folder(
    tracker, client, results, info, make_run, make_record
):
    with tracker.open_sweep(info) as sweep:
        run = make_run()
        do(sweep, run, make_record(run))
    identity = children(client)["run-2-0"].info.run_id
    assert {f.path for f in client.list_artifacts(identity)} == {"config.json", "record.json"}
    (record,) = (results / "mlartifacts").rglob("record.json")
    assert json.loads(record.read_text())["run_id"] == "run-2-0"


@pytest.mark.parametrize(
    ("status", "in_mlflow"),
    [("finished", "FINISHED"), ("failed", "FAILED"), ("stopped", "FINISHED")],
)
def test_status_of_a_run(tracker, client, info, make_run, make_record, status, in_mlflow):
    with tracker.open_sweep(info) as sweep:
        run = make_run()
        do(sweep, run, make_record(run, status=status))
    child = children(client)["run-2-0"]
    assert child.info.status == in_mlflow
    assert child.data.tags["orch.status"] == status
    reason = "" if status == "finished" else "the loss became NaN"
    assert child.data.tags["orch.reason"] == reason


def test_failed_run_keeps_its_traceback(tracker, client, info, make_run, make_record):
    with tracker.open_sweep(info) as sweep:
        run = make_run()
        do(sweep, run, make_record(run, status="failed"))
    identity = children(client)["run-2-0"].info.run_id
    assert "traceback.txt" in {f.path for f in client.list_artifacts(identity)}


def test_continued_sweep_makes_no_second_parent_child_or_figure(
    tracker, results, client, info, make_run, make_record
):
    run = make_run()
    for opened in (tracker, Tracker(tracking_uri(None, results), results)):
        with opened.open_sweep(info) as sweep:
            do(sweep, run, make_record(run))
            sweep.finish_sweep("finished")
    assert len(parents(client)) == 1
    (child,) = children(client).values()
    for name in ("val/ndcg_at_10", "loss/total", "test/recall_at_20", "best/val/ndcg_at_10"):
        history = client.get_metric_history(child.info.run_id, name)
        assert len({m.step for m in history}) == len(history), name


def test_rerun_of_a_failed_run_replaces_its_outcome(tracker, client, info, make_run, make_record):
    run = make_run()
    with tracker.open_sweep(info) as sweep:
        do(sweep, run, make_record(run, status="failed", num_epochs=1))
    with tracker.open_sweep(info) as sweep:
        do(sweep, run, make_record(run))
    (child,) = children(client).values()
    assert (child.info.status, child.data.tags["orch.reason"]) == ("FINISHED", "")
    assert child.data.tags["orch.status"] == "finished"
    assert len(client.get_metric_history(child.info.run_id, "loss/total")) == 3


def test_continued_sweep_may_have_more_seeds(tracker, client, info):
    with tracker.open_sweep(info) as sweep:
        sweep.finish_sweep("finished")
    more = dataclasses.replace(info, seeds=(0, 1, 2))
    with tracker.open_sweep(more) as sweep:
        sweep.finish_sweep("finished")
    assert tracker.find_sweep("heads-1") == more
    assert len(parents(client)) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError("out of luck")])
def test_nothing_is_left_running_when_the_driver_is_cut_short(
    tracker, client, info, make_run, make_epoch, error
):
    def drive():
        with tracker.open_sweep(info) as sweep:
            sweep.start_run(make_run(seed=0))
            sweep.start_run(make_run(seed=1))
            sweep.log_epoch("run-2-0", make_epoch(1))
            raise error

    with pytest.raises((KeyboardInterrupt, RuntimeError)):
        drive()
    for child in children(client).values():
        assert child.info.status == "KILLED"
        assert child.data.tags["orch.status"] == "killed"
        assert ("Ctrl-C" in child.data.tags["orch.reason"]) == (error is KeyboardInterrupt)
    (parent,) = parents(client)
    assert parent.info.status == ("KILLED" if error is KeyboardInterrupt else "FAILED")
    assert children(client)["run-2-0"].data.metrics["loss/total"] == 1.0


def test_sweep_that_ends_with_open_runs_kills_them(tracker, client, info, make_run):
    with tracker.open_sweep(info) as sweep:
        sweep.start_run(make_run())
        sweep.finish_sweep("stopped")
    assert [r.info.status for r in children(client).values()] == ["KILLED"]
    assert [r.data.tags["orch.status"] for r in parents(client)] == ["stopped"]


def test_runs_of_a_dead_process_are_ended_at_opening(tracker, client, info, make_run):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    sweep = tracker.open_sweep(info)
    for seed in (0, 1, 2):
        sweep.start_run(make_run(seed=seed))
    runs = children(client)
    client.set_tag(runs["run-2-0"].info.run_id, "orch.pid", str(dead.pid))
    client.set_tag(runs["run-2-1"].info.run_id, "orch.pid_started", "1.00")  # the id came back
    client.set_tag(runs["run-2-2"].info.run_id, "orch.pid", str(dead.pid))
    client.set_tag(runs["run-2-2"].info.run_id, "orch.host", "another-machine")
    tracker.open_sweep(info)
    statuses = {run_id: run.info.status for run_id, run in children(client).items()}
    assert statuses == {"run-2-0": "KILLED", "run-2-1": "KILLED", "run-2-2": "RUNNING"}
    assert "without a word" in children(client)["run-2-0"].data.tags["orch.reason"]


def test_another_sweeps_dead_driver_is_noticed_too(tracker, client, info, make_run):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    tracker.open_sweep(info).start_run(make_run())
    for run in all_runs(client):
        client.set_tag(run.info.run_id, "orch.pid", str(dead.pid))
    other = dataclasses.replace(info, name="another", space="queries")
    with tracker.open_sweep(other) as sweep:
        sweep.finish_sweep("finished")
    assert {run.info.status for run in all_runs(client)} == {"KILLED", "FINISHED"}


def test_deleted_experiment_does_not_block_its_name(tracker, client, info, make_run, make_record):
    with tracker.open_sweep(info) as sweep:
        sweep.finish_sweep("finished")
    client.delete_experiment(client.get_experiment_by_name("tame-heads").experiment_id)
    assert tracker.sweep_names() == []
    with tracker.open_sweep(info) as sweep:
        do(sweep, make_run(), make_record(make_run()))
    assert tracker.sweep_names() == ["heads-1"]


def test_deleted_sweep_begins_anew(tracker, client, info, make_run, make_record):
    with tracker.open_sweep(info) as sweep:
        do(sweep, make_run(), make_record(make_run()))
    for run in all_runs(client):
        client.delete_run(run.info.run_id)
    with tracker.open_sweep(info) as sweep:
        sweep.finish_sweep("finished")
    assert tracker.runs_frame("heads-1").empty


def test_frame_has_typed_settings_and_metrics_by_their_own_names(
    tracker, info, make_run, make_record
):
    with tracker.open_sweep(info) as sweep:
        for seed in (0, 1):
            run = make_run(heads=4, seed=seed)
            do(sweep, run, make_record(run, status="failed" if seed else "finished"))
    frame = tracker.runs_frame("heads-1")
    assert list(frame.columns[:3]) == ["run_id", "status", "seed"]
    assert frame["status"].tolist() == ["finished", "failed"]
    assert frame["seed"].tolist() == [0, 1]
    assert frame["model.text_heads"].dtype == "int64"
    assert frame["model.use_gate"].dtype == "bool"
    assert frame["train.learning_rate"].dtype == "float64"
    assert frame["model.fusion"].tolist() == ["sum", "sum"]
    assert frame["eval.cutoffs"].tolist() == [(5, 10), (5, 10)]
    assert frame["test/recall@20"].iloc[0] == 0.06
    assert frame["val/ndcg@10"].iloc[0] == 0.02  # the best epoch's, not the last's
    assert frame["test/recall@20"].isna().tolist() == [False, True]
    assert not {c for c in frame.columns if c.startswith(("loss/", "epoch/", "best/"))}


def test_frame_of_a_sweep_without_runs_is_empty(tracker, info):
    tracker.open_sweep(info).close()
    assert tracker.runs_frame("heads-1").columns.tolist() == ["run_id", "status", "seed"]


def test_sweep_comes_back_as_it_was_told(tracker, info):
    long = dataclasses.replace(info, description="Why. " * 3000)
    tracker.open_sweep(long).close()
    assert tracker.find_sweep("heads-1") == long


def test_unknown_sweep_offers_the_near_name(tracker, info):
    tracker.open_sweep(info).close()
    with pytest.raises(StoreError, match=r"There is no sweep `heads-2`\. Did you mean `heads-1`\?"):
        tracker.find_sweep("heads-2")


def test_more_settings_than_one_call_takes(tracker, info, make_run, make_record):
    params = {f"model.setting_{i}": i for i in range(120)}
    run = dataclasses.replace(make_run(), params=params)
    with tracker.open_sweep(info) as sweep:
        do(sweep, run, make_record(run, num_epochs=300))
    assert tracker.runs_frame("heads-1")["model.setting_119"].tolist() == [119]


def test_files_of_a_sweep_are_kept_with_it(tracker, client, info, tmp_path):
    figure = tmp_path / "figure.pdf"
    figure.write_text("a figure")
    with tracker.open_sweep(info) as sweep:
        sweep.finish_sweep("finished", artifacts=[figure])
    (parent,) = parents(client)
    assert [f.path for f in client.list_artifacts(parent.info.run_id)] == ["figure.pdf"]


def test_tags_and_files_are_attached_to_a_sweep_that_has_ended(tracker, client, info, tmp_path):
    claims = tmp_path / "claims.md"
    claims.write_text("claims")
    with tracker.open_sweep(info) as sweep:
        sweep.finish_sweep("finished")
    tags = {"orch.reproduces": "tame/fig4"}
    tracker.attach("heads-1", tags=tags, artifacts=[claims], folder="reproduction")
    (parent,) = parents(client)
    assert parent.data.tags["orch.reproduces"] == "tame/fig4"
    assert parent.info.status == "FINISHED"
    files = client.list_artifacts(parent.info.run_id, "reproduction")
    assert [found.path for found in files] == ["reproduction/claims.md"]
    with pytest.raises(StoreError, match="There is no sweep `heads-2`"):
        tracker.attach("heads-2", tags={}, artifacts=[], folder="reproduction")


def test_mlflow_says_nothing_on_the_terminal(tmp_path):
    program = (
        "import sys; from pathlib import Path; from orchestrator.tracking import *;"
        "Tracker(tracking_uri(None, Path(sys.argv[1])), Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "mlflow.db").exists()


def test_mlflow_is_not_imported_before_a_store_is_opened():
    program = "import sys, orchestrator.tracking.ui; print('mlflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def _open(results, info):
    Tracker(tracking_uri(None, results), results).open_sweep(info).close()


@pytest.mark.slow
def test_four_processes_may_open_a_fresh_store_at_once(tmp_path, info):
    spawn = multiprocessing.get_context("spawn")
    sweeps = [dataclasses.replace(info, name=f"heads-{i}") for i in range(4)]
    workers = [spawn.Process(target=_open, args=(tmp_path, sweep)) for sweep in sweeps]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    names = Tracker(tracking_uri(None, tmp_path), tmp_path).sweep_names()
    assert names == ["heads-0", "heads-1", "heads-2", "heads-3"]
