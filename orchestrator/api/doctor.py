"""What a user should know of this machine before runs are started on it: a finding per thing."""

import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

import psutil
import torch
from packaging.requirements import Requirement

import orchestrator
from orchestrator.api.results import RESULTS

Level = Literal["ok", "warning", "problem"]
"""problem: something orch needs does not work; warning: it works, but not as it could."""
GIGABYTE = 2**30
PACKAGES = ("torch", "ray", "optuna", "mlflow", "transformers")
"""Whose versions are told; others are found wanting by pip."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    subject: str
    text: str
    """What was found and, where it is not well, what to do."""


def doctor(
    *,
    results: Path = RESULTS,
    data_dir: Path | None = None,
    tracking_uri: str | None = None,
    verify: bool = True,
) -> tuple[Finding, ...]:
    """Look at Python, packages, devices, the store, folders, data sets and what runs left behind.

    Nothing is made and no run is changed.

    Args:
        results: the results folder.
        data_dir: folder of data sets.
        tracking_uri: an MLflow store; by default ``MLFLOW_TRACKING_URI``, else SQLite in results.
        verify: compare every file of the data sets with its hash, not its size alone.
    """
    from orchestrator.api.doctor_places import data_sets, left_behind, places

    machine = [_python(), *_packages(), *_devices(), _processor(), _latex()]
    return (
        *machine,
        *places(results, tracking_uri),
        *data_sets(data_dir, verify=verify),
        *left_behind(results, data_dir, tracking_uri),
    )


def ok(subject: str, text: str) -> Finding:
    """All is well."""
    return Finding(level="ok", subject=subject, text=text)


def warning(subject: str, text: str) -> Finding:
    """It works, but not as it could."""
    return Finding(level="warning", subject=subject, text=text)


def problem(subject: str, text: str) -> Finding:
    """Something does not work."""
    return Finding(level="problem", subject=subject, text=text)


def _python() -> Finding:
    return ok("Python", f"{platform.python_version()} at {sys.executable}")


def _packages() -> Iterator[Finding]:
    """Versions of the packages that results depend on, against what orch asks for."""
    asked = _asked()
    for name in PACKAGES:
        try:
            found = version(name)
        except PackageNotFoundError:
            yield problem(name, f"is not installed. Run `pip install {name}`.")
            continue
        wanted = asked.get(name)
        if wanted is None:
            yield ok(name, found)
        elif wanted.specifier.contains(found, prereleases=True):
            yield ok(name, f"{found} ({wanted.specifier} is asked for)")
        else:
            text = f"{found}, but {wanted.specifier} is asked for. "
            yield problem(name, f"{text}Run `pip install '{name}{wanted.specifier}'`.")


def _asked() -> dict[str, Requirement]:
    """Package -> what orch asks for: by pyproject.toml in a checkout, else as installed."""
    path = Path(orchestrator.__file__).parents[1] / "pyproject.toml"
    if path.exists():
        listed = tomllib.loads(path.read_text())["project"]["dependencies"]
    else:
        listed = requires("orch") or []
    every = map(Requirement, listed)
    return {found.name: found for found in every if found.marker is None}


def _devices() -> Iterator[Finding]:
    """Each GPU that torch sees; or why it sees none."""
    for index in range(torch.cuda.device_count()):
        of = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        memory = f"{free / GIGABYTE:.1f} of {total / GIGABYTE:.1f} GB free"
        yield ok(f"GPU {index}", f"{of.name}, {memory}, for --device cuda:{index}")
    if torch.cuda.device_count():
        return
    if shutil.which("nvidia-smi") and torch.version.cuda is None:
        yield warning(
            "GPU", "this machine has one, but torch is built for CPUs. Install its build."
        )
    elif shutil.which("nvidia-smi"):
        yield warning("GPU", "torch sees none, though a driver is here. Look at `nvidia-smi`.")
    else:
        yield ok("GPU", "none: runs go to the CPU")


def _processor() -> Finding:
    """Cores that this process may use, which may be fewer than the machine has."""
    has_affinity = hasattr(os, "sched_getaffinity")
    usable = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    memory = psutil.virtual_memory()
    text = (
        f"{usable} of {os.cpu_count()} cores may be used, torch takes "
        f"{torch.get_num_threads()} threads; memory {memory.available / GIGABYTE:.1f} of "
        f"{memory.total / GIGABYTE:.1f} GB free"
    )
    if usable < 2:
        return warning("CPU", f"{text}. Use --workers 1: the default of 2 shares the one core.")
    return ok("CPU", f"{text}. --workers times --threads should not exceed {usable}.")


def _latex() -> Finding:
    found = shutil.which("pdflatex") or shutil.which("lualatex") or shutil.which("tectonic")
    if found:
        return ok("LaTeX", found)
    return ok("LaTeX", "none: only needed to set the .tex tables, which are written without it")
