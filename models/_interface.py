"""What every model is given and gives back.

Axes used in shapes, one list for the whole zoo: ``batch length items rows dim modalities tokens
layers width heads queries targets vectors codebooks``. ``rows`` is ``items + 1``: row 0 is padding.
Score columns run over ``items`` alone: column ``j`` is item ``j + 1``, so padding cannot be ranked.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models._inputs import CATEGORIES, IDS, TIMESTAMPS, Inputs, Need, settle

Items: TypeAlias = Mapping[str, Tensor]
"""Representations of the whole catalogue, each ``rows x ...``; what they are is the model's own."""

HIDDEN = -1
"""In a history, an item that is to be told from those around it; only masked samples have any."""


@dataclass(frozen=True)
class History:
    """What is known of some users: their items, oldest first, padded on the left with 0."""

    items: Int[Tensor, "batch length"]
    timestamps: Int[Tensor, "batch length"] | None = None
    """Unix seconds, 0 at padding; None where the data set has no clock times."""

    def to(self, device: torch.device) -> "History":
        """The same history on another device."""
        times = None if self.timestamps is None else self.timestamps.to(device)
        return History(self.items.to(device), times)

    @property
    def is_item(self) -> Bool[Tensor, "batch length"]:
        """Where there is an item, known or hidden, and not padding."""
        return self.items != 0


@dataclass(frozen=True)
class Group:
    """Sequences of similar length as one tensor, so that little of it is padding."""

    history: History
    targets: Int[Tensor, "batch length"]
    """What each position is to tell: the item that follows, in masked samples the item hidden
    there; 0 where no loss is taken."""


@dataclass(frozen=True)
class Twins:
    """For each target of a batch a training history of another sample of the same target.

    Where no other sample has that target, it is the target's own history once more.
    """

    histories: tuple[History, ...]
    """In groups of similar length, as those of the batch are."""
    places: Int[Tensor, " targets"]
    """Row, counted through all groups, of each target's twin."""

    def newest(
        self, encode: Callable[[History], Float[Tensor, "batch dim"]]
    ) -> Float[Tensor, "targets dim"]:
        """States of the twins' whole histories, in the order of the batch's targets."""
        return torch.cat([encode(history) for history in self.histories])[self.places]

    def to(self, device: torch.device) -> "Twins":
        """The same twins on another device."""
        return Twins(tuple(h.to(device) for h in self.histories), self.places.to(device))


@dataclass(frozen=True)
class Batch:
    """One optimiser step's training samples, in groups of similar length.

    What the samples are is said by :meth:`Recommender.samples`; whichever they are, states and
    targets are read alike.
    """

    groups: tuple[Group, ...]
    twins: Twins | None = None
    """Where the samples are :class:`Prefixes` with twins."""

    def targets(self) -> Int[Tensor, " targets"]:
        """All targets, group by group, row by row."""
        return torch.cat([group.targets[group.targets > 0] for group in self.groups])

    def states(
        self, encode: Callable[[History], Float[Tensor, "batch length dim"]]
    ) -> Float[Tensor, "targets dim"]:
        """Encoder states at the targets' positions, in the order of :meth:`targets`."""
        return torch.cat([encode(group.history)[group.targets > 0] for group in self.groups])

    def newest(
        self, encode: Callable[[History], Float[Tensor, "batch dim"]]
    ) -> Float[Tensor, "targets dim"]:
        """States of whole histories, in the order of :meth:`targets`; of :class:`Prefixes`."""
        return torch.cat([encode(group.history) for group in self.groups])

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        groups = tuple(Group(g.history.to(device), g.targets.to(device)) for g in self.groups)
        return Batch(groups, None if self.twins is None else self.twins.to(device))


@dataclass(frozen=True)
class Positions:
    """Training samples: whole sequences with the next item as target at every position.

    For causal models alone: elsewhere a position would see its target.
    """


