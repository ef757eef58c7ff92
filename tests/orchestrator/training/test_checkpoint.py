import json

import pytest
import torch
from torch import nn

from orchestrator.errors import StoreError
from orchestrator.results import Epoch
from orchestrator.training.checkpoint import Checkpoints, Progress
from orchestrator.training.loop import train


def epoch(step):
    valid = {"val/ndcg@10": 0.2}
    return Epoch(step=step, stage="joint", loss={"total": 0.1}, valid=valid, seconds=1.0)


def stepped(model, adam, times=1):
    for _ in range(times):
        adam.zero_grad()
        model(torch.ones(2, 3)).square().sum().backward()
        adam.step()


@pytest.fixture
def parts():
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    return model, torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)


def test_what_is_saved_comes_back(tmp_path, parts):
    model, adam = parts
    checkpoints = Checkpoints(tmp_path / "run")
    assert checkpoints.latest() is None
    stepped(model, adam, 3)
    progress = Progress(
        stage=1, stage_epoch=1, step=1, best_value=0.2, best_step=1, epochs=[epoch(1)]
    )
    checkpoints.save(progress, model, adam)
    assert Checkpoints(tmp_path / "run").latest() == progress
    other = nn.Linear(3, 2)
    other_adam = torch.optim.AdamW(other.parameters(), lr=0.5, fused=True)
    checkpoints.load_model(1, other)
    checkpoints.load_optimizer(1, other_adam)
    assert other_adam.param_groups[0]["lr"] == 0.1
    for pair in ((model, adam), (other, other_adam)):
        stepped(*pair)
    assert torch.equal(model.weight, other.weight)
    assert torch.equal(model.bias, other.bias)


def test_only_the_latest_and_the_best_epoch_are_kept(tmp_path, parts):
    model, adam = parts
    stepped(model, adam)
    checkpoints = Checkpoints(tmp_path)
    for step, best in [(1, 1), (2, 2), (3, 2), (4, 2), (5, 5)]:
        progress = Progress(step=step, best_step=best, epochs=[epoch(n + 1) for n in range(step)])
        checkpoints.save(progress, model, adam)
        kept = sorted(path.name for path in tmp_path.iterdir())
        assert kept == [f"epoch-{n:05d}" for n in sorted({best, step})]


def test_the_kept_weights_move_out_and_the_folder_goes(tmp_path, parts):
    model, adam = parts
    stepped(model, adam)
    checkpoints = Checkpoints(tmp_path / "run")
    checkpoints.save(Progress(step=1, best_step=1), model, adam)
    checkpoints.keep(1, tmp_path / "model.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_an_epoch_that_was_not_finished_does_not_count(tmp_path, parts):
    model, adam = parts
    stepped(model, adam)
    Checkpoints(tmp_path).save(Progress(step=1, best_step=1), model, adam)
    (tmp_path / ".epoch-00002").mkdir()
    (tmp_path / ".epoch-00002" / "model.safetensors").write_bytes(b"half")
    assert Checkpoints(tmp_path).latest().step == 1
    Checkpoints(tmp_path).save(Progress(step=2, best_step=1), model, adam)
    assert Checkpoints(tmp_path).latest().step == 2


def truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


def empty(path):
    path.write_bytes(b"")


def remove(path):
    path.unlink()


def no_keys(path):
    path.write_text("{}")


def other_keys(path):
    plain = json.loads(path.read_text())
    del plain["progress"]["step"], plain["optimizer"]
    plain["progress"]["steps"] = 3
    path.write_text(json.dumps(plain))


def not_a_table(path):
    path.write_text("[1, 2]")


def not_text(path):
    path.write_bytes(b"\xff\xfe\x00")


DAMAGE = [
    *[(name, damage) for name in ("model.safetensors", "optimizer.safetensors", "progress.json")
      for damage in (truncate, empty, remove)],
    *[("progress.json", damage) for damage in (no_keys, other_keys, not_a_table, not_text)],
]  # fmt: skip


@pytest.mark.parametrize(("name", "damage"), DAMAGE)
def test_a_damaged_checkpoint_is_told_with_its_file_and_a_way_out(
    cycle, two_stages, tmp_path, name, damage
):
    class CutError(Exception):
        pass

    def cut(epoch):
        raise CutError

    config = two_stages.trial(max_epochs=3)
    with pytest.raises(CutError):
        train(config, cycle, folder=tmp_path / "run", device="cpu", on_epoch=cut)
    damage(tmp_path / "run" / "epoch-00001" / name)
    with pytest.raises(StoreError, match="the checkpoint is damaged") as caught:
        train(config, cycle, folder=tmp_path / "run", device="cpu")
    assert str(tmp_path / "run" / "epoch-00001") in str(caught.value)
    assert str(caught.value).endswith(f"Delete {tmp_path / 'run'} to run from the start.")


def test_weights_of_another_model_are_a_damaged_checkpoint(tmp_path, parts):
    model, adam = parts
    stepped(model, adam)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(Progress(step=1, best_step=1), model, adam)
    with pytest.raises(StoreError, match="the checkpoint is damaged"):
        checkpoints.load_model(1, nn.Linear(4, 2))
