"""What a store holds, read while sweeps run and without writing to it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from orchestrator.config import MONITOR
from orchestrator.errors import StoreError, unknown
from orchestrator.tracking.client import (
    connect_to_read,
    experiments,
    running_here,
    search,
    store_errors,
)
from orchestrator.tracking.frame import frame_of
from orchestrator.tracking.names import final_name, param_value, to_mlflow
from orchestrator.tracking.runs import SweepInfo
from orchestrator.tracking.store import shown
from orchestrator.tracking.tags import SECONDS, is_orphan, is_superseded, read_info
from orchestrator.tracking.tree import runs_of

Condition = Literal["running", "dead", "finished", "failed", "stopped", "killed"]
"""running: its process lives, as far as this machine can see; dead: the store says running, and
its process on this machine is gone; killed: cut by its user, or found dead by a later sweep."""
_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True, kw_only=True)
class RunState:
    """A run of a sweep, as it is now."""

    run_id: str
    name: str
    condition: Condition
    reason: str
    seed: int
    variant: str
    phase: str
    epoch: int | None
    """The best one where it has finished, else the last that was told."""
    value: float | None
    """Validation NDCG@10 of that epoch."""
    seconds: float | None
    """That it took; of the epochs told where it has not finished."""
    cpu_seconds: float | None = None
    """Of all its threads; None where nobody counted them."""
    failure: str = ""
    """Of a failed run: the kind of failure."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """``code``, ``commit``, ``device`` and ``version.PACKAGE``, once it has ended."""


@dataclass(frozen=True, kw_only=True)
class SweepState:
    """A sweep, an ablation or a diagnosis, as it is now."""

    info: SweepInfo
    condition: Condition
    reason: str
    started: datetime
    host: str
    pid: str
    num_planned: int | None
    """Runs of all phases begun; None where the driver did not say."""
    command: str
    """What started it or went on with it last; empty where it was no command."""
    cwd: str
    """Where that was typed."""
    runs: pd.DataFrame = field(compare=False)
    """As :meth:`orchestrator.tracking.mlflow.Tracker.runs_frame`."""
    conditions: tuple[Condition, ...]
    """One per run."""
    identity: str
    """MLflow's id of its run."""

    def count(self, *conditions: Condition) -> int:
        """Runs of these conditions."""
        return sum(condition in conditions for condition in self.conditions)


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A sweep that a run belongs to."""

    sweep: str
    kind: str
    model: str
    """The run's own, which in a diagnosis may be another than the sweep's."""
    variant: str
    phase: str
    condition: Condition
    """The run's, there."""
    params: Mapping[str, Any]
    """The run's settings."""


