import numpy as np
import pytest
import torch

import models
from orchestrator.config import MONITOR, content_hash
from orchestrator.errors import ConfigError, TrialError
from orchestrator.evaluation import evaluate as module
from orchestrator.evaluation.evaluate import evaluate, model_ranks, summary
from orchestrator.evaluation.rank_file import read_ranks
from orchestrator.results import run_id
from orchestrator.training import loop
from orchestrator.training.checkpoint import Checkpoints
from orchestrator.training.loop import build_model, num_parameters, pick_device, train

CPU = torch.device("cpu")


def measured(model, users, config, prefix):
    limit = config.settings.max_length
    return evaluate(
        model, users, config=config.evaluation, max_length=limit, device=CPU, prefix=prefix
    )


@pytest.mark.parametrize("name", models.names())
def test_a_record_tells_how_the_run_went(cycle, trial, name):
    heard = []
    config = trial(name, train__max_epochs=2)
    record = train(config, cycle, device="cpu", on_epoch=heard.append)
    assert record.status == "finished"
    assert record.run_id == run_id(config, cycle.data_hash)
    assert record.config == config.to_json()
    stages = [stage.name for stage in build_model(config, cycle).stages()]
    assert [epoch.step for epoch in record.epochs] == list(range(1, 2 * len(stages) + 1))
    assert [epoch.stage for epoch in record.epochs[::2]] == stages
    assert tuple(heard) == record.epochs
    assert all(np.isfinite(list(epoch.loss.values())).all() for epoch in record.epochs)
    assert record.epochs[1].loss["total"] < record.epochs[0].loss["total"]
    assert record.num_parameters == num_parameters(build_model(config, cycle))
    assert record.provenance.data == cycle.data_hash
    assert record.provenance.device == "cpu"
    assert dict(record.inputs) == dict(build_model(config, cycle).input_forms())
    assert {"val/ndcg@10", "test/ndcg@10", "test/hit@1/cold"} <= record.metrics.keys()
    assert record.reason is None


@pytest.mark.parametrize("name", models.names())
def test_the_same_trial_gives_the_same_record_bit_for_bit(cycle, trial, timeless, name):
    config = trial(name, train__max_epochs=2, model__dropout=0.3)
    first, second = (train(config, cycle, device="cpu") for _ in range(2))
    assert timeless(first) == timeless(second)
    other = train(trial(name, train__max_epochs=2, seed=1), cycle, device="cpu")
    assert other.epochs[0].loss["total"] != first.epochs[0].loss["total"]


def test_metrics_are_those_of_the_kept_weights(cycle, trial, tmp_path):
    config = trial("sasrec", train__max_epochs=8, train__learning_rate=0.02, train__patience=3)
    record = train(config, cycle, folder=tmp_path / "run", device="cpu")
    model = build_model(config, cycle)
    Checkpoints(tmp_path / "run").load_model(record.best_step, model)
    again = measured(model, cycle.split.valid, config, "val")
    again |= measured(model, cycle.split.test, config, "test")
    assert again.items() <= record.metrics.items()
    best = max(epoch.valid[MONITOR] for epoch in record.epochs)
    assert record.metrics[MONITOR] == best
    assert record.epochs[record.best_step - 1].valid[MONITOR] == best


@pytest.mark.parametrize("keeps_ranks", [False, True])
def test_the_test_split_is_scored_once(cycle, trial, monkeypatch, tmp_path, keeps_ranks):
    looks = []

    def watched(model, users, **options):
        looks.append("test" if users is cycle.split.test else "val")
        return model_ranks(model, users, **options)

    monkeypatch.setattr(loop, "model_ranks", watched)
    monkeypatch.setattr(module, "model_ranks", watched)
    path = tmp_path / "ranks.parquet" if keeps_ranks else None
    train(trial("sasrec", train__max_epochs=3), cycle, device="cpu", ranks_to=path)
    assert looks == ["val"] * 3 + ["test"] + ["val"] * keeps_ranks


def test_kept_ranks_are_those_that_the_record_is_made_of(cycle, trial, tmp_path):
    config = trial("sasrec", train__max_epochs=12, train__learning_rate=0.1, train__patience=2)
    path = tmp_path / "ranks.parquet"
    record = train(config, cycle, device="cpu", ranks_to=path)
    assert record.best_step < len(record.epochs)
    kept = read_ranks(path)
    assert kept.users.tolist() == cycle.split.test.users.tolist()
    for prefix, found in (("val", kept.val), ("test", kept.test)):
        again = summary(found, cutoffs=config.evaluation.cutoffs, prefix=prefix)
        assert again.items() <= record.metrics.items()


