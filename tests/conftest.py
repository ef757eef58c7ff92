"""What holds for every test: one thread, and nothing of the user's own settings."""

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile("orch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("orch")  # how long an example takes says how busy the machine is


def pytest_configure():
    """Small tensors on several threads cost more in waiting than they save in computing."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_user_settings(monkeypatch):
    for name in ("ORCH_DATA", "MLFLOW_TRACKING_URI", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
