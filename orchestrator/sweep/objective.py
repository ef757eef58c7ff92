"""The one function a worker runs: settings in, record out, whatever happens."""

import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

from filelock import FileLock

from orchestrator.config import TrialConfig
from orchestrator.data import Dataset, open_dataset
from orchestrator.errors import OrchError, StoreError
from orchestrator.results import Failure, Record, provenance, read_record, run_id, write_json
from orchestrator.sweep.failures import kind_of
from orchestrator.sweep.limits import time_limit
from orchestrator.sweep.memory import keep_freed_memory, watch_memory
from orchestrator.training.checkpoint import Checkpoints
from orchestrator.training.loop import Finished, OnEpoch, train

for _cache in ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
    # oneDNN keeps a kernel with its buffers for each shape it has met, 1,024 by default: batches
    # of ever new shapes grew a worker by gigabytes within a few runs. Read at the first product.
    os.environ.setdefault(_cache, "32")

CHECKPOINTS = "checkpoints"
WEIGHTS = "model.safetensors"
"""A finished run's best weights."""
RANKS = "ranks.parquet"
"""Beside a finished record: the rank of each user's validation and test target."""
TRACE = "trace.parquet"
"""Beside the record of a run that traced its gradients: a row per recorded step."""
TIMEOUT = "timeout.txt"
"""Of a run that took longer than it may: where it was."""


@lru_cache(maxsize=4)
def dataset_in_worker(name: str, data_dir: Path) -> Dataset:
    """A data set opened once per process; its features are shared between processes."""
    return open_dataset(name, data_dir)


def run_folder(results: Path, run: str) -> Path:
    """Where a run keeps its checkpoints and its record."""
    return results / "runs" / run


def finished_record(results: Path, run: str) -> Record | None:
    """The record of a run that is done, from whichever sweep; None if it is to be run."""
    path = run_folder(results, run) / "record.json"
    if not path.exists():
        return None
    record = read_record(path)
    return record if record.status == "finished" else None


def train_recorded(
    config: TrialConfig,
    dataset: Dataset,
    *,
    results: Path,
    device: str = "auto",
    on_epoch: OnEpoch | None = None,
    limit: float | None = None,
) -> Record:
    """Train and keep the record, or take the record of the same run if it is done.

    A run that was cut goes on from its last finished epoch. Two processes never train the same
    run at once: the second waits, then takes the first one's record. A run that takes longer than
    ``limit`` seconds (the wait not counted) ends this process.

    Raises:
        OrchError: as :func:`orchestrator.training.loop.train`.
    """
    run = run_id(config, dataset.data_hash)
    folder = run_folder(results, run)
    with _held(folder):
        record = finished_record(results, run)
        if record is None:
            before = time.process_time()
            with time_limit(folder / TIMEOUT, limit):
                keep_freed_memory()
                most = watch_memory(device)
                record = train(
                    config,
                    dataset,
                    folder=folder / CHECKPOINTS,
                    device=device,
                    on_epoch=on_epoch,
                    ranks_to=folder / RANKS,
                    trace_to=folder / TRACE,
                    find_finished=partial(_finished, results, dataset.data_hash),
                )
            spent = time.process_time() - before
            record = replace(record, peak_memory=most(), cpu_seconds=spent)
            write_json(folder / "record.json", record.to_json())
        _keep_best(folder, record)
        return record


def _finished(results: Path, data: str, config: TrialConfig) -> Finished | None:
    run = run_id(config, data)
    record, weights = finished_record(results, run), run_folder(results, run) / WEIGHTS
    return Finished(record, weights) if record and weights.exists() else None


def _keep_best(folder: Path, record: Record) -> None:
    """Leave the best weights alone of a finished run's checkpoints; once is enough."""
    assert record.best_step is not None, "a finished run has a best epoch"
    if (folder / CHECKPOINTS).exists():
        Checkpoints(folder / CHECKPOINTS).keep(record.best_step, folder / WEIGHTS)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock").acquire()
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be written ({error.strerror}). Choose another --results folder."
        ) from None
    with lock:
        yield


def run_trial(
    config: TrialConfig,
    dataset: Dataset,
    *,
    results: Path,
    device: str = "auto",
    on_epoch: OnEpoch | None = None,
    limit: float | None = None,
) -> Record:
    """As :func:`train_recorded`, but an exception becomes a record with status ``failed``.

    The record has the kind of failure, the reason and the traceback. Only what is no failure of
    the trial (an interrupt) leaves this function.
    """
    try:
        return train_recorded(
            config, dataset, results=results, device=device, on_epoch=on_epoch, limit=limit
        )
    except Exception as error:  # noqa: BLE001 - every failure is a record with its reason
        record = failure(
            config,
            dataset.data_hash,
            kind=kind_of(error),
            reason=_reason(error),
            trace=traceback.format_exc(),
        )
    keep_failure(results, record)
    return record


def failure(
    config: TrialConfig,
    data: str,
    *,
    reason: str,
    kind: Failure = "error",
    trace: str | None = None,
) -> Record:
    """The record of a run that did not finish."""
    return Record(
        run_id=run_id(config, data),
        status="failed",
        config=config.to_json(),
        provenance=provenance(model=config.model, data=data, device="unknown"),
        reason=reason,
        failure=kind,
        traceback=trace,
    )


def keep_failure(results: Path, record: Record) -> None:
    """Write the record of a run that did not finish beside its checkpoints, if that can be."""
    with suppress(StoreError):  # a full disk is told by the reason already
        write_json(run_folder(results, record.run_id) / "record.json", record.to_json())


def _reason(error: Exception) -> str:
    if isinstance(error, OrchError):
        return str(error)
    return f"{type(error).__name__}: {error}".splitlines()[0]
