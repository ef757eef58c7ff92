import pandas as pd
import pytest

from orchestrator.reporting.standing import best_point, best_variant, retuned
from orchestrator.reporting.tables import sweep_table
from orchestrator.tracking import SweepInfo

INFO = SweepInfo(
    name="mine",
    kind="one-factor",
    model="tame",
    dataset="toys",
    data_hash="d" * 16,
    space="heads",
    factors={"model.heads": (1, 2, 4)},
    base={"model.heads": 2},
    seeds=(0, 1),
    synthetic=False,
)


def frame(*rows, columns=("model.heads", "seed", "val/ndcg@10", "test/ndcg@20")):
    made = pd.DataFrame(rows, columns=list(columns))
    status = ["finished" if value == value else "failed" for value in made["val/ndcg@10"]]
    return made.assign(run_id=[f"run{i}" for i in range(len(made))], status=status)


def test_validation_chooses_and_no_test_figure():
    runs = frame((1, 0, 0.3, 0.1), (1, 1, 0.3, 0.1), (2, 0, 0.1, 0.9), (2, 1, 0.2, 0.9))
    best = best_point(runs, INFO)
    assert list(best.runs["model.heads"]) == [1, 1]
    assert (best.mean.mean, best.mean.seeds) == (pytest.approx(0.3), (0, 1))
    assert (best.num_compared, best.num_others) == (2, 0)


def test_a_point_of_fewer_seeds_is_not_compared():
    nan = float("nan")
    runs = frame((1, 0, 0.9, 0.1), (1, 1, nan, nan), (2, 0, 0.1, 0.1), (2, 1, 0.1, 0.1))
    best = best_point(runs, INFO)
    assert list(best.runs["run_id"]) == ["run2", "run3"]
    assert (best.num_compared, best.num_others) == (1, 1)


def test_changed_code_counts_once():
    runs = frame((1, 0, 0.9, 0.1), (1, 0, 0.2, 0.1), (2, 0, 0.3, 0.1))
    best = best_point(runs, INFO)
    assert list(best.runs["run_id"]) == ["run2"]


def test_it_is_the_point_with_the_star():
    runs = frame(
        *((h, s, 0.1 * h + 0.37 * s % 0.2, 0.5) for h in (1, 2, 4) for s in (0, 1)),
        (4, 2, 0.0, 0.0),
    )
    table = sweep_table(runs, INFO)
    (heads,) = table.loc[table["is_best"], "model.heads"]
    assert set(best_point(runs, INFO).runs["model.heads"]) == {heads}


def test_nothing_finished():
    nan = float("nan")
    assert best_point(frame((1, 0, nan, nan)), INFO) is None
    empty = frame((1, 0, nan, nan)).iloc[:0]
    assert best_point(empty, INFO) is None
    assert best_variant(empty) is None
    assert retuned(empty) == {}


COLUMNS = ("variant", "phase", "seed", "val/ndcg@10")
ABLATION = (
    ("without", "fixed", 0, 0.5),
    ("base", "fixed", 0, 0.4),
    ("without", "search", 0, 0.9),
    ("without", "search", 0, 0.8),
    ("base", "search", 0, 0.7),
    ("without", "retuned", 0, 0.3),
    ("base", "retuned", 0, 0.6),
)


def test_variants_at_settings_that_their_searches_chose():
    found = retuned(frame(*ABLATION, columns=COLUMNS))
    assert list(found) == ["base", "without"]
    assert [s.mean.mean for s in found.values()] == [0.6, 0.3]
    assert [s.num_compared for s in found.values()] == [1, 2]
    assert list(found["without"].runs["run_id"]) == ["run5"]


def test_a_searchs_single_runs_are_no_variants_mean():
    assert best_variant(frame(*ABLATION, columns=COLUMNS)).mean.mean == 0.6
    assert best_variant(frame(*ABLATION[2:5], columns=COLUMNS)) is None
