"""Joining a cluster: seeing that its nodes can do the work, and giving them what they need."""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import ray_constants
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.digest import whole_digest
from orchestrator.errors import ConfigError, StoreError
from orchestrator.results import first_stage_id
from orchestrator.sweep.objective import run_folder
from orchestrator.sweep.options import Options
from orchestrator.sweep.ray import driver_files
from orchestrator.sweep.ray.nodes import Remote
from orchestrator.sweep.storage import offer
from orchestrator.sweep.study import Run
from orchestrator.sweep.url_storage import UrlStorage

NODE_SECONDS = 120.0
"""How long a node may take to say what code it has: it imports torch for it."""
LOST_RETRIES = 3
"""Times that a run whose node or worker was lost is tried again, each from its last epoch."""
_CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


@contextmanager
def loopback() -> Iterator[None]:
    """Ray that is started inside listens on 127.0.0.1 alone, in all its processes.

    Ray has this as its habit on Windows and macOS. Elsewhere it listens on every address of the
    machine, even if it is told 127.0.0.1, and whoever reaches a port can run code here.
    """
    before, is_open = os.environ.get(_CLUSTERS), ray_constants.ENABLE_RAY_CLUSTER
    os.environ[_CLUSTERS], ray_constants.ENABLE_RAY_CLUSTER = "0", False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = is_open
        if before is None:
            del os.environ[_CLUSTERS]
        else:
            os.environ[_CLUSTERS] = before


def share(options: Options) -> Remote:
    """What workers of a cluster are given, once it is sure that all of them can use it.

    Raises:
        ConfigError: no such kind of storage is known, or no node is large enough.
        StoreError: a node has other code than this process, or the storage cannot be written.
    """
    holder = uuid.uuid4().hex
    if options.storage is not None:
        UrlStorage(options.storage, holder=holder).check()
    check_threads(options.threads)
    check_nodes()
    return Remote(
        files=driver_files.start(options.results, options.data_dir),
        node=ray.get_runtime_context().get_node_id(),
        data_dir=options.data_dir,
        holder=holder,
        url=options.storage,
    )


def most_on_a_node(resource: str) -> int:
    """The most that any one node has of ``CPU`` or ``GPU``."""
    nodes = (node["Resources"] for node in ray.nodes() if node["Alive"])
    return max(int(found.get(resource, 0)) for found in nodes)


def check_threads(threads: int) -> None:
    """Refuse runs that fit on no node: Ray would wait for such a node for ever.

    Raises:
        ConfigError: no node has so many CPUs.
    """
    most = most_on_a_node("CPU")
    if threads > most:
        raise ConfigError(
            f"--threads cannot be {threads}: the largest node of the cluster has {most} CPUs."
        )


def check_nodes() -> None:
    """Ask each node for its code.

    Raises:
        StoreError: a node has none, or other code.
    """
    asked = {
        node["NodeManagerAddress"]: _code_of(node["NodeID"])
        for node in ray.nodes()
        if node["Alive"]
    }
    for address, answer in asked.items():
        try:
            found = ray.get(answer, timeout=NODE_SECONDS)
        except RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise StoreError(
                f"--address: node {address} cannot run this ({reason}). Install the same version "
                "of orch there."
            ) from None
        if found != whole_digest():
            raise StoreError(
                f"--address: the code on node {address} (digest {found}) is not this one "
                f"({whole_digest()}). Install the same version of orch there."
            )


def _code_of(node: str) -> Any:  # noqa: ANN401 - Ray's promise of a value
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    task: Any = ray.remote(_digest)
    return task.options(num_cpus=0, scheduling_strategy=there).remote()


def _digest() -> str:
    """Of the code where this runs; Ray takes plain functions alone."""
    return whole_digest()


def offer_runs(remote: Remote, runs: Sequence[Run], options: Options, data_hash: str) -> None:
    """Give a storage what the driver's results folder knows of runs and of their first stages.

    Raises:
        StoreError: the storage cannot be written.
    """
    if remote.url is None:
        return  # it is the results folder
    storage = remote.storage()
    stages = (first_stage_id(run.config, data_hash) for run in runs)
    for run in {*(run.run_id for run in runs), *filter(None, stages)}:
        offer(storage, run, run_folder(options.results, run))
