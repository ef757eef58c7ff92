import subprocess
import sys

import pytest
from filelock import FileLock

from orchestrator.errors import ConfigError
from orchestrator.sweep.stored import is_held, is_in_training, matching_run


@pytest.fixture
def results(tmp_path):
    for name in ("ab12", "ab34", "cd"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    return tmp_path


def test_a_run_by_the_beginning_of_its_id(results):
    assert matching_run("c", results, where="RUN") == "cd"
    assert matching_run("ab1", results, where="RUN") == "ab12"
    assert matching_run("ab34", results, where="RUN") == "ab34"


def test_an_id_that_is_the_beginning_of_another(results):
    (results / "runs" / "cdef").mkdir()
    assert matching_run("cd", results, where="RUN") == "cd"


@pytest.mark.parametrize(
    ("begin", "sentence"),
    [
        ("x", "RUN: no run in .* has an id that begins with `x`."),
        ("", "RUN: no run in .* has an id that begins with ``."),
        ("ab", "RUN: the ids of 2 runs in .* begin with `ab`: ab12, ab34. Give more."),
    ],
)
def test_a_beginning_of_none_or_of_several(results, begin, sentence):
    with pytest.raises(ConfigError, match=sentence):
        matching_run(begin, results, where="RUN")


HOLD = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_run_whose_lock_another_process_holds_is_in_training(results):
    lock = results / "runs" / "cd" / ".lock"
    assert not is_in_training(results, "cd")
    assert not lock.exists(), "looking makes nothing"
    command = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert is_in_training(results, "cd")
        holder.kill()
        holder.wait()
    assert not is_in_training(results, "cd"), "a lock's file alone holds nothing"


def test_a_lock_that_was_asked_for_can_be_taken(tmp_path):
    lock = tmp_path / ".lock"
    lock.touch()
    assert not is_held(lock)
    with FileLock(lock, timeout=0):
        pass
