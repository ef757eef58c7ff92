"""Laws that every model of the zoo keeps; a model gets its tests by existing."""

import dataclasses
import sys
from fnmatch import fnmatchcase

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import models
from models import Batch, Catalogue, Group, History, Positions, Prefixes, TokenFeatures, Twins
from orchestrator.config import TrainConfig, default_trial, override
from orchestrator.data.derived import TrainingDerived
from orchestrator.data.interactions import sequences_of
from orchestrator.sweep.probe import UNSEEN, footprint, train_briefly
from orchestrator.sweep.space import check, read_spaces
from orchestrator.training.optim import optimizer

from .conftest import make_modality

NAMES = models.names()
CAUSAL = [name for name in NAMES if models.find(name).causal]
VARIANTS = [(name, variant) for name in NAMES for variant in read_spaces(name).variants]
WITH_VARIANTS = [(name, None) for name in NAMES] + VARIANTS

SEQUENCES = [[3, 9, 1, 7], [4, 6, 2, 12, 5, 6, 8, 1, 2], [7, 3], [11, 11, 8, 10, 3, 5]]


def trained(model, batch, **settings):
    """The model after some steps of each of its stages."""
    return train_briefly(model, batch, TrainConfig(**settings))


def gradients(model, batch):
    torch.manual_seed(7)  # gates of experts are noisy
    model.zero_grad(set_to_none=True)
    loss = model.loss(batch).total
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in model.named_parameters()}


def assert_same_gradients(found, expected):
    assert found.keys() == expected.keys()
    for name, wanted in expected.items():
        scale = wanted.abs().max().item()
        torch.testing.assert_close(found[name], wanted, rtol=0, atol=1e-5 * scale + 1e-8, msg=name)


def assert_same_scores(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6 * expected.abs().max().item())


def padded(history, by):
    """The same histories with more padding on the left."""
    items = torch.nn.functional.pad(history.items, (by, 0))
    return History(items, torch.nn.functional.pad(history.timestamps, (by, 0)))


def widened(batch, by):
    """The same samples with more padding on the left, those of twins too."""
    groups = tuple(
        Group(padded(group.history, by), torch.nn.functional.pad(group.targets, (by, 0)))
        for group in batch.groups
    )
    twins = batch.twins
    if twins is not None:
        histories = tuple(padded(history, by) for history in twins.histories)
        twins = dataclasses.replace(twins, histories=histories)
    return Batch(groups, twins)


def rows(history, chosen):
    return History(history.items[chosen], history.timestamps[chosen])


@pytest.mark.parametrize(("name", "variant"), WITH_VARIANTS)
def test_scores_are_batch_by_items_without_a_column_for_padding(build, histories, name, variant):
    model = build(name, variant=variant)
    scores = model.scores(histories)
    assert scores.shape == (len(histories.items), 12)
    assert scores.dtype == torch.float32
    assert scores.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_loss_is_a_finite_mean_with_named_parts(build, batch_of, name):
    model = build(name)
    loss = model.loss(batch_of(SEQUENCES, samples=model.samples()))
    assert loss.total.isfinite()
    assert loss.parts
    assert all(part.isfinite() and not part.requires_grad for part in loss.parts.values())


@pytest.mark.parametrize(("name", "variant"), WITH_VARIANTS)
def test_every_trainable_parameter_is_in_one_group_and_moves(build, batch_of, name, variant):
    model = build(name, variant=variant).train()
    batch = batch_of(SEQUENCES, samples=model.samples())
    for stage in model.stages():
        adam = optimizer(model, stage, TrainConfig())
        rates = {id(p): group["lr"] for group in adam.param_groups for p in group["params"]}
        grouped = [p for group in adam.param_groups for p in group["params"]]
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        model.start_epoch(stage, 1)
        model.loss(batch).total.backward()
        adam.step()
        for key, parameter in model.named_parameters():
            is_frozen = any(fnmatchcase(key, pattern) for pattern in stage.frozen)
            assert sum(parameter is other for other in grouped) == (not is_frozen), key
            moved = (parameter.detach() - before[key]).abs().max().item()
            # Adam's first step is one learning rate long wherever there is a gradient above 1e-8.
            assert moved == 0 if is_frozen else moved > 0.5 * rates[id(parameter)], key


