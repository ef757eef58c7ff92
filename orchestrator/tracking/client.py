"""MLflow's client and its errors; the only file that imports MLflow, which takes seconds."""

import itertools
import logging
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

from orchestrator.errors import StoreError
from orchestrator.tracking.store import (
    check,
    check_to_read,
    creation_lock,
    database,
    scrubbed,
    shown,
)
from orchestrator.tracking.tags import parts

_QUIET = {
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a dead server must not hold training for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # its errors come to us as exceptions
}
"""MLflow's own settings, where the user has not chosen others."""

_PAGE = 1000
_METRICS_PER_CALL = 1000
_ENTRIES_PER_CALL = 100


@cache
def library() -> ModuleType:
    """MLflow, with its logs and its libraries' warnings kept from the user's terminal."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.entities
        import mlflow.store.tracking.sqlalchemy_store
        import mlflow.tracking
    for logger in ("mlflow", "alembic", "urllib3.connectionpool"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    return mlflow


def connect(uri: str) -> Any:  # noqa: ANN401 - MLflow's client
    """A client of the store, which is made if it is a file that is not there."""
    check(uri)
    with creation_lock(uri), store_errors(uri), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return library().tracking.MlflowClient(tracking_uri=uri)


def connect_to_read(uri: str) -> Any:  # noqa: ANN401 - MLflow's client
    """A client of a store that is there; nothing is made or written."""
    check_to_read(uri)
    with store_errors(uri), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return library().tracking.MlflowClient(tracking_uri=uri)


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn everything that a failing store raises into :class:`StoreError`."""
    try:
        yield
    except _failures() as error:
        reason = scrubbed(str(error), uri).strip().partition("\n")[0] or type(error).__name__
        place = database(uri) or shown(uri)
        raise StoreError(
            f"{place}: the tracking store failed ({reason}). Check that it can be written, "
            "or choose another by MLFLOW_TRACKING_URI."
        ) from error


def _failures() -> tuple[type[Exception], ...]:
    import sqlalchemy.exc

    return (
        library().exceptions.MlflowException,
        sqlalchemy.exc.SQLAlchemyError,
        OSError,  # artifacts, and requests' exceptions
        ImportError,  # a driver or cloud library that the URI needs
    )


def experiment(
    client: Any,  # noqa: ANN401
    uri: str,
    name: str,
    location: str | None,
    tags: Mapping[str, str],
) -> str:
    """Id of an experiment, made, restored or tagged anew if need be."""
    with creation_lock(uri):
        found = client.get_experiment_by_name(name)
        if found is None:
            made = client.create_experiment(name, artifact_location=location, tags=dict(tags))
            return str(made)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    for key, value in tags.items():
        if found.tags.get(key) != value:
            client.set_experiment_tag(found.experiment_id, key, value)
    return str(found.experiment_id)


def _paged(call: Callable[..., Any], **arguments: object) -> list[Any]:
    found: list[Any] = []
    token = None
    while True:
        page = call(max_results=_PAGE, page_token=token, **arguments)
        found += page
        token = page.token
        if not token:
            return found


def search(
    client: Any,  # noqa: ANN401
    experiments: list[str],
    filter_string: str,
    *,
    is_deleted: bool = False,
) -> list[Any]:
    """Runs that are not deleted, or those that are, newest first."""
    if not experiments:
        return []
    kinds = library().entities.ViewType
    return _paged(
        client.search_runs,
        experiment_ids=experiments,
        filter_string=filter_string,
        run_view_type=kinds.DELETED_ONLY if is_deleted else kinds.ACTIVE_ONLY,
        order_by=["attributes.start_time DESC"],
    )


def experiments(client: Any) -> list[str]:  # noqa: ANN401
    """Ids of all experiments."""
    return [found.experiment_id for found in _paged(client.search_experiments)]


def running_here(client: Any) -> list[Any]:  # noqa: ANN401
    """Runs of all sweeps that a process of this machine is said to be running."""
    ours = f"attributes.status = 'RUNNING' and tags.`orch.host` = '{socket.gethostname()}'"
    return search(client, experiments(client), ours)


def below(client: Any, run: Any) -> list[Any]:  # noqa: ANN401
    """Runs whose parent is this one, oldest first."""
    ours = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    return search(client, [run.info.experiment_id], ours)[::-1]


def log_all(
    client: Any,  # noqa: ANN401
    identity: str,
    *,
    figures: Iterable[tuple[str, float, int]] = (),
    tags: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
) -> None:
    """Add to a run, in as few calls as the store allows: each is a transaction.

    Args:
        client: MLflow's.
        identity: the run.
        figures: name, value and step of each.
        tags: set, or set anew.
        params: settings that the run does not have yet: MLflow never changes one.
    """
    now = int(time.time() * 1000)
    make = library().entities
    metrics = [make.Metric(name, float(value), now, step) for name, value, step in figures]
    entries = [make.RunTag(key, value) for key, value in (tags or {}).items()]
    settings = [make.Param(key, value) for key, value in (params or {}).items()]
    for some, few, others in itertools.zip_longest(
        parts(metrics, _METRICS_PER_CALL),
        parts(entries, _ENTRIES_PER_CALL),
        parts(settings, _ENTRIES_PER_CALL),
        fillvalue=(),
    ):
        client.log_batch(identity, metrics=list(some), tags=list(few), params=list(others))


def log_tags(client: Any, identity: str, tags: Mapping[str, str]) -> None:  # noqa: ANN401
    """Set tags of a run."""
    log_all(client, identity, tags=tags)
