"""Who can reach Ray's processes: whoever does can run code as the user."""

import json
import subprocess
import sys

import pytest

START = """
import ipaddress
import json
import psutil
import ray
from pathlib import Path
from orchestrator.sweep.options import Options
from orchestrator.sweep.ray.session import _start

here = Path.cwd()
_start(Options(results=here, data_dir=here, folder=here))

@ray.remote
class Worker:
    def answer(self):
        return 1

ray.get(Worker.remote().answer.remote())
found = {}
for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
    for one in process.net_connections(kind="inet"):
        if one.status == psutil.CONN_LISTEN:
            address = ipaddress.ip_address(one.laddr.ip)
            plain = getattr(address, "ipv4_mapped", None) or address
            found.setdefault(process.name(), []).append(str(plain))
print(json.dumps(found))
"""


@pytest.mark.slow
def test_ray_on_this_machine_listens_on_loopback_alone(tmp_path):
    """Of the driver, the servers and the workers, whatever Ray's own habit is."""
    done = subprocess.run(
        [sys.executable, "-c", START], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert {"gcs_server", "raylet"} <= set(found)
    assert any(name.startswith("ray::") and name != "ray::RuntimeEnvAgent" for name in found)
    assert {address for addresses in found.values() for address in addresses} == {"127.0.0.1"}


def test_only_what_is_started_inside_is_bound_so():
    from ray._private import ray_constants

    from orchestrator.sweep.ray.cluster import loopback

    before = ray_constants.ENABLE_RAY_CLUSTER
    with loopback():
        assert not ray_constants.ENABLE_RAY_CLUSTER
    assert ray_constants.ENABLE_RAY_CLUSTER is before