@pytest.mark.parametrize("name", NAMES)
def test_each_parameter_trains_in_some_stage(build, name):
    model = build(name)
    frozen = [stage.frozen for stage in model.stages()]
    for key, _ in model.named_parameters():
        always = all(any(fnmatchcase(key, p) for p in patterns) for patterns in frozen)
        assert not always, key


@pytest.mark.parametrize(("name", "variant"), WITH_VARIANTS)
def test_a_model_with_a_loss_at_every_position_is_causal(build, name, variant):
    model = build(name, variant=variant)
    assert model.causal or model.samples() != Positions()


@pytest.mark.parametrize("name", CAUSAL)
def test_future_items_do_not_change_earlier_states(build, name):
    model = build(name)
    targets = torch.tensor([[9, 1, 0, 0, 0], [0, 6, 2, 0, 0]])

    def early(items):
        history = torch.tensor(items)
        times = torch.where(history > 0, 1000 + 60 * history, 0)
        return gradients(model, Batch((Group(History(history, times), targets),)))

    loss, grads = early([[3, 9, 1, 7, 2], [0, 4, 6, 2, 12]])
    other_loss, other_grads = early([[3, 9, 11, 8, 5], [0, 4, 6, 10, 1]])
    torch.testing.assert_close(other_loss, loss, rtol=1e-6, atol=0)
    assert_same_gradients(other_grads, grads)
    changed, _ = early([[3, 8, 1, 7, 2], [0, 4, 6, 2, 12]])
    assert changed != loss  # the present does count


STATES = {
    "fearec": lambda model, history, **how: model.encode(history, **how),
    "mmmlp": lambda model, history, **how: model.encode(history, model.encode_items(), **how),
    "tedrec": lambda model, history, **how: model.encode(history, model.tables(), **how),
}
"""States of models that compute the newest place's alone, where that is all that is wanted."""


@pytest.mark.parametrize("name", [name for name in NAMES if name not in CAUSAL])
def test_a_model_that_says_it_is_not_causal_is_not(build, name):
    """Else it would be trained the slow way for nothing."""
    model = build(name)
    targets = torch.tensor([[0, 6, 2, 0, 0]])

    def early(items):
        history = History(torch.tensor([items]), 1000 + 60 * torch.arange(5)[None])
        if name in STATES:
            return STATES[name](model, history)[:, :3]
        twins = Twins((rows(history, [0, 0]),), torch.arange(2))
        return model.loss(Batch((Group(history, targets),), twins)).parts["cross_entropy"]

    assert not torch.allclose(early([3, 4, 6, 10, 1]), early([3, 4, 6, 2, 12]))


