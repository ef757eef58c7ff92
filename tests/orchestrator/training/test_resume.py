import os
import signal
import subprocess
import sys

import pytest
from safetensors.torch import load_file

import models
from orchestrator.errors import StoreError
from orchestrator.training.checkpoint import Checkpoints
from orchestrator.training.loop import train


class CutError(Exception):
    pass


def cut_after(step):
    """Told of each epoch; ends the run after the given one."""

    def told(epoch):
        if epoch.step == step:
            raise CutError

    return told


def weights_of(folder, record):
    return load_file(folder / f"epoch-{record.best_step:05d}" / "model.safetensors")


def assert_same_bits(found, expected):
    assert found.keys() == expected.keys()
    assert all(found[name].equal(value) for name, value in expected.items())


@pytest.fixture
def resumed(cycle, tmp_path, timeless):
    """Checks that a run cut in given ways ends as the uncut run does."""

    def check(config, cuts):
        whole = train(config, cycle, folder=tmp_path / "whole", device="cpu")
        folder = tmp_path / "cut"
        for step in cuts:
            with pytest.raises(CutError):
                train(config, cycle, folder=folder, device="cpu", on_epoch=cut_after(step))
            assert Checkpoints(folder).latest().step == step
        heard = []
        record = train(config, cycle, folder=folder, device="cpu", on_epoch=heard.append)
        assert timeless(record) == timeless(whole)
        assert tuple(heard) == record.epochs
        assert_same_bits(weights_of(folder, record), weights_of(tmp_path / "whole", whole))
        return whole

    return check


@pytest.mark.parametrize("cuts", [(1,), (2,), (3,), (4,), (5,), (6,), (1, 2, 4, 5)])
@pytest.mark.parametrize("clip", [0.0, 0.05])
def test_a_run_of_two_stages_cut_after_any_epoch_ends_the_same(two_stages, resumed, cuts, clip):
    config = two_stages.trial(settings={"dropout": 0.3}, clip_norm=clip, weight_decay=0.01)
    assert len(resumed(config, cuts).epochs) == 6


@pytest.mark.parametrize("cuts", [(1,), (3,), (4,), (1, 2, 4, 5)])
def test_a_run_with_averaged_weights_cut_after_any_epoch_ends_the_same(two_stages, resumed, cuts):
    config = two_stages.trial(settings={"dropout": 0.3}, average_decay=0.9)
    assert len(resumed(config, cuts).epochs) == 6


@pytest.mark.parametrize("cuts", [(1,), (4,), (6,), (7,), (2, 3, 7)])
def test_a_run_that_stops_early_cut_after_any_epoch_ends_the_same(
    cycle, two_stages, scripted, tmp_path, timeless, cuts
):
    values = (0.1, 0.9, 0.2, 0.2, 0.3, 0.2, 0.1)
    config = two_stages.trial(max_epochs=9, patience=2)
    scripted(*values)
    whole = train(config, cycle, folder=tmp_path / "whole", device="cpu")
    assert len(whole.epochs) == 7
    folder, done = tmp_path / "cut", 0
    for step in cuts:
        scripted(*values[done:])
        with pytest.raises(CutError):
            train(config, cycle, folder=folder, device="cpu", on_epoch=cut_after(step))
        done = step
    scripted(*values[done:])
    record = train(config, cycle, folder=folder, device="cpu")
    assert timeless(record) == timeless(whole)
    assert_same_bits(weights_of(folder, record), weights_of(tmp_path / "whole", whole))


@pytest.mark.parametrize("name", models.names())
def test_every_model_goes_on_where_it_was_cut(trial, resumed, name):
    resumed(trial(name, train__max_epochs=3, model__dropout=0.2, seed=3), (1, 2))


def test_a_run_cut_in_the_middle_of_an_epoch_repeats_it(
    cycle, two_stages, tmp_path, timeless, monkeypatch
):
    config = two_stages.trial(settings={"dropout": 0.3})
    whole = train(config, cycle, folder=tmp_path / "whole", device="cpu")
    from orchestrator.training import loop

    original, calls = loop._update, []

    def interrupted(run, batch, optimizer):
        calls.append(batch)
        if len(calls) == 6:  # each epoch has at least 2 batches
            raise KeyboardInterrupt
        return original(run, batch, optimizer)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_update", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(config, cycle, folder=tmp_path / "cut", device="cpu")
    assert 0 < Checkpoints(tmp_path / "cut").latest().step < 6
    record = train(config, cycle, folder=tmp_path / "cut", device="cpu")
    assert timeless(record) == timeless(whole)


def test_a_run_that_is_done_is_only_measured_again(cycle, two_stages, tmp_path, timeless):
    config = two_stages.trial(max_epochs=2)
    first = train(config, cycle, folder=tmp_path / "run", device="cpu")
    second = train(config, cycle, folder=tmp_path / "run", device="cpu")
    assert timeless(first) == timeless(second)
    assert two_stages.models[1].starts == []


SCRIPT = """
import sys
from pathlib import Path

from orchestrator.config import trial_from_json
from orchestrator.data.store import open_stored
from orchestrator.results import read_json, write_json
from orchestrator.training.loop import train

data, config, folder, record = map(Path, sys.argv[1:])
done = train(
    trial_from_json(read_json(config)), open_stored(data), folder=folder, device="cpu",
    on_epoch=lambda epoch: print(epoch.step, flush=True),
)
write_json(record, done.to_json())
"""


def test_a_killed_process_goes_on_to_the_same_bits(cycle, trial, tmp_path, timeless):
    from orchestrator.results import read_record, write_json

    config = trial("sasrec", train__max_epochs=30, train__patience=30, train__batch_targets=50)
    write_json(tmp_path / "config.json", config.to_json())
    words = [sys.executable, "-W", "error", "-c", SCRIPT, str(cycle.folder)]
    words += [str(tmp_path / name) for name in ("config.json", "run", "record.json")]
    alike = {**os.environ, "OMP_NUM_THREADS": "1"}  # bits may depend on the number of threads
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=alike) as process:
        while process.stdout.readline().strip() != "3":
            assert process.poll() is None
        process.kill()  # somewhere in epoch 4 or soon after
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "record.json").exists()
    cut_at = Checkpoints(tmp_path / "run").latest().step
    assert 3 <= cut_at < 30
    record = train(config, cycle, folder=tmp_path / "run", device="cpu")
    whole = train(config, cycle, folder=tmp_path / "whole", device="cpu")
    assert timeless(record) == timeless(whole)
    assert_same_bits(weights_of(tmp_path / "run", record), weights_of(tmp_path / "whole", whole))
    write_json(tmp_path / "record.json", record.to_json())
    assert timeless(read_record(tmp_path / "record.json")).metrics == whole.metrics


def test_a_full_disk_is_told_and_the_run_goes_on_from_the_epoch_before(
    cycle, two_stages, tmp_path, timeless, monkeypatch
):
    from orchestrator.training import checkpoint

    config = two_stages.trial(max_epochs=2)
    whole = train(config, cycle, device="cpu")
    original, writes = checkpoint.save_file, []

    def full(tensors, path):
        writes.append(path)
        if len(writes) == 4:  # the optimiser's state of the second epoch
            raise OSError(28, "No space left on device")
        original(tensors, path)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_file", full)
        with pytest.raises(StoreError, match=r"epoch-00002: the checkpoint cannot be written \("):
            train(config, cycle, folder=tmp_path / "run", device="cpu")
    assert Checkpoints(tmp_path / "run").latest().step == 1
    record = train(config, cycle, folder=tmp_path / "run", device="cpu")
    assert timeless(record) == timeless(whole)
