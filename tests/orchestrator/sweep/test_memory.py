"""A run's memory: what it took at most, and that what is freed is kept."""

import platform
import subprocess
import sys

import pytest

from orchestrator.sweep import memory

ON_GLIBC = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="the C library is not glibc"
)
SCRIPT = """
import resource, sys, torch
from orchestrator.sweep.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
for _ in range(4):
    torch.ones(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(way):
    """Pages that the kernel hands out anew while 64 MiB are taken and freed four times."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, way], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@ON_GLIBC
def test_freed_memory_is_taken_again_without_the_kernel():
    kept, returned = faults("kept"), faults("returned")
    assert kept < returned / 10


PEAKS = """
import torch
from orchestrator.sweep.memory import keep_freed_memory, watch_memory

def most():
    peak = watch_memory("cpu")
    torch.ones(2**26)
    return peak()

keep_freed_memory()
low = watch_memory("cpu")()
first = most()
left = watch_memory("cpu")()
keep_freed_memory()
print(low, first, left, watch_memory("cpu")())
"""


@ON_GLIBC
def test_the_most_memory_is_that_since_the_watch_began_without_what_others_left():
    done = subprocess.run([sys.executable, "-c", PEAKS], capture_output=True, text=True, check=True)
    low, first, left, after = map(int, done.stdout.split())
    assert first - low > 200 * 2**20, "of 256 MiB"
    assert left - low > 200 * 2**20, "they are kept"
    assert after - low < 56 * 2**20, "and given back before the next run"


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(memory.ctypes, "CDLL", None)
    assert memory.keep_freed_memory() is False
