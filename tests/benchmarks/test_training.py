"""The benchmark of training runs, and the ways that it compares train on the same samples."""

import csv
import io
from collections import Counter

import pytest
import torch

import models
from models import HIDDEN, Batch
from orchestrator.config import default_trial, override
from orchestrator.data import PlantedConfig, make_planted
from orchestrator.data.interactions import sequences_of
from orchestrator.training.loop import build_model, train

IN_BATCH = ("iisan", "odmt")
"""They represent a batch's own items alone, as a part of the loss."""


@pytest.fixture(scope="module")
def training(benchmark):
    return benchmark


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    small = PlantedConfig(num_users=60, num_items=40, has_extras=True)
    return make_planted(small, name="small", data_dir=tmp_path_factory.mktemp("data"))


@pytest.fixture
def trial():
    """Model by name -> small settings of it."""

    def make(model):
        small = {"model.dim": 8, "model.max_length": 12, "train.batch_targets": 64}
        return override(default_trial(model, "small"), small, where="test")

    return make


def samples(batches):
    """Every history, without padding, with its target; whole sequences give all their prefixes.

    Of a sequence with hidden items it is all of it, with each of those.
    """
    found = Counter()
    for batch in batches.epoch(3):
        assert isinstance(batch, Batch)
        for group in batch.groups:
            for items, targets in zip(
                group.history.items.tolist(), group.targets.tolist(), strict=True
            ):
                whole = HIDDEN in items
                found.update(
                    (tuple(item for item in items[: None if whole else place + 1] if item), target)
                    for place, target in enumerate(targets)
                    if target
                )
    return found


def test_all_ways_train_on_the_same_samples(training, planted, trial):
    model = build_model(trial("sasrec"), planted)
    sequences = sequences_of([[3, 1, 4, 1, 5], [9, 2], [6], [5, 3, 5, 8, 9, 7]])
    found = {
        way: samples(training.batches_of(way, model, sequences, batch_targets=4))
        for way in training.WAYS
    }
    assert found["common"].total() == 10
    assert found["common"][(3, 1, 4), 1] == 1
    assert found["ours"] == found["common"] == found["prefixes"]


@pytest.mark.parametrize(("model", "extra"), [("bert4rec", 1), ("fearec", 0)])
def test_where_there_are_two_ways_they_have_the_same_samples(
    training, planted, trial, model, extra
):
    model = build_model(trial(model), planted)
    sequences = sequences_of([[3, 1, 4, 1, 5], [9, 2], [6], [5, 3, 5, 8, 9, 7]])
    ours, common = (
        training.batches_of(way, model, sequences, batch_targets=4)
        for way in training.ways_of(model)
    )
    assert samples(ours) == samples(common)
    assert samples(ours).total() > 4
    for batch in common.epoch(3):
        histories = [group.history for group in batch.groups]
        histories += [] if batch.twins is None else batch.twins.histories
        assert {history.items.shape[1] for history in histories} == {12 + extra}


def test_the_common_way_pads_every_prefix_to_the_limit(training):
    sequences = sequences_of([[3, 1, 4, 1, 5], [9, 2]])
    batches = list(training.PaddedPrefixes(sequences, max_length=7, batch_targets=3).epoch(0))
    assert [len(batch.targets()) for batch in batches] == [3, 2]
    for batch in batches:
        (group,) = batch.groups
        assert group.history.items.shape == group.targets.shape == (len(group.targets), 7)
        assert not group.targets[:, :-1].any()


@pytest.mark.parametrize("model", models.names())
def test_a_benchmark_compares_equals_and_accounts_for_the_time(training, planted, trial, model):
    found = training.compare(trial(model), planted, epochs=1, seeds=2)
    losses = found.agreement.losses
    assert len(losses) == (3 if models.find(model).causal else 2)
    assert losses == pytest.approx(dict.fromkeys(losses, losses["common"]), rel=1e-5)
    assert found.agreement.gradient_gap < 1e-4
    reads_features = bool(build_model(trial(model), planted).input_forms())
    has_catalogue = reads_features and model not in IN_BATCH
    for row in found.rows():
        assert sum(row[phase] for phase in training.PHASES) == pytest.approx(1, abs=1e-3)
        assert (row["catalogue"] > 0) == has_catalogue
        assert row["encoder"] > 0
    assert found.ratio("common") == 1
    assert len(found.spread) == 2
    assert found.spread[0] == found.qualities["ours"]