class StoreReader:
    """A store that is there, for reading.

    Raises:
        StoreError: (all methods) the store cannot be read.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._client = connect_to_read(uri)

    def sweeps(self) -> tuple[SweepState, ...]:
        """All sweeps, ablations and diagnoses, the newest first."""
        with store_errors(self.uri):
            parents = self._parents()
            below = self._runs_by_sweep()
        return tuple(_state(parent, below.get(parent.info.run_id, [])) for parent in parents)

    def sweep(self, name: str) -> SweepState:
        """A sweep by name; the newest where several models have one of it.

        Raises:
            StoreError: there is none.
        """
        with store_errors(self.uri):
            parent = self._parent(name)
            return _state(parent, runs_of(self._client, parent))

    def find_sweep(self, name: str) -> SweepInfo:
        """As :meth:`orchestrator.tracking.mlflow.Tracker.find_sweep`."""
        with store_errors(self.uri):
            return read_info(self._parent(name).data.tags)

    def runs_frame(self, name: str) -> pd.DataFrame:
        """As :meth:`orchestrator.tracking.mlflow.Tracker.runs_frame`."""
        return self.sweep(name).runs

    def sweep_and_runs(self, name: str) -> tuple[SweepState, tuple[RunState, ...]]:
        """A sweep and its runs, oldest first, as they are at one moment.

        Raises:
            StoreError: there is no such sweep.
        """
        with store_errors(self.uri):
            parent = self._parent(name)
            found = runs_of(self._client, parent)
            runs = tuple(self._run_state(run) for run in found if not is_superseded(run))
        return _state(parent, found), runs

    def opened(self, name: str) -> tuple[Any, list[Any], SweepState]:
        """MLflow's client, a sweep's runs as MLflow has them, and what they tell.

        Raises:
            StoreError: there is no such sweep.
        """
        with store_errors(self.uri):
            parent = self._parent(name)
            found = runs_of(self._client, parent)
        return self._client, found, _state(parent, found)

    def holders(self, run_id: str) -> tuple[Holder, ...]:
        """The sweeps that a run belongs to, the newest first."""
        assert run_id.isalnum(), "an id is a word"
        with store_errors(self.uri):
            found = search(self._client, self._experiments, f"tags.`orch.run_id` = '{run_id}'")
            pairs = [(run, self._sweep_of(run)) for run in found if not is_superseded(run)]
        return tuple(_holder(run, parent) for run, parent in pairs if parent is not None)

    def params(self, run_id: str) -> Mapping[str, Any]:
        """A run's settings, as the newest sweep that holds it says.

        Raises:
            StoreError: no sweep holds it.
        """
        found = self.holders(run_id)
        if not found:
            raise StoreError(f"{shown(self.uri)}: no sweep holds run {run_id}.")
        return found[0].params

    def num_sweeps(self) -> int:
        """Sweeps, ablations and diagnoses."""
        with store_errors(self.uri):
            return len(self._parents())

    def num_dead(self) -> int:
        """Runs, of sweeps and of their parts, that dead processes of this machine left running."""
        with store_errors(self.uri):
            return sum(map(is_orphan, running_here(self._client)))

    @cached_property
    def _experiments(self) -> list[str]:
        """Ids of those that are there at the first look."""
        return experiments(self._client)

    def _role(self, role: str) -> list[Any]:
        return search(self._client, self._experiments, f"tags.`orch.role` = '{role}'")

    def _parents(self) -> list[Any]:
        """Newest first; one that is being made at this moment does not say what it is yet."""
        return [run for run in self._role("sweep") if "orch.info.parts" in run.data.tags]

    def _parent(self, name: str) -> Any:  # noqa: ANN401 - MLflow's run
        # Newest first in the answer; the newest of a name is the one kept.
        parents = {run.data.tags["orch.sweep"]: run for run in reversed(self._parents())}
        if name not in parents:
            raise StoreError(f"{shown(self.uri)}: {unknown('sweep', name, parents)}")
        return parents[name]

    def _sweep_of(self, run: Any) -> Any:  # noqa: ANN401 - MLflow's runs
        """The sweep that a run is of; None where it was deleted without its runs."""
        parent = self._client.get_run(run.data.tags[_PARENT])
        if parent.data.tags.get("orch.role") == "variant":
            parent = self._client.get_run(parent.data.tags[_PARENT])
        return parent if parent.info.lifecycle_stage == "active" else None

    def _runs_by_sweep(self) -> dict[str, list[Any]]:
        """Runs of the sweep of each id, oldest first: three questions, however many sweeps."""
        variants = {run.info.run_id: run for run in self._role("variant")}
        found: dict[str, list[Any]] = {}
        for run in reversed(self._role("run")):
            found.setdefault(_root(run, variants), []).append(run)
        return found

    def _run_state(self, run: Any) -> RunState:  # noqa: ANN401
        tags, metrics, state = run.data.tags, run.data.metrics, condition(run)
        if state == "finished":
            value, epoch = metrics.get(final_name(MONITOR)), int(metrics.get("best_step", 0))
            seconds = metrics.get("seconds")
        else:
            value = metrics.get(to_mlflow(MONITOR))
            told = self._client.get_metric_history(run.info.run_id, SECONDS)
            epoch = max((metric.step for metric in told), default=0)
            seconds = sum({metric.step: metric.value for metric in told}.values()) or None
        return RunState(
            run_id=tags["orch.run_id"],
            name=run.info.run_name,
            condition=state,
            reason=tags.get("orch.reason", ""),
            seed=int(tags["orch.seed"]),
            variant=tags.get("orch.variant", "") if "orch.phase" in tags else "",
            phase=tags.get("orch.phase", ""),
            epoch=epoch or None,
            value=value,
            seconds=seconds,
            cpu_seconds=metrics.get("cpu_seconds"),
            failure=tags.get("orch.failure", ""),
            origin=_origin(tags),
        )


def _origin(tags: Mapping[str, str]) -> dict[str, str]:
    """What a run that has ended says of the code and the machine that made it."""
    own = {name.removeprefix("orch."): text for name, text in tags.items()}
    kept = ("code", "commit", "device")
    return {n: text for n, text in own.items() if n in kept or n.startswith("version.")}


def condition(run: Any) -> Condition:  # noqa: ANN401
    """What has really become of a run, of a variant or of a sweep."""
    if run.info.status == "RUNNING":
        return "dead" if is_orphan(run) else "running"
    told = run.data.tags.get("orch.status", "running")
    # Ended by others than orch, in MLflow's pages say: MLflow's own word for it.
    return run.info.status.lower() if told == "running" else told


def _root(run: Any, variants: Mapping[str, Any]) -> str:  # noqa: ANN401
    """MLflow's id of the sweep that a run is of, whether a variant stands between or not."""
    parent = str(run.data.tags.get(_PARENT, ""))
    return str(variants[parent].data.tags.get(_PARENT, "")) if parent in variants else parent


def _state(parent: Any, runs: Iterable[Any]) -> SweepState:  # noqa: ANN401
    tags = parent.data.tags
    kept = [run for run in runs if not is_superseded(run)]
    planned, info = tags.get("orch.num_runs", ""), read_info(tags)
    return SweepState(
        info=info,
        condition=condition(parent),
        reason=tags.get("orch.reason", ""),
        started=datetime.fromtimestamp(parent.info.start_time / 1000).astimezone(),
        host=tags.get("orch.host", ""),
        pid=tags.get("orch.pid", ""),
        num_planned=int(planned) if planned else None,
        command=tags.get("orch.command", ""),
        cwd=tags.get("orch.cwd", ""),
        runs=frame_of(kept, has_variants=info.has_variants),
        conditions=tuple(map(condition, kept)),
        identity=parent.info.run_id,
    )


def _holder(run: Any, parent: Any) -> Holder:  # noqa: ANN401
    tags = run.data.tags
    return Holder(
        sweep=parent.data.tags["orch.sweep"],
        kind=parent.data.tags.get("orch.kind", ""),
        model=tags["orch.model"],
        variant=tags.get("orch.variant", "") if "orch.phase" in tags else "",
        phase=tags.get("orch.phase", ""),
        condition=condition(run),
        params={key: param_value(text) for key, text in run.data.params.items()},
    )
