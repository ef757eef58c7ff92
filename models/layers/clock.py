"""When a user took an item, as vectors: how long after the one before, and at what time."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models.layers.transformer import positions

ORIGIN = 946_684_800
"""1 January 2000 in Unix seconds, from which days are counted: near zero floats are finest."""
LONGEST = 10 * 365 * 86_400
"""Seconds; longer intervals count as this one."""


class ClockEmbedding(nn.Module):
    """An embedding of the interval on a logarithmic scale beside waves of the absolute time.

    The interval's row is ``floor(scale log2(seconds + 1))``, 0 for a history's first item and where
    a clock went back. The waves are ``cos((w t + b)_j 10000^(-j / dim))``.

    Args:
        dim: width of each of the two.
        scale: rows per doubling of the interval.
        in_days: the time is in days since :data:`ORIGIN`, else in Unix seconds, whose single
            precision is some two minutes.
    """

    waves: Tensor

    def __init__(self, dim: int, *, scale: int, in_days: bool) -> None:
        super().__init__()
        self.scale, self.in_days = scale, in_days
        self.intervals = nn.Embedding(int(self._row(torch.tensor(LONGEST))) + 1, dim)
        self.time = nn.Linear(1, dim)
        frequencies = 10_000.0 ** (-torch.arange(dim) / dim)
        self.register_buffer("waves", frequencies, persistent=False)

    def forward(
        self, times: Int[Tensor, "batch length"], is_item: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length width"]:
        """Intervals and absolute times side by side; at padding they mean nothing."""
        before = times.roll(1, dims=1)
        is_first = positions(is_item) == 0
        passed = (times - before).clamp(min=0, max=LONGEST).masked_fill(is_first, 0)
        clock = (times - ORIGIN).float() / 86_400 if self.in_days else times.float()
        with torch.autocast(times.device.type, enabled=False):  # half precision has no days
            waves = torch.cos(self.time(clock[:, :, None]) * self.waves)
        return torch.cat([self.intervals(self._row(passed)), waves], dim=-1)

    def _row(self, seconds: Int[Tensor, "*any"]) -> Int[Tensor, "*any"]:
        return (self.scale * torch.log2(seconds.double() + 1)).long()
