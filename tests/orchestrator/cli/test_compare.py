"""``orch compare``: what it prints, and that it can be repeated."""

import re

import pytest

WORDS = (
    *("compare", "sasrec", "gru4rec", "--dataset", "tiny", "--executor", "local"),
    *("--name", "mine", "--seeds", 2, "--max-epochs", 1),
    *("--set", "model.dim=8", "--set", "train.batch_targets=64"),
)
RUN = "val NDCG@10 # at epoch 1 of 1, # s"
LINES = [
    f"[1/4] sasrec seed=0: {RUN}",
    f"[2/4] gru4rec seed=0: {RUN}",
    f"[3/4] sasrec seed=1: {RUN}",
    f"[4/4] gru4rec seed=1: {RUN}",
]
FILES = """\
PDF: results/sweeps/mine/figures/comparison-tiny-bars.pdf
PNG: results/sweeps/mine/figures/comparison-tiny-bars.png
CSV: results/sweeps/mine/figures/comparison-tiny.csv
CSV: results/sweeps/mine/figures/comparison-tiny-pairs.csv
CSV: results/sweeps/mine/figures/comparison-tiny-costs.csv
MD: results/sweeps/mine/figures/comparison-tiny.md
TEX: results/sweeps/mine/figures/comparison-tiny.tex
MLflow: sqlite:///STORE/mlflow.db; browse it with `orch ui --results results`.
"""


def parts(done, store, masked):
    """Progress, report and files, without what differs from run to run."""
    progress, report = re.split(r"\n(?=mine: 2 models)", masked(done.out), maxsplit=1)
    report, files = re.split(r"\n\n(?=PDF: )", report, maxsplit=1)
    return progress.splitlines(), report, files.replace(str(store), "STORE")


def test_it_tells_each_run_the_tables_and_its_files_and_goes_on(orch, store, masked):
    done = orch(*WORDS)
    assert (done.code, done.err) == (0, "")
    progress, report, files = parts(done, store, masked)
    assert progress == ["fixed settings: 4 runs.", *LINES]
    heads = [line.split("  ")[0] for line in report.splitlines() if "  " in line]
    assert heads[0] == "tiny"
    assert "best over second %" in heads
    assert {"SASRec", "GRU4Rec", "NDCG@10", "cost"} <= set(heads)
    assert files == FILES
    again = orch(*WORDS)
    assert (again.code, again.err) == (0, "")
    head = "fixed settings: 4 runs, 4 of them done before and reused."
    assert parts(again, store, masked) == ([head, *LINES], report, files)
    done = orch("status")
    assert "mine  comparison  sasrec, gru4rec  tiny (synthetic)  finished  4 of 4 done" in done.out


def test_models_that_fail_are_told_and_the_rest_is_compared(orch, store):
    done = orch(*WORDS, "--set", "gru4rec.train.learning_rate=1e30", "--seeds", 1)
    assert done.code == 1
    assert re.search(r"^GRU4Rec +- ", done.out, re.MULTILINE)
    assert "Failed runs, left out: GRU4Rec 1." in " ".join(done.out.split())
    assert "orch: 1 of 2 runs failed. Type the same command again to run those again." in done.err


@pytest.mark.slow
def test_searches_through_ray(orch, store):
    words = [word for word in WORDS if word not in ("--executor", "local")]
    done = orch(*words, "--tune", 2)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    for head in ("search sasrec: 2 runs.", "search gru4rec: 2 runs."):
        assert head in lines
    assert "retuned: 4 runs, 2 of them done before and reused." in lines
    assert "a search of its own, of 2 points at one seed" in " ".join(done.out.split())
