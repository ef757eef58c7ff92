"""What is refused when a cluster is joined, before any run starts."""

import pytest
import ray

from orchestrator.digest import whole_digest
from orchestrator.errors import ConfigError, StoreError
from orchestrator.sweep.ray import cluster


@pytest.fixture
def nodes(monkeypatch):
    """Makes Ray tell of nodes: address -> the code that is found there, or what goes wrong."""

    def make(**found):
        told = [
            {"NodeManagerAddress": name, "NodeID": name, "Alive": True, "Resources": {"CPU": 4.0}}
            for name in found
        ]
        dead = {"NodeManagerAddress": "dead", "NodeID": "dead", "Alive": False, "Resources": {}}

        def get(name, timeout):
            if isinstance(found[name], Exception):
                raise found[name]
            return found[name]

        monkeypatch.setattr(cluster.ray, "nodes", lambda: [*told, dead])
        monkeypatch.setattr(cluster, "_code_of", lambda name: name)
        monkeypatch.setattr(cluster.ray, "get", get)

    return make


def test_nodes_with_this_code_are_fine(nodes):
    nodes(one=whole_digest(), two=whole_digest())
    cluster.check_nodes()


def test_a_node_with_other_code_is_named(nodes):
    nodes(one=whole_digest(), two="0" * 12)
    with pytest.raises(StoreError) as refused:
        cluster.check_nodes()
    assert str(refused.value) == (
        f"--address: the code on node two (digest 000000000000) is not this one "
        f"({whole_digest()}). Install the same version of orch there."
    )


def test_a_node_without_orch_is_named(nodes):
    nodes(one=ray.exceptions.RaySystemError("No module named 'orchestrator'"))
    with pytest.raises(StoreError, match=r"node one cannot run this .*No module named"):
        cluster.check_nodes()


def test_runs_that_fit_on_no_node_are_refused(nodes):
    """Ray would wait for a node that is large enough, for ever."""
    nodes(one=whole_digest())
    cluster.check_threads(4)
    with pytest.raises(ConfigError, match="the largest node of the cluster has 4 CPUs"):
        cluster.check_threads(5)
