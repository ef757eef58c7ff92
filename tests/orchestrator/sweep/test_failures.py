"""Kinds of failures, what is run once more, and what stops a sweep."""

import os
import time

import pytest
import torch

from orchestrator.errors import ConfigError, StoreError, TrialError
from orchestrator.sweep import failures, objective
from orchestrator.sweep.events import Events
from orchestrator.sweep.failures import AGAIN, Breaker, KernelKills, described, kind_of
from orchestrator.sweep.objective import failure

ONE = '[spaces.test]\nkind = "grid"\nfactors.train.patience = {choices = [10]}\n'
RATES = "[1e-3, 2e-3, 3e-3, 4e-3, 5e-3, 6e-3, 7e-3]"
SEVEN = f'[spaces.test]\nkind = "grid"\nfactors.train.learning_rate = {{choices = {RATES}}}\n'


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TrialError("the loss is nan"), "nan"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "memory"),
        (MemoryError(), "memory"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:124] . can't allocate memory"), "memory"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "error"),
        (StoreError("no space"), "error"),
    ],
)
def test_an_exception_has_its_kind(error, kind):
    assert kind_of(error) == kind


def test_torch_itself_is_understood_where_it_finds_no_memory():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert kind_of(caught.value) == "memory"


def record(run, kind, reason="no luck"):
    return failure(run.config, "d" * 16, kind=kind, reason=reason)


def test_a_kind_that_says_more_than_the_reason_stands_before_it(make_study):
    run = make_study("train.patience = {choices = [1]}").runs({})[0]
    assert described(record(run, "memory")) == "out of memory: no luck"
    assert described(record(run, "error")) == "no luck"


def test_the_same_failure_many_times_in_a_row_breaks_the_circuit(make_study):
    """Numbers and paths may differ; another failure, or a success, begins the count anew."""
    run = make_study("train.patience = {choices = [1]}").runs({})[0]
    breaker = Breaker(3)
    for reason in ("/a/1: full", "/b/2: full", "other", "/a/1: full", "/a/2: full"):
        breaker.hear(record(run, "error", reason))
        assert breaker.reason is None
    breaker.hear(record(run, "error", "/c/1: full"))
    assert breaker.reason.startswith("3 runs in a row failed alike (/c/1: full).")
    never = Breaker(0)
    for _ in range(99):
        never.hear(record(run, "error"))
    assert never.reason is None


def test_kinds_are_told_apart_by_the_breaker(make_study):
    run = make_study("train.patience = {choices = [1]}").runs({})[0]
    breaker = Breaker(2)
    breaker.hear(record(run, "error"))
    breaker.hear(record(run, "lost"))
    assert breaker.reason is None


class Sink:
    def __init__(self):
        self.told = []

    def start_run(self, run):
        self.told.append(("start", run.key))

    def log_epoch(self, key, epoch):
        pass

    def finish_run(self, key, record):
        self.told.append(("finish", key))

    def stop_run(self, key, record):
        self.told.append(("stop", key))


def test_a_lost_run_is_kept_back_once_and_told_once(make_study, new_listener):
    run = make_study("train.patience = {choices = [1]}").runs({})[0]
    sink, heard = Sink(), new_listener()
    events = Events(sink, heard, again=AGAIN)
    events.finished(run, record(run, "lost"))
    assert (sink.told, heard.events) == ([], [("repeated", run.name, "lost")])
    assert events.take("memory") == []
    assert events.take("lost") == [run]
    events.finished(run, record(run, "lost"))
    assert [kind for kind, _ in sink.told] == ["start", "finish"]
    assert events.take("lost") == []


def test_what_is_kept_back_and_not_run_again_is_told(make_study, new_listener):
    run = make_study("train.patience = {choices = [1]}").runs({})[0]
    sink = Sink()
    events = Events(sink, new_listener(), again=AGAIN)
    events.finished(run, record(run, "memory"))
    events.let_go()
    assert [kind for kind, _ in sink.told] == ["start", "finish"]
    assert events.ended[run.key][1].failure == "memory"


def test_the_kernels_kills_are_counted(tmp_path, monkeypatch):
    counter = tmp_path / "vmstat"
    counter.write_text("nr_free_pages 5\noom_kill 2\noom_kill_x 9\n")
    monkeypatch.setattr(failures, "_KILLS", counter)
    kills = KernelKills()
    assert not kills.happened()
    counter.write_text("oom_kill 3\n")
    assert kills.happened()
    assert not kills.happened()
    counter.unlink()
    assert not KernelKills().happened()


def break_training(monkeypatch, broken):
    original = objective.train

    def train(config, *args, **kwargs):
        broken(config)
        return original(config, *args, **kwargs)

    monkeypatch.setattr(objective, "train", train)


def test_a_failing_sweep_stops_and_says_why(run_sweep, new_results, monkeypatch):
    def broken(config):
        raise RuntimeError(f"no luck with seed {config.seed}")

    break_training(monkeypatch, broken)
    results = new_results()
    result = run_sweep(SEVEN, executor="local", results=results, stop_after=4)
    assert len(result.records) == 4
    assert "4 runs in a row failed alike" in result.stop_reason
    monkeypatch.undo()
    again = run_sweep(SEVEN, executor="local", results=results)
    assert (len(again.records), again.stop_reason, again.failed) == (14, None, ())


