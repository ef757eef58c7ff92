"""What the tests of sweeps and of the command line share: a tiny world and a store, made once."""

import os
import shutil
import subprocess

import pytest

from orchestrator import api
from orchestrator.tracking import Tracker, tracking_uri


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A folder of data sets with one small planted world, ``tiny``."""
    folder = tmp_path_factory.mktemp("data")
    api.make_planted("tiny", num_users=60, num_items=40, data_dir=folder)
    return folder


@pytest.fixture(scope="session")
def made_store(tmp_path_factory):
    """A database that MLflow made once: making one takes seconds."""
    results = tmp_path_factory.mktemp("store")
    Tracker(tracking_uri(None, results), results)
    return results / "mlflow.db"


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of its own, of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting needs more rights")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium; what needs one is skipped where there is none."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason='playwright is not installed: pip install ".[dev]"'
    )
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip(f"no browser is installed: none of {', '.join(names)} is on the PATH")
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=[*quiet, *as_root])
        yield chromium
        chromium.close()
