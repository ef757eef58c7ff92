"""The record of a run: what it was, how it went, what it measured; one JSON file each.

A record is written whole or not at all (a temporary file, then a rename), and says enough to
repeat the run: settings, seed, data hash, code digest, versions, device.
"""

import dataclasses
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import orchestrator
from orchestrator.config import JSON, TrialConfig, content_hash
from orchestrator.digest import code_digest
from orchestrator.errors import StoreError

Status = Literal["finished", "failed", "stopped"]
"""finished: trained and tested; failed: see ``reason``; stopped: ended early by a scheduler."""

Failure = Literal["error", "nan", "memory", "timeout", "lost"]
"""error: an exception; nan: a loss or score is not a number; memory: none left; timeout: it took
longer than it may; lost: its process died without a word."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One epoch of a run."""

    step: int
    """Epochs done since the start of the run, over all stages, counted from 1."""
    stage: str
    loss: Mapping[str, float]
    """``total`` and the model's named parts, means over the epoch's targets."""
    valid: Mapping[str, float]
    """Validation metrics, named like ``val/ndcg@10``."""
    seconds: float
    """Training and validation together."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a number comes from."""

    code: str
    """Digest of the packages' source files: equal digests ran equal code."""
    commit: str
    """Git commit, ``+dirty`` where files differed from it; empty outside a checkout."""
    data: str
    """The data set's content hash."""
    device: str
    versions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Record:
    """The outcome of one run (one trial at one seed)."""

    run_id: str
    """Content hash of settings, seed, data and code: the same id is the same computation."""
    status: Status
    config: JSON
    provenance: Provenance
    metrics: Mapping[str, float] = field(default_factory=dict)
    """``val/...`` at the best epoch and ``test/...``, scored once; empty unless finished."""
    epochs: tuple[Epoch, ...] = ()
    best_step: int | None = None
    """The epoch whose weights were kept."""
    reason: str | None = None
    """Why it is not finished, one sentence."""
    failure: Failure | None = None
    """Of a failed run: the kind of failure."""
    traceback: str | None = None
    num_parameters: int = 0
    seconds: float = 0.0
    cpu_seconds: float | None = None
    """Processor time of the process that ended it, all threads together; None where it was not
    counted."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Modality -> form of its features (tokens, pooled)."""
    label: str = ""
    """What the model is called on this data set: its name, with more behind it where it runs on
    inputs that it was not made for (``iisan-pooled``). Empty in records of before there were any,
    and of runs that were not finished."""
    reused: Mapping[str, str] = field(default_factory=dict)
    """Stage -> the finished run that it was taken from, being the same computation."""
    peak_memory: int | None = None
    """Bytes at most while it ran: of its process on a CPU, libraries among them, and of its tensors
    on a GPU; None where it was not measured."""

    def to_json(self) -> JSON:
        """Plain data from which :func:`record_from_json` rebuilds this."""
        return dataclasses.asdict(self)


def record_from_json(plain: JSON) -> Record:
    """Rebuild what :meth:`Record.to_json` gave."""
    epochs = tuple(Epoch(**epoch) for epoch in plain["epochs"])
    provenance = Provenance(**plain["provenance"])
    return Record(**{**plain, "epochs": epochs, "provenance": provenance})


def write_json(path: Path, plain: object) -> None:
    """Write a JSON file whole or not at all.

    Raises:
        StoreError: the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(plain, indent=1, sort_keys=True) + "\n")
        temporary.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}). Choose another --results folder."
        ) from None


def read_json(path: Path) -> Any:  # noqa: ANN401 - plain data
    """Read a JSON file.

    Raises:
        StoreError: it is missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise StoreError(f"{path}: is not JSON ({error}). Delete it and run again.") from None


def read_record(path: Path) -> Record:
    """Read one run's record.

    Raises:
        StoreError: missing, unreadable, or not a record.
    """
    plain = read_json(path)
    try:
        return record_from_json(plain)
    except (KeyError, TypeError) as error:
        raise StoreError(f"{path}: is not a record ({error}). Delete it and run again.") from None


def run_id(config: TrialConfig, data: str) -> str:
    """Content hash of settings, seed, data and code: equal ids are one and the same computation."""
    plain = dataclasses.replace(config, settings=config.settings.canonical()).to_json()
    return content_hash({"config": plain, "data": data, "code": code_digest(config.model)})


def first_stage_id(config: TrialConfig, data: str) -> str | None:
    """Id of the run that is the first stage of a run of several; None where there is none such."""
    first = config.settings.first_stage()
    return None if first is None else run_id(dataclasses.replace(config, settings=first), data)


@cache
def commit() -> str:
    """Git commit of the checkout this code runs from; empty where there is none."""
    root = Path(orchestrator.__file__).parents[1]
    if not (root / ".git").exists():
        return ""
    head = _git(root, "rev-parse", "--short=12", "HEAD")
    return f"{head}+dirty" if head and _git(root, "status", "--porcelain", "-uno") else head


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(  # noqa: S603 - fixed words
        ["git", "-C", str(root), *words],  # noqa: S607 - the user's own git
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def provenance(*, model: str, data: str, device: str) -> Provenance:
    """Where this process's numbers come from."""
    versions = {"python": platform.python_version(), "orch": orchestrator.__version__}
    for package in ("torch", "numpy", "ray", "optuna", "mlflow"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return Provenance(
        code=code_digest(model), commit=commit(), data=data, device=device, versions=versions
    )
