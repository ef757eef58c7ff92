"""One study in this process and through Ray: the same records, and a failure stops neither."""

import pytest

from orchestrator.data import open_dataset
from orchestrator.digest import whole_digest
from orchestrator.evaluation.evaluate import summary
from orchestrator.evaluation.rank_file import read_ranks
from orchestrator.results import read_record
from orchestrator.sweep import objective
from orchestrator.sweep.options import Options
from orchestrator.tracking import Tracker

pytestmark = pytest.mark.filterwarnings(
    # Ray leaves sockets and files of its processes to the garbage collector.
    "ignore:unclosed:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)

SPACE = """
[spaces.test]
kind = "one-factor"
about = "Rates, one of which no model survives."
factors.train.learning_rate = {choices = [1e-3, 1e30, 1e-2]}
"""
NAN = (
    "the loss `total` is nan in epoch 1 (stage joint). "
    "Lower `train.learning_rate` or set `train.clip_norm`."
)


@pytest.fixture(scope="module")
def done(run_sweep, new_results, new_listener):
    """Executor -> the sweep's result, its results folder, and what was heard."""
    found = {}
    for executor in ("local", "ray"):
        results, heard = new_results(), new_listener()
        result = run_sweep(SPACE, executor=executor, results=results, name="m", listener=heard)
        found[executor] = (result, results, heard)
    return found


@pytest.fixture(params=["local", "ray"])
def each(request, done):
    return done[request.param]


def test_ray_and_this_process_give_equal_records(done, comparable):
    """Metric for metric, epoch for epoch; failed runs too."""
    records = {
        executor: {record.run_id: comparable(record) for record in result.records}
        for executor, (result, _, _) in done.items()
    }
    assert len(records["local"]) == 6
    assert records["local"] == records["ray"]


def test_a_runs_record_on_disk_is_the_one_reported(each, comparable):
    result, results, _ = each
    for record in result.records:
        stored = read_record(results / "runs" / record.run_id / "record.json")
        assert comparable(stored) == comparable(record)


def test_a_finished_run_keeps_its_ranks_and_a_failed_one_has_none(each):
    result, results, _ = each
    for record in result.records:
        path = results / "runs" / record.run_id / objective.RANKS
        assert path.exists() is (record.status == "finished")
        if path.exists():
            found = summary(read_ranks(path).test, cutoffs=(10,), prefix="test")
            assert found.items() <= record.metrics.items()


def test_a_run_that_gives_nan_fails_with_its_reason_and_the_rest_goes_on(each):
    result, _, _ = each
    rates = {record.run_id: record.config["train"]["learning_rate"] for record in result.records}
    assert {rates[record.run_id] for record in result.failed} == {1e30}
    assert [(r.reason, r.metrics) for r in result.failed] == [(NAN, {})] * 2
    assert all("TrialError" in record.traceback for record in result.failed)
    assert sorted(record.status for record in result.records) == ["failed"] * 2 + ["finished"] * 4


def test_a_listener_hears_of_every_run(each):
    _, _, heard = each
    assert heard.of("planned")[0] == ("planned", 6, 0)
    ends = [event[1:] for event in heard.of("finished")]
    assert sorted(ends) == [
        *[("base seed=0", "finished"), ("base seed=1", "finished")],
        *[("learning_rate=0.01 seed=0", "finished"), ("learning_rate=0.01 seed=1", "finished")],
        *[("learning_rate=1e+30 seed=0", "failed"), ("learning_rate=1e+30 seed=1", "failed")],
    ]
    steps = [step for kind, name, step in heard.events if (kind, name) == ("epoch", "base seed=0")]
    assert steps == [1, 2]


def test_the_store_holds_every_run_and_a_failures_traceback(each):
    from mlflow.tracking import MlflowClient

    result, results, _ = each
    client = MlflowClient(result.tracking_uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "sasrec-test"]
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if run.data.tags.get("orch.sweep") == "m"]
    assert parent.info.status == "FAILED"
    ours = parent.info.run_id
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == ours]
    assert sorted(run.info.status for run in children) == ["FAILED"] * 2 + ["FINISHED"] * 4
    for run in children:
        names = {file.path for file in client.list_artifacts(run.info.run_id)}
        is_failed = run.info.status == "FAILED"
        assert run.data.tags["orch.reason"] == (NAN if is_failed else "")
        assert ("traceback.txt" in names) is is_failed
    frame = Tracker(result.tracking_uri, results).runs_frame("m")
    assert frame["status"].value_counts().to_dict() == {"finished": 4, "failed": 2}