def test_ours_trains_as_the_loop_does(training, planted, trial):
    settings = {"max_epochs": 2, "clip_norm": 0.1, "average_decay": 0.9, "precision": "bf16"}
    values = {f"train.{name}": value for name, value in settings.items()}
    config = override(trial("decorec"), {**values, "model.fusion": "modality"}, where="test")
    expected = []
    train(config, planted, on_epoch=expected.append)
    of = training.contender("ours", config, planted)
    training.one_epoch(of, 1)
    assert of.quality(planted) == expected[0].valid["val/ndcg@10"]
    training.one_epoch(of, 2, clock="cpu")
    assert of.quality(planted) == expected[1].valid["val/ndcg@10"]


def test_settings_decide_on_clipping_and_precision(training, planted, trial):
    def loss_after_an_epoch(**settings):
        values = {f"train.{name}": value for name, value in settings.items()}
        of = training.contender("ours", override(trial("sasrec"), values, where="t"), planted)
        training.one_epoch(of, 1)
        (batch, *_) = of.batches.epoch(0)
        return of.loss(batch).item()

    plain = loss_after_an_epoch()
    assert loss_after_an_epoch(clip_norm=0.0) == plain
    assert loss_after_an_epoch(clip_norm=1e-6) != plain
    assert loss_after_an_epoch(precision="bf16") == pytest.approx(plain, rel=0.05)
    assert loss_after_an_epoch(precision="bf16") != plain


def test_a_phase_within_another_stops_its_clock(training):
    watch = training.Stopwatch(iter([0, 1, 11, 111]).__next__)
    with watch.phase("loss"), watch.phase("encoder"):
        pass
    assert watch.seconds["loss"] == 1 + 100
    assert watch.seconds["encoder"] == 10


def test_the_command_prints_a_table_and_writes_it(training, tmp_path, planted, capsys):
    out = tmp_path / "training.csv"
    folder = planted.folder.parent
    threads = torch.get_num_threads()
    options = ["--models", "sasrec", "--dataset", planted.name, "--data-dir", str(folder)]
    options += ["--clock", "cpu", "--seeds", "1", "--set", "model.dim=8", "model.max_length=12"]
    training.main([*options, "--epochs", "1", "--threads", str(threads), "--out", str(out)])
    told = capsys.readouterr().out
    assert f"{threads} thread(s)" in told
    assert f"torch {torch.__version__}" in told
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [row["way"] for row in rows] == list(training.WAYS)
    assert all(row["way"] in told and float(row["seconds"]) > 0 for row in rows)
    assert {row["clock"] for row in rows} == {"cpu"}


def test_training_to_the_end_keeps_the_best_epoch_and_stops_after_stale_ones(
    training, planted, trial, monkeypatch
):
    qualities = iter([0.1, 0.3, 0.2, 0.25, 0.9])
    monkeypatch.setattr(training.Contender, "quality", lambda self, dataset: next(qualities))
    best = training.best_of("ours", trial("sasrec"), planted, patience=2)
    assert (best.quality, best.epoch) == (0.3, 2)
    assert best.seconds > 0
    assert next(qualities) == 0.9  # after the fourth epoch it ended


def test_ways_trained_to_the_end_are_compared_at_the_same_seeds(training, planted, trial, capsys):
    config = override(trial("sasrec"), {"train.max_epochs": 2}, where="test")
    found = training.compare(config, planted, epochs=1, seeds=2, patience=1)
    assert set(found.best) == {"ours", "prefixes"}
    assert len({run.quality for run in found.best["ours"]}) == 2
    training.show(found)
    mean = sum(a.quality - b.quality for a, b in zip(*found.best.values(), strict=True)) / 2
    told = capsys.readouterr().out
    assert f"ours less prefixes: {mean:+.4f} (95 % over seeds" in told
    assert "ours, trained to the end: val/ndcg@10" in told


def test_every_model_is_measured(training):
    assert sorted(training.MODELS) == models.names()
