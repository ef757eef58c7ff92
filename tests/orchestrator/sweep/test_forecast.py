"""Epochs of runs to come, from the curves of finished ones."""

import dataclasses
import json

import pytest

from orchestrator.config import MONITOR, TrainConfig
from orchestrator.results import Epoch, Provenance, Record
from orchestrator.sweep.forecast import finished_runs, forecast, replayed

CURVE = [0.1, 0.3, 0.2, 0.2, 0.4, 0.3, 0.3, 0.3]


def record(curve=CURVE, *, stage="joint", name="r", **changes):
    epochs = tuple(
        Epoch(step=n, stage=stage, loss={}, valid={MONITOR: value}, seconds=1.0)
        for n, value in enumerate(curve, start=1)
    )
    source = Provenance(code="c", commit="", data="d", device="cpu", versions={})
    config = {"model": "sasrec", "dataset": "tiny"}
    given = {"run_id": name, "status": "finished", "config": config, "provenance": source}
    return Record(**{**given, "epochs": epochs, **changes})


@pytest.mark.parametrize(
    ("limits", "epochs"),
    [
        ({"patience": 2}, 4),
        ({"patience": 1}, 3),
        ({"patience": 3}, 8),
        ({"patience": 3, "max_epochs": 5}, 5),
        ({"patience": 9}, 8),
    ],
)
def test_a_curve_is_replayed_with_other_limits(limits, epochs):
    assert replayed(CURVE, TrainConfig(**limits)) == epochs


def test_without_finished_runs_the_limits_are_the_range():
    told = forecast([], "joint", TrainConfig(max_epochs=20, patience=3), num=5)
    assert (told.low, told.high, told.num_runs) == (4, 20, 0)
    short = forecast([], "joint", TrainConfig(max_epochs=2, patience=3), num=5)
    assert (short.low, short.high) == (2, 2)


def test_a_stage_that_no_run_had_is_not_known_from_others():
    told = forecast([record()], "alignment", TrainConfig(max_epochs=20, patience=3), num=5)
    assert told.num_runs == 0


def test_few_runs_give_their_own_range():
    records = [record(CURVE), record([0.1, 0.2, 0.1, 0.1])]
    told = forecast(records, "joint", TrainConfig(patience=2), num=5)
    assert (told.low, told.expected, told.high, told.num_runs) == (4, 4, 4, 2)


def test_a_curve_that_ends_before_the_limits_do_may_go_on():
    told = forecast([record([0.1, 0.2])], "joint", TrainConfig(patience=2, max_epochs=10), num=1)
    assert (told.low, told.high) == (2, 10)


def test_of_many_runs_the_mean_is_known_well():
    """Epochs 3 to 12 in ten runs, mean 7.5; s = 3.03, so 2 s sqrt(1/10 + 1/1000) = 1.9."""
    curves = [[0.1 * n for n in range(1, length)] + [0.0] for length in range(3, 13)]
    limits = TrainConfig(patience=1, max_epochs=50)
    told = forecast([record(curve) for curve in curves], "joint", limits, num=1000)
    assert told.expected == 7.5
    assert (told.low, told.high) == pytest.approx((7.5 - 1.92, 7.5 + 1.92), abs=0.01)
    one = forecast([record(curve) for curve in curves], "joint", limits, num=1)
    assert one.low < told.low < told.high < one.high


def test_runs_of_the_same_model_and_data_are_found(tmp_path):
    def put(name, **changes):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "record.json").write_text(json.dumps(record(name=name, **changes).to_json()))

    put("mine")
    put("failed", status="failed")
    put("other", config={"model": "tame", "dataset": "tiny"})
    put("elsewhere", config={"model": "sasrec", "dataset": "big"})
    put("changed", provenance=dataclasses.replace(record().provenance, data="e"))
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "record.json").write_text("{")
    found = finished_runs(tmp_path, model="sasrec", dataset="tiny", data_hash="d")
    assert [own.run_id for own in found] == ["mine"]