@dataclass(frozen=True, kw_only=True)
class Prefixes:
    """Training samples: every prefix of a sequence, with the next item as its one target."""

    twins: bool = False
    """Whether each comes with another of the same target (:class:`Twins`)."""


@dataclass(frozen=True, kw_only=True)
class Masked:
    """Training samples: whole sequences, some of whose items are hidden and are the targets.

    Which ones is drawn anew each time. Such a sequence may have one item more than the history
    limit, as a history has with the hidden next item behind it.
    """

    ratio: float
    """Probability of each item to be hidden; at least one of a sequence is."""
    last_ratio: float = 0.0
    """Probability of a sequence to have its last item hidden and no other."""
    copies: int = 1
    """How often a sequence comes per epoch."""


Samples: TypeAlias = Positions | Prefixes | Masked
"""What a model trains on: data for whoever makes batches."""


@dataclass(frozen=True)
class Loss:
    """Mean loss over a batch's targets, and the named parts it is the sum of."""

    total: Float[Tensor, ""]
    parts: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class TokenFeatures:
    """Token features of every item, packed: item ``i`` owns ``lengths[i]`` consecutive rows."""

    values: Float[Tensor, "packed width"]
    lengths: Int[Tensor, " rows"]
    """Number of tokens per item; 0 for padding and for items whose modality is missing."""

    @property
    def width(self) -> int:
        """Features per token."""
        return int(self.values.shape[1])


FORMS = ("pooled", "tokens", "layers")
"""What a modality's features may be: a vector per item, packed tokens, a vector per layer."""


@dataclass(frozen=True)
class Modality:
    """Features of one modality for the whole catalogue; tokens, pooled vectors or both are there.

    An item that is not missing has a vector in every form that is there, but may have no tokens.
    """

    name: str
    tokens: TokenFeatures | None = None
    pooled: Float[Tensor, "rows width"] | None = None
    """One vector per item; zeros for padding and where missing."""
    layers: Float[Tensor, "rows layers width"] | None = None
    """The class token's state after the encoder's embedding and after each of its layers."""
    missing: Bool[Tensor, " rows"] | None = None
    """Items without this modality in any form; None where every item has it."""


@dataclass(frozen=True)
class Categories:
    """Categories of every item, packed: item ``i`` owns ``lengths[i]`` consecutive values."""

    names: tuple[str, ...]
    values: Int[Tensor, " packed"]
    """Places among the names, counted from 0."""
    lengths: Int[Tensor, " rows"]
    """Categories of each item; 0 for padding and where none is known."""

    def multi_hot(self) -> Bool[Tensor, "rows categories"]:
        """Which categories each item has."""
        owner = torch.repeat_interleave(torch.arange(len(self.lengths)), self.lengths.long())
        found = torch.zeros(len(self.lengths), len(self.names), dtype=torch.bool)
        found[owner, self.values.long()] = True
        return found


class Derived(ABC):
    """What a model may derive from the training part of the sequences, and nothing later.

    The zoo is plain torch; who gives a catalogue gives these, made by libraries that do it well.
    """

    @abstractmethod
    def cooccurrence(
        self, *, max_distance: int, inverse: bool = True, held_out: bool = False
    ) -> Tensor:
        """How close items stand in users' sequences: sparse, ``rows x rows``, symmetric.

        Entry ``(i, j)`` sums ``1 / distance`` (1, unless ``inverse``) over all users and all pairs
        of places at which the two items stand at most ``max_distance`` apart; an item does not
        occur with itself. With ``held_out`` the validation and test items are counted too: that is
        a leak, for nothing but to measure what it brings.
        """

    @abstractmethod
    def popularity(self) -> Int[Tensor, " rows"]:
        """How often each item occurs in the training part; 0 for padding."""

    @abstractmethod
    def clusters(
        self,
        vectors: Float[Tensor, "vectors width"],
        num_clusters: int,
        *,
        seed: int,
        rounds: int | None = None,
    ) -> Int[Tensor, " vectors"]:
        """Cluster of each vector by k-means, counted from 0; equal inputs give equal clusters.

        With a number of ``rounds`` it starts from vectors drawn at random and ends after so many
        at the latest: quicker and coarser, for what is clustered again and again.
        """

    @abstractmethod
    def product_codes(
        self,
        vectors: Float[Tensor, "items width"],
        *,
        num_codebooks: int,
        num_centroids: int,
        rotate: bool,
    ) -> Int[Tensor, "items codebooks"]:
        """Codes of vectors by product quantisation, counted from 0 in each codebook.

        Codebooks are learnt from the vectors of items that occur, and all items are encoded; so
        there may be no more centroids than such items, and their number is a power of two. With
        ``rotate`` the vectors are first turned so that little is lost (OPQ).
        """


