"""``orch diagnose``: every view of a model that has all of them, and what is refused."""

import re

import pandas as pd
import pytest

VIEWS = ("convergence", "gradients", "clusters", "recall", "unimodal", "cold")
SMALL = (
    *("model.dim=16", "model.inner_dim=16", "model.num_heads=2", "train.batch_targets=64"),
    "model.num_layers=1",
)
WORDS = (
    *("diagnose", "decorec", "--dataset", "tiny", "--executor", "local", "--name", "mine"),
    *("--seeds", 1, "--max-epochs", 2),
    *(word for setting in SMALL for word in ("--set", setting)),
)


def test_every_view_leaves_a_table_a_figure_and_its_numbers(orch, store):
    done = orch(*WORDS)
    assert (done.code, done.err) == (0, "")
    folder = store / "sweeps" / "mine" / "figures"
    for view in VIEWS:
        stem = f"decorec-{view}-tiny"
        for suffix in ("pdf", "png", "csv"):
            assert (folder / f"{stem}.{suffix}").stat().st_size, (view, suffix)
        assert not pd.read_csv(folder / f"{stem}.csv").empty
        assert re.search(rf"^{view} ", done.out, re.MULTILINE), view
    again = orch(*WORDS)
    assert again.code == 0
    assert "done before and reused" in again.out
    assert (folder / "decorec-cold-tiny.csv").exists()


def test_a_view_that_a_model_cannot_have_is_refused_by_name(orch, store):
    done = orch("diagnose", "sasrec", "--dataset", "tiny", "--views", "gradients")
    assert done.code == 2
    assert "gradients" in done.err
    assert not (store / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [(("--views", "gradient"), "gradients"), (("--seeds", 0), "--seeds cannot be 0")],
)
def test_bad_options_are_refused_before_anything_is_written(orch, store, words, message):
    done = orch("diagnose", "decorec", "--dataset", "tiny", *words)
    assert done.code == 2
    assert message in done.err
    assert not (store / "runs").exists()
