"""Sweeps and runs in MLflow.

An experiment per model and space, in it a parent run per sweep, under it a child run per run.
The only file that imports MLflow, and only when a store is opened: it takes seconds. Runs are found
again by tags (``orch.sweep``, ``orch.run_id``), never by name.
"""

import logging
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from orchestrator.errors import StoreError, unknown
from orchestrator.results import Epoch, Record
from orchestrator.tracking.names import param_text
from orchestrator.tracking.runs import RunInfo, SweepInfo, SweepStatus
from orchestrator.tracking.spool import Ending, Entry, Spool
from orchestrator.tracking.store import (
    check,
    check_folder,
    creation_lock,
    database,
    is_server,
    shown,
    tracking_uri,
)
from orchestrator.tracking.sweep import SweepTracker
from orchestrator.tracking.tags import (
    NOTE_LENGTH,
    SECONDS,
    TAG_LENGTH,
    curve,
    cut,
    finals,
    is_orphan,
    parts,
    process_tags,
    read_info,
    record_tags,
    row,
    run_tags,
    sweep_tags,
)

__all__ = ["RunInfo", "SweepInfo", "SweepTracker", "Tracker", "tracking_uri"]

_LOG = logging.getLogger(__name__)

_QUIET = {
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a dead server must not hold training for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}
"""MLflow's own settings, where the user has not chosen others."""

_CHILDREN_PAGE = 1000
_METRICS_PER_CALL = 1000
_ENTRIES_PER_CALL = 100
_ENDS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "FINISHED", "killed": "KILLED"}
"""Our status -> MLflow's."""


class Tracker:
    """The store: opens sweeps for writing and reads them back.

    Only the driver process has one; workers never see the store.

    Raises:
        StoreError: the store cannot be made or reached, or the results folder cannot be written.
    """

    def __init__(
        self,
        uri: str,
        results: Path,
        *,
        on_problem: Callable[[str], None] = _LOG.warning,
    ) -> None:
        check_folder(results)
        self.uri = uri
        self._artifacts = results.resolve() / "mlartifacts"
        self._client = _connect(uri)
        self._spool = Spool(results / "spool")
        self._on_problem = on_problem
        self._stores: dict[tuple[str, str], _SweepStore] = {}
        self._replay_or_warn()

    def open_sweep(self, info: SweepInfo) -> SweepTracker:
        """Open a sweep, or continue the one of this name.

        Runs that dead processes of this machine left running, in any sweep, are ended as killed.

        Raises:
            StoreError: the store cannot be written.
        """
        store = _SweepStore(self._client, self.uri, info, self._artifacts)
        store.open()
        self._stores[_family(info), info.name] = store
        return SweepTracker(
            store, info, self._spool, replay=self._replay, on_problem=self._on_problem
        )

    def sweep_names(self) -> list[str]:
        """Names of all sweeps, sorted."""
        return sorted(self._parents())

    def find_sweep(self, name: str) -> SweepInfo:
        """A sweep by name; the newest where several models have one of it.

        Raises:
            StoreError: there is none.
        """
        return read_info(self._parent(name).data.tags)

    def runs_frame(self, name: str) -> pd.DataFrame:
        """A sweep's runs: ``run_id``, ``status``, ``seed``, settings and final metrics by name.

        Raises:
            StoreError: there is no such sweep.
        """
        parent = self._parent(name)
        with _store_errors(self.uri):
            runs = _children(self._client, parent)
        frame = pd.DataFrame([row(run) for run in runs])
        head = ["run_id", "status", "seed"]
        rest = sorted(set(frame.columns) - set(head), key=lambda name: ("/" in name, name))
        return frame.reindex(columns=[*head, *rest])

    def _parents(self) -> dict[str, Any]:
        with _store_errors(self.uri):
            families = [e.experiment_id for e in _paged(self._client.search_experiments)]
            # Newest first in the answer; the newest of a name is the one kept.
            runs = _search(self._client, families, "tags.`orch.role` = 'sweep'")
        return {run.data.tags["orch.sweep"]: run for run in reversed(runs)}

    def _parent(self, name: str) -> Any:  # noqa: ANN401 - MLflow's run
        parents = self._parents()
        if name not in parents:
            raise StoreError(f"{shown(self.uri)}: {unknown('sweep', name, parents)}")
        return parents[name]

    def _replay(self) -> None:
        self._spool.replay(self._tell, on_problem=self._on_problem)

    def _replay_or_warn(self) -> None:
        try:
            self._replay()
        except StoreError as error:
            self._on_problem(f"{error} What was kept in {self._spool.folder} stays there.")

    def _tell(self, item: Entry | Ending) -> None:
        key = _family(item.sweep), item.sweep.name
        if key not in self._stores:
            self._stores[key] = _SweepStore(self._client, self.uri, item.sweep, self._artifacts)
        if isinstance(item, Entry):
            self._stores[key].finish(item.run, item.record)
        else:
            self._stores[key].end(item.status, item.summary, list(map(Path, item.artifacts)))


