"""``orch explain``: trains what is not trained, shows what is read, and says what cannot be."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from orchestrator import api
from orchestrator.cli import options
from orchestrator.config import trial_from_json
from orchestrator.data import open_dataset
from orchestrator.training.checkpoint import load_weights
from orchestrator.training.loop import build_model

TINY = ("explain", "tame", "#7", "--dataset", "tiny", "--max-epochs", 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory, data_dir, small):
    """A results folder with one run and its explanation, made once."""
    results = tmp_path_factory.mktemp("made")
    overrides = options.overrides([word for word in small if word != "--set"], 1)
    explained = api.explain(
        "tame", "#7", dataset="tiny", overrides=overrides, results=results, data_dir=data_dir
    )
    return results, explained


@pytest.fixture
def explained(made, place):
    """What a command in this folder would have left, and its run's folder."""
    results, found = made
    shutil.copytree(results, place / "results")
    return found, place / "results" / "runs" / found.record.run_id


def test_a_run_is_trained_and_what_it_reads_is_shown(orch, place, small):
    done = orch(*TINY, *small)
    assert done.code == 0
    (folder,) = (place / "results" / "runs").iterdir()
    told, *epochs = done.err.splitlines()
    assert told == (
        "tame on tiny, seed 0: no run of these settings has finished in results/runs. "
        "Training it; Ctrl-C is safe."
    )
    assert epochs[0].startswith("epoch 1 (joint): loss ")
    lines = done.out.splitlines()
    assert lines[0].startswith(
        f"tame on tiny (synthetic data), seed 0, run {folder.name[:8]}: what it reads of item #7 "
    )
    assert sum("(marked)" in line for line in lines) >= 2
    assert lines[-3:] == [
        "PDF: results/explain/tame-explain-tiny-7.pdf",
        "PNG: results/explain/tame-explain-tiny-7.png",
        "CSV: results/explain/tame-explain-tiny-7.csv",
    ]
    written = {path.name for path in (place / "results" / "explain").iterdir()}
    assert written == {f"tame-explain-tiny-7.{suffix}" for suffix in ("pdf", "png", "csv")}


def test_the_weights_are_those_of_the_kept_model(explained, place, data_dir):
    found, folder = explained
    frame = pd.read_csv(place / "results" / "explain" / "tame-explain-tiny-7.csv")
    pd.testing.assert_frame_equal(frame, found.table, check_dtype=False)
    config = trial_from_json(found.record.config)
    model = build_model(config, open_dataset("tiny", data_dir)).eval()
    load_weights(model, folder / "model.safetensors")
    with torch.no_grad():
        maps = model.attention(torch.tensor([7]))
    for modality, own in maps.items():
        rows = frame[frame["modality"] == modality]
        np.testing.assert_allclose(
            rows["weight"].to_numpy().reshape(own[0].shape), own[0], rtol=1e-5, atol=1e-7
        )
        assert rows["place"].max() == own[0].shape[2]


def test_a_run_that_is_done_is_found_and_not_trained_again(explained, orch, small, place):
    found, folder = explained
    record = (folder / "record.json").stat().st_mtime_ns
    again = orch(*TINY, *small)
    assert (again.code, again.err) == (0, "")
    assert again.out.startswith(f"{found.text}\n\nPDF: ")
    by_id = orch("explain", "tame", "item-7", "--run", folder.name[:6], "--out", place / "here")
    assert (by_id.code, by_id.err) == (0, "")
    assert by_id.out.startswith(f"{found.text}\n\nPDF: ")
    for path in (place / "here").iterdir():
        assert path.read_bytes() == (place / "results" / "explain" / path.name).read_bytes()
    assert (folder / "record.json").stat().st_mtime_ns == record


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("tame", "#99"), "ITEM: cannot be #99: tiny has the items #1 to #40."),
        (("tame", "Synthetic"), "ITEM: `Synthetic` is in the texts of 40 items of tiny: item-1 ("),
        (("tame", "xyz"), "ITEM: no item of tiny has the id `xyz` or that in its text."),
        (("tmae", "#1"), "There is no model `tmae`. Did you mean `tame`?"),
        (("sasrec", "#1"), "sasrec on tiny: with these settings the model has no attention over"),
        (("tame", "#1", "--set", "model.use_retriever=false"), "tame on tiny: with these settings"),
        (("tame", "#1", "--set", "model.heads=2"), "--set: There is no key `model.heads`."),
        (("tame", "#1", "--device", "cudaa"), "--device cannot be cudaa: it is not here."),
    ],
)
def test_what_cannot_be_is_one_sentence_before_anything_is_trained(orch, place, words, sentence):
    model, item, *more = words
    done = orch("explain", model, item, "--dataset", "tiny", *more)
    refused(done, sentence)
    assert not (place / "results").exists()


def refused(done, sentence):
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"orch: {sentence}")
    assert done.err.count("\n") == 1


def test_a_run_that_is_none_or_another_ones_is_one_sentence(explained, orch, place):
    _, folder = explained
    run = folder.name
    given = ("explain", "tame", "#7", "--run")
    refused(orch(*given, "zz"), "--run: no run in results/runs has an id that begins with `zz`.")
    refused(orch(*given, ""), "--run: no run in results/runs has an id that begins with ``.")
    refused(
        orch(*given, run, "--dataset", "tiny"),
        f"--dataset: cannot be given with --run {run}, which has its own. Leave it out.",
    )
    refused(orch(*given, run, "--max-epochs", 2), "--set or --max-epochs: cannot be given with")
    refused(orch(*given, run, "--seed", 0), "--seed: cannot be given with --run")
    refused(
        orch("explain", "sasrec", "#7", "--run", run),
        f"--run: {run} is a run of tame, not of sasrec.",
    )
    twin = folder.with_name(f"{run[:5]}x")
    twin.mkdir()
    refused(
        orch(*given, run[:5]), f"--run: the ids of 2 runs in results/runs begin with `{run[:5]}"
    )
    refused(orch(*given, twin.name), f"--run: {twin.name} has not finished.")
    (folder / "model.safetensors").unlink()
    refused(orch(*given, run), f"results/runs/{run}/model.safetensors: the checkpoint is damaged")


def test_a_run_of_other_data_is_refused(orch, place, small):
    data = place / "data"
    made = api.make_planted("mine", num_users=60, num_items=40, data_dir=data)
    words = ("--data-dir", data)
    assert orch("explain", "tame", "#7", "--dataset", "mine", "--max-epochs", 1, *small, *words)
    (folder,) = (place / "results" / "runs").iterdir()
    api.make_planted("mine", num_users=61, num_items=40, data_dir=data, overwrite=True)
    done = orch("explain", "tame", "#7", "--run", folder.name, *words)
    refused(done, f"--run: {folder.name} was trained on other data than {made.folder} holds now")
    elsewhere = orch("explain", "tame", "#7", "--run", folder.name)
    assert re.match(r"orch: .* There is no data set `mine`", elsewhere.err)


def test_without_a_data_set_it_is_the_planted_one(orch, place):
    done = orch("explain", "tame", "#500")
    refused(done, "ITEM: cannot be #500: planted has the items #1 to #400.")
