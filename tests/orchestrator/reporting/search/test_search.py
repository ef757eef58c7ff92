"""What a joint search tells: trials, importance, front, and the figures of them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from orchestrator.reporting.pareto import on_front
from orchestrator.reporting.report import report_sweep
from orchestrator.reporting.search.contours import surfaces_frame
from orchestrator.reporting.search.front import front_frame
from orchestrator.reporting.search.importance import importance_frame, too_few
from orchestrator.reporting.search.report import report_search
from orchestrator.reporting.search.scales import factor_scale, spread
from orchestrator.reporting.search.trials import best_point, domains, trials_frame
from orchestrator.reporting.tables import as_text, sweep_table


@pytest.fixture
def trials(make_runs, info):
    return trials_frame(make_runs(), info)


def test_trials_stand_in_their_order_with_the_mean_over_seeds(trials, make_runs):
    runs = make_runs()
    first = runs[runs["run_id"].str.startswith("0-")]
    assert trials["trial"].tolist() == list(range(1, 31))
    assert trials.loc[0, "val/ndcg@10"] == pytest.approx(first["val/ndcg@10"].mean())


def test_trials_without_an_outcome_are_marked_and_worth_nothing(trials):
    assert trials["state"].value_counts().to_dict() == {"finished": 28, "failed": 1, "stopped": 1}
    assert trials.loc[4, "state"] == "failed"
    assert trials.loc[7, "state"] == "stopped"
    assert trials.loc[[4, 7], "val/ndcg@10"].isna().all()


def test_a_trial_whose_seeds_are_not_all_done_is_not_finished(make_runs, info):
    runs = make_runs()
    trials = trials_frame(runs[runs["run_id"] != "0-1"], info)
    assert trials.loc[0, "state"] == "failed"


def test_the_best_so_far_never_falls(trials):
    assert trials["best"].is_monotonic_increasing
    assert trials["best"].iloc[-1] == trials["val/ndcg@10"].max()


def test_a_factor_that_does_not_exist_has_no_value(trials):
    """The runs have the base's value there, which nobody chose."""
    is_one = trials["model.num_layers"] == 1
    assert 0 < is_one.sum() < 30
    assert trials.loc[is_one, "model.dropout"].isna().all()
    assert trials.loc[~is_one, "model.dropout"].notna().all()
    assert all(isinstance(value, int) for value in trials["model.num_layers"])


def test_the_best_point_has_the_factors_that_exist(make_runs, info, trials):
    point = best_point(make_runs(), info)
    best = trials.loc[trials["val/ndcg@10"].idxmax()]
    assert point["train.learning_rate"] == best["train.learning_rate"]
    assert ("model.dropout" in point) == (point["model.num_layers"] == 2)
    runs = make_runs()
    assert best_point(runs[runs["status"] == "failed"], info) is None


def test_domains_of_a_sweep_of_before_are_read_off_its_trials(trials, info):
    old = dataclasses.replace(info, domains={})
    found = domains(trials, old)
    assert found["model.num_layers"] == {"choices": (1, 2)}
    rate = found["train.learning_rate"]
    assert rate["log"]
    assert rate["low"] == trials["train.learning_rate"].min()
    assert not found["model.dropout"]["low"] > 0.5


def test_what_decides_is_the_most_important(trials, info):
    frame = importance_frame(trials, info)
    assert frame["factor"].iloc[0] == "train.learning_rate"
    assert frame["importance"].sum() == pytest.approx(1)
    assert frame["importance"].is_monotonic_decreasing
    assert (frame["low"] <= frame["importance"]).all()
    assert (frame["importance"] <= frame["high"]).all()
    assert (frame["trials"] == 28).all()
    assert frame.equals(importance_frame(trials, info)), "the draws are repeatable"


def test_below_the_floor_nothing_is_said_of_importance(make_runs, info):
    trials = trials_frame(make_runs(21), info)
    assert too_few(trials, info) == (
        "No importance is told: 19 trials finished, and it takes 20 for 4 parameters."
    )
    assert too_few(trials_frame(make_runs(22), info), info) is None


def test_trials_of_equal_worth_tell_no_importance(trials, info):
    assert "worth the same" in too_few(trials.assign(**{"val/ndcg@10": 0.1}), info)


def test_a_figure_is_not_drawn_below_the_floor(make_runs, info, tmp_path):
    files, told = report_search(make_runs(21), info, folder=tmp_path)
    assert {path.stem for path in files} == {"sasrec-joint-history", "sasrec-joint-slices"}
    assert told == ("No importance is told: 19 trials finished, and it takes 20 for 4 parameters.",)


