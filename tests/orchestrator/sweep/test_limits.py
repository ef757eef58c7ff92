"""A time limit ends a process whatever it hangs in, and leaves a note."""

import subprocess
import sys

import pytest

from orchestrator.sweep.limits import time_limit, timed_out


def test_a_block_in_time_leaves_nothing(tmp_path):
    mark = tmp_path / "timeout.txt"
    mark.write_text("of an earlier try")
    with time_limit(mark, 60.0):
        assert timed_out(mark) is None
    assert not mark.exists()
    assert timed_out(mark) is None


def test_without_a_limit_an_old_note_goes_too(tmp_path):
    mark = tmp_path / "timeout.txt"
    mark.write_text("of an earlier try")
    with time_limit(mark, None):
        assert not mark.exists()


def test_an_exception_lifts_the_limit(tmp_path):
    with pytest.raises(KeyError), time_limit(tmp_path / "timeout.txt", 0.05):
        raise KeyError
    assert subprocess.run([sys.executable, "-c", ""], check=True).returncode == 0


@pytest.mark.parametrize(
    "hang", ["while True: pass", "ctypes.PyDLL(None).usleep(int(60e6))"], ids=["python", "c"]
)
def test_a_block_over_time_ends_the_process_and_says_where_it_was(tmp_path, hang):
    """Even code that never lets Python run."""
    mark = tmp_path / "timeout.txt"
    code = (
        "import ctypes, pathlib, sys\n"
        "from orchestrator.sweep.limits import time_limit\n"
        "def here():\n"
        f"    {hang}\n"
        "with time_limit(pathlib.Path(sys.argv[1]), 0.3):\n"
        "    here()\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(mark)], check=False, timeout=50)
    assert done.returncode == 1
    assert "in here" in timed_out(mark)
