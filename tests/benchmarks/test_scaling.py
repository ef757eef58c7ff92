"""The benchmark of sizes: its inputs, its processes with their limits, and what it concludes."""

import csv
import io
import math
import subprocess

import pytest


@pytest.fixture(scope="module")
def scaling(benchmark):
    return benchmark


@pytest.fixture
def row(scaling):
    def make(what, items, seconds, *, steps=0, memory=1.0):
        task = scaling.Task(what=what, items=items, width=4, dim=4)
        found = scaling.Found(seconds=seconds, steps=steps)
        return scaling.Row(task=task, outcome="done", found=found, memory_mb=memory)

    return make


def test_synthetic_sequences_are_ten_interactions_per_item_by_zipfs_law(scaling):
    sequences = scaling.synthetic_sequences(2000)
    assert len(sequences) == 2000
    assert sequences.lengths.mean() == pytest.approx(10, rel=0.1)
    assert sequences.items.min() == 1
    assert sequences.items.max() <= 2000
    first, tenth = ((sequences.items == item).sum() for item in (1, 10))
    assert first / tenth == pytest.approx(10, rel=0.3)


def test_synthetic_features_lie_around_shared_centres(scaling):
    features = scaling.synthetic_features(400, 64)
    assert features.shape == (401, 64)
    assert not features[0].any()
    variance = 1 + scaling.NOISE**2
    assert features[1:].var().item() == pytest.approx(variance, rel=0.1)


@pytest.mark.parametrize(
    ("what", "facts", "steps"),
    [
        ("cooccurrence", {"nonzeros"}, 0),
        ("clusters 10%", {"clusters"}, 0),
        ("stage 1", set(), 3),
        ("stage 2", set(), 3),
    ],
)
def test_every_kind_of_measurement_gives_numbers(scaling, what, facts, steps):
    found = scaling.MEASURES[what](scaling.Task(what=what, items=150, width=6, dim=8))
    assert found.seconds > 0
    assert set(found.facts) == facts
    assert found.steps == steps  # 150 x (10 - 1) targets in batches of 512


def test_a_measurement_runs_in_a_process_of_its_own(scaling):
    task = scaling.Task(what="cooccurrence", items=100, width=4, dim=4)
    measured = scaling.measure(task, seconds=60, gigabytes=4)
    assert measured.outcome == "done"
    assert measured.found.facts["nonzeros"] > 100
    assert 0 <= measured.memory_mb < 100


def test_a_measurement_beyond_its_time_says_so(scaling):
    task = scaling.Task(what="clusters 1000", items=20_000, width=64, dim=4)
    measured = scaling.measure(task, seconds=0.5, gigabytes=4)
    assert measured.outcome == "more than 0.5 s"
    assert measured.found is None
    assert math.isnan(measured.memory_mb)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError("too many. Set fewer."), "refused: too many. Set fewer."),
        (MemoryError(), "more than 4 GB"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "more than 4 GB"),
    ],
)
def test_a_measurement_that_cannot_be_made_says_why(scaling, monkeypatch, capsys, error, outcome):
    def fail(_):
        raise error

    monkeypatch.setitem(scaling.MEASURES, "clusters 10%", fail)
    monkeypatch.setattr(scaling.resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr(scaling.signal, "setitimer", lambda *_: None)
    task = scaling.Task(what="clusters 10%", items=9, width=1, dim=1)
    status = scaling.measure_here(task, seconds=60, gigabytes=4)
    done = subprocess.CompletedProcess([], status, stdout=capsys.readouterr().out, stderr="")
    assert scaling.why(done, seconds=60, gigabytes=4) == outcome


def test_a_measurement_that_fails_otherwise_is_no_outcome(scaling):
    done = subprocess.CompletedProcess([], 1, stdout="", stderr="KeyError: 'cluster 7'")
    with pytest.raises(RuntimeError, match="KeyError: 'cluster 7'"):
        scaling.why(done, seconds=60, gigabytes=4)


def test_exponents_are_those_of_the_costs_and_bends_are_named(scaling, row):
    rows = [
        row("stage 1", 1000, 2.0, steps=30, memory=100.0),
        row("stage 1", 100, 0.2, steps=3, memory=10.0),
        row("clusters 10%", 100, 1.0, memory=5.0),
        row("clusters 10%", 1000, 100.0, memory=5.0),
        scaling.Row(task=row("clusters 10%", 10_000, 0.0).task, outcome="more than 9 s"),
    ]
    assert scaling.verdicts(rows) == [
        "clusters 10%, memory: n^0.00 from 100 to 1,000",
        "clusters 10%, time: n^2.00 from 100 to 1,000  <- bends",
        "stage 1, memory: n^1.00 from 100 to 1,000",
        "stage 1, time: n^1.00 from 100 to 1,000",
        "stage 1, time of an epoch: n^2.00 from 100 to 1,000  <- bends",
    ]


def test_the_command_prints_a_table_and_writes_it(scaling, monkeypatch, tmp_path, capsys, row):
    def measured(task, *, seconds, gigabytes):
        assert (seconds, gigabytes) == (5, 12)
        if task.items == 1000:
            return scaling.Row(task=task, outcome="more than 5 s")
        return row(task.what, task.items, 36.0, steps=1000, memory=7.0)

    monkeypatch.setattr(scaling, "measure", measured)
    out = tmp_path / "scaling.csv"
    options = ["--sizes", "100", "1000", "--what", "stage 1", "--seconds", "5"]
    assert scaling.main([*options, "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "10.00 h" in told
    assert "more than 5 s" in told
    small, large = csv.DictReader(io.StringIO(out.read_text()))
    assert (small["items"], small["outcome"], small["epoch_seconds"]) == ("100", "done", "36000.0")
    assert (large["items"], large["outcome"], large["seconds"]) == ("1000", "more than 5 s", "")
