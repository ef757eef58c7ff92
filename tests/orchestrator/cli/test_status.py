import re
import subprocess
import sys
import tomllib

import pytest
from mlflow.tracking import MlflowClient

from orchestrator import api
from orchestrator.results import read_record


def columns(text):
    return [re.split(r"  +", line.strip()) for line in text.splitlines()]


@pytest.fixture
def bury(swept):
    """Makes the sweep one that a process left running which is no more."""

    def make(*names):
        with subprocess.Popen([sys.executable, "-c", ""]) as dead:
            pass
        client = MlflowClient(f"sqlite:///{swept / 'mlflow.db'}")
        experiments = [e.experiment_id for e in client.search_experiments()]
        for run in client.search_runs(experiments):
            if run.info.run_name in names:
                client.update_run(run.info.run_id, status="RUNNING")
                client.set_tag(run.info.run_id, "orch.pid", str(dead.pid))

    return make


def test_status_tells_every_sweep(orch, swept):
    done = orch("status")
    assert (done.code, done.err) == (0, "")
    header, _, row = columns(done.out)
    assert header == [
        *("name", "what", "model", "data set", "status", "runs"),
        *("best val NDCG@10", "started"),
    ]
    assert row[:6] == [
        "mine",
        "sweep heads",
        "sasrec",
        "tiny (synthetic)",
        "finished",
        "8 of 8 done",
    ]
    assert re.fullmatch(r"0\.\d{4} \(2 seeds\)", row[6])


def test_status_of_a_sweep_tells_every_run(orch, swept):
    done = orch("status", "mine")
    assert (done.code, done.err) == (0, "")
    head, rows = done.out.split("\n\n")[0], done.out.split("\n\n")[1].splitlines()[2:]
    assert head.startswith("mine: sasrec, heads, on tiny (synthetic data)\n")
    assert "\nStatus: finished; started " in head
    assert "\nRuns: 8 of 8 done. Best val NDCG@10 of a point: 0." in head
    assert len(rows) == 8
    for row in columns("\n".join(rows)):
        name, run, status, epoch, value, seconds = row
        record = read_record(next((swept / "runs").glob(f"{run}*")) / "record.json")
        assert name.endswith(f"seed={record.config['seed']}")
        assert (status, epoch) == ("finished", "1")
        assert value == f"{record.metrics['val/ndcg@10']:.4f}"
        assert seconds == f"{record.seconds:.1f}"
    assert "Go on with" not in done.out


def test_a_sweep_whose_process_is_gone_is_dead_and_what_goes_on_with_it_is_told(orch, swept, bury):
    bury("mine", "base seed=1")
    assert columns(orch("status").out)[2][4:6] == ["dead", "7 of 8 done, 1 cut"]
    out = orch("status", "mine").out
    assert re.search(r"\nStatus: dead: process \d+ on \S+ is gone without a word; started ", out)
    assert re.search(r"\nbase seed=1 +[0-9a-f]{8}  dead ", out)
    assert "Go on with: what started it: `orch sweep` or `api.sweep` with the same arguments" in out


def test_the_command_that_goes_on_is_the_one_that_was_typed(orch, store, small, place, monkeypatch):
    words = ("sweep", "sasrec", "--space", "heads", "--dataset", "tiny", "--executor", "local")
    words = (*words, "--seeds", "1", "--name", "mine", *small)
    assert orch(*words, "--set", "train.learning_rate=1e30").code == 1
    out = orch("status", "mine").out
    command = f"orch {' '.join(words)} --set train.learning_rate=1e30"
    assert f"\nGo on with: {command}\n" in out
    assert "the loss `total` is nan in epoch 1" in out, "the reason of a run"
    (place / "else where").mkdir()
    monkeypatch.chdir(place / "else where")
    out = orch("status", "mine", "--results", store).out
    assert f"\nGo on with: cd {place} && {command}\n" in out


def test_logs_of_workers_are_told(orch, swept):
    for folder in ("ray-1-2", "fixed/ray-2-2", "search/base/ray-3-2"):
        (swept / "sweeps" / "mine" / folder).mkdir(parents=True)
    out = orch("status", "mine").out
    folders = ("ray-1-2", "fixed/ray-2-2", "search/base/ray-3-2")
    named = ", ".join(f"results/sweeps/mine/{folder}" for folder in folders)
    assert f"\nLogs of the workers: {named}\n" in out


def test_a_store_without_sweeps(orch, store):
    done = orch("status")
    assert (done.code, done.out) == (0, "The store holds no sweep yet.\n")


def test_status_where_there_is_no_store_makes_none(orch, place):
    done = orch("status")
    assert done.code == 2
    assert "there is no store of runs. Run a sweep first" in done.err
    assert not (place / "results").exists()


