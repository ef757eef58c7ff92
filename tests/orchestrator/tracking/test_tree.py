"""An ablation in the store: parent, variants, runs, read back through MLflow's own client."""

import dataclasses
import subprocess
import sys

import pytest
from mlflow.tracking import MlflowClient

from orchestrator.tracking import Tracker, VariantInfo, tracking_uri
from orchestrator.tracking import sweep as sweep_module

GATE, TEXT = {"model.use_gate": False}, {"model.use_text": False}
VARIANTS = (
    VariantInfo(name="without_gate", changed=GATE),
    VariantInfo(name="without_text", changed=TEXT),
    VariantInfo(name="both", changed={**GATE, **TEXT}, members=("without_gate", "without_text")),
)


@pytest.fixture
def client(results):
    return MlflowClient(tracking_uri(None, results))


@pytest.fixture
def ablation(info):
    return dataclasses.replace(
        info,
        name="mine",
        kind="ablation",
        space="ablation",
        factors={},
        variants=VARIANTS,
        bound=0.02,
    )


@pytest.fixture
def make(make_run):
    """A run of a variant; its id follows from what it computes, as everywhere."""

    def make_it(variant="base", seed=0, phase="fixed", point=0):
        changed = {v.name: v.changed for v in VARIANTS}.get(variant, {})
        head = "" if phase == "fixed" else f"{phase} "
        return dataclasses.replace(
            make_run(seed=seed),
            run_id=f"{'-'.join(sorted(changed)) or 'base'}-{point}-{seed}",
            name=f"{head}{variant} seed={seed}",
            variant=variant,
            phase=phase,
            changed=changed,
            tags={},
        )

    return make_it


def do(sweep, run, record):
    sweep.start_run(run)
    sweep.finish_run(run.key, record)


def every(client):
    """Name -> run, of all there is."""
    experiments = [e.experiment_id for e in client.search_experiments()]
    return {run.info.run_name: run for run in client.search_runs(experiments)}


def statuses(client):
    return {name: run.info.status for name, run in every(client).items()}


def with_metrics(record, **metrics):
    named = {name.replace("__", "/").replace("_at_", "@"): v for name, v in metrics.items()}
    return dataclasses.replace(record, metrics=named)


def test_an_ablation_has_three_levels(tracker, client, ablation, make, make_record):
    with tracker.open_sweep(ablation) as sweep:
        for variant in ("base", *(v.name for v in VARIANTS)):
            for seed in (0, 1):
                run = make(variant, seed)
                do(sweep, run, make_record(run))
        sweep.finish_sweep("finished", summary_markdown="| a |")
    runs = every(client)
    (parent,) = [run for run in runs.values() if run.data.tags["orch.role"] == "sweep"]
    assert client.get_experiment(parent.info.experiment_id).name == "tame-ablation"
    assert (parent.info.run_name, "mlflow.parentRunId" in parent.data.tags) == ("mine", False)
    assert parent.data.tags["mlflow.note.content"].endswith("| a |")
    for variant in ("base", "without_gate", "without_text", "both"):
        middle = runs[variant]
        assert client.get_parent_run(middle.info.run_id).info.run_id == parent.info.run_id
        assert middle.data.tags["orch.role"] == "variant"
        for seed in (0, 1):
            child = runs[f"{variant} seed={seed}"]
            assert client.get_parent_run(child.info.run_id).info.run_id == middle.info.run_id
            tags = child.data.tags
            assert (tags["orch.variant"], tags["orch.phase"]) == (variant, "fixed")
    assert len(runs) == 1 + 4 + 8
    assert set(statuses(client).values()) == {"FINISHED"}


def test_variants_stand_in_their_order_and_say_what_they_override(tracker, client, ablation):
    with tracker.open_sweep(ablation) as sweep:
        assert set(statuses(client).values()) == {"RUNNING"}
        sweep.finish_sweep("finished")
    runs = every(client)
    variants = [runs[name] for name in ("base", "without_gate", "without_text", "both")]
    assert [run.info.start_time for run in variants] == sorted(r.info.start_time for r in variants)
    assert [run.data.params for run in variants] == [
        {},
        {"model.use_gate": "false"},
        {"model.use_text": "false"},
        {"model.use_gate": "false", "model.use_text": "false"},
    ]
    tags = runs["both"].data.tags
    assert tags["orch.changed.model.use_text"] == "false"
    assert tags["orch.members"] == "without_gate, without_text"
    assert tags["orch.control"] == "false"