def test_a_search_leaves_all_its_figures(make_runs, info, tmp_path):
    files, told = report_search(make_runs(), info, folder=tmp_path)
    names = {path.stem.removeprefix("sasrec-joint-") for path in files}
    assert names == {"history", "slices", "importance", "contours"}
    assert {path.suffix for path in files} == {".pdf", ".png", ".csv"}
    assert all(path.stat().st_size > 0 for path in files)
    assert told[0].startswith("Importance for validation NDCG@10 (share, 95 % over trials): lea")


def test_nothing_is_drawn_of_a_search_without_an_outcome(make_runs, info, tmp_path):
    runs = make_runs()
    assert report_search(runs[runs["status"] == "failed"], info, folder=tmp_path) == ((), ())


@pytest.mark.parametrize("objectives", [("ndcg",), ("ndcg", "seconds")])
def test_test_figures_change_nothing_that_a_search_tells(make_runs, info, tmp_path, objectives):
    wanted = dataclasses.replace(info, objectives=objectives)
    left = []
    for place, test in enumerate((0.5, np.nan)):
        runs = make_runs(test=test)
        runs["test/ndcg@20"] *= 1 - runs["val/ndcg@10"]
        files, told = report_search(runs, wanted, folder=tmp_path / str(place))
        left.append((told, {path.name: path.read_bytes() for path in files}))
    assert left[0] == left[1]
    assert not any(b"test/" in content for content in left[0][1].values())


def test_the_front_is_what_nothing_beats():
    gain = pd.Series([0.3, 0.2, 0.1, 0.3, np.nan, 0.2])
    cost = pd.Series([30, 20, 25, 40, 1, 20])
    assert on_front(gain, cost).tolist() == [True, True, False, False, False, True]


@pytest.fixture
def two(info):
    return dataclasses.replace(info, objectives=("ndcg", "parameters"))


def test_a_search_for_two_things_has_a_front(make_runs, two, tmp_path):
    parameters = [1000 + 37 * ((7 * trial) % 30) for trial in range(30)]
    runs = make_runs(parameters=parameters)
    frame = front_frame(trials_frame(runs, two), two)
    front = frame[frame["on_front"]]
    assert 1 < len(front) < len(frame) == 28
    assert front["val/ndcg@10"].is_monotonic_increasing, "the dearer ones are better"
    files, _ = report_search(runs, two, folder=tmp_path)
    assert tmp_path / "sasrec-joint-front.pdf" in files


def test_the_table_of_two_things_marks_the_front(make_runs, two):
    parameters = [1000 + 37 * ((7 * trial) % 30) for trial in range(30)]
    runs = make_runs(parameters=parameters)
    table = sweep_table(runs, two)
    frame = front_frame(trials_frame(runs, two), two)
    assert table["is_best"].sum() == frame["on_front"].sum()
    text = as_text(table, two)
    assert "parameters" in text.splitlines()[2]
    assert "* on the front of mean validation NDCG@10 and number of parameters" in text


def test_the_table_shows_no_value_of_a_factor_that_does_not_exist(make_runs, info):
    table = sweep_table(make_runs(), info)
    rows = as_text(table, info).splitlines()[4 : 4 + len(table)]
    assert sum(" - " in row for row in rows) >= (table["model.num_layers"] == 1).sum()


def test_the_report_of_a_joint_sweep_has_the_search_in_it(make_runs, info, tmp_path):
    report = report_sweep(make_runs(), info, folder=tmp_path)
    assert tmp_path / "sasrec-joint-importance.png" in report.files
    assert "Importance for validation" in report.text
    other = dataclasses.replace(info, kind="grid")
    assert len(report_sweep(make_runs(), other, folder=tmp_path).files) == 3


def test_surfaces_follow_the_trials(trials, info):
    """Highest where the trials are: a rate of 0.01."""
    frame = surfaces_frame(trials, info, ["train.learning_rate", "model.kind", "model.dropout"])
    pair = frame[(frame["x"] == "train.learning_rate") & (frame["y"] == "model.kind")]
    assert set(pair["y_place"]) == {0.0, 1.0}
    assert pair.loc[pair["value"].idxmax(), "x_place"] == pytest.approx(-2, abs=0.25)
    pairs = set(zip(frame["x"], frame["y"], strict=True))
    assert len(pairs) == 3


def test_a_pair_with_few_trials_is_left_out(trials, info):
    few = trials[trials["model.num_layers"] == 1].head(9)
    assert surfaces_frame(few, info, ["train.learning_rate", "model.kind"]).empty


def test_scales_place_values():
    log = factor_scale({"low": 1e-4, "high": 1e-1, "log": True})
    assert log.at(1e-2) == pytest.approx(-2)
    listed = factor_scale({"choices": (False, True, 1)})
    assert [listed.at(value) for value in (False, True, 1)] == [0, 1, 2]
    assert np.ptp(spread([0.0] * 5, listed)) > 0
    assert spread([0.1, 0.2], log).tolist() == [0.1, 0.2]
