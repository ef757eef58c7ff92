"""What a run costs, timed by a few steps, against what a run then took."""

import pytest

from orchestrator.config import default_trial, override
from orchestrator.data import open_dataset
from orchestrator.sweep.cost import measure
from orchestrator.sweep.objective import CHECKPOINTS, WEIGHTS, run_folder, train_recorded
from orchestrator.training.checkpoint import Checkpoints


@pytest.fixture
def dataset(data_dir):
    return open_dataset("tiny", data_dir)


def test_sizes_are_those_of_the_files(dataset, base, tmp_path, monkeypatch):
    config = override(base, {"train.average_decay": 0.9}, where="test")
    cost = measure(config, dataset, device="cpu", threads=1)
    monkeypatch.setattr(Checkpoints, "keep", lambda self, step, path: None)
    record = train_recorded(config, dataset, results=tmp_path)
    (*_, last) = sorted((run_folder(tmp_path, record.run_id) / CHECKPOINTS).glob("epoch-*"))
    files = {path.name: path.stat().st_size for path in last.iterdir()}
    assert cost.checkpoint == pytest.approx(sum(files.values()), rel=0.05)
    assert cost.weights == pytest.approx(files[WEIGHTS], rel=0.1)


def test_each_stage_is_timed(data_dir, dataset):
    small = {"model.dim": 8, "model.inner_dim": 16, "model.num_heads": 1, "model.num_layers": 1}
    small |= {"model.adapter_hidden": 8, "train.batch_targets": 64}
    config = override(default_trial("decorec", "tiny"), small, where="test")
    cost = measure(config, dataset, device="cpu", threads=1)
    assert len(cost.epochs) == 2
    assert all(seconds.wall > 0 and seconds.cpu > 0 for seconds in cost.epochs.values())
    assert cost.ends.wall > 0


def test_a_validation_of_some_users_stands_for_all(dataset, base, monkeypatch):
    from orchestrator.sweep import cost as module

    seen = []
    evaluate = module.evaluate
    monkeypatch.setattr(module, "MAX_USERS", 20)
    monkeypatch.setattr(
        module,
        "evaluate",
        lambda model, users, **how: seen.append(len(users)) or evaluate(model, users, **how),
    )
    measure(base, dataset, device="cpu", threads=1)
    assert seen == [20]


@pytest.mark.slow
def test_an_epoch_takes_about_what_was_told(dataset, base, tmp_path):
    config = override(base, {"train.max_epochs": 30, "train.patience": 30}, where="test")
    told = measure(config, dataset, device="cpu", threads=1).epoch
    record = train_recorded(config, dataset, results=tmp_path)
    took = sorted(epoch.seconds for epoch in record.epochs)[15]
    assert 1 / 3 < told / took < 3