def test_a_variant_carries_the_means_of_its_seeds(tracker, client, ablation, make, make_record):
    """Those at retuned settings apart from the others; a search's runs are in none."""
    with tracker.open_sweep(ablation) as sweep:
        for phase, point, values in (
            ("fixed", 0, (0.1, 0.2)),
            ("search", 1, (0.9,)),
            ("retuned", 1, (0.3, 0.5)),
        ):
            for seed, value in enumerate(values):
                run = make("without_gate", seed, phase, point)
                record = with_metrics(make_record(run), test__ndcg_at_20=value, val__ndcg_at_10=1.0)
                do(sweep, run, record)
        sweep.finish_sweep("finished")
    metrics = every(client)["without_gate"].data.metrics
    assert metrics["test/ndcg_at_20"] == pytest.approx(0.15)
    assert metrics["best/val/ndcg_at_10"] == 1.0
    assert metrics["retuned/test/ndcg_at_20"] == pytest.approx(0.4)
    assert (metrics["num_seeds"], metrics["retuned/num_seeds"]) == (2, 2)
    assert not {name for name in metrics if name.startswith(("val/", "loss/", "epoch/"))}
    assert "num_seeds" not in every(client)["base"].data.metrics


def test_a_continued_ablation_has_each_run_and_mean_once(
    tracker, client, ablation, make, make_record
):
    for values in ((0.1,), (0.1, 0.3)):
        with tracker.open_sweep(ablation) as sweep:
            for seed, value in enumerate(values):
                run = make("without_gate", seed)
                do(sweep, run, with_metrics(make_record(run), test__ndcg_at_20=value))
            sweep.finish_sweep("finished")
    experiments = [e.experiment_id for e in client.search_experiments()]
    assert len(client.search_runs(experiments)) == 1 + 4 + 2
    identity = every(client)["without_gate"].info.run_id
    history = client.get_metric_history(identity, "test/ndcg_at_20")
    assert [m.value for m in history] == [0.1, 0.2]


@pytest.mark.parametrize(
    ("ends", "in_mlflow", "reason"),
    [
        ([("fixed", "finished"), ("search", "finished")], "FINISHED", ""),
        ([("fixed", "failed")], "FAILED", "1 of its 1 runs did not finish"),
        (
            [("fixed", "finished"), ("retuned", "failed")],
            "FAILED",
            "1 of its 2 runs did not finish",
        ),
        (
            [("fixed", "finished"), ("search", "failed"), ("search", "finished")],
            "FINISHED",
            "",
        ),
        ([("fixed", "finished"), ("search", "failed")], "FAILED", "no run of its search finished"),
        ([], "KILLED", "none of its runs was started"),
    ],
)
def test_a_variant_ends_as_its_runs_did(
    tracker, client, ablation, make, make_record, ends, in_mlflow, reason
):
    with tracker.open_sweep(ablation) as sweep:
        for point, (phase, status) in enumerate(ends):
            run = make("without_gate", 0, phase, point)
            do(sweep, run, make_record(run, status=status))
        sweep.finish_sweep("finished")
    run = every(client)["without_gate"]
    assert (run.info.status, run.data.tags["orch.reason"]) == (in_mlflow, reason)


@pytest.mark.parametrize(
    ("error", "in_mlflow"), [(KeyboardInterrupt, "KILLED"), (RuntimeError("luck"), "FAILED")]
)
def test_nothing_is_left_running_when_the_driver_is_cut_short(
    tracker, client, ablation, make, make_record, error, in_mlflow
):
    def drive():
        with tracker.open_sweep(ablation) as sweep:
            run = make()
            do(sweep, run, make_record(run))
            sweep.start_run(make("without_gate"))
            raise error

    with pytest.raises((KeyboardInterrupt, RuntimeError)):
        drive()
    found = statuses(client)
    assert found.pop("base seed=0") == "FINISHED"
    assert found.pop("without_gate seed=0") == "KILLED"
    assert set(found.values()) == {in_mlflow}
    with tracker.open_sweep(ablation) as sweep:
        assert statuses(client)["without_gate"] == "RUNNING"
        run = make("without_gate")
        do(sweep, run, make_record(run))
        sweep.finish_sweep("finished")
    assert statuses(client)["without_gate"] == "FINISHED"


def test_variants_of_a_dead_process_are_ended_at_the_next_opening(tracker, client, ablation, make):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    tracker.open_sweep(ablation).start_run(make())
    for run in every(client).values():
        client.set_tag(run.info.run_id, "orch.pid", str(dead.pid))
    other = dataclasses.replace(ablation, name="another", model="sasrec", variants=())
    with tracker.open_sweep(other) as sweep:
        sweep.finish_sweep("finished")
    ours = {run.info.status for run in every(client).values() if "orch.host" in run.data.tags}
    assert "RUNNING" not in ours
    assert statuses(client)["without_gate"] == "KILLED"


