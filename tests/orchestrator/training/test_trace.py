import dataclasses
import math
from contextlib import nullcontext

import pytest
import torch
from torch import nn

from models import Batch, Config, History, Loss, Recommender
from orchestrator.errors import ConfigError, StoreError
from orchestrator.sweep.objective import RANKS, TRACE, run_folder, train_recorded
from orchestrator.training import loop
from orchestrator.training.checkpoint import Checkpoints
from orchestrator.training.loop import train
from orchestrator.training.trace import SCHEMA, Tracer, read_trace

NOTHING = Batch(())


class Halves(Recommender):
    """Loss ``shared . (2 id + modality)``, of which each part alone is one term."""

    config_type = Config

    def __init__(self, *, dropout=0.0):
        super().__init__()
        self.shared = nn.Parameter(torch.tensor([1.0, 2.0, 2.0]))
        self.ids = nn.Parameter(torch.tensor([3.0, 0.0, 0.0]))
        self.features = nn.Parameter(torch.tensor([4.0, 3.0, 0.0]))
        self.unused = nn.Parameter(torch.ones(1))
        self.dropout = nn.Dropout(dropout)
        self.takes_ids = True

    def parts(self):
        return {"id": ("ids",), "modality": ("feat*",)} if self.takes_ids else {}

    def part_loss(self, batch, part):
        own = self.ids * 2 if part == "id" else self.features
        return Loss((self.dropout(self.shared) * own).sum())

    def loss(self, batch):
        return Loss((self.dropout(self.shared) * (2 * self.ids + self.features)).sum())

    def scores(self, history: History, items=None):
        raise NotImplementedError


def traced(model, folder, *, num_steps=1, start=0):
    """The rows of an epoch of equal steps."""
    tracer = Tracer(model, folder, is_on=True)
    tracer.start_epoch(1, "joint", num_steps=start)
    for _ in range(num_steps):
        with tracer.step(NOTHING, nullcontext):
            model.zero_grad()
            model.loss(NOTHING).total.backward()
    tracer.end_epoch()
    tracer.write(folder / "trace.parquet", num_epochs=1)
    return read_trace(folder / "trace.parquet")


def test_figures_are_those_of_gradients_known_by_hand(tmp_path):
    (row,) = traced(Halves(), tmp_path, start=7).to_dict("records")
    # Into the shared vector: (6, 0, 0) and (4, 3, 0). Into the own ones: 2 (1, 2, 2) and (1, 2, 2).
    assert row == {
        "step": 8,
        "epoch": 1,
        "stage": "joint",
        "cosine": pytest.approx(24 / (6 * 5)),
        "norm_id": pytest.approx(6.0),
        "norm_modality": pytest.approx(3.0),
        "shared_norm_id": pytest.approx(6.0),
        "shared_norm_modality": pytest.approx(5.0),
    }


def test_both_parts_see_the_dropout_of_the_step(tmp_path):
    model = Halves(dropout=0.5)
    with torch.no_grad():
        model.features.copy_(2 * model.ids + 1)
        model.ids.add_(0.5)  # now both parts multiply the shared vector by the same numbers
    rows = traced(model, tmp_path, num_steps=20)
    is_dropped = rows["shared_norm_id"] == 0
    assert rows.loc[~is_dropped, "cosine"].tolist() == pytest.approx([1.0] * (~is_dropped).sum())
    assert rows["shared_norm_id"].nunique() > 2


@pytest.mark.parametrize(
    ("frozen", "unknown"),
    [
        ("ids", {"norm_id"}),
        ("features", {"norm_modality"}),
        ("shared", {"cosine", "shared_norm_id", "shared_norm_modality"}),
    ],
)
def test_what_does_not_train_has_no_figures(tmp_path, frozen, unknown):
    model = Halves()
    model.unused.requires_grad = getattr(model, frozen).requires_grad = False
    (row,) = traced(model, tmp_path).to_dict("records")
    assert {name for name, value in row.items() if value != value} == unknown


def test_no_gradient_is_left_behind_and_no_number_drawn(tmp_path):
    model = Halves(dropout=0.5)
    tracer = Tracer(model, tmp_path, is_on=True)
    tracer.start_epoch(1, "joint", num_steps=0)
    before = torch.get_rng_state()
    with tracer.step(NOTHING, nullcontext):
        assert torch.equal(torch.get_rng_state(), before)
        assert all(p.grad is None for p in model.parameters())


def test_a_stage_without_one_of_the_parts_leaves_no_rows(tmp_path):
    model = Halves()
    tracer = Tracer(model, tmp_path, is_on=True)
    for epoch, model.takes_ids in ((1, False), (2, True)):
        tracer.start_epoch(epoch, "any", num_steps=epoch)
        with tracer.step(NOTHING, nullcontext):
            model.loss(NOTHING).total.backward()
        tracer.end_epoch()
    tracer.write(tmp_path / "all.parquet", num_epochs=2)
    assert read_trace(tmp_path / "all.parquet")[["epoch", "step"]].to_numpy().tolist() == [[2, 3]]


@pytest.fixture
def decorec(trial):
    """Settings of a traced DeCoRec with the randomness that a run may have."""

    def make(**values):
        noisy = {"model__dropout": 0.4, "train__clip_norm": 0.5, "train__trace_gradients": True}
        return trial("decorec", **{"model__cluster_ratio": 0.2, **noisy, **values})

    return make


