"""How many runs share a GPU. No GPU is needed: Ray counts what it is told of."""

import functools
import subprocess
import sys

import pytest

from orchestrator.sweep.ray.gpus import MOST_PER_DEVICE, Use, even_share, largest, measured

GIB = 2**30


@pytest.mark.parametrize(
    ("peak", "total", "fits", "share"),
    [
        (18, 80, 4, 0.25),  # 80 GiB less a tenth is 72
        (19, 80, 3, 0.3333),
        (72, 80, 1, 1.0),
        (100, 80, 1, 1.0),
        (1, 80, MOST_PER_DEVICE, 0.0625),
    ],
)
def test_as_many_runs_as_fit_with_a_margin(peak, total, fits, share):
    use = Use(peak=peak * GIB, total=total * GIB)
    assert (use.fits(), use.share()) == (fits, share)
    assert use.share() * fits <= 1, "Ray would not start the last one"


def test_the_run_that_takes_most_decides():
    small, large = Use(peak=GIB, total=8 * GIB), Use(peak=3 * GIB, total=8 * GIB)
    assert largest([small, large, small]) is large
    assert largest([]) is None


def test_one_line_says_what_was_measured():
    use = Use(peak=18 * GIB, total=80 * GIB)
    line = "GPU memory: the first runs took up to 18.0 GiB of 80.0 GiB; 4 at a time share a GPU"
    assert use.tell(workers=4) == f"{line}."
    assert use.tell(workers=2) == f"{line}; --workers allows 2 at once."


def test_by_default_all_gpus_are_shared_evenly():
    assert even_share(1, 4, "auto") == 0.25
    assert even_share(1, 3, "cuda") * 3 <= 1
    assert even_share(8, 2, "auto") == 1.0
    assert even_share(0, 2, "auto") == 0.0
    assert even_share(8, 2, "cpu") == 0.0


def test_without_a_gpu_nothing_is_measured():
    import torch

    assert (measured() is None) is not torch.cuda.is_available()


FAKE = """
import os
import time
import sys
import ray
from orchestrator.sweep.ray.session import QUIET
from orchestrator.sweep.ray.gpus import Use
os.environ.update(QUIET)
ray.init("local", num_cpus=8, num_gpus=2, include_dashboard=False, log_to_driver=False)

@ray.remote
class Trial:
    def sees(self):
        return os.environ.get("CUDA_VISIBLE_DEVICES")

share = Use(peak=30, total=100).share()
packed = [Trial.options(num_gpus=share).remote() for _ in range(6)]
print(",".join(ray.get([trial.sees.remote() for trial in packed])))
more = Trial.options(num_gpus=share).remote()
print(len(ray.wait([more.sees.remote()], timeout=3)[0]))
for trial in [*packed, more]:
    ray.kill(trial)
whole = [Trial.options(num_gpus=1).remote() for _ in range(2)]
print(",".join(sorted(ray.get([trial.sees.remote() for trial in whole]))))
print(repr(ray.get(Trial.options(num_cpus=1, num_gpus=0).remote().sees.remote())))
"""


@pytest.mark.slow
def test_a_run_sees_its_own_device_alone():
    """Three of a third each see one device, no fourth is started, and who asks for none sees none.

    The devices are Ray's bookkeeping: this machine need not have any.
    """
    done = subprocess.run([sys.executable, "-c", FAKE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    packed, more, whole, none = done.stdout.splitlines()
    assert sorted(packed.split(",")) == ["0", "0", "0", "1", "1", "1"]
    assert more == "0"
    assert whole == "0,1"
    assert none == "''"


SPACE = """
[spaces.test]
kind = "one-factor"
factors.train.patience = {choices = [1, 2, 3]}
"""


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_auto_measures_the_first_run_alone_and_packs_the_others(
    run_sweep, new_results, new_listener, monkeypatch
):
    """On a device that only Ray believes in; what a run took of it is made up."""
    import ray
    import torch

    from orchestrator.sweep.ray import session

    asked = []
    tuner = session._tuner

    def watched(context, report, sampler, *, gpus, num_points):
        asked.append((gpus, num_points))
        return tuner(context, report, sampler, gpus=gpus, num_points=num_points)

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(session.ray, "init", functools.partial(ray.init, num_gpus=1))
    monkeypatch.setattr(session, "largest", lambda uses: Use(peak=40, total=100))
    monkeypatch.setattr(session, "_tuner", watched)
    heard = new_listener()
    result = run_sweep(SPACE, results=new_results(), listener=heard, num_gpus="auto", num_seeds=1)
    assert [record.status for record in result.records] == ["finished"] * 3
    assert asked == [(1.0, 1), (0.5, 2)]
    ((_, line),) = heard.of("note")
    assert line.endswith("2 at a time share a GPU.")
