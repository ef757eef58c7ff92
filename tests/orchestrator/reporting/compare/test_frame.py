import math

import numpy as np
import pytest

from orchestrator.reporting.compare.frame import METRICS, finding_of, metrics_of
from orchestrator.reporting.compare.report import comparison_table


def test_means_intervals_and_places_by_hand(by_hand):
    frame = by_hand.compared(metrics=("test/ndcg@10",)).frame
    assert frame["model"].tolist() == ["sasrec", "tame", "gru4rec"]
    assert frame["mean"].tolist() == pytest.approx([1 / 2, 3 / 4, 1 / 3])
    assert frame["place"].tolist() == [2, 1, 3]
    assert frame["by_seed"].tolist()[2] == (0.25, 0.5, 0.25)
    assert frame["seeds"].tolist() == [3, 3, 3]
    assert frame["low"].iloc[1] == frame["high"].iloc[1] == 0.75


def test_equal_means_share_a_place(contest):
    made = contest("sasrec", "tame").first("sasrec", (1, 2, 3)).first("tame", (3, 2, 1))
    assert made.compared(metrics=("test/ndcg@10",)).frame["place"].tolist() == [1, 1]


def test_the_gain_is_of_the_best_over_the_second(by_hand):
    gain = by_hand.compared(metrics=("test/hit@10",)).gains["test/hit@10"]
    assert (gain.leader, gain.rival) == ("tame", "sasrec")
    assert gain.percent == pytest.approx(50.0)


def test_the_gain_of_ours_is_over_the_best_of_the_others_and_may_be_a_loss(contest):
    made = contest("sasrec", "tame", "gru4rec", ours="sasrec")
    made.first("sasrec", (2, 2, 2)).first("tame", (3, 3, 3)).first("gru4rec", (1, 2, 1))
    of = made.compared(metrics=("test/hit@10",))
    gain = of.gains["test/hit@10"]
    assert (gain.leader, gain.rival) == ("sasrec", "tame")
    assert gain.percent == pytest.approx(-100 / 3)
    assert set(of.pairs["model"]) == {"sasrec"}, "pairs of ours alone are tested"


def test_every_two_are_tested_with_one_correction_per_metric(by_hand):
    pairs = by_hand.compared(metrics=("test/hit@10", "test/ndcg@10")).pairs
    hit = pairs[pairs["metric"] == "test/hit@10"]
    assert list(zip(hit["model"], hit["against"], strict=True)) == [
        ("sasrec", "tame"),
        ("sasrec", "gru4rec"),
        ("tame", "gru4rec"),
    ]
    raw, held = hit["p_seeds"].tolist(), hit["p_seeds_holm"].tolist()
    assert held[0] == raw[0] == 0.0, "differences that are all equal have no spread"
    assert held[2] == pytest.approx(2 * raw[2]), "the second smallest of three"


def test_a_difference_that_both_tests_show_is_found_from_either_side(clear):
    of = clear.compared(metrics=("test/ndcg@10",))
    assert finding_of(of.pairs, "test/ndcg@10", "tame", "sasrec") == "above"
    assert finding_of(of.pairs, "test/ndcg@10", "sasrec", "tame") == "below"
    assert of.gains["test/ndcg@10"].finding == "above"


def test_without_ranks_nothing_is_resolved(clear):
    clear.ranks = {}
    of = clear.compared(metrics=("test/ndcg@10",))
    assert of.pairs["users"].tolist() == [0]
    assert of.gains["test/ndcg@10"].finding == "unresolved"


def test_failed_runs_are_counted_and_left_out(by_hand):
    by_hand.add("tame", 3, status="failed")
    frame = by_hand.compared(metrics=("test/hit@10",)).frame.set_index("model")
    assert frame.loc["tame", "failed"] == 1
    assert frame.loc["tame", "seeds"] == 3


def test_a_model_without_a_finished_run_has_no_place_and_no_gain(contest):
    made = contest("sasrec", "tame").first("sasrec", (1, 2, 3)).add("tame", 0, status="failed")
    of = made.compared(metrics=("test/hit@10",))
    assert math.isnan(of.frame.set_index("model").loc["tame", "place"])
    assert of.gains == {}


def test_runs_of_searches_are_not_compared(contest):
    made = contest("sasrec", "tame", num_tuned=3)
    made.first("sasrec", (1, 1, 1)).first("tame", (2, 2, 2))
    made.add("sasrec", 0, [1, 1, 1, 1], phase="search")
    of = made.compared(metrics=("test/hit@10",))
    assert of.frame["mean"].tolist() == [0.25, 0.5]
    assert of.costs["searched"].tolist() == [1, 0]


def test_of_a_seed_run_twice_the_newest_counts(by_hand):
    by_hand.add("sasrec", 0, [1, 1, 1, 1])
    frame = by_hand.compared(metrics=("test/hit@10",)).frame.set_index("model")
    assert frame.loc["sasrec", "by_seed"] == (1.0, 0.5, 0.5)


def test_groups_of_users_are_measured_from_their_ranks(by_hand):
    rare = np.array([True, True, False, False])
    of = by_hand.compared(metrics=("test/hit@10",), groups={"rare": rare, "frequent": ~rare})
    own = of.frame.set_index(["group", "model"])["mean"]
    assert own["rare", "tame"] == 1.0
    assert own["frequent", "tame"] == 0.5
    assert own["frequent", "gru4rec"] == 0.0


def test_costs_are_means_and_the_most_of_memory(contest):
    made = contest("sasrec", "tame")
    for seed, memory in enumerate((10.0, 30.0)):
        shared = {"num_parameters": 7.0, "num_epochs": 4.0 + seed, "seconds_per_epoch": 2.0}
        made.add("sasrec", seed, [1, 2], peak_memory=memory, seconds=9.0, **shared)
        made.add("tame", seed, [1, 2])
    costs = made.compared(metrics=("test/hit@10",)).costs.set_index("model")
    row = costs.loc["sasrec"]
    assert (row["epochs"], row["peak_memory"], row["seconds"]) == (4.5, 30.0, 9.0)
    assert math.isnan(costs.loc["tame", "peak_memory"])


def test_a_papers_metrics_are_told_where_it_prints_the_data_set(contest):
    names = ("sasrec", "decorec")
    papers = contest(*names, dataset="scientific").first("sasrec", (1, 2)).first("decorec", (1, 2))
    assert metrics_of(papers.runs(), papers.info) == (
        "test/hit@10",
        "test/hit@50",
        "test/ndcg@10",
        "test/ndcg@50",
    )
    usual = contest(*names).first("sasrec", (1, 2)).first("decorec", (1, 2))
    assert metrics_of(usual.runs(), usual.info) == METRICS
    paper = papers.compared().frame.set_index(["metric", "model"])["published"]
    assert paper["test/hit@10", "sasrec"] == 0.1523


def test_the_table_has_a_row_per_model(by_hand):
    table = comparison_table(by_hand.compared(metrics=("test/hit@10",)))
    assert table["model"].tolist() == ["sasrec", "tame", "gru4rec"]
    assert table["test/hit@10"].tolist() == pytest.approx([1 / 2, 3 / 4, 1 / 3])
    assert table["test/hit@10 place"].tolist() == [2, 1, 3]
    assert table["num_parameters"].tolist() == [100.0] * 3