@dataclass(frozen=True)
class Catalogue:
    """All items with what is known of them; the tensors may lie in memory-mapped files."""

    num_items: int
    modalities: Mapping[str, Modality] = field(default_factory=dict)
    derived: Derived | None = None
    """None for a catalogue without sequences."""
    has_timestamps: bool = False
    """Whether histories come with clock times."""
    categories: Categories | None = None

    def available(self) -> dict[str, tuple[str, ...]]:
        """Every input that is there; of a modality, the forms it is there in."""
        forms = {
            name: tuple(form for form in FORMS if getattr(modality, form) is not None)
            for name, modality in self.modalities.items()
        }
        there = {TIMESTAMPS: self.has_timestamps, CATEGORIES: self.categories is not None}
        return {IDS: (), **forms, **{name: () for name, is_there in there.items() if is_there}}

    def derivations(self) -> Derived:
        """What can be derived from the training part.

        Raises:
            ValueError: there are no sequences to derive it from.
        """
        if self.derived is None:
            raise ValueError("the catalogue has no training sequences to derive anything from.")
        return self.derived

    def modality(self, name: str) -> Modality:
        """The features of one modality.

        Raises:
            ValueError: the data set has no such modality.
        """
        if name not in self.modalities:
            has = ", ".join(sorted(self.modalities)) or "no features at all"
            raise ValueError(f"the data set has no `{name}` features; it has {has}.")
        return self.modalities[name]

    def pooled(self, name: str) -> Float[Tensor, "rows width"]:
        """One vector per item of a modality.

        Raises:
            MissingInputError: the data set has none.
        """
        settle((Need(name, ("pooled",)),), self.available())
        pooled = self.modality(name).pooled
        assert pooled is not None
        return pooled

    def layers(self, name: str) -> Float[Tensor, "rows layers width"]:
        """The states of every layer of a modality's encoder.

        Raises:
            MissingInputError: the data set has none.
        """
        settle((Need(name, ("layers",)),), self.available())
        layers = self.modality(name).layers
        assert layers is not None
        return layers


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings that every model has; each model adds its own."""

    dim: int = 64
    """Width d of item and user representations."""
    max_length: int = 50
    """History limit; older items are dropped."""
    dropout: float = 0.2
    """Probability of dropping, in [0, 1)."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain with a ValueError that names the key."""
        at_least("dim", self.dim, 1)
        at_least("max_length", self.max_length, 1)
        probability("dropout", self.dropout)

    def needs(self) -> tuple[Need, ...]:
        """The inputs a model of these settings reads; ids alone unless it says otherwise."""
        return (Need(IDS),)

    def canonical(self) -> "Config":
        """The same computation with every setting that others switch off at one fixed value.

        Runs of equal canonical settings are one and the same run.
        """
        return self

    def first_stage(self) -> "Config | None":
        """Settings whose whole training is the first stage of these, from the same weights.

        A finished run of them need not be trained again. None where there are none such.
        """
        return None