class _SweepStore:
    """One sweep's runs in the store, as :class:`orchestrator.tracking.sweep.Writer`."""

    def __init__(self, client: Any, uri: str, info: SweepInfo, artifacts: Path) -> None:  # noqa: ANN401
        self._client = client
        self._uri = uri
        self._info = info
        with _store_errors(uri):
            location = None if is_server(uri) else (artifacts / _family(info)).as_uri()
            self._experiment = _experiment(client, uri, _family(info), location)
            self._parent = self._find_parent() or self._new_parent()
            children = _children(client, self._parent)
        self._children = {run.data.tags["orch.run_id"]: run for run in children}
        self._steps: dict[str, set[int]] = {}
        """Of the runs started here: the epochs logged."""

    def open(self) -> None:
        """Mark the sweep as running here; end what dead processes left running, in any sweep."""
        parent = self._parent.info.run_id
        with _store_errors(self._uri):
            for run in _running_here(self._client):
                if is_orphan(run):
                    self._stop(run.info.run_id, "killed", "its process ended without a word")
            self._client.update_run(parent, status="RUNNING")
            self._tag(parent, {**process_tags(), **sweep_tags(self._info)})

    def start(self, run: RunInfo) -> None:
        """Create the run, or open it again."""
        tags = {**process_tags(), **run_tags(self._info, run)}
        with _store_errors(self._uri):
            if run.run_id in self._children:
                identity = self._mlflow_id(run.run_id)
                steps = self._logged_steps(identity)
                self._client.update_run(identity, status="RUNNING")
                self._tag(identity, tags)
            else:
                steps = set()
                self._children[run.run_id] = self._new_child(run, tags)
            self._add_params(run)
        self._steps[run.run_id] = steps

    def log(self, run: RunInfo, epochs: Sequence[Epoch]) -> None:
        """Add epochs to a run; those it has already are left out."""
        if run.run_id not in self._steps:
            self.start(run)
        steps = self._steps[run.run_id]
        new = [epoch for epoch in epochs if epoch.step not in steps]
        with _store_errors(self._uri):
            figures = [
                (name, value, epoch.step) for epoch in new for name, value in curve(epoch).items()
            ]
            self._log(run.run_id, figures)
        steps.update(epoch.step for epoch in new)

    def finish(self, run: RunInfo, record: Record) -> None:
        """Write a run's outcome and end it; creates the run if need be."""
        self.log(run, record.epochs)
        identity = self._mlflow_id(run.run_id)
        before = self._children[run.run_id].data.metrics
        with _store_errors(self._uri):
            new = {k: v for k, v in finals(record).items() if before.get(k) != v}
            self._log(run.run_id, [(name, value, 0) for name, value in new.items()])
            self._tag(identity, record_tags(record))
            self._client.set_terminated(identity, _ENDS[record.status])
            self._client.log_dict(identity, dict(record.config), "config.json")
            self._client.log_dict(identity, record.to_json(), "record.json")
            if record.traceback:
                self._client.log_text(identity, record.traceback, "traceback.txt")
            self._children[run.run_id] = self._client.get_run(identity)

    def kill(self, run_id: str, reason: str) -> None:
        """End a run that has no outcome."""
        if run_id in self._children:
            with _store_errors(self._uri):
                self._stop(self._mlflow_id(run_id), "killed", reason)

    def end(self, status: SweepStatus, summary: str, artifacts: Sequence[Path]) -> None:
        """End the sweep with its summary."""
        parent = self._parent.info.run_id
        note = "\n\n".join(filter(None, [self._info.description, summary]))
        with _store_errors(self._uri):
            self._tag(parent, {"mlflow.note.content": cut(note, NOTE_LENGTH)})
            self._stop(parent, status, "")
            for path in artifacts:
                self._client.log_artifact(parent, str(path))

    def abandon(self, *, is_failure: bool, reason: str) -> None:
        """End a sweep that has no summary."""
        with _store_errors(self._uri):
            self._stop(self._parent.info.run_id, "failed" if is_failure else "killed", reason)

    def _find_parent(self) -> Any:  # noqa: ANN401 - MLflow's run or None
        runs = _search(self._client, [self._experiment], "tags.`orch.role` = 'sweep'")
        return next((r for r in runs if r.data.tags["orch.sweep"] == self._info.name), None)

    def _new_parent(self) -> Any:  # noqa: ANN401 - MLflow's run
        """A parent that is ended, until :meth:`open` says that the sweep runs here."""
        tags = {"orch.sweep": self._info.name, "orch.role": "sweep"}
        run = self._client.create_run(self._experiment, tags=tags, run_name=self._info.name)
        self._tag(run.info.run_id, sweep_tags(self._info))
        self._stop(run.info.run_id, "killed", "")
        return run

    def _new_child(self, run: RunInfo, tags: Mapping[str, str]) -> Any:  # noqa: ANN401
        identity = {
            "mlflow.parentRunId": self._parent.info.run_id,
            "orch.run_id": run.run_id,
            "orch.role": "run",
        }
        return self._client.create_run(
            self._experiment, tags={**tags, **identity}, run_name=run.name
        )

    def _add_params(self, run: RunInfo) -> None:
        """Settings that are not there yet: MLflow never changes one."""
        known = self._children[run.run_id].data.params
        new = {key: param_text(value) for key, value in run.params.items() if key not in known}
        for part in parts(new.items(), _ENTRIES_PER_CALL):
            params = [_mlflow().entities.Param(key, value) for key, value in part]
            self._client.log_batch(self._mlflow_id(run.run_id), params=params)

    def _logged_steps(self, identity: str) -> set[int]:
        return {m.step for m in self._client.get_metric_history(identity, SECONDS)}

    def _log(self, run_id: str, figures: Iterable[tuple[str, float, int]]) -> None:
        now = int(time.time() * 1000)
        make = _mlflow().entities.Metric
        for part in parts(figures, _METRICS_PER_CALL):
            metrics = [make(name, float(value), now, step) for name, value, step in part]
            self._client.log_batch(self._mlflow_id(run_id), metrics=metrics)

    def _tag(self, identity: str, tags: Mapping[str, str]) -> None:
        make = _mlflow().entities.RunTag
        for part in parts(tags.items(), _ENTRIES_PER_CALL):
            self._client.log_batch(identity, tags=[make(key, value) for key, value in part])

    def _stop(self, identity: str, status: str, reason: str) -> None:
        self._tag(identity, {"orch.status": status, "orch.reason": cut(reason, TAG_LENGTH)})
        self._client.set_terminated(identity, _ENDS[status])

    def _mlflow_id(self, run_id: str) -> str:
        return str(self._children[run_id].info.run_id)


