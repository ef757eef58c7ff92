import dataclasses

import pytest

from orchestrator.results import Epoch
from orchestrator.sweep.budget import OUT_OF_TIME
from orchestrator.sweep.events import Events, Silent
from orchestrator.sweep.objective import failure


class Book:
    """A sink that is as strict as the tracker: only an open run takes epochs and an end."""

    def __init__(self):
        self.told = []
        self.open = set()

    def start_run(self, run):
        self.open.add(run.key)
        self.told.append(("start", run.name, dict(run.changed), run.seed))

    def log_epoch(self, key, epoch):
        assert key in self.open
        self.told.append(("epoch", epoch.step))

    def finish_run(self, key, record):
        self.open.remove(key)
        self.told.append(("finish", record.status))

    def stop_run(self, key, record):
        self.open.remove(key)
        self.told.append(("stop", record.reason))


def epoch(step):
    return Epoch(step=step, stage="joint", loss={"total": 1.0}, valid={}, seconds=1.0)


@pytest.fixture
def run(make_study):
    study = make_study("model.num_heads = {choices = [1, 2]}")
    return study.runs({"model.num_heads": 1})[0]


@pytest.fixture
def record(run):
    failed = failure(run.config, "d" * 16, reason="no luck")

    def make(status):
        return dataclasses.replace(failed, status=status)

    return make


START = ("start", "num_heads=1 seed=0", {"model.num_heads": 1}, 0)


def test_epochs_that_are_told_again_count_once(run, record):
    """By a worker that took the run over from a lost one, at the epoch that was kept last."""
    book = Book()
    events = Events(book, Silent())
    for step in (1, 2, 3, 1, 2, 3, 4):
        events.epoch(run, epoch(step))
    events.finished(run, record("failed"))
    events.epoch(run, epoch(1))
    steps = [told[1] for told in book.told if told[0] == "epoch"]
    assert steps == [1, 2, 3, 4, 1], "a run that is opened again begins again"


def test_a_run_is_opened_by_what_is_told_of_it_first(run, record):
    book = Book()
    events = Events(book, Silent())
    events.epoch(run, epoch(1))
    events.epoch(run, epoch(2))
    events.finished(run, record("finished"))
    assert book.told == [START, ("epoch", 1), ("epoch", 2), ("finish", "finished")]
    assert events.epochs(run) == (epoch(1), epoch(2))
    assert events.records == {run.run_id: record("finished")}


def test_a_run_without_epochs_is_opened_too(run, record):
    book = Book()
    Events(book, Silent()).finished(run, record("failed"))
    assert book.told == [START, ("finish", "failed")]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("finished", "finished"),
        ("finished", "failed"),
        ("failed", "failed"),
        ("failed", "stopped"),
    ],
)
def test_an_end_told_twice_counts_once(run, record, first, second):
    book = Book()
    events = Events(book, Silent())
    events.finished(run, record(first))
    events.finished(run, record(second))
    assert book.told == [START, ("finish", first)]
    assert events.records == {run.run_id: record(first)}


@pytest.mark.parametrize("first", ["failed", "stopped"])
@pytest.mark.parametrize("second", ["failed", "stopped", "finished"])
def test_a_run_that_did_not_finish_may_be_proposed_again(run, record, first, second):
    """A sampler does that in a small space; the run is opened again and ends once more."""
    book = Book()
    events = Events(book, Silent())
    events.epoch(run, epoch(1))
    events.finished(run, record(first))
    events.epoch(run, epoch(1))
    events.epoch(run, epoch(2))
    events.finished(run, record(second))
    assert book.told[3:] == [START, ("epoch", 1), ("epoch", 2), ("finish", second)]
    assert book.open == set()
    assert events.epochs(run) == (epoch(1), epoch(2))
    assert events.records == {run.run_id: record(second)}


def test_a_run_that_is_out_of_time_is_stopped_and_not_finished(run, record):
    book = Book()
    events = Events(book, Silent())
    events.finished(run, dataclasses.replace(record("stopped"), reason=OUT_OF_TIME))
    assert book.told == [START, ("stop", OUT_OF_TIME)]


def test_a_run_that_finished_in_the_end_is_told(run, record):
    """Its record came from another process, without an epoch."""
    book = Book()
    events = Events(book, Silent())
    events.finished(run, record("stopped"))
    events.finished(run, record("finished"))
    assert book.told[2:] == [START, ("finish", "finished")]
