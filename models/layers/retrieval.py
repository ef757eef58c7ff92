"""Queries that read the tokens of their own item, over a whole catalogue at every step.

Multi-head attention of an item's ``N`` queries over its ``L`` tokens ``E`` (eq. 5 of TAME) has two
forms of equal values and gradients:

- *keyed*: keys ``E Wk'`` and values ``E Wv'`` are formed and attended to, ``4 L d w`` operations;
- *absorbed*: ``(q Wk) E'`` are the same logits and ``(A E) Wv'`` the same sums, so that neither
  keys nor values exist: ``4 L N h w`` operations, and ``4 N d w`` for the queries' sake.

Which of them is cheaper follows from the sizes, length by length (:func:`prefers_absorbed`). In
both, items with equally many tokens are read together, so there is no padding; the tokens stay as
they are stored (half precision, memory-mapped) and are widened a chunk at a time, small enough for
a processor's cache, once in the forward pass and once more in the backward pass.
"""

import bisect
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from models._interface import TokenFeatures

CHUNK_BYTES = {"cpu": 2**22, "cuda": 2**28}
"""Widened tokens at once, by kind of device: what its caches bear, and what keeps it busy."""
MAX_KEPT = 2**30
"""Bytes of keys and values kept for the backward pass; beyond it they are formed again there."""
MAX_ROWS = 2**14
"""Items at once, where each item's queries are computed on their own."""
ABSORBED_PENALTY = 2.0
"""Seconds per operation of the absorbed form's small products over those of the keyed form's."""


@dataclass(frozen=True)
class Chunk:
    """Items with equally many tokens, read at once."""

    rows: slice
    """Their places in the order of lengths."""
    length: int
    packed: slice | None
    """Their tokens, where they lie side by side."""

    @property
    def num_items(self) -> int:
        """How many they are."""
        return int(self.rows.stop - self.rows.start)