@cache
def _mlflow() -> ModuleType:
    """MLflow, with its logs and its libraries' warnings kept from the user's terminal."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.entities
        import mlflow.store.tracking.sqlalchemy_store
        import mlflow.tracking
    for logger in ("mlflow", "alembic", "urllib3.connectionpool"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    return mlflow


def _connect(uri: str) -> Any:  # noqa: ANN401 - MLflow's client
    """A client of the store, which is made if it is a file that is not there."""
    check(uri)
    with creation_lock(uri), _store_errors(uri), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _mlflow().tracking.MlflowClient(tracking_uri=uri)


@contextmanager
def _store_errors(uri: str) -> Iterator[None]:
    """Turn everything that a failing store raises into :class:`StoreError`."""
    try:
        yield
    except _failures() as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        place = database(uri) or shown(uri)
        raise StoreError(
            f"{place}: the tracking store failed ({reason}). Check that it can be written, "
            "or choose another by MLFLOW_TRACKING_URI."
        ) from error


def _failures() -> tuple[type[Exception], ...]:
    import sqlalchemy.exc

    return (
        _mlflow().exceptions.MlflowException,
        sqlalchemy.exc.SQLAlchemyError,
        OSError,  # artifacts, and requests' exceptions
        ImportError,  # a driver or cloud library that the URI needs
    )


def _experiment(client: Any, uri: str, name: str, location: str | None) -> str:  # noqa: ANN401
    """Id of an experiment, made or restored if need be."""
    with creation_lock(uri):
        found = client.get_experiment_by_name(name)
        if found is None:
            return str(client.create_experiment(name, artifact_location=location))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _paged(call: Callable[..., Any], **arguments: object) -> list[Any]:
    found: list[Any] = []
    token = None
    while True:
        page = call(max_results=_CHILDREN_PAGE, page_token=token, **arguments)
        found += page
        token = page.token
        if not token:
            return found


def _search(client: Any, experiments: list[str], filter_string: str) -> list[Any]:  # noqa: ANN401
    """Runs that are not deleted, newest first."""
    if not experiments:
        return []
    return _paged(
        client.search_runs,
        experiment_ids=experiments,
        filter_string=filter_string,
        order_by=["attributes.start_time DESC"],
    )


def _children(client: Any, parent: Any) -> list[Any]:  # noqa: ANN401
    """A sweep's runs, oldest first."""
    ours = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    runs = _search(client, [parent.info.experiment_id], ours)
    return [run for run in reversed(runs) if "orch.run_id" in run.data.tags]


def _running_here(client: Any) -> list[Any]:  # noqa: ANN401
    """Runs of all sweeps that a process of this machine is said to be running."""
    experiments = [found.experiment_id for found in _paged(client.search_experiments)]
    ours = f"attributes.status = 'RUNNING' and tags.`orch.host` = '{socket.gethostname()}'"
    return _search(client, experiments, ours)


def _family(info: SweepInfo) -> str:
    return f"{info.model}-{info.space}"