@dataclass(frozen=True, kw_only=True)
class Clustered:
    """A catalogue's items without and with what a model adds for their cluster."""

    clusters: Int[Tensor, " items"]
    """Each item's cluster, counted from 0."""
    before: Float[Tensor, "items dim"]
    after: Float[Tensor, "items dim"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One phase of a model's training: data for the loop, not a trainer."""

    name: str
    frozen: tuple[str, ...] = ()
    """Shell-style patterns of parameter names that do not train in this stage."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Pattern of parameter names -> factor on the learning rate."""


class Recommender(nn.Module, ABC):
    """A sequential recommender: histories in, a score for every item out.

    A subclass is built as ``Model(config, catalogue)`` and raises ValueError where the catalogue
    lacks an input that its config asks for.
    """

    config_type: ClassVar[type[Config]]
    causal: ClassVar[bool] = True
    """Whether the state at a position depends on that position and earlier ones alone."""

    config: Config
    reads: Inputs = Inputs()
    """What it reads of its catalogue: :func:`~models._inputs.settle` of its config's needs."""

    def samples(self) -> Samples:
        """What it trains on: a loss at every position unless a model says otherwise."""
        return Positions()

    def stages(self) -> tuple[Stage, ...]:
        """Phases of training, in order; one joint phase unless a model says otherwise."""
        return (Stage(name="joint"),)

    def start_epoch(self, stage: Stage, epoch: int) -> None:
        """Hook before each epoch (counted from 1 within the stage), as for re-clustering."""

    def input_forms(self) -> Mapping[str, str]:
        """Modality -> form it is used in (``tokens``, ``pooled``); goes into run tags."""
        return self.reads.forms

    def inert_settings(self) -> Mapping[str, str]:
        """Setting -> why it changes nothing on this catalogue; a sweep over it says so first."""
        return {}

    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """Patterns of the parameters of the ``id`` part and of the ``modality`` part.

        What is in neither is shared. Empty where a model does not have both and, in training,
        during a stage in which one of them takes no part.
        """
        return {}

    def part_loss(self, batch: Batch, part: str) -> Loss:
        """Loss with one part alone feeding the shared parameters, for diagnostics."""
        raise NotImplementedError(f"{type(self).__name__} has no part `{part}`")

    def clustered(self) -> Mapping[str, Clustered]:
        """By what the clusters were made of; empty where the model has no clusters of items."""
        return {}

    def attention(
        self, items: Int[Tensor, " some"]
    ) -> Mapping[str, list[Float[Tensor, "queries heads tokens"]]]:
        """Modality -> for each of the items, how much each query and head reads of its tokens.

        A query's weights add up to 1 over the item's tokens. Empty where a model reads no tokens.
        """
        return {}

    @abstractmethod
    def loss(self, batch: Batch) -> Loss:
        """Training loss of a batch, a mean over its targets."""

    def encode_items(self) -> Items:
        """Representations of the whole catalogue, computed once per evaluation."""
        return {}

    @abstractmethod
    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """Scores of every item as the next one; ``items`` is what :meth:`encode_items` gave."""


def at_least(key: str, value: float | int, bound: float | int) -> None:
    """Refuse a value below its bound.

    Raises:
        ValueError: ``value < bound``.
    """
    if not value >= bound:
        raise ValueError(f"`{key}` cannot be {value}: it must be at least {bound}.")


def positive(key: str, value: float | int) -> None:
    """Refuse a value that is not above zero.

    Raises:
        ValueError: ``value <= 0``, infinite or not a number.
    """
    if not 0 < value < math.inf:
        raise ValueError(f"`{key}` cannot be {value}: it must be above 0 and finite.")


def probability(key: str, value: float | int) -> None:
    """Refuse a value outside [0, 1).

    Raises:
        ValueError: ``value`` is outside [0, 1).
    """
    if not 0 <= value < 1:
        raise ValueError(f"`{key}` cannot be {value}: it must be in [0, 1).")


def divides(key: str, value: int, width_key: str, width: int) -> None:
    """Refuse a head count that does not divide the width it splits.

    Raises:
        ValueError: ``width`` is not a multiple of ``value``.
    """
    at_least(key, value, 1)
    if width % value:
        raise ValueError(f"`{key}` cannot be {value}: it must divide `{width_key}` = {width}.")