def test_out_of_memory_in_this_process_is_not_tried_again(run_sweep, new_results, monkeypatch):
    """It was alone already."""

    def broken(config):
        raise MemoryError

    break_training(monkeypatch, broken)
    result = run_sweep(ONE, executor="local", results=new_results())
    assert [record.failure for record in result.failed] == ["memory"] * 2


def test_a_time_limit_cannot_end_this_process(run_sweep, new_results):
    with pytest.raises(ConfigError, match=r"^--trial-time cannot be used with --executor local"):
        run_sweep(ONE, executor="local", results=new_results(), trial_time="9s")


@pytest.mark.slow
class TestWithRay:
    """Real workers; what breaks them is on their path by an environment variable."""

    @pytest.fixture
    def breaking(self, tmp_path, monkeypatch):
        """Makes ``objective.train`` of every worker run some lines of Python first."""

        def make(lines):
            (tmp_path / "sitecustomize.py").write_text(
                "import sys, threading\n"
                "def patch(objective):\n"
                "    original = objective.train\n"
                "    def train(config, *a, **k):\n"
                + "".join(f"        {line}\n" for line in lines)
                + "        return original(config, *a, **k)\n"
                "    objective.train = train\n"
                "import importlib.abc, importlib.util\n"
                "class Finder(importlib.abc.MetaPathFinder):\n"
                "    def find_spec(self, name, path, target=None):\n"
                "        if name != 'orchestrator.sweep.objective': return None\n"
                "        sys.meta_path.remove(self)\n"
                "        spec = importlib.util.find_spec(name)\n"
                "        load = spec.loader.exec_module\n"
                "        def exec_module(module):\n"
                "            load(module); patch(module)\n"
                "        spec.loader.exec_module = exec_module\n"
                "        return spec\n"
                "sys.meta_path.insert(0, Finder())\n"
            )
            before = os.environ.get("PYTHONPATH", "")
            monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{before}")

        return make

    def test_a_run_that_hangs_in_c_is_ended_and_says_where(self, run_sweep, new_results, breaking):
        breaking(
            ["import ctypes", "if config.seed == 0: ctypes.PyDLL(None).usleep(int(300e6))"],
        )
        began = time.monotonic()
        result = run_sweep(ONE, results=new_results(), trial_time="5s")
        assert time.monotonic() - began < 100
        (failed,) = result.failed
        assert failed.failure == "timeout"
        assert failed.reason == "it took longer than --trial-time allows (5 s)"
        assert "Timeout (0:00:05)!" in failed.traceback
        assert "sitecustomize.py" in failed.traceback
        assert sorted(record.status for record in result.records) == ["failed", "finished"]

    def test_out_of_memory_is_tried_once_more_alone(
        self, run_sweep, new_results, new_listener, breaking, tmp_path
    ):
        """The other runs are done by then; nothing else of the settings changes."""
        breaking(
            [
                f"import pathlib; mark = pathlib.Path({str(tmp_path)!r}) / f'{{config.seed}}'",
                "if config.seed == 0 and not mark.exists():",
                "    mark.touch(); import torch; torch.empty(2**60, dtype=torch.uint8)",
            ]
        )
        heard = new_listener()
        result = run_sweep(ONE, results=new_results(), listener=heard)
        assert [event[2] for event in heard.of("repeated")] == ["memory"]
        assert [record.status for record in result.records] == ["finished"] * 2

    def test_a_worker_lost_twice_is_one_failed_run(
        self, run_sweep, new_results, new_listener, breaking
    ):
        breaking(["import os", "if config.seed == 0: os._exit(1)"])
        heard = new_listener()
        result = run_sweep(ONE, results=new_results(), listener=heard)
        assert [event[2] for event in heard.of("repeated")] == ["lost"]
        assert [record.failure for record in result.failed] == ["lost"]
        assert sorted(record.status for record in result.records) == ["failed", "finished"]

    def test_a_point_of_a_search_that_is_lost_is_told_when_it_succeeds(
        self, run_sweep, new_results, breaking, tmp_path
    ):
        """To Optuna too: the failure stays in its history, and the success comes after it."""
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        breaking(
            [
                f"import os, pathlib; mark = pathlib.Path({str(tmp_path)!r}) / 'lost'",
                "if not mark.exists(): mark.touch(); os._exit(1)",
            ]
        )
        space = (
            '[spaces.test]\nkind = "joint"\n'
            "factors.train.learning_rate = {low = 1e-3, high = 1e-2}\n"
        )
        results = new_results()
        result = run_sweep(space, results=results, num_trials=3, num_seeds=1, name="s")
        assert [record.status for record in result.records] == ["finished"] * 3
        storage = JournalStorage(JournalFileBackend(str(results / "sweeps/s/optuna.journal")))
        states = [t.state.name for t in optuna.load_study(study_name="s", storage=storage).trials]
        assert sorted(states) == ["COMPLETE"] * 3 + ["FAIL"]