def test_keeping_ranks_changes_no_record(cycle, trial, tmp_path, timeless):
    config = trial("sasrec", train__max_epochs=2, model__dropout=0.3)
    kept = train(config, cycle, device="cpu", ranks_to=tmp_path / "ranks.parquet")
    assert timeless(kept) == timeless(train(config, cycle, device="cpu"))


@pytest.mark.parametrize(
    ("values", "patience", "num_epochs", "best"),
    [
        ([0.1, 0.3, 0.2, 0.2, 0.2, 0.9], 3, 5, 2),
        ([0.3, 0.3, 0.3, 0.9], 2, 3, 1),  # equal is not better
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 1, 6, 6),
        ([0.0, 0.0, 0.0, 0.0], 2, 3, 1),
        ([0.2, 0.1, 0.3, 0.1, 0.4, 0.1], 2, 6, 5),
    ],
)
def test_training_ends_when_validation_has_not_improved_for_its_patience(
    cycle, trial, scripted, values, patience, num_epochs, best
):
    looks = scripted(*values)
    config = trial("sasrec", train__max_epochs=6, train__patience=patience)
    record = train(config, cycle, device="cpu")
    assert len(record.epochs) == num_epochs
    assert record.best_step == best
    assert record.metrics == {MONITOR: values[best - 1], "test/ndcg@10": 1.0}
    prefix, _, tested = looks[-1]
    assert prefix == "test"
    kept = looks[best - 1][2]
    assert all(torch.equal(tested[name], kept[name]) for name in kept)
    if best != num_epochs:
        last = looks[num_epochs - 1][2]
        assert any(not torch.equal(tested[name], last[name]) for name in last)


def test_an_epochs_loss_is_the_mean_over_the_items_that_were_hidden(cycle, trial, monkeypatch):
    seen, original = [], loop._update

    def watched(run, batch, optimizer):
        loss = original(run, batch, optimizer)
        seen.append((loss.total.item(), len(batch.targets())))
        return loss

    monkeypatch.setattr(loop, "_update", watched)
    record = train(trial("bert4rec", train__max_epochs=2), cycle, device="cpu")
    half = len(seen) // 2
    sizes = [sum(size for _, size in of) for of in (seen[:half], seen[half:])]
    assert sizes[0] != sizes[1]  # others are hidden each epoch
    for epoch, of, size in zip(record.epochs, (seen[:half], seen[half:]), sizes, strict=True):
        mean = sum(value * weight for value, weight in of) / size
        assert epoch.loss["total"] == pytest.approx(mean, rel=1e-5)


def test_an_epochs_loss_is_the_mean_over_its_targets(cycle, two_stages, monkeypatch):
    seen = []
    original = loop._update

    def watched(run, batch, optimizer):
        loss = original(run, batch, optimizer)
        seen.append((loss.total.item(), len(batch.targets())))
        return loss

    monkeypatch.setattr(loop, "_update", watched)
    config = two_stages.trial(max_epochs=1, batch_targets=90)
    record = train(config, cycle, device="cpu")
    num_targets = cycle.manifest.counts.training_targets
    num_batches = len(seen) // 2  # one epoch of each stage
    assert num_batches > 2
    first = seen[:num_batches]
    assert sum(size for _, size in first) == num_targets
    mean = sum(value * size for value, size in first) / num_targets
    assert record.epochs[0].loss["total"] == pytest.approx(mean, rel=1e-5)


def test_epochs_differ_in_their_order_and_in_what_they_drop(cycle, two_stages, monkeypatch):
    seen = []
    original = loop._update

    def watched(run, batch, optimizer):
        seen.append((batch.targets().tolist(), torch.rand(4).tolist(), run.model.training))
        return original(run, batch, optimizer)

    monkeypatch.setattr(loop, "_update", watched)
    train(two_stages.trial(max_epochs=2, batch_targets=10**6), cycle, device="cpu")
    orders, draws, modes = zip(*seen, strict=True)
    assert len(seen) == 4  # two epochs of each of two stages
    for several in (orders, draws):
        assert len({tuple(one) for one in several}) == 4
    assert len({tuple(sorted(order)) for order in orders}) == 1
    assert all(modes)