class PackedTokens(nn.Module):
    """Tokens of a catalogue, read in chunks of items that have equally many."""

    def __init__(self, features: TokenFeatures) -> None:
        super().__init__()
        lengths = features.lengths.long().cpu()
        order = torch.argsort(lengths, stable=True)
        self.register_buffer("values", features.values, persistent=False)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("rank", torch.argsort(order), persistent=False)
        self.register_buffer("is_present", lengths > 0, persistent=False)
        self._starts = (lengths.cumsum(0) - lengths)[order]
        self._groups = _groups(lengths[order])

    values: Tensor
    order: Tensor
    """Items by their number of tokens."""
    rank: Tensor
    """Of each item: its place in that order."""
    is_present: Tensor
    """Of each item: whether it has tokens."""

    @property
    def width(self) -> int:
        """Features per token."""
        return int(self.values.shape[1])

    @property
    def max_length(self) -> int:
        """Most tokens of an item."""
        return self._groups[-1][0]

    def chunks(self) -> Iterator[Chunk]:
        """All items that have tokens, in the order of lengths."""
        limit = CHUNK_BYTES.get(self.values.device.type, CHUNK_BYTES["cuda"])
        for length, start, stop in self._groups:
            step = max(1, limit // (4 * max(1, length) * self.width))
            for first in range(start, stop if length else start, step):
                rows = slice(first, min(first + step, stop))
                yield Chunk(rows, length, self._side_by_side(rows, length))

    def _side_by_side(self, rows: slice, length: int) -> slice | None:
        first, last = int(self._starts[rows.start]), int(self._starts[rows.stop - 1])
        size = length * (rows.stop - rows.start)
        return slice(first, first + size) if last + length - first == size else None

    def read(self, chunk: Chunk, dtype: torch.dtype) -> Float[Tensor, "items tokens width"]:
        """Tokens of a chunk's items, in a precision that can be computed with."""
        index: slice | Tensor | None = chunk.packed
        if index is None:
            place = torch.arange(chunk.length)
            index = (self._starts[chunk.rows, None] + place).flatten().to(self.values.device)
        return self.values[index].to(dtype).unflatten(0, (-1, chunk.length))

    def of(self, item: int) -> Float[Tensor, "tokens width"]:
        """One item's tokens, as they are stored."""
        place = int(self.rank[item])
        length = next(length for length, _, stop in self._groups if place < stop)
        return self.values[int(self._starts[place]) :][:length]


def _groups(ordered: Int[Tensor, " rows"]) -> list[tuple[int, int, int]]:
    """Each length with the first place of it and the one after its last."""
    distinct, counts = torch.unique_consecutive(ordered, return_counts=True)
    stops = counts.cumsum(0)
    return list(zip(distinct.tolist(), (stops - counts).tolist(), stops.tolist(), strict=True))


def prefers_absorbed(*, length: int, queries: int, heads: int, dim: int) -> bool:
    """Whether the absorbed form costs less than the keyed one, for items of some length."""
    absorbed = queries * dim + ABSORBED_PENALTY * queries * heads * length
    return absorbed < length * dim


def retrieve(
    queries: Float[Tensor, "rows queries dim"],
    key: Float[Tensor, "dim width"],
    value: Float[Tensor, "dim width"],
    tokens: PackedTokens,
    *,
    heads: int,
) -> Float[Tensor, "rows queries dim"]:
    """Multi-head attention of each item's queries over the item's own tokens.

    Args:
        queries: of every item of the catalogue, projected; head ``k`` is the ``k``-th part of dim.
        key: projection of tokens to keys.
        value: projection of tokens to values.
        tokens: what is read; gradients do not go into it.
        heads: must divide dim.

    Returns:
        What each query reads, heads side by side; zeros where an item has no token.
    """
    device, dtype = queries.device.type, key.dtype
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
    scaled = queries[tokens.order].to(key.dtype) * (queries.shape[2] // heads) ** -0.5
    room = MAX_KEPT if torch.is_grad_enabled() else 0  # nothing is kept for no backward pass
    read = _Retrieve.apply(  # type: ignore[no-untyped-call]
        scaled.unflatten(2, (heads, -1)), key, value, tokens, dtype, room
    )
    return read.flatten(2)[tokens.rank]


class _Retrieve(torch.autograd.Function):
    """Chunk after chunk, and in the backward pass once more; tokens get no gradient."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        queries: Tensor,
        key: Tensor,
        value: Tensor,
        tokens: PackedTokens,
        dtype: torch.dtype,
        room: int,
    ) -> Tensor:
        weights = _Weights.of(key, value, heads=queries.shape[2], dtype=dtype)
        read, plan = torch.zeros_like(queries), _plan(queries, tokens, dtype, room=room)
        with torch.autocast(queries.device.type, enabled=False):
            for work in plan:
                own = queries[work.chunk.rows].to(dtype)
                packed = tokens.read(work.chunk, dtype)
                read[work.chunk.rows] = work.form.forward(weights, own, packed, work.room())
        ctx.save_for_backward(queries, key, value)
        ctx.tokens, ctx.dtype, ctx.plan = tokens, dtype, plan
        return read

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        queries, key, value = ctx.saved_tensors
        dtype = ctx.dtype
        weights = _Weights.of(key, value, heads=queries.shape[2], dtype=dtype)
        total = _Gradients(
            torch.zeros_like(queries), torch.zeros_like(key), torch.zeros_like(value)
        )
        with torch.autocast(queries.device.type, enabled=False):
            for work in ctx.plan:
                rows, state = work.chunk.rows, work.room()
                packed, own = ctx.tokens.read(work.chunk, dtype), queries[rows].to(dtype)
                if work.kept is None:
                    work.form.forward(weights, own, packed, state)
                given = work.form.backward(weights, own, packed, state, grad[rows].to(dtype))
                total.queries[rows] = given.queries
                total.key.add_(given.key)
                total.value.add_(given.value)
        return total.queries, total.key, total.value, None, None, None


@dataclass(frozen=True)
class _Weights:
    """Projections of tokens, in the precision that is computed in."""

    key: Float[Tensor, "heads part width"]
    value: Float[Tensor, "heads part width"]
    both: Float[Tensor, "both width"]
    """Those of keys above those of values."""

    @classmethod
    def of(cls, key: Tensor, value: Tensor, *, heads: int, dtype: torch.dtype) -> "_Weights":
        both = torch.cat([key, value]).to(dtype)
        key, value = (part.unflatten(0, (heads, -1)) for part in both.chunk(2))
        return cls(key, value, both)


@dataclass(frozen=True)
class _Gradients:
    queries: Tensor
    key: Tensor
    value: Tensor


@runtime_checkable
class _Form(Protocol):
    """One way to compute a chunk: what is read, and from what that leaves behind, gradients."""

    @staticmethod
    def state_shape(chunk: Chunk, queries: Tensor) -> tuple[int, int, int]:
        """Of what the gradients need."""

    @staticmethod
    def forward(
        weights: _Weights,
        queries: Float[Tensor, "items queries heads part"],
        tokens: Float[Tensor, "items tokens width"],
        state: Tensor,
    ) -> Tensor:
        """What is read; fills ``state``."""

    @staticmethod
    def backward(
        weights: _Weights, queries: Tensor, tokens: Tensor, state: Tensor, grad: Tensor
    ) -> _Gradients:
        """Gradients of queries and weights, given that of what is read."""


class _Absorbed:
    """Leaves the attention maps."""

    @staticmethod
    def state_shape(chunk: Chunk, queries: Tensor) -> tuple[int, int, int]:
        _, num_queries, heads, _ = queries.shape
        return chunk.num_items, num_queries * heads, chunk.length

    @staticmethod
    def forward(weights: _Weights, queries: Tensor, tokens: Tensor, state: Tensor) -> Tensor:
        logits = torch.bmm(_lifted(queries, weights.key), tokens.mT)
        torch.softmax(logits.to(state.dtype), dim=-1, out=state)
        return _lowered(torch.bmm(state.to(tokens.dtype), tokens), weights.value)

    @staticmethod
    def backward(
        weights: _Weights, queries: Tensor, tokens: Tensor, state: Tensor, grad: Tensor
    ) -> _Gradients:
        slope = _exact(torch.bmm(_lifted(grad, weights.value), tokens.mT))
        slope = state * (slope - (state * slope).sum(dim=-1, keepdim=True))
        # One product for both, since what it costs is to go over the tokens.
        over = torch.bmm(torch.cat([slope, state], dim=1).to(tokens.dtype), tokens)
        lifted, read = over.chunk(2, dim=1)
        return _Gradients(
            _lowered(lifted, weights.key), _outer(queries, lifted), _outer(grad, read)
        )


def _exact(x: Tensor) -> Tensor:
    """What sums and exponentials are computed in: single precision at least."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _lifted(
    x: Float[Tensor, "items queries heads part"], weight: Float[Tensor, "heads part width"]
) -> Float[Tensor, "items reads width"]:
    """From each head's part of dim to the width of tokens."""
    return torch.einsum("nqhp,hpw->nqhw", x, weight).flatten(1, 2)


def _lowered(
    y: Float[Tensor, "items reads width"], weight: Float[Tensor, "heads part width"]
) -> Float[Tensor, "items queries heads part"]:
    """From the width of tokens to each head's part of dim."""
    return torch.einsum("nqhw,hpw->nqhp", y.unflatten(1, (-1, len(weight))), weight)


def _outer(
    x: Float[Tensor, "items queries heads part"], y: Float[Tensor, "items reads width"]
) -> Float[Tensor, "dim width"]:
    """Gradient of a projection, summed over items and queries."""
    by_head = y.unflatten(1, (-1, x.shape[2]))
    return _exact(torch.einsum("nqhp,nqhw->hpw", x, by_head).flatten(0, 1))


class _Keyed:
    """Leaves keys and values; attention itself is torch's, which fuses it."""

    @staticmethod
    def state_shape(chunk: Chunk, queries: Tensor) -> tuple[int, int, int]:
        _, _, heads, part = queries.shape
        return chunk.num_items, chunk.length, 2 * heads * part

    @staticmethod
    def forward(weights: _Weights, queries: Tensor, tokens: Tensor, state: Tensor) -> Tensor:
        formed = torch.mm(tokens.flatten(0, 1), weights.both.T)
        state.copy_(formed.view_as(state))
        return _attended(queries, formed.view_as(state))

    @staticmethod
    def backward(
        weights: _Weights, queries: Tensor, tokens: Tensor, state: Tensor, grad: Tensor
    ) -> _Gradients:
        with torch.enable_grad():
            own = queries.detach().requires_grad_()
            formed = state.to(tokens.dtype).detach().requires_grad_()
            attended = _attended(own, formed)
        of_queries, of_formed = torch.autograd.grad(attended, (own, formed), grad)
        both = of_formed.flatten(0, 1).T @ tokens.flatten(0, 1)
        key, value = _exact(both).chunk(2)
        return _Gradients(of_queries, key, value)


def _attended(
    queries: Float[Tensor, "items queries heads part"], formed: Float[Tensor, "items tokens both"]
) -> Float[Tensor, "items queries heads part"]:
    keys, values = formed.unflatten(2, (2, *queries.shape[2:])).permute(2, 0, 3, 1, 4)
    return F.scaled_dot_product_attention(
        queries.transpose(1, 2), keys, values, scale=1.0
    ).transpose(1, 2)


@dataclass(frozen=True)
class _Work:
    """A chunk, the form that it is computed in, and what it leaves for the backward pass."""

    chunk: Chunk
    form: type[_Form]
    shape: tuple[int, int, int]
    kept: Tensor | None
    """None where it is formed again rather than kept."""
    like: Tensor
    """Of the precision and place of the state."""

    def room(self) -> Tensor:
        """Where the state is, or is to be written."""
        return self.like.new_empty(self.shape) if self.kept is None else self.kept


def _plan(queries: Tensor, tokens: PackedTokens, dtype: torch.dtype, *, room: int) -> list[_Work]:
    """All chunks, with at most ``room`` bytes, in one piece, for what is kept.

    One piece, since many small ones, left between large ones that come and go, break up the heap.
    """
    _, num_queries, heads, part = queries.shape
    like = queries.new_empty(0, dtype=torch.promote_types(dtype, torch.float32))
    chunks, forms, shapes = list(tokens.chunks()), [], []
    for chunk in chunks:
        absorbed = prefers_absorbed(
            length=chunk.length, queries=num_queries, heads=heads, dim=heads * part
        )
        forms.append(_Absorbed if absorbed else _Keyed)
        shapes.append(forms[-1].state_shape(chunk, queries))
    ends = list(itertools.accumulate(map(math.prod, shapes)))
    num_kept = bisect.bisect_right(ends, room // like.element_size())
    pieces = like.new_empty(ends[num_kept - 1] if num_kept else 0).split(
        [math.prod(shape) for shape in shapes[:num_kept]]
    )
    kept = [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=False)]
    kept += [None] * (len(chunks) - num_kept)
    return [_Work(*of, like) for of in zip(chunks, forms, shapes, kept, strict=True)]


def in_chunks(
    function: Callable[[Tensor], Tensor],
    rows: Shaped[Tensor, "rows ..."],
    *,
    max_rows: int | None = None,
) -> Float[Tensor, "rows ..."]:
    """``function(rows)`` where rows do not concern one another, in bounded memory.

    Beyond ``max_rows`` rows (:data:`MAX_ROWS` unless given) it is computed chunk by chunk, and anew
    in the backward pass.
    """
    limit = MAX_ROWS if max_rows is None else max_rows
    if len(rows) <= limit:
        return function(rows)
    chunks = rows.split(limit)
    return torch.cat([checkpoint(function, chunk, use_reentrant=False) for chunk in chunks])


def attention_maps(
    queries: Float[Tensor, "some queries dim"],
    key: Float[Tensor, "dim width"],
    tokens: list[Float[Tensor, "_ width"]],
    *,
    heads: int,
) -> list[Float[Tensor, "queries heads _"]]:
    """Which of its item's tokens each query reads, head by head; rows add up to 1.

    Args:
        queries: of some items, projected.
        key: projection of tokens to keys.
        tokens: of the same items; none has none.
        heads: must divide dim.
    """
    scaled = queries.unflatten(2, (heads, -1)) * (queries.shape[2] // heads) ** -0.5
    by_head = key.unflatten(0, (heads, -1))
    return [
        torch.einsum("qhp,hpw,tw->qht", own, by_head, of.float()).softmax(dim=-1)
        for own, of in zip(scaled, tokens, strict=True)
    ]
