import math

import pandas as pd
import pytest

from orchestrator.reporting.tables import as_markdown, as_text, sweep_table

T2 = 4.302652729911275


def test_row_per_point_with_the_base_first(runs, info):
    table = sweep_table(runs, info)
    points = list(zip(table["model.text_heads"], table["model.use_gate"], strict=True))
    assert points == [(2, True), (1, True), (4, True), (2, False)]
    assert table["seeds"].tolist() == [3, 3, 2, 0]
    assert table["failed"].tolist() == [0, 0, 1, 3]
    assert table["val/ndcg@10"].iloc[0] == pytest.approx(0.055)
    assert table["test/recall@20 ±"].iloc[0] == pytest.approx(T2 * 0.01 / math.sqrt(3))


def test_best_is_chosen_by_validation_among_complete_points(runs, info):
    # heads=4 has the best mean, of two seeds only.
    table = sweep_table(runs, info)
    assert table["is_best"].tolist() == [True, False, False, False]


def test_test_metrics_choose_nothing(runs, info):
    misleading = runs.assign(**{"test/recall@20": -runs["test/recall@20"]})
    chosen = sweep_table(misleading, info)["is_best"].tolist()
    assert chosen == sweep_table(runs, info)["is_best"].tolist()


def test_stopped_runs_are_not_failures(runs, info, make_row):
    more = pd.concat([runs, pd.DataFrame([make_row(8, 0, status="stopped")])])
    last = sweep_table(more, info).set_index("model.text_heads").loc[8]
    assert (last["seeds"], last["failed"], last["stopped"]) == (0, 0, 1)


def test_text(runs, info):
    assert as_text(sweep_table(runs, info), info) == (
        """\
tame-heads-1: tame, heads, on planted (synthetic data)

   text heads  use gate  seeds  val NDCG@10   test Recall@20     test NDCG@20  failed
-  ----------  --------  -----  -----------  ---------------  ---------------  ------
*           2        on      3       0.0550  0.1100 ± 0.0248  0.0550 ± 0.0124       0
            1        on      3       0.0450  0.0900 ± 0.0248  0.0450 ± 0.0124       0
            4        on      2       0.0675  0.1350 ± 0.0635  0.0675 ± 0.0318       1
            2       off      0            -                -                -       3

* best by mean validation NDCG@10; test metrics choose nothing.
± half of the 95 % t interval over seeds."""
    )


def test_markdown(runs, info):
    one = runs[(runs["seed"] == 0) & (runs["status"] == "finished")]
    assert as_markdown(sweep_table(one, info), info) == (
        """\
**tame-heads-1: tame, heads, on planted (synthetic data)**

|  | text heads | use gate | seeds | val NDCG@10 | test Recall@20 | test NDCG@20 |
| :--- | ---: | ---: | ---: | ---: | ---: | ---: |
|  | 2 | on | 1 | 0.0500 | 0.1000 | 0.0500 |
|  | 1 | on | 1 | 0.0400 | 0.0800 | 0.0400 |
| \\* | 4 | on | 1 | 0.0650 | 0.1300 | 0.0650 |

\\* best by mean validation NDCG@10; test metrics choose nothing."""
    )


def test_sweep_without_a_finished_run_has_no_best(runs, info):
    failed = runs[runs["status"] == "failed"]
    table = sweep_table(failed, info)
    assert not table["is_best"].any()
    assert "No run has finished." in as_text(table, info)
    assert "No run has finished." in as_text(sweep_table(runs.iloc[:0], info), info)


def test_frame_without_metric_columns_is_a_table_too(info):
    empty = pd.DataFrame(columns=["run_id", "status", "seed"])
    assert sweep_table(empty, info).empty
