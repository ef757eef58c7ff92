"""The command line as a function in this process, and as a process of its own."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from orchestrator import api
from orchestrator.cli import main, options

ENVIRONMENT = ("MLFLOW_TRACKING_URI", "ORCH_DATA", "RAY_ADDRESS", "_ORCH_COMPLETE")
SETTINGS = (
    "model.dim=8",
    "model.inner_dim=16",
    "model.num_layers=1",
    "train.batch_targets=64",
)
SMALL = [word for setting in SETTINGS for word in ("--set", setting)]


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch, data_dir):
    """Every command runs in an empty folder, on the test's own data sets."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ORCH_DATA", str(data_dir))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store(place, made_store):
    """A fresh store in the default results folder."""
    (place / "results").mkdir()
    shutil.copy(made_store, place / "results" / "mlflow.db")
    return place / "results"


@pytest.fixture(scope="session")
def made_sweep(tmp_path_factory, data_dir, made_store):
    """A results folder with a finished sweep `mine` of four points at two seeds."""
    results = tmp_path_factory.mktemp("swept") / "results"
    results.mkdir()
    shutil.copy(made_store, results / "mlflow.db")
    api.sweep(
        "sasrec",
        "heads",
        dataset="tiny",
        num_seeds=2,
        name="mine",
        executor="local",
        overrides=options.overrides(list(SETTINGS), max_epochs=1),
        results=results,
        data_dir=data_dir,
    )
    return results


@pytest.fixture
def swept(place, made_sweep):
    """The same in the default results folder, to be changed at will."""
    shutil.copytree(made_sweep, place / "results")
    return place / "results"


@pytest.fixture
def orch(capsys, monkeypatch):
    """Runs a command in this process."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["orch", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main()
        code = leaving.value.code or 0
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def masked():
    """A text with its numbers as ``#``, so that whole outputs can be compared."""

    def mask(text):
        return re.sub(r"\b\d+\.\d+(e-?\d+)?\b", "#", re.sub(r"\b[0-9a-f]{8,16}\b", "ID", text))

    return mask


@pytest.fixture
def start(tmp_path):
    """Starts a command as a process group of its own, as a terminal does; ends it afterwards."""
    started = []

    def run(*words, code=None):
        program = ["-c", code] if code else [str(Path(sys.executable).with_name("orch"))]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            [*([sys.executable] if code else []), *program, *map(str, words)],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        end_tree(process)


def end_tree(process):
    """End a process that this test started, and all that came of it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.fixture(scope="session")
def small():
    return SMALL
