from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import HIDDEN, Masked, Positions, Prefixes
from orchestrator.data.batches import SMALLEST_GROUP, TrainingBatches, windows
from orchestrator.data.interactions import sequences_of

POSITIONS = Positions()
LENGTHS = st.lists(st.integers(0, 30), min_size=1, max_size=12)


def walks(lengths):
    """Sequences in which every interaction has an item of its own, so places can be told."""
    lists, place = [], 1
    for length in lengths:
        lists.append(list(range(place, place + length)))
        place += length
    return lists


def batches_of(lists, *, samples=POSITIONS, max_length=8, batch_targets=64, clock=True):
    times = [[10**9 + 60 * item for item in items] for items in lists] if clock else None
    return TrainingBatches(
        sequences_of(lists, times),
        samples=samples,
        max_length=max_length,
        batch_targets=batch_targets,
    )


def samples_in(batch):
    """Every (history up to the target's position, target) that a loss is taken of."""
    for group in batch.groups:
        for items, targets in zip(
            group.history.items.tolist(), group.targets.tolist(), strict=True
        ):
            for place, target in enumerate(targets):
                if target:
                    yield tuple(item for item in items[: place + 1] if item), target


def all_samples(batches, seed=0):
    return [sample for batch in batches.epoch(seed) for sample in samples_in(batch)]


@settings(deadline=None)
@given(
    lengths=LENGTHS.filter(lambda lengths: max(lengths) > 1),
    max_length=st.integers(1, 20),
    batch_targets=st.integers(1, 60),
    samples=st.sampled_from([Positions(), Prefixes()]),
)
def test_every_target_comes_once_per_epoch_with_enough_before_it(
    lengths, max_length, batch_targets, samples
):
    lists = walks(lengths)
    batches = batches_of(lists, samples=samples, max_length=max_length, batch_targets=batch_targets)
    before = {item: items[:n] for items in lists for n, item in enumerate(items) if n}
    found = all_samples(batches)
    assert Counter(target for _, target in found) == Counter(before.keys())
    assert batches.num_targets == len(before)
    for history, target in found:
        full = before[target]
        assert list(history) == full[-len(history) :]
        enough = max_length if samples == Prefixes() else max(1, (max_length + 1) // 2)
        assert min(len(full), enough) <= len(history) <= max_length


@settings(deadline=None)
@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=12), batch=st.integers(1, 60))
def test_up_to_the_limit_one_pass_has_the_samples_of_all_prefixes(lengths, batch):
    if max(lengths) < 2:
        return
    lists = walks(lengths)
    one_pass = all_samples(batches_of(lists, batch_targets=batch))
    prefixes = all_samples(batches_of(lists, batch_targets=batch, samples=Prefixes()))
    assert sorted(one_pass) == sorted(prefixes)


def test_a_sequence_beyond_the_limit_is_cut_into_windows_that_overlap_by_half():
    cut = windows(sequences_of(walks([11])), samples=Positions(), max_length=4)
    assert cut.starts.tolist() == [0, 2, 4, 6]
    assert cut.lengths.tolist() == [4, 4, 4, 4]
    assert cut.num_targets.tolist() == [4, 2, 2, 2]


def test_users_without_a_target_are_no_samples():
    cut = windows(sequences_of(walks([1, 0, 2, 1])), samples=Positions(), max_length=4)
    assert cut.starts.tolist() == [1]
    assert cut.lengths.tolist() == [1]


def test_a_prefix_sample_has_its_loss_at_the_end_alone():
    batches = batches_of(walks([6, 3, 20]), samples=Prefixes())
    for batch in batches.epoch(0):
        for group in batch.groups:
            assert (group.targets[:, -1] > 0).all()
            assert not group.targets[:, :-1].any()


