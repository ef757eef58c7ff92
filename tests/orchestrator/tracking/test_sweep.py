"""The tracker of a sweep before a store that fails when told to."""

import pytest

from orchestrator.errors import StoreError
from orchestrator.tracking.spool import Ending, Entry, Spool
from orchestrator.tracking.sweep import FLUSH_METRICS, FLUSH_SECONDS, RETRY_SECONDS, SweepTracker


class Store:
    def __init__(self):
        self.calls = []
        self.is_broken = False

    def _told(self, *call):
        if self.is_broken:
            raise StoreError("The store is gone.")
        self.calls.append(call)

    def plan(self, num_runs):
        self._told("plan", num_runs)

    def start(self, run):
        self._told("start", run.run_id)

    def log(self, run, epochs):
        self._told("log", run.run_id, [e.step for e in epochs])

    def finish(self, run, record):
        self._told("finish", run.run_id, [e.step for e in record.epochs])

    def kill(self, key, reason, *, status="killed"):
        self._told("kill", key)

    def end(self, status, summary, artifacts):
        self._told("end", status)

    def abandon(self, *, is_failure, reason):
        self._told("abandon", is_failure)


@pytest.fixture
def clock():
    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def replays():
    return []


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


@pytest.fixture
def sweep(store, info, spool, replays, problems, clock):
    return SweepTracker(
        store,
        info,
        spool,
        replay=lambda: replays.append(clock.now),
        on_problem=problems.append,
        clock=clock,
    )


def items(spool):
    told = []
    spool.replay(told.append, on_problem=pytest.fail)
    return told


def test_epochs_wait_for_each_other(sweep, store, clock, make_run, make_epoch):
    sweep.start_run(make_run())
    sweep.log_epoch("run-2-0", make_epoch(1))
    sweep.log_epoch("run-2-0", make_epoch(2))
    assert store.calls == [("start", "run-2-0")]
    clock.now += FLUSH_SECONDS + 0.1
    sweep.log_epoch("run-2-0", make_epoch(3))
    assert store.calls[1:] == [("log", "run-2-0", [1, 2, 3])]


def test_many_figures_do_not_wait(sweep, store, make_run, make_epoch):
    sweep.start_run(make_run())
    for step in range(1, FLUSH_METRICS // 5 + 2):  # an epoch here has 5 figures
        sweep.log_epoch("run-2-0", make_epoch(step))
    assert [call[0] for call in store.calls] == ["start", "log"]


def test_waiting_epochs_are_told_at_the_end_of_their_run(
    sweep, store, make_run, make_record, make_epoch
):
    run = make_run()
    sweep.start_run(run)
    sweep.log_epoch("run-2-0", make_epoch(1))
    sweep.finish_run("run-2-0", make_record(run, status="failed", epochs=()))
    assert store.calls[1:] == [("finish", "run-2-0", [1])]


def test_failing_store_is_mentioned_once_and_training_goes_on(
    sweep, store, spool, problems, make_run, make_record
):
    store.is_broken = True
    for seed in (0, 1):
        run = make_run(seed=seed)
        sweep.start_run(run)
        sweep.finish_run(run.run_id, make_record(run))
    sweep.finish_sweep("finished")
    assert problems == [f"The store is gone. Training goes on; runs are kept in {spool.folder}."]
    kinds = [type(item) for item in items(spool)]
    assert kinds == [Entry, Entry, Ending]


def test_store_that_failed_is_left_alone_for_a_while(sweep, store, clock, replays, make_run):
    store.is_broken = True
    sweep.start_run(make_run())
    store.is_broken = False
    sweep.start_run(make_run())
    assert store.calls == []
    clock.now += RETRY_SECONDS
    sweep.start_run(make_run())
    assert store.calls == [("start", "run-2-0")]
    assert replays == [clock.now]
    sweep.start_run(make_run())
    assert len(replays) == 1


def test_second_outage_is_mentioned_again(sweep, store, clock, problems, make_run):
    for is_broken in (True, False, True):
        store.is_broken = is_broken
        sweep.start_run(make_run())
        clock.now += RETRY_SECONDS
    assert len(problems) == 2


def test_epochs_of_an_outage_are_told_after_it(sweep, store, clock, make_run, make_epoch):
    sweep.start_run(make_run())
    store.is_broken = True
    for step in (1, 2):
        clock.now += FLUSH_SECONDS + 0.1
        sweep.log_epoch("run-2-0", make_epoch(step))
    store.is_broken = False
    clock.now += RETRY_SECONDS
    sweep.log_epoch("run-2-0", make_epoch(3))
    assert store.calls[1:] == [("log", "run-2-0", [1, 2, 3])]


def test_spool_that_cannot_be_written_is_mentioned_too(
    sweep, store, spool, problems, make_run, make_record
):
    spool.folder.touch()  # a file where the folder should be
    store.is_broken = True
    run = make_run()
    sweep.start_run(run)
    sweep.finish_run(run.run_id, make_record(run))
    assert len(problems) == 2
    assert "cannot be written" in problems[1]


def test_leaving_without_an_end_abandons_the_sweep(sweep, store, make_run):
    with sweep:
        sweep.start_run(make_run())
    assert store.calls[1:] == [("kill", "run-2-0"), ("abandon", False)]


def test_closing_after_the_end_adds_nothing(sweep, store):
    with sweep:
        sweep.finish_sweep("finished")
    assert store.calls == [("end", "finished")]


def test_spooled_items_come_back_whole(spool, info, make_run, make_record, tmp_path):
    run = make_run()
    entry = Entry(sweep=info, run=run, record=make_record(run))
    ending = Ending(sweep=info, status="finished", summary="| a |", artifacts=("a.pdf",))
    for item in (ending, entry, entry):
        spool.add(item)
    assert items(spool) == [entry, ending]
    assert items(spool) == []


def test_item_that_cannot_be_told_stays(spool, info, make_run, make_record):
    run = make_run()
    spool.add(Entry(sweep=info, run=run, record=make_record(run)))

    def refuse(item):
        raise StoreError("The store is gone.")

    with pytest.raises(StoreError):
        spool.replay(refuse, on_problem=pytest.fail)
    assert len(items(spool)) == 1


def test_damaged_item_does_not_block_the_others(spool, info, problems, make_run, make_record):
    run = make_run()
    spool.add(Entry(sweep=info, run=run, record=make_record(run)))
    (spool.folder / "a.json").write_text("{")
    (spool.folder / "b.json").write_text("{}")
    told = []
    spool.replay(told.append, on_problem=problems.append)
    assert len(told) == 1
    assert len(problems) == 2


def test_run_is_ended_when_ctrl_c_comes_while_it_is_told(
    sweep, store, monkeypatch, make_run, make_record
):
    run = make_run()

    def interrupt(run, record):
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "finish", interrupt)

    def drive():
        with sweep:
            sweep.start_run(run)
            sweep.finish_run(run.run_id, make_record(run))

    with pytest.raises(KeyboardInterrupt):
        drive()
    assert store.calls[1:] == [("kill", "run-2-0"), ("abandon", False)]
