"""The live table as it stands at a moment, and what is printed where there is no terminal."""

import io

import pytest
from rich.console import Console

from orchestrator.cli.progress import SweepProgress
from orchestrator.config import default_trial
from orchestrator.results import Epoch, Provenance, Record
from orchestrator.sweep.events import Listener
from orchestrator.sweep.study import Run


def run(name):
    config = default_trial("sasrec", "toys")
    return Run(label=name, config=config, changed={}, run_id=name)


def epoch(step, value):
    valid = {"val/ndcg@10": value}
    return Epoch(step=step, stage="joint", loss={"total": 1.0}, valid=valid, seconds=2.0)


def record(name, value=None):
    source = Provenance(code="", commit="", data="", device="cpu", versions={})
    fields = {"run_id": name, "config": {}, "provenance": source, "seconds": 10.0}
    if value is None:
        return Record(**fields, status="failed", reason="the loss is NaN")
    metrics = {"val/ndcg@10": value}
    return Record(
        **fields, status="finished", metrics=metrics, best_step=1, epochs=(epoch(1, value),)
    )


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def console(*, is_terminal, height=30):
    out = io.StringIO()
    return Console(file=out, force_terminal=is_terminal, width=80, height=height, no_color=True)


def table(progress):
    """What the live table shows at this moment."""
    out = Console(file=io.StringIO(), width=80)
    out.print(progress._table())
    return [line.rstrip() for line in out.file.getvalue().splitlines()]


def drive(progress, clock):
    progress.planned(6, 0, ())
    for name in ("a", "b"):
        progress.epoch(run(name), epoch(1, 0.1))
    clock.now += 10
    progress.finished(run("a"), record("a", 0.2))
    progress.finished(run("b"), record("b"))
    progress.epoch(run("c"), epoch(1, 0.05))
    progress.epoch(run("d"), epoch(1, 0.15))
    progress.epoch(run("d"), epoch(2, 0.12))


def test_the_table_tells_what_is_done_running_failed_best_and_left(clock):
    progress = SweepProgress(console(is_terminal=True), clock=clock)
    assert isinstance(progress, Listener)
    assert table(progress) == [""]
    drive(progress, clock)
    head, outlook, *rows = table(progress)
    assert head.endswith("  2 of 6 done, 2 running, 1 failed")
    assert outlook == "best val NDCG@10 0.2000, 10 s, about 18 s left"
    assert [row.split() for row in rows] == [
        ["running", "epoch", "val", "NDCG@10", "best", "time"],
        ["c", "seed=0", "1", "0.0500", "0.0500", "2", "s"],
        ["d", "seed=0", "2", "0.1200", "0.1500", "2", "s"],
    ]


def test_a_phase_begins_with_an_empty_table(clock):
    progress = SweepProgress(console(is_terminal=True), clock=clock)
    drive(progress, clock)
    progress.phase("retuned")
    progress.planned(3, 0, ())
    head, outlook = table(progress)
    assert head.endswith("  retuned: 0 of 3 done, 0 running")
    assert outlook == "0 s"


def test_runs_that_a_terminal_has_no_room_for_are_counted(clock):
    progress = SweepProgress(console(is_terminal=True, height=10), clock=clock)
    progress.planned(9, 0, ())
    for name in "abcde":
        progress.epoch(run(name), epoch(1, 0.1))
    assert table(progress)[-1] == "and 2 more"
    assert len(table(progress)) == 2 + 1 + 3 + 1


def test_a_terminal_sees_the_table_and_a_line_per_run_that_ended(clock):
    screen = console(is_terminal=True)
    with SweepProgress(screen, clock=clock) as progress:
        drive(progress, clock)
        progress._live.refresh()
    shown = screen.file.getvalue()
    assert "2 of 6 done, 2 running" in shown
    assert "[2/6] b seed=0: FAILED: the loss is NaN" in shown


def test_without_a_terminal_there_are_plain_lines_alone(clock):
    screen = console(is_terminal=False)
    with SweepProgress(screen, clock=clock) as progress:
        drive(progress, clock)
    assert screen.file.getvalue() == (
        "6 runs.\n"
        "[1/6] a seed=0: val NDCG@10 0.2000 at epoch 1 of 1, 10.0 s\n"
        "[2/6] b seed=0: FAILED: the loss is NaN\n"
    )
