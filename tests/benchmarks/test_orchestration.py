"""The arithmetic of the benchmark; the sweeps themselves take minutes."""

import csv
import io

import pytest


def test_a_trials_cost_is_what_its_training_does_not_explain(benchmark):
    """The first trial, which begins with the sweep, is left out."""
    found = benchmark.Found(ends=[10.0, 12.0, 15.0], trained=[9.0, 1.5, 2.5])
    assert found.cost() == pytest.approx((5.0 - 4.0) / 2)


def test_a_table_has_the_ratio_to_the_recipe(benchmark, tmp_path):
    rows = [benchmark.Row(what="cost", ours=0.5, recipe=2.0)]
    shown = io.StringIO()
    benchmark.show(rows, shown)
    assert shown.getvalue().splitlines()[-1].split() == ["cost", "0.500", "2.000", "4.0"]
    benchmark.write_csv(rows, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open() as file:
        assert list(csv.DictReader(file)) == [
            {"what": "cost", "ours": "0.5", "recipe": "2.0", "ratio": "4.0"}
        ]


def test_a_listener_of_the_benchmark_hears_all_that_there_is_to_hear(benchmark):
    from orchestrator.sweep.events import Listener

    assert isinstance(benchmark.Watch(), Listener)
