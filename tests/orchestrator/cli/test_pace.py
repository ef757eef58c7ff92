import pytest

from orchestrator.cli.pace import Pace, readable


@pytest.fixture
def clock():
    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

    return Clock()


def test_nothing_is_said_before_as_many_ended_as_run_at_once(clock):
    pace = Pace(clock)
    assert pace.left(4) is None
    for key in "abc":
        pace.epoch(key, 1.0)
    clock.now += 9
    pace.ended("a", 10.0)
    assert pace.left(3) is None
    pace.ended("b", 10.0)
    assert pace.left(2) is not None


def test_time_left_counts_runs_at_once_and_what_is_done_of_them(clock):
    """Two at once of 10 s each: four ended, two half done and six not begun need 35 s."""
    pace = Pace(clock)
    for pair in ("ab", "cd"):
        for key in pair:
            pace.epoch(key, 0.0)
        clock.now += 10
        for key in pair:
            pace.ended(key, 10.0)
    for key in "ef":
        pace.epoch(key, 0.0)
    clock.now += 5
    assert pace.elapsed() == 25
    assert pace.elapsed_of("e") == 5
    assert pace.left(8) == pytest.approx(35)
    assert pace.left(2) == pytest.approx(5)


def test_starting_workers_and_reused_runs_are_no_part_of_the_pace(clock):
    pace = Pace(clock)
    for key in "uvwxyz":
        pace.ended(key, 1000.0)
    clock.now += 60
    for key in "ab":
        pace.epoch(key, 0.0)
        clock.now += 10
        pace.ended(key, 10.0)
    assert pace.left(3) == pytest.approx(30)


def test_a_run_beyond_the_mean_is_not_done_more_than_whole(clock):
    pace = Pace(clock)
    for key in "ab":
        pace.epoch(key, 0.0)
        clock.now += 10
        pace.ended(key, 10.0)
    pace.epoch("c", 0.0)
    clock.now += 100
    assert pace.left(1) == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185.0, "3 min 05 s"),
        (7800.0, "2 h 10 min"),
    ],
)
def test_durations_as_one_reads_them(seconds, text):
    assert readable(seconds) == text
