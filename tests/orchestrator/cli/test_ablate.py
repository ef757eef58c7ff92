"""``orch ablate``: what it prints, and that it can be repeated."""

import re

import pytest

SMALL = ("model.dim=16", "model.inner_dim=16", "model.num_layers=1", "train.batch_targets=64")
WORDS = (
    *("ablate", "tame", "--dataset", "tiny", "--executor", "local", "--name", "mine"),
    *("--seeds", 2, "--max-epochs", 1, "--variants", "without_text,without_vision"),
    *(word for setting in SMALL for word in ("--set", setting)),
)
RUN = "val NDCG@10 # at epoch 1 of 1, # s"
FIXED = [
    f"[1/6] base seed=0: {RUN}",
    f"[2/6] without_text seed=0: {RUN}",
    f"[3/6] without_vision seed=0: {RUN}",
    f"[4/6] base seed=1: {RUN}",
    f"[5/6] without_text seed=1: {RUN}",
    f"[6/6] without_vision seed=1: {RUN}",
]
FILES = """\
PDF: results/sweeps/mine/figures/tame-ablation-tiny-forest.pdf
PNG: results/sweeps/mine/figures/tame-ablation-tiny-forest.png
PDF: results/sweeps/mine/figures/tame-ablation-tiny-bars.pdf
PNG: results/sweeps/mine/figures/tame-ablation-tiny-bars.png
CSV: results/sweeps/mine/figures/tame-ablation-tiny.csv
TEX: results/sweeps/mine/figures/tame-ablation-tiny.tex
MLflow: sqlite:///STORE/mlflow.db; browse it with `orch ui --results results`.
"""


def parts(done, store, masked):
    """Progress, report and files, without what differs from run to run."""
    progress, report = re.split(r"\n(?=mine: tame, ablation)", masked(done.out), maxsplit=1)
    report, files = re.split(r"\n\n(?=PDF: )", report, maxsplit=1)
    return progress.splitlines(), report, files.replace(str(store), "STORE")


def test_an_ablation_tells_each_run_a_report_and_its_files(orch, store, masked):
    done = orch(*WORDS)
    assert (done.code, done.err) == (0, "")
    progress, report, files = parts(done, store, masked)
    assert progress == ["fixed settings: 6 runs.", *FIXED]
    assert report.splitlines()[0] == "mine: tame, ablation, on tiny (synthetic data)"
    for row in ("base", "without text", "without vision"):
        assert re.search(rf"^{row}  +#", report, re.MULTILINE), row
    assert files == FILES
    again = orch(*WORDS)
    assert (again.code, again.err) == (0, "")
    head = "fixed settings: 6 runs, 6 of them done before and reused."
    assert parts(again, store, masked) == ([head, *FIXED], report, files)


def searched(variant):
    """How a search begins: what the variant switches off is not searched."""
    gone = {"without_text": "text", "without_vision": "image"}.get(variant)
    keys = [] if gone is None else [f"model.{gone}_queries", f"model.{gone}_heads"]
    why = "is not searched: it changes nothing, since the variant switches it off."
    return [f"search {variant}: 1 runs.", *(f"Note: `{key}` {why}" for key in keys)]


def test_phases_are_named_and_what_is_not_run_is_said(orch, store, masked):
    done = orch(*WORDS, "--retune", 1, "--pairs", "--modality-controls", "--seeds", 1)
    assert (done.code, done.err) == (0, "")
    progress, report, _ = parts(done, store, masked)
    variants = [
        *("base", "without_text", "without_vision"),
        *("shuffled_text", "noise_text", "mean_text"),
        *("shuffled_image", "noise_image", "mean_image"),
    ]
    assert [line for line in progress if not line.startswith(("[", "Checking"))] == [
        "fixed settings: 9 runs.",
        "Note: `without_text+without_vision` is not run: [model] `use_image` cannot be False with "
        "`use_text` False: TAME needs one.",
        *(line for variant in variants for line in searched(variant)),
        "retuned: 9 runs, 9 of them done before and reused.",
    ]
    assert "shuffled text" in report
    found = next(line for line in progress if "] search noise_text: " in line)
    chosen = next(line for line in progress if "] retuned noise_text: " in line)
    assert found.split(": ", 1)[1] == chosen.split(": ", 1)[1], "it is the same run"


def test_failed_runs_are_told_and_the_rest_goes_on(orch, store):
    """Every run fails: the report says so, and the exit code."""
    done = orch(*WORDS, "--set", "train.learning_rate=1e30", "--seeds", 1)
    assert done.code == 1
    assert "No run has finished." in done.out
    lines = done.err.splitlines()
    assert len(lines) == 5
    assert all(
        re.match(r"orch: run [0-9a-f]{16} failed: the loss `\w+` is", li) for li in lines[:3]
    )
    assert lines[3] == "orch: 3 of 3 runs failed. Type the same command again to run those again."
    assert re.fullmatch(r"orch: `orch show [0-9a-f]{8}` tells more of the first\.", lines[4])


def test_an_ablation_is_drawn_again_without_its_runs_folder(orch, store, place):
    orch(*WORDS)
    (store / "runs").rename(store / "moved")
    done = orch("plot", "forest", "mine", "--output", "again", "--format", "svg")
    assert (done.code, done.err) == (0, "")
    assert done.out == "again/mine-forest.svg\nagain/mine-forest.csv\n"
    assert "users_low" in (place / "again" / "mine-forest.csv").read_text()


def test_checks_that_take_long_tell_how_far_they_are(orch, store, monkeypatch):
    monkeypatch.setattr("orchestrator.cli.progress.CHECK_SECONDS", -1.0)
    done = orch(*WORDS, "--seeds", 1)
    assert done.out.splitlines()[:2] == [
        "Checking that what is varied changes the model: 0 of 2.",
        "Checking that what is varied changes the model: 1 of 2.",
    ]


@pytest.mark.slow
def test_the_same_through_ray(orch, store, masked):
    words = [word for word in WORDS if word not in ("--executor", "local")]
    done = orch(*words)
    assert (done.code, done.err) == (0, "")
    progress, _, files = parts(done, store, masked)
    assert progress[0] == "fixed settings: 6 runs."
    assert sorted(re.sub(r"^.*\] ", "", line) for line in progress[1:]) == sorted(
        re.sub(r"^.*\] ", "", line) for line in FIXED
    )
    assert files == FILES
