"""Leave-one-out: the last item tests, the one before validates, the rest trains.

A user with fewer than three interactions only trains. Nothing later leaks earlier: the validation
history is the training part, the test history is everything but the last item.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Int, Int64

from models import History
from orchestrator.data.interactions import Sequences, bounds

HELD_OUT = 2
"""Newest interactions of a user that do not train: one to validate, one to test."""
MIN_LENGTH = HELD_OUT + 1
"""Interactions a user needs to be evaluated."""


@dataclass(frozen=True)
class EvalUsers:
    """The users of one evaluation: a history and a target each, in ascending order of users."""

    users: Int64[np.ndarray, " users"]
    """Which user each one is, as an index into the data set's sequences."""
    targets: Int64[np.ndarray, " users"]
    """The item each one took next."""
    sequences: Sequences
    """All interactions of all users, of which a history is the slice before its target."""
    ends: Int64[np.ndarray, " users"]
    """Where each target lies in the flat ``sequences.items``; the history ends just before."""

    def __len__(self) -> int:
        """Number of users evaluated."""
        return len(self.users)

    @property
    def starts(self) -> Int64[np.ndarray, " users"]:
        """Where each history begins in the flat ``sequences.items``."""
        return self.sequences.offsets[self.users]

    @property
    def lengths(self) -> Int64[np.ndarray, " users"]:
        """Length of each history, without any limit."""
        return self.ends - self.starts

    def histories(
        self, max_length: int, rows: slice | Int[np.ndarray, " rows"] = slice(None)
    ) -> Int64[np.ndarray, "rows length"]:
        """Histories, oldest item first, padded on the left with 0.

        Args:
            max_length: width of the result; older items are dropped.
            rows: which of these users (positions, not user indices); all of them by default.
        """
        return self._before_targets(self.sequences.items, max_length, rows)

    def timestamps(
        self, max_length: int, rows: slice | Int[np.ndarray, " rows"] = slice(None)
    ) -> Int64[np.ndarray, "rows length"] | None:
        """Unix seconds beside :meth:`histories`, 0 at padding; None without clock times."""
        times = self.sequences.timestamps
        return None if times is None else self._before_targets(times, max_length, rows)

    def history(
        self, max_length: int, rows: slice | Int[np.ndarray, " rows"] = slice(None)
    ) -> History:
        """Items and timestamps as what a model is given."""
        times = self.timestamps(max_length, rows)
        items = torch.from_numpy(self.histories(max_length, rows))
        return History(items, None if times is None else torch.from_numpy(times))

    def _before_targets(
        self,
        values: Int[np.ndarray, " interactions"],
        max_length: int,
        rows: slice | Int[np.ndarray, " rows"],
    ) -> Int64[np.ndarray, "rows length"]:
        places = self.ends[rows, None] + np.arange(-max_length, 0)
        inside = places >= self.starts[rows, None]
        return np.where(inside, values[np.where(inside, places, 0)], 0).astype(np.int64)


@dataclass(frozen=True)
class Split:
    """A data set's training parts, validation users and test users."""

    sequences: Sequences
    """All interactions of all users."""

    @cached_property
    def evaluated(self) -> Int64[np.ndarray, " users"]:
        """The users long enough to be evaluated, ascending."""
        return np.flatnonzero(self.sequences.lengths >= MIN_LENGTH).astype(np.int64)

    @cached_property
    def train(self) -> Sequences:
        """Training parts, of every user: all interactions but the ones held out."""
        full, lengths = self.sequences, training_lengths(self.sequences)
        position = np.arange(len(full.items)) - np.repeat(full.offsets[:-1], full.lengths)
        kept = position < np.repeat(lengths, full.lengths)
        times = None if full.timestamps is None else full.timestamps[kept]
        return Sequences(full.items[kept], bounds(lengths), times)

    @cached_property
    def valid(self) -> EvalUsers:
        """Target: the second-to-last item; history: the training part."""
        return self._eval_users(from_end=2)

    @cached_property
    def test(self) -> EvalUsers:
        """Target: the last item; history: everything before it."""
        return self._eval_users(from_end=1)

    def _eval_users(self, *, from_end: int) -> EvalUsers:
        ends = self.sequences.offsets[1:][self.evaluated] - from_end
        targets = self.sequences.items[ends].astype(np.int64)
        return EvalUsers(self.evaluated, targets, self.sequences, ends)


def leave_one_out(sequences: Sequences) -> Split:
    """Split every user's sequence by the rule of this module."""
    return Split(sequences)


def training_lengths(sequences: Sequences) -> Int64[np.ndarray, " users"]:
    """Number of training interactions of each user."""
    lengths = sequences.lengths
    return np.where(lengths >= MIN_LENGTH, lengths - HELD_OUT, lengths)


def activity_groups(split: Split, *, share: float = 0.4) -> dict[str, Bool[np.ndarray, " users"]]:
    """Evaluated users by how much of them was trained on: ``cold`` and ``warm``, as masks.

    Cold are the ``share`` of evaluated users with the fewest training interactions. Users of
    equal activity are never parted: all who tie with the last cold one are cold as well, so
    that cold holds ``share`` of the users or more (and all, should all be equally active).

    Args:
        split: the split; both masks run along ``split.valid.users``, which are ``split.test``'s.
        share: part of the users that is cold at least, in [0, 1].
    """
    activity = training_lengths(split.sequences)[split.evaluated]
    num_cold = int(np.ceil(share * len(activity) - 1e-9))  # 0.4 x 35 is 14, not 15
    bound = np.sort(activity)[num_cold - 1] if num_cold else -1
    cold = activity <= bound
    return {"cold": cold, "warm": ~cold}