def test_an_outage_is_made_up_for_level_by_level(
    tracker, results, client, ablation, make, make_record, monkeypatch
):
    """The store fails while runs and the ablation end; the next opening tells it all."""
    monkeypatch.setattr(sweep_module, "RETRY_SECONDS", 0.0)
    store = results / "mlflow.db"
    with tracker.open_sweep(ablation) as sweep:
        run = make("without_gate", 0)
        do(sweep, run, with_metrics(make_record(run), test__ndcg_at_20=0.1))
        whole = store.read_bytes()
        store.write_bytes(b"spoilt" * 10_000)
        for variant, seed, phase in (("without_gate", 1, "fixed"), ("both", 0, "retuned")):
            run = make(variant, seed, phase)
            do(sweep, run, with_metrics(make_record(run), test__ndcg_at_20=0.3))
        sweep.finish_sweep("finished", summary_markdown="| told late |")
    spooled = [path.name for path in (results / "spool").glob("*.json")]
    assert len(spooled) == 3
    store.write_bytes(whole)
    later = Tracker(tracking_uri(None, results), results, on_problem=pytest.fail)
    assert list((results / "spool").glob("*.json")) == []
    runs = every(client)
    assert runs["mine"].info.status == "FINISHED"
    assert runs["without_gate"].info.status == "FINISHED"
    assert runs["without_gate"].data.metrics["test/ndcg_at_20"] == pytest.approx(0.2)
    assert runs["both"].data.metrics["retuned/test/ndcg_at_20"] == 0.3
    child = runs["retuned both seed=0"]
    assert client.get_parent_run(child.info.run_id).info.run_name == "both"
    assert len(later.runs_frame("mine")) == 3


def test_the_frame_has_the_runs_of_all_variants(tracker, ablation, make, make_record):
    shared = make("without_gate", 0)
    twin = dataclasses.replace(shared, variant="both", name="both seed=0")
    search, retuned = (make("without_gate", 0, phase, 1) for phase in ("search", "retuned"))
    with tracker.open_sweep(ablation) as sweep:
        for run in (make(), shared, twin, search, retuned):
            do(sweep, run, make_record(run))
    frame = tracker.runs_frame("mine")
    assert list(frame.columns[:5]) == ["run_id", "status", "seed", "variant", "phase"]
    told = frame[["variant", "phase", "run_id"]].itertuples(index=False, name=None)
    assert sorted(told) == [
        ("base", "fixed", "base-0-0"),
        ("both", "fixed", shared.run_id),
        ("without_gate", "fixed", shared.run_id),
        ("without_gate", "retuned", search.run_id),
        ("without_gate", "search", search.run_id),
    ]
    assert frame["test/ndcg@20"].tolist() == [0.03] * 5


def test_a_sweeps_frame_has_neither_variant_nor_phase(tracker, info, make_run, make_record):
    with tracker.open_sweep(info) as sweep:
        do(sweep, make_run(), make_record(make_run()))
    assert not {"variant", "phase"} & set(tracker.runs_frame("heads-1").columns)


def test_settings_that_a_search_no_longer_chooses_are_left_out(
    tracker, client, ablation, make, make_record
):
    """More of its runs finished the second time; the third time it is the first choice again."""
    for point, chosen in ((1, [0.1]), (2, [0.7]), (1, [0.1])):
        with tracker.open_sweep(ablation) as sweep:
            for seed in (0, 1):
                run = make("without_gate", seed, "retuned", point)
                do(sweep, run, with_metrics(make_record(run), test__ndcg_at_20=chosen[0]))
            sweep.finish_sweep("finished")
        frame = tracker.runs_frame("mine")
        assert frame["test/ndcg@20"].tolist() == chosen * 2
        means = every(client)["without_gate"].data.metrics
        assert means["retuned/test/ndcg_at_20"] == pytest.approx(chosen[0])
        assert means["retuned/num_seeds"] == 2


def test_an_ablation_is_found_by_name_with_its_variants(tracker, ablation):
    tracker.open_sweep(ablation).close()
    assert tracker.find_sweep("mine") == ablation
    assert tracker.sweep_names() == ["mine"]


def test_a_name_that_is_too_long_for_a_database_is_cut(
    tracker, client, ablation, make, make_record
):
    run = dataclasses.replace(make(), name="search x: " + "heads=1 " * 60)
    with tracker.open_sweep(ablation) as sweep:
        do(sweep, run, make_record(run))
    (name,) = [name for name in every(client) if name.startswith("search x")]
    assert len(name) == 250
    assert name.endswith(" …")