def test_histories_are_padded_on_the_left_and_targets_follow_their_items():
    (batch,) = batches_of([[5, 6, 7, 8], [9, 4]]).epoch(0)
    (group,) = batch.groups
    rows = sorted(zip(group.history.items.tolist(), group.targets.tolist(), strict=True))
    assert rows == [([0, 0, 9], [0, 0, 4]), ([5, 6, 7], [6, 7, 8])]


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(2, 40), min_size=1, max_size=30),
    max_length=st.integers(1, 40),
    samples=st.sampled_from([Positions(), Prefixes()]),
)
def test_less_than_half_of_a_group_is_padding(lengths, max_length, samples):
    batches = batches_of(walks(lengths), samples=samples, max_length=max_length, batch_targets=200)
    for batch in batches.epoch(0):
        widths = [group.history.items.shape[1] for group in batch.groups]
        assert widths == sorted(set(widths))
        for group, width in zip(batch.groups, widths, strict=True):
            assert group.history.is_item.any(dim=0).all()  # no column is padding alone
            if width > SMALLEST_GROUP:  # below, rows are too short to part them further
                assert (group.history.is_item.sum(dim=1) > width / 2).all()


def test_little_of_an_epoch_is_padding():
    generator = torch.Generator().manual_seed(0)
    lengths = (2 + torch.empty(500).exponential_(1 / 8, generator=generator)).int().tolist()
    for samples in (Positions(), Prefixes()):
        batches = batches_of(walks(lengths), samples=samples, max_length=50, batch_targets=512)
        groups = [group for batch in batches.epoch(0) for group in batch.groups]
        places = sum(group.history.items.numel() for group in groups)
        items = sum(int(group.history.is_item.sum()) for group in groups)
        assert 1 - items / places < 0.3


@pytest.mark.parametrize("samples", [Positions(), Prefixes()])
def test_a_batch_holds_about_as_many_targets_as_asked(samples):
    lists = walks([9] * 100)
    sizes = [
        len(batch.targets())
        for batch in batches_of(lists, samples=samples, batch_targets=100).epoch(0)
    ]
    assert sum(sizes) == 800
    assert len(sizes) == 8
    assert all(abs(size - 100) < 8 for size in sizes)


