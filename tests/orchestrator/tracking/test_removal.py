import dataclasses

import pytest
from mlflow.tracking import MlflowClient

from orchestrator.errors import StoreError
from orchestrator.tracking import RunInfo, VariantInfo, tracking_uri
from orchestrator.tracking.reading import StoreReader
from orchestrator.tracking.removal import Remover


@pytest.fixture
def uri(results):
    return tracking_uri(None, results)


@pytest.fixture
def client(uri):
    return MlflowClient(uri)


@pytest.fixture
def sweep_of(tracker, make_run, make_record):
    """A finished sweep of runs at these numbers of heads."""

    def sweep(info, *heads, variant=""):
        with tracker.open_sweep(info) as opened:
            for run in map(make_run, heads):
                run = RunInfo(**{**vars(run), "variant": variant, "tags": {}})
                opened.start_run(run)
                opened.finish_run(run.key, make_record(run))
            opened.finish_sweep("finished")

    return sweep


def active(client):
    experiments = [e.experiment_id for e in client.search_experiments()]
    return sorted(run.info.run_name for run in client.search_runs(experiments))


def remove(uri, name="heads-1"):
    remover = Remover(uri)
    tree = remover.tree(name)
    remover.delete(tree)
    return tree


def test_a_sweep_goes_with_its_runs_and_comes_back(uri, client, info, sweep_of):
    sweep_of(info, 2, 4)
    before = active(client)
    tree = remove(uri)
    assert active(client) == []
    assert len(tree.identities) == 3
    assert Remover(uri).restore("heads-1") == 3
    assert active(client) == before
    assert StoreReader(uri).sweep("heads-1").conditions == ("finished", "finished")


def test_all_levels_of_an_ablation_go_and_come_back(uri, client, info, sweep_of):
    variants = (VariantInfo(name="without_gate", changed={"model.use_gate": False}),)
    ablation = dataclasses.replace(info, kind="ablation", variants=variants, factors={})
    sweep_of(ablation, 2, variant="without_gate")
    before = active(client)
    assert len(before) == 1 + 2 + 1
    remove(uri)
    assert active(client) == []
    assert Remover(uri).restore("heads-1") == 4
    assert active(client) == before


def test_the_same_sweep_again_is_new(uri, client, info, sweep_of):
    sweep_of(info, 2, 4)
    remove(uri)
    sweep_of(info, 2)
    assert active(client) == ["heads-1", "text_heads=2 seed=0"]
    experiments = [e.experiment_id for e in client.search_experiments()]
    (child,) = [r for r in client.search_runs(experiments) if r.info.run_name != "heads-1"]
    assert client.get_parent_run(child.info.run_id).info.lifecycle_stage == "active"
    with pytest.raises(StoreError, match=r"a sweep `heads-1` is there\. Remove that one first"):
        Remover(uri).restore("heads-1")


def test_of_two_removed_sweeps_of_a_name_the_later_comes_back(uri, client, info, sweep_of):
    for heads in (2, 4):
        sweep_of(info, heads)
        remove(uri)
    Remover(uri).restore("heads-1")
    assert active(client) == ["heads-1", "text_heads=4 seed=0"]


def test_runs_of_other_sweeps_are_not_its_own_alone(uri, info, sweep_of):
    sweep_of(info, 2, 4)
    sweep_of(dataclasses.replace(info, name="other"), 4)
    tree = Remover(uri).tree("heads-1")
    assert (tree.run_ids, tree.alone) == (("run-2-0", "run-4-0"), ("run-2-0",))
    remove(uri, "other")
    assert Remover(uri).tree("heads-1").alone == ("run-2-0", "run-4-0")


def test_a_namesake_is_told_and_stays(uri, client, info, sweep_of):
    sweep_of(info, 2)
    assert not Remover(uri).tree("heads-1").has_namesake
    sweep_of(dataclasses.replace(info, model="sasrec"), 4)
    tree = remove(uri)
    assert tree.has_namesake
    assert tree.state.info.model == "sasrec", "the newest"
    assert active(client) == ["heads-1", "text_heads=2 seed=0"]


def test_nothing_was_removed(uri, info, sweep_of):
    with pytest.raises(StoreError, match="There is no removed sweep `heads-1`"):
        Remover(uri).restore("heads-1")
    with pytest.raises(StoreError, match="There is no sweep `heads-1`"):
        Remover(uri).tree("heads-1")