@pytest.mark.parametrize("name", STATES)
def test_the_newest_state_alone_is_that_among_all(build, histories, name):
    model = build(name)
    every = STATES[name](model, histories)
    alone = STATES[name](model, histories, newest=True)
    assert alone.shape[1] == 1 < every.shape[1]
    torch.testing.assert_close(alone[:, 0], every[:, -1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CAUSAL)
def test_one_pass_training_equals_training_on_prefixes(build, batch_of, name):
    model = build(name)
    loss, grads = gradients(model, batch_of(SEQUENCES, samples=Positions()))
    slow_loss, slow_grads = gradients(model, batch_of(SEQUENCES, samples=Prefixes()))
    torch.testing.assert_close(loss, slow_loss, rtol=1e-5, atol=0)
    assert_same_gradients(grads, slow_grads)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("extra", [1, 2, 30])
def test_extra_padding_changes_no_score(build, histories, name, extra):
    model = build(name)
    assert_same_scores(model.scores(padded(histories, extra)), model.scores(histories))


@pytest.mark.parametrize("name", NAMES)
def test_extra_padding_changes_neither_loss_nor_gradients(build, batch_of, name):
    model = build(name)
    batch = batch_of(SEQUENCES, samples=model.samples())
    wider = widened(batch, 5)
    loss, grads = gradients(model, batch)
    wide_loss, wide_grads = gradients(model, wider)
    torch.testing.assert_close(wide_loss, loss, rtol=1e-5, atol=0)
    assert_same_gradients(wide_grads, grads)


@pytest.mark.parametrize("name", NAMES)
def test_scores_do_not_depend_on_batch_mates(build, histories, name):
    model = build(name)
    together = model.scores(histories)
    for row in range(len(histories.items)):
        assert_same_scores(model.scores(rows(histories, [row])), together[[row]])
    order = [2, 0, 3, 1]
    assert_same_scores(model.scores(rows(histories, order)), together[order])


@pytest.mark.parametrize("name", NAMES)
def test_the_last_item_changes_every_users_scores(build, histories, name):
    model = build(name)
    scores = model.scores(histories)
    items = histories.items.clone()
    items[:, -1] = items[:, -1] % 12 + 1
    changed = model.scores(History(items, histories.timestamps))
    assert ((changed - scores).abs().amax(dim=1) > 1e-4 * scores.abs().max()).all()


@pytest.mark.parametrize("name", NAMES)
def test_items_encoded_once_give_the_same_scores(build, histories, name):
    model = build(name)
    with torch.inference_mode():
        items = model.encode_items()
        assert all(len(table) == 13 for table in items.values())
        assert_same_scores(model.scores(histories, items), model.scores(histories))


@pytest.mark.parametrize("name", NAMES)
def test_dropout_is_off_in_evaluation_and_on_in_training(build, batch_of, histories, name):
    model = build(name, dropout=0.5)
    assert torch.equal(model.scores(histories), model.scores(histories))
    batch = batch_of(SEQUENCES, samples=model.samples())
    assert model.loss(batch).total == model.loss(batch).total
    model.train()
    assert model.loss(batch).total != model.loss(batch).total


@pytest.mark.parametrize(("name", "variant"), WITH_VARIANTS)
def test_a_part_sends_gradients_to_itself_and_to_what_is_shared(build, batch_of, name, variant):
    model = build(name, variant=variant)
    parts = model.parts()
    assert set(parts) in (set(), {"id", "modality"})
    owners = {
        key: [
            part for part, patterns in parts.items() if any(fnmatchcase(key, p) for p in patterns)
        ]
        for key, _ in model.named_parameters()
    }
    assert all(len(own) <= 1 for own in owners.values())
    for part in parts:
        model.zero_grad(set_to_none=True)
        model.part_loss(batch_of(SEQUENCES, samples=model.samples()), part).total.backward()
        reached = {key for key, p in model.named_parameters() if p.grad is not None}
        assert {tuple(owners[key]) for key in reached} == {(), (part,)}
        assert all(any(fnmatchcase(key, p) for key in reached) for p in parts[part])


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bits(build, batch_of, name):
    def once(seed):
        model = build(name, seed=seed, dropout=0.3)
        return trained(model, batch_of(SEQUENCES, samples=model.samples())).state_dict()

    first, second, other = once(5), once(5), once(6)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize(("name", "variant"), WITH_VARIANTS)
def test_weights_come_back_from_a_state_dict(build, batch_of, histories, name, variant):
    model = build(name, variant=variant)
    trained(model, batch_of(SEQUENCES, samples=model.samples()), learning_rate=0.05)
    other = build(name, variant=variant, seed=99)
    assert not torch.equal(other.scores(histories), model.scores(histories))
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.scores(histories), model.scores(histories))


@pytest.mark.parametrize("name", NAMES)
def test_features_are_no_part_of_the_weights(build, catalogue, name):
    model = build(name)
    widths = {"text": 6, "image": 5}
    stored = [
        tensor
        for modality in catalogue.modalities.values()
        for tensor in (
            modality.pooled,
            modality.layers,
            modality.tokens.values,
            modality.tokens.lengths,
        )
    ]
    assert catalogue.modalities.keys() == widths.keys()
    kept = model.state_dict().items()
    assert not [key for key, value in kept if any(torch.equal(value, other) for other in stored)]
    assert all(p.dtype == torch.float32 for p in model.parameters())


def _shuffled(catalogue: Catalogue, name: str) -> Catalogue:
    """The catalogue with one modality's features moved to other items."""
    modality = catalogue.modality(name)
    order = torch.cat([torch.zeros(1, dtype=torch.long), torch.arange(1, 13).roll(5)])
    parts = modality.tokens.values.split(modality.tokens.lengths.tolist())
    moved = dataclasses.replace(
        modality,
        tokens=TokenFeatures(torch.cat([parts[i] for i in order]), modality.tokens.lengths[order]),
        pooled=modality.pooled[order],
        layers=modality.layers[order],
        missing=None if modality.missing is None else modality.missing[order],
    )
    return dataclasses.replace(catalogue, modalities={**catalogue.modalities, name: moved})