def test_epochs_are_shuffled_by_their_seed_alone():
    batches = batches_of(walks([5] * 40), batch_targets=30)
    first, again, other = (all_samples(batches, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert sorted(first) == sorted(other)
    anew = batches_of(walks([5] * 40), batch_targets=30)
    assert all_samples(anew, 1) == first


def test_torchs_generator_plays_no_part_in_the_order():
    state = torch.get_rng_state()
    all_samples(batches_of(walks([5] * 10)))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("samples", [Positions(), Prefixes()])
def test_timestamps_travel_with_their_items(samples):
    for batch in batches_of(walks([5, 12, 3]), samples=samples, batch_targets=7).epoch(0):
        for group in batch.groups:
            items, times = group.history.items, group.history.timestamps
            assert torch.equal(times, torch.where(items > 0, 10**9 + 60 * items, 0))


def test_without_clock_times_there_are_none():
    (batch,) = batches_of(walks([5, 12]), clock=False).epoch(0)
    assert all(group.history.timestamps is None for group in batch.groups)


def test_a_batch_moves_whole():
    (batch,) = batches_of(walks([5, 12])).epoch(0)
    moved = batch.to(torch.device("meta"))
    tensors = [
        tensor
        for group in moved.groups
        for tensor in (group.history.items, group.history.timestamps, group.targets)
    ]
    assert all(tensor.is_meta for tensor in tensors)


def test_states_come_in_the_order_of_targets():
    (batch,) = batches_of(walks([5, 12, 3, 2])).epoch(0)
    assert len(batch.groups) > 1
    states = batch.states(lambda history: history.items[:, :, None].float())
    # Items count up, so each state (its own item here) is one below its target.
    assert torch.equal(states[:, 0] + 1, batch.targets().float())


def test_newest_states_come_in_the_order_of_targets():
    (batch,) = batches_of(walks([5, 12, 3, 2]), samples=Prefixes()).epoch(0)
    assert len(batch.groups) > 1
    states = batch.newest(lambda history: history.items[:, -1:].float())
    assert torch.equal(states[:, 0] + 1, batch.targets().float())


MASKED = Masked(ratio=0.3, last_ratio=0.1, copies=3)


def uncovered(group):
    """A masked group's sequences as they are."""
    items = group.history.items
    return torch.where(items == HIDDEN, group.targets, items)


def test_what_is_hidden_stands_in_the_targets_alone():
    lists = walks([2, 9, 5, 30])
    for batch in batches_of(lists, samples=MASKED, batch_targets=9).epoch(0):
        for group in batch.groups:
            hidden = group.history.items == HIDDEN
            assert torch.equal(group.targets > 0, hidden)
            assert hidden.any(dim=1).all()
            assert group.history.is_item[hidden].all()
            whole = uncovered(group)
            follows = (whole[:, 1:] == whole[:, :-1] + 1) | (whole[:, :-1] == 0)
            assert follows.all()  # items of a walk count up
            times = group.history.timestamps
            assert torch.equal(times, torch.where(whole > 0, 10**9 + 60 * whole, 0))


def test_masked_samples_are_whole_sequences_with_their_last_item_some_times_over():
    found = Counter(
        tuple(item for item in row if item)
        for batch in batches_of([[4, 2, 9], [1, 2], [7]], samples=MASKED).epoch(0)
        for group in batch.groups
        for row in uncovered(group).tolist()
    )
    assert found == {(4, 2, 9): 3, (1, 2): 3}


def test_a_masked_sequence_beyond_the_limit_is_cut_into_windows_one_longer_than_it():
    cut = windows(sequences_of(walks([11])), samples=Masked(ratio=0.5), max_length=4)
    assert cut.starts.tolist() == [0, 2, 4, 6]
    assert cut.lengths.tolist() == [5, 5, 5, 5]


def test_other_items_are_hidden_each_time_and_the_same_at_the_same_seed():
    def hidden(seed):
        batches = batches_of(walks([9] * 20), samples=MASKED, batch_targets=30)
        return [group.targets.tolist() for batch in batches.epoch(seed) for group in batch.groups]

    assert hidden(1) == hidden(1)
    assert hidden(1) != hidden(2)
    (batch,) = batches_of([[1, 2, 3, 4, 5, 6, 7, 8]], samples=Masked(ratio=0.3, copies=9)).epoch(0)
    assert len({tuple(row) for row in batch.groups[0].targets.tolist()}) > 1


def test_a_masked_batch_holds_about_as_many_targets_as_asked():
    batches = batches_of(walks([20] * 100), samples=Masked(ratio=0.4), batch_targets=80)
    sizes = [len(batch.targets()) for batch in batches.epoch(0)]
    assert len(sizes) == 20  # 400 windows of 9 items, of which 4 are hidden as a rule
    assert batches.num_targets == pytest.approx(sum(sizes), rel=0.15)


def test_twins_follow_their_targets_and_share_them():
    lists = [[1, 2, 9], [3, 4, 5, 6, 9], [7, 8, 1, 2, 3, 4, 9], [5, 6, 1]]
    follows = {(*items[:end],): items[end] for items in lists for end in range(1, len(items))}
    seen = set()
    for seed in range(20):
        for batch in batches_of(lists, samples=Prefixes(twins=True), batch_targets=5).epoch(seed):
            own = [row for group in batch.groups for row in group.history.items.tolist()]
            rows = [row for history in batch.twins.histories for row in history.items.tolist()]
            twins = [rows[place] for place in batch.twins.places]
            for history, twin, target in zip(own, twins, batch.targets().tolist(), strict=True):
                history, twin = (tuple(item for item in of if item) for of in (history, twin))
                assert follows[twin] == target
                assert (history == twin) == (list(follows.values()).count(target) == 1)
                if target == 9:
                    seen.add((history, twin))
    assert len(seen) == 6  # each of three with each of the two others


def test_twins_states_come_in_the_order_of_targets():
    lists = walks([1, 9, 3, 6])
    (batch,) = batches_of(lists, samples=Prefixes(twins=True)).epoch(0)
    assert len(batch.twins.histories) > 1
    states = batch.twins.newest(lambda history: history.items[:, -1:].float())
    # No item comes twice, so each sample is its own twin, and its last item is below its target.
    assert torch.equal(states[:, 0] + 1, batch.targets().float())


@pytest.mark.parametrize("plain", [Prefixes(), Prefixes(twins=True)])
def test_twins_change_no_sample(plain):
    batches = batches_of(walks([5, 12, 3]), samples=plain, batch_targets=7)
    first = next(batches.epoch(4))
    assert all_samples(batches, 4) == all_samples(
        batches_of(walks([5, 12, 3]), samples=Prefixes(), batch_targets=7), 4
    )
    assert (first.twins is not None) == plain.twins
    assert (first.to(torch.device("meta")).twins is not None) == plain.twins
