"""An ablation path as numbers, table and figure, and its comparison with importance."""

import dataclasses

import pandas as pd
import pytest

from orchestrator.reporting.path import path_frame
from orchestrator.reporting.path_report import compared, report_path
from orchestrator.tracking.path import next_step, walked
from orchestrator.tracking.runs import SweepInfo

BASE = {"train.learning_rate": 1e-3, "model.dropout": 0.5, "model.dim": 64}
BEST = {"train.learning_rate": 1e-2, "model.dropout": 0.1, "model.dim": 32}
WORTH = {
    "": 0.10,
    "r": 0.15,
    "d": 0.12,
    "w": 0.09,
    "rd": 0.16,
    "rw": 0.17,
    "rwd": 0.165,
}
"""What is changed (rate, dropout, width) -> mean validation NDCG@10 of three seeds."""
LETTERS = dict(zip("rdw", BASE, strict=True))


@pytest.fixture
def info():
    return SweepInfo(
        name="p",
        kind="path",
        model="sasrec",
        dataset="planted",
        data_hash="d" * 16,
        space="path",
        factors={key: (value, BEST[key]) for key, value in BASE.items()},
        base=BASE,
        seeds=(0, 1, 2),
        synthetic=True,
        search="s",
    )


def make(worth=WORTH, test=0.3):
    rows = []
    for letters, value in worth.items():
        changed = {LETTERS[letter]: BEST[LETTERS[letter]] for letter in letters}
        for seed in (0, 1, 2):
            rows.append(
                {
                    "run_id": f"{letters}-{seed}",
                    "status": "finished",
                    "seed": seed,
                    "variant": letters,
                    **BASE,
                    **changed,
                    "val/ndcg@10": value
                    + 0.01 * (seed - 1)
                    + (0.001 * seed if "w" in letters else 0),
                    "test/ndcg@20": test,
                }
            )
    return pd.DataFrame(rows)


def test_each_step_changes_what_is_best_then(info):
    frame = path_frame(make(), info)
    chosen = frame[frame["is_chosen"]]
    assert chosen["factor"].tolist() == ["", "train.learning_rate", "model.dim", "model.dropout"]
    assert chosen["step"].tolist() == [0, 1, 2, 3]
    assert len(frame) == len(WORTH), "the others are in the frame too"


def test_a_gain_is_that_over_the_step_before_by_seed(info):
    chosen = path_frame(make(), info).query("is_chosen").reset_index(drop=True)
    assert chosen.loc[1, "gain"] == pytest.approx(0.05)
    assert chosen.loc[1, "low"] == pytest.approx(0.05), "the seeds' own differences cancel"
    assert chosen.loc[2, "gain"] == pytest.approx(0.021)
    assert chosen.loc[2, "low"] < chosen.loc[2, "gain"] < chosen.loc[2, "high"]
    assert chosen.loc[3, "gain"] == pytest.approx(-0.005)


def test_test_figures_choose_no_step(info):
    runs = make()
    opposite = runs.assign(**{"test/ndcg@20": 1 - runs["val/ndcg@10"]})
    told = ["test/ndcg@20"]
    one, other = (path_frame(one, info).drop(columns=told) for one in (runs, opposite))
    pd.testing.assert_frame_equal(one, other)


def test_a_candidate_with_a_failed_run_is_not_chosen(info):
    runs = make()
    runs.loc[(runs["variant"] == "r") & (runs["seed"] == 1), "status"] = "failed"
    chosen = path_frame(runs, info).query("is_chosen")
    assert chosen["factor"].tolist()[:2] == ["", "model.dropout"]


def test_a_path_that_ends_early_says_so(info, tmp_path):
    short = {letters: WORTH[letters] for letters in ("", "r", "d", "w")}
    report = report_path(make(short), info, folder=tmp_path)
    assert "The path ends early, as runs failed: model.dropout, model.dim are not" in report.text


def test_of_equal_steps_the_first_listed_is_taken():
    worth = {frozenset("b"): 0.2, frozenset("a"): 0.2, frozenset(): 0.1}
    assert next_step(frozenset(), worth) == frozenset("b")
    assert walked(worth) == [frozenset(), frozenset("b")]
    assert next_step(frozenset("b"), worth) is None


def test_a_report_has_table_figure_and_latex(info, tmp_path):
    report = report_path(make(), info, folder=tmp_path)
    assert {path.name for path in report.files} == {
        f"sasrec-path.{suffix}" for suffix in ("pdf", "png", "csv", "tex")
    }
    lines = report.text.splitlines()
    assert lines[0].startswith("p: sasrec: path from the base to the best point, on planted (synth")
    assert lines[4].split()[:2] == ["base", "0.1000"]
    assert lines[5].startswith("learning rate = 0.01")
    assert "+0.0500" in lines[5]
    assert "Test metrics choose nothing." in report.text
    assert r"\begin{tabular}" in (tmp_path / "sasrec-path.tex").read_text()
    assert "0.01" in (tmp_path / "sasrec-path.csv").read_text()
    assert report.table["factor"].tolist()[1] == "train.learning_rate"


def searched(info, decisive):
    """A search of forty trials in which one of two factors decides."""
    keys = ("train.learning_rate", "model.dropout")
    domain = {"low": 0.0, "high": 1.0, "log": False}
    rows = []
    for trial in range(80):
        values = {keys[0]: trial / 80, keys[1]: ((trial * 37) % 80) / 80}
        rows.append(
            {
                "run_id": str(trial),
                "status": "finished",
                "seed": 0,
                **values,
                "val/ndcg@10": values[decisive],
            }
        )
    search = dataclasses.replace(
        info,
        name="s",
        kind="joint",
        factors=dict.fromkeys(keys, ()),
        seeds=(0,),
        domains=dict.fromkeys(keys, domain),
    )
    return pd.DataFrame(rows), search


def test_where_path_and_importance_disagree_is_said(info):
    """The rate gains for sure on the path; in one search it decides, in the other nothing."""
    chosen = path_frame(make(), info).query("is_chosen")
    (line,) = compared(chosen, info, searched(info, "train.learning_rate"))
    assert line == "The path and the importance in the search do not disagree."
    lines = compared(chosen, info, searched(info, "model.dropout"))
    assert lines[0].startswith("Disagreement: dropout is important in the search (")
    assert "but gains -0.0060" in lines[0] or "but gains -0.0050" in lines[0]
    assert lines[1].startswith("Disagreement: learning rate gains +0.0500 [")


def test_too_few_trials_are_not_compared(info):
    runs, search = searched(info, "model.dropout")
    (line,) = compared(path_frame(make(), info).query("is_chosen"), info, (runs.head(5), search))
    assert line.startswith("Not compared with importance: 5 trials finished")