@pytest.mark.parametrize("limit", [0.0, 1e-3])
def test_gradients_are_clipped_where_a_limit_is_set(cycle, two_stages, monkeypatch, limit):
    norms = []
    original = torch.optim.AdamW.step

    def watched(self, *args, **kwargs):
        grads = [p.grad for group in self.param_groups for p in group["params"]]
        norms.append(torch.stack([grad.norm() for grad in grads]).norm().item())
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    train(two_stages.trial(max_epochs=2, clip_norm=limit), cycle, device="cpu")
    if limit:
        assert norms == pytest.approx([limit] * len(norms), rel=1e-2)
    else:
        assert min(norms) > 1e-3


def test_a_loss_that_is_no_number_ends_the_run_with_a_sentence(cycle, two_stages):
    config = two_stages.trial(settings={"nan_at": 2})
    rule = (
        r"^the loss `total` is nan in epoch 2 \(stage both\)\. "
        r"Lower `train\.learning_rate` or set `train\.clip_norm`\.$"
    )
    heard = []
    with pytest.raises(TrialError, match=rule):
        train(config, cycle, device="cpu", on_epoch=heard.append)
    assert [epoch.step for epoch in heard] == [1]


def test_scores_that_are_no_numbers_end_the_run_with_a_sentence(cycle, two_stages, monkeypatch):
    config = two_stages.trial(max_epochs=1)
    original = loop.build_model

    def broken(*args):
        model = original(*args)
        model.scores = lambda history, items=None: torch.full((len(history.items), 20), torch.nan)
        return model

    monkeypatch.setattr(loop, "build_model", broken)
    with pytest.raises(TrialError, match="scores cannot be NaN"):
        train(config, cycle, device="cpu")


def test_a_data_set_without_an_input_is_refused_before_training(cycle, trial, monkeypatch):
    available = {"ids": (), "text": ("tokens",)}
    monkeypatch.setattr(type(cycle), "available", lambda self: available)
    rule = r"^tame on cycle: the data set has no `image` features; it has text\. Make them"
    with pytest.raises(ConfigError, match=rule):
        train(trial("tame"), cycle, device="cpu")


def test_an_absent_device_is_refused():
    assert pick_device("cpu") == CPU
    with pytest.raises(ConfigError, match="--device cannot be abacus: it is not here"):
        pick_device("abacus")
    if not torch.cuda.is_available():
        assert pick_device() == CPU
        with pytest.raises(ConfigError, match="--device cannot be cuda"):
            pick_device("cuda")


@pytest.mark.parametrize("mode", ["off", "on", "warn"])
def test_the_callers_randomness_and_settings_are_left_alone(cycle, two_stages, mode):
    flags = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.use_deterministic_algorithms(mode != "off", warn_only=mode == "warn")
    try:
        torch.manual_seed(7)
        before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
        train(two_stages.trial(max_epochs=1), cycle, device="cpu")
        assert torch.equal(torch.get_rng_state(), before[0])
        assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
        assert torch.are_deterministic_algorithms_enabled() == (mode != "off")
        assert torch.is_deterministic_algorithms_warn_only_enabled() == (mode == "warn")
    finally:
        torch.use_deterministic_algorithms(flags[0], warn_only=flags[1])


def test_the_callers_randomness_does_not_reach_the_run(cycle, two_stages, timeless):
    records = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        records.append(timeless(train(two_stages.trial(max_epochs=1), cycle, device="cpu")))
    assert records[0] == records[1]


def test_a_failed_run_leaves_the_callers_settings_alone(cycle, two_stages):
    state = torch.get_rng_state()
    with pytest.raises(TrialError):
        train(two_stages.trial(settings={"nan_at": 1}), cycle, device="cpu")
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()


def test_no_folder_leaves_nothing_behind(cycle, two_stages, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    train(two_stages.trial(max_epochs=1), cycle, device="cpu")
    assert not [p for p in tmp_path.iterdir() if not p.name.startswith("torchinductor")]


def test_settings_and_seed_make_the_weights(cycle, trial):
    def weights(**values):
        model = build_model(trial("sasrec", **values), cycle)
        return content_hash([p.tolist() for p in model.parameters()])

    assert weights() == weights()
    assert weights(seed=1) != weights()