def test_the_best_point_is_the_starred_one_and_its_file_repeats_its_runs(orch, swept, place):
    done = orch("best", "mine", "--export", "best.toml")
    assert (done.code, done.err) == (0, "")
    about, settings, val, test, runs, place_of = done.out.strip().split("\n\n")
    assert about.startswith(
        "Best point of sweep mine: sasrec on tiny (synthetic data), seeds 0, 1.\n"
        "Chosen from 4 points by validation NDCG@10 alone, which is 0."
    )
    assert settings.splitlines()[1].startswith("* model.num_heads = ")
    assert "  model.dim = 8" in settings.splitlines()
    assert val.startswith("Validation, by which it was chosen:\n  recall@10 ")
    assert test.startswith("Test, scored once per run and looked at by no choice:\n  recall@10 ")
    assert place_of == "Settings: best.toml; use them with --config best.toml."
    first, _ = runs.removeprefix("Runs: ").split(", ")
    record = api.train("sasrec", dataset="tiny", config=place / "best.toml", results=swept)
    assert record.run_id == first, "the very run, taken and not trained again"
    written = tomllib.loads((place / "best.toml").read_text())
    assert written["origin"]["runs"][0] == first


def test_a_file_that_is_there_is_not_replaced(orch, swept, place):
    (place / "best.toml").write_text("mine")
    done = orch("best", "mine", "--export", "best.toml")
    assert (done.code, done.out) == (2, "")
    assert done.err == "orch: best.toml: is there already. Add --force to replace it.\n"
    assert (place / "best.toml").read_text() == "mine"
    assert orch("best", "mine", "--export", "best.toml", "--force").code == 0
    assert (place / "best.toml").read_text() != "mine"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--variant", "base"), "--variant: mine is a sweep and has no variants. Leave it out."),
        (
            ("--force",),
            "Invalid value for --force: there is nothing to replace without --export. "
            "See `orch best --help`.",
        ),
    ],
)
def test_what_best_cannot_do(orch, swept, words, sentence):
    done = orch("best", "mine", *words)
    assert (done.code, done.out, done.err) == (2, "", f"orch: {sentence}\n")


def test_settings_of_a_file_are_a_base_for_every_command(orch, swept, place):
    """A joint space sweeps what the file sets; --set goes over the file."""
    (place / "mine.toml").write_text("[model]\ndim = 12\nnum_heads = 3\ndropout = 0.1\n")
    words = ("train", "sasrec", "--dataset", "tiny", "--max-epochs", "1", "--config", "mine.toml")
    assert orch(*words, "--set", "model.dropout=0.2").code == 0
    records = map(read_record, (swept / "runs").glob("*/record.json"))
    (trained,) = [r.config["settings"] for r in records if r.config["settings"]["dim"] == 12]
    assert (trained["num_heads"], trained["dropout"]) == (3, 0.2)
    (place / "mine.toml").write_text("[origin]\nmodel = 'tame'\n")
    for command in (("sweep", "sasrec", "--space", "joint"), ("ablate", "sasrec")):
        done = orch(*command, "--dataset", "tiny", "--config", "mine.toml")
        assert (done.code, done.out) == (2, "")
        assert done.err == (
            "orch: mine.toml: `origin.model` is tame, and the command is about sasrec. Choose a "
            "file of this model.\n"
        )


def test_show_tells_a_run(orch, swept):
    record = read_record(next((swept / "runs").glob("*/record.json")))
    done = orch("show", record.run_id[:6])
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[:2] == [
        f"Run {record.run_id}: finished",
        f"sasrec on tiny, seed {record.config['seed']}",
    ]
    figure = f"ndcg@20 {record.metrics['test/ndcg@20']:.4f}"
    assert figure in next(line for line in lines if line.startswith("Test, scored once: "))
    assert any(line.startswith("Epochs: 1 (joint 1), ") for line in lines)
    value = f"{record.metrics['val/ndcg@10']:.4f}"
    assert f"Validation NDCG@10: {value} in epoch 1 (best)" in lines
    assert "  model.dim = 8" in lines[: lines.index("The defaults:")]
    assert "  eval.ties = worst" in lines[lines.index("The defaults:") :]
    assert f"  weights: results/runs/{record.run_id}/model.safetensors" in lines
    assert lines[-1] == "Sweeps: mine"


def test_show_tells_a_run_that_was_cut(orch, swept):
    """Its settings are those that a sweep holds."""
    folder = next((swept / "runs").glob("*/record.json")).parent
    (folder / "record.json").unlink()
    done = orch("show", folder.name)
    lines = done.out.splitlines()
    assert lines[:2] == [f"Run {folder.name}: cut; the same command goes on with it", "sasrec"]
    assert "Epochs: none" in lines
    assert "  model.dim = 8" in lines


def test_show_without_a_store(orch, swept):
    """A run is told all the same, and why its sweeps are not."""
    (swept / "mlflow.db").unlink()
    run = next((swept / "runs").iterdir()).name
    done = orch("show", run)
    assert done.code == 0
    assert "Sweeps: not known: " in done.out
    assert "there is no store of runs" in done.out


def test_show_of_no_run(orch, swept):
    done = orch("show", "xyz")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "orch: RUN: no run in results/runs has an id that begins with `xyz`. Ids are the names of "
        "its folders.\n"
    )
