"""The benchmark of kept memory: its steps, its processes, and what it writes."""

import csv

import pytest
import torch


@pytest.fixture(scope="module")
def allocation(benchmark):
    return benchmark


@pytest.fixture
def task(allocation):
    return allocation.Task(way="kept", items=30, targets=16, steps=1, threads=1)


def test_histories_and_their_targets_are_places_of_one_sequence(allocation, task):
    (group,) = allocation.random_batch(task, torch.Generator().manual_seed(0)).groups
    assert group.history.items.shape == group.targets.shape == (2, 8)
    assert torch.equal(group.history.items[:, 1:], group.targets[:, :-1])
    assert group.targets.min() >= 1
    assert group.targets.max() <= 30


def test_each_way_is_timed_in_a_process_of_its_own_and_written(allocation, tmp_path, capsys):
    out = tmp_path / "rows.csv"
    words = ["--items", "30", "--targets", "16", "--steps", "1", "--rounds", "1"]
    allocation.main([*words, "--out", str(out)])
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["way"] for row in rows] == ["kept", "returned"]
    assert all(float(row["seconds"]) > 0 and float(row["memory_mb"]) > 50 for row in rows)
    ratio = float(rows[1]["seconds"]) / float(rows[0]["seconds"])
    assert f"{ratio:.2f}" in capsys.readouterr().out