def test_the_table_tells_failed_runs(each):
    result, _, _ = each
    table = result.table.set_index("train.learning_rate")
    assert table["seeds"].to_dict() == {1e-3: 2, 1e30: 0, 1e-2: 2}
    assert table["failed"].to_dict() == {1e-3: 0, 1e30: 2, 1e-2: 0}
    assert "failed" in result.text


def test_the_same_sweep_again_runs_only_what_failed(
    done, run_sweep, new_listener, monkeypatch, comparable
):
    """What one executor did, the other takes over."""
    first, results, _ = done["ray"]
    trained = []
    original = objective.train

    def watched(config, *args, **kwargs):
        trained.append(config.train.learning_rate)
        return original(config, *args, **kwargs)

    monkeypatch.setattr(objective, "train", watched)
    heard = new_listener()
    again = run_sweep(SPACE, executor="local", results=results, name="m", listener=heard)
    assert trained == [1e30, 1e30]
    assert heard.of("planned")[0] == ("planned", 6, 4)
    assert again.num_reused == 4
    assert len(again.failed) == 2
    one, other = (
        {record.run_id: comparable(record) for record in result.records}
        for result in (first, again)
    )
    assert one == other
    frame = Tracker(again.tracking_uri, results).runs_frame("m")
    assert len(frame) == 6, "a run that is run again is the same run in the store"


def test_any_exception_is_a_failed_run_with_its_traceback(run_sweep, new_results, monkeypatch):
    original = objective.train

    def broken(config, *args, **kwargs):
        if config.seed == 0:
            raise RuntimeError("no luck\nat all")
        return original(config, *args, **kwargs)

    monkeypatch.setattr(objective, "train", broken)
    space = '[spaces.test]\nkind = "grid"\nfactors.train.patience = {choices = [10]}\n'
    result = run_sweep(space, executor="local", results=new_results())
    failed, finished = result.records
    assert (failed.status, failed.reason) == ("failed", "RuntimeError: no luck")
    assert "RuntimeError: no luck\nat all" in failed.traceback
    assert finished.status == "finished"
    monkeypatch.undo()
    again = run_sweep(space, executor="local", results=result.figures[0].parents[3])
    assert (again.num_reused, again.failed) == (1, ())


def test_a_run_belongs_to_every_sweep_that_has_it(done, run_sweep):
    """Another space of other name finds the base runs done."""
    _, results, _ = done["local"]
    space = '[spaces.test]\nkind = "grid"\nfactors.model.num_heads = {choices = [1, 2]}\n'
    result = run_sweep(space, executor="local", results=results, name="other")
    assert (result.num_reused, len(result.records)) == (2, 4)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            {"code": "0" * 12},
            "this worker's code (digest {code}) is not the driver's (000000000000)",
        ),
        ({}, "this worker's data set (hash {data}) is not the driver's (dddddddddddddddd)"),
    ],
)
def test_a_worker_with_other_code_or_data_runs_nothing(
    make_study, data_dir, tmp_path, given, reason
):
    """Its figures would stand under another computation's id; the reason names what differs."""
    from orchestrator.sweep.ray.worker import Context, _trial

    study = make_study("train.patience = {choices = [1, 2]}")
    options = Options(results=tmp_path, data_dir=data_dir, folder=tmp_path / "sweep")
    context = Context(study=study, options=options, todo=(), **given)
    record = _trial(study.runs({})[0], context, None)
    assert record.status == "failed"
    data = open_dataset("tiny", data_dir).data_hash
    assert record.reason.startswith(reason.format(code=whole_digest(), data=data))
    assert not (tmp_path / "runs").exists()


def test_a_session_that_ran_nothing_leaves_the_callers_ray_alone(monkeypatch):
    """In a notebook that has started its own."""
    import ray

    from orchestrator.sweep.ray import RaySession

    ended = []
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append(True))
    with RaySession():
        pass
    assert ended == []