def untraced(config):
    return dataclasses.replace(
        config, train=dataclasses.replace(config.train, trace_gradients=False)
    )


def of_computation(record, timeless):
    return dataclasses.replace(timeless(record), run_id="", config={})


@pytest.mark.parametrize("fusion", ["joint", "phased"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_traced_run_is_the_untraced_one_bit_for_bit(
    cycle, decorec, tmp_path, timeless, fusion, precision
):
    config = decorec(
        model__fusion=fusion,
        model__use_cooccurrence=False,  # torch has no sparse products in half precision
        train__precision=precision,
        train__average_decay=0.9,
    )
    on = train(config, cycle, folder=tmp_path / "on", device="cpu", trace_to=tmp_path / "trace")
    off = train(untraced(config), cycle, folder=tmp_path / "off", device="cpu")
    assert on.run_id != off.run_id
    assert of_computation(on, timeless) == of_computation(off, timeless)
    kept = [loop.build_model(config, cycle) for _ in range(2)]
    for model, record, name in zip(kept, (on, off), ("on", "off"), strict=True):
        Checkpoints(tmp_path / name).load_model(record.best_step, model)
    first, second = (model.state_dict() for model in kept)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_every_step_of_joint_training_is_recorded(cycle, decorec, tmp_path):
    path = tmp_path / "trace.parquet"
    train(decorec(model__fusion="joint"), cycle, device="cpu", trace_to=path)
    rows = read_trace(path)
    assert list(rows.columns) == SCHEMA.names
    assert rows["step"].tolist() == list(range(1, len(rows) + 1))
    assert rows["epoch"].is_monotonic_increasing
    assert set(rows["epoch"]) == {1, 2, 3}
    assert set(rows["stage"]) == {"joint"}
    assert rows["cosine"].between(-1, 1).all()
    assert (rows.filter(like="norm") > 0).all(axis=None)
    assert len(set(rows["cosine"])) == len(rows)


def test_of_phased_training_only_the_second_stage_is_recorded(cycle, decorec, tmp_path):
    path = tmp_path / "trace.parquet"
    train(decorec(train__batch_targets=10**6), cycle, device="cpu", trace_to=path)
    rows = read_trace(path)
    assert rows[["step", "epoch"]].to_numpy().tolist() == [[4, 4], [5, 5], [6, 6]]
    assert set(rows["stage"]) == {"fusion"}
    assert rows["norm_modality"].isna().all()  # the adapters are frozen
    assert (rows["norm_id"] > 0).all()
    assert rows["cosine"].notna().all()


def test_a_run_that_was_cut_has_a_complete_trace(cycle, decorec, tmp_path):
    config = decorec(model__fusion="joint")

    def stop(epoch):
        if epoch.step == 2:
            raise KeyboardInterrupt

    paths = [tmp_path / name for name in ("cut", "whole")]
    with pytest.raises(KeyboardInterrupt):
        train(config, cycle, folder=tmp_path / "a", device="cpu", on_epoch=stop, trace_to=paths[0])
    assert not paths[0].exists()
    train(config, cycle, folder=tmp_path / "a", device="cpu", trace_to=paths[0])
    train(config, cycle, folder=tmp_path / "b", device="cpu", trace_to=paths[1])
    assert read_trace(paths[0]).equals(read_trace(paths[1]))


def test_a_traced_run_takes_no_stage_from_elsewhere(cycle, decorec):
    asked = []
    train(decorec(train__max_epochs=1), cycle, device="cpu", find_finished=asked.append)
    assert asked == []


@pytest.mark.parametrize(
    ("model", "values"), [("sasrec", {}), ("decorec", {"model__fusion": "id"})]
)
def test_a_model_without_two_parts_is_refused_before_it_trains(cycle, trial, model, values):
    config = trial(model, train__trace_gradients=True, **values)
    told = r"`train\.trace_gradients` cannot be on: with these settings the model has no id part"
    with pytest.raises(ConfigError, match=told):
        train(config, cycle, device="cpu", on_epoch=lambda _: pytest.fail("it trained"))


def test_the_trace_lies_beside_the_record_and_only_where_asked_for(cycle, decorec, tmp_path):
    config = decorec(model__fusion="joint", train__max_epochs=1)
    records = [train_recorded(c, cycle, results=tmp_path) for c in (config, untraced(config))]
    folders = [run_folder(tmp_path, record.run_id) for record in records]
    assert [(folder / TRACE).exists() for folder in folders] == [True, False]
    assert all((folder / RANKS).exists() for folder in folders)
    assert {path.name for path in folders[0].iterdir() if path.name[0] != "."} == {
        *("model.safetensors", "ranks.parquet", "record.json", "trace.parquet")
    }


def test_a_lost_trace_is_told_in_one_sentence(tmp_path):
    with pytest.raises(StoreError, match=r"trace\.parquet: is no trace of gradients \("):
        read_trace(tmp_path / "trace.parquet")
    (tmp_path / "trace.parquet").write_text("{}")
    with pytest.raises(StoreError, match=r"trace\.parquet: is no trace of gradients \("):
        read_trace(tmp_path / "trace.parquet")


def test_a_cosine_without_direction_is_no_number(tmp_path):
    model = Halves()
    with torch.no_grad():
        model.ids.zero_()
    (row,) = traced(model, tmp_path).to_dict("records")
    assert row["shared_norm_id"] == 0
    assert math.isnan(row["cosine"])