@pytest.mark.parametrize("modality", ["text", "image"])
@pytest.mark.parametrize(("name", "variant"), WITH_VARIANTS)
def test_features_count_exactly_where_a_model_says_it_uses_them(
    build, catalogue, histories, name, variant, modality
):
    model = build(name, variant=variant)
    other = build(name, _shuffled(catalogue, modality), variant=variant)
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    assert all(torch.equal(own, others) for own, others in pairs)
    scores, moved = model.scores(histories), other.scores(histories)
    if modality in model.input_forms():
        assert ((moved - scores).abs().amax(dim=1) > 1e-4 * scores.abs().max()).all()
    else:
        assert torch.equal(moved, scores)


class Largest(TorchDispatchMode):
    """The most numbers that a dense tensor had which was made inside."""

    def __init__(self):
        super().__init__()
        self.size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided:
                self.size = max(self.size, tensor.numel())
        return made


@pytest.mark.parametrize("name", NAMES)
def test_no_model_makes_a_matrix_of_items_by_items(build, batch_of, name):
    num_items = 1500
    counts = [1 + item % 3 for item in range(num_items)]
    features = {
        modality: make_modality(modality, counts, width=6, seed=seed)
        for seed, modality in enumerate(("text", "image"))
    }
    derived = TrainingDerived(sequences_of(SEQUENCES), num_items)
    of = Catalogue(num_items, features, derived, has_timestamps=True)
    with Largest() as made:
        model = build(name, of)
        model.loss(batch_of(SEQUENCES, samples=model.samples())).total.backward()
        model.scores(History(torch.tensor([[3, 9, 1]]), torch.full((1, 3), 1000)))
    assert num_items < made.size < num_items**2


@pytest.mark.parametrize("name", NAMES)
def test_every_space_fits_the_model(name):
    declared = read_spaces(name)
    assert declared.spaces
    for space in declared.spaces.values():
        check(space, default_trial(name, "tiny"))
        assert space.about, space.name


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_every_variant_changes_the_model(build, batch_of, name, variant):
    """By the rule by which `orch ablate` refuses one: after a moment of training, bit for bit."""
    changed = read_spaces(name).variants[variant]
    config = override(default_trial(name, "tiny"), changed, where="test").train

    def seen(train, **which):
        model = build(name, **which)
        return footprint(model, batch_of(SEQUENCES, samples=model.samples()), train)

    base = seen(TrainConfig())
    assert base.equals(seen(TrainConfig())), "or the comparison says nothing"
    is_the_loops = changed and set(changed) <= UNSEEN
    assert is_the_loops or not base.equals(seen(config, variant=variant))


@pytest.mark.parametrize("name", NAMES)
def test_the_file_says_what_it_implements(name):
    text = sys.modules[models.find(name).__module__].__doc__ or ""
    for part in ("Paper:", "Idea:", "Differs from the paper:"):
        assert f"\n{part} " in text, part
    assert text.splitlines()[0].endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_registered_under_the_name_of_its_file(name):
    model = models.find(name)
    assert model.__module__ == f"models.{name}"
    assert model.__name__.lower() == name.replace("_", "")
    assert isinstance(default_trial(name, "tiny").settings, model.config_type)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_gives_nearly_the_same_gradients_in_every_stage(build, batch_of, name):
    model = build(name).train()
    batch = batch_of(SEQUENCES, samples=model.samples())
    for stage in model.stages():
        optimizer(model, stage, TrainConfig())
        model.start_epoch(stage, 1)
        loss, full = gradients(model, batch)
        with torch.autocast("cpu", torch.bfloat16):
            half, found = gradients(model, batch)
        torch.testing.assert_close(half.float(), loss, rtol=0.02, atol=0)
        found, wanted = (
            {key: grad for key, grad in of.items() if grad is not None} for of in (found, full)
        )
        assert found.keys() == wanted.keys()
        whole, other = (torch.cat([g.flatten() for g in of.values()]) for of in (wanted, found))
        assert (other - whole).norm() < 0.1 * whole.norm()
