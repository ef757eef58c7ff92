"""Side networks over the frozen states of an encoder's layers.

Every layer that is read is a site: its state is mixed by a learned gate into what the side network
has so far, and passes a bottleneck adapter. The encoder itself is never run.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

GATE_TEMPERATURE = 0.1
"""A gate is the sigmoid of its parameter over this."""

Layers = Literal["even", "all", "upper"]


def sites_of(num_states: int, layers: Layers) -> list[int]:
    """Which states are read: every second one, all, or the upper half; the last always.

    >>> sites_of(13, "even"), sites_of(13, "upper")
    ([0, 2, 4, 6, 8, 10, 12], [6, 7, 8, 9, 10, 11, 12])
    """
    if layers == "upper":
        return list(range(num_states // 2, num_states))
    return list(range(num_states - 1, -1, -2 if layers == "even" else -1))[::-1]


class Adapter(nn.Module):
    """``x + U relu(D x)`` through a bottleneck, near the identity at first."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)
        for layer in (self.down, self.up):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Float[Tensor, "items width"]) -> Float[Tensor, "items width"]:
        """Of each vector alone."""
        return x + self.up(torch.relu(self.down(x)))


class Gates(nn.Module):
    """A share in (0, 1) per site, one half at first; or none, where all is added up."""

    def __init__(self, num_sites: int, *, is_gated: bool) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.zeros(num_sites)) if is_gated else None

    def shares(self, site: int) -> tuple[Tensor | float, Tensor | float]:
        """Weights of the two that are mixed at a site."""
        if self.values is None:
            return 1.0, 1.0
        share = torch.sigmoid(self.values[site] / GATE_TEMPERATURE)
        return share, 1 - share


class IntraNetwork(nn.Module):
    """Over the states of one modality: ``y_k = A_k(g_k h_k + (1 - g_k) y_(k-1))``, ``y_0 = 0``."""

    def __init__(self, width: int, num_sites: int, bottleneck: int, *, is_gated: bool) -> None:
        super().__init__()
        self.adapters = nn.ModuleList(Adapter(width, bottleneck) for _ in range(num_sites))
        self.gates = Gates(num_sites, is_gated=is_gated)

    def forward(self, states: Float[Tensor, "items sites width"]) -> Float[Tensor, "items width"]:
        """What is left after the last site."""
        y = torch.zeros_like(states[:, 0])
        for site, adapter in enumerate(self.adapters):
            new, old = self.gates.shares(site)
            y = adapter(new * states[:, site] + old * y)
        return y


class InterNetwork(nn.Module):
    """Over both modalities: ``c_k = A_k(c_(k-1) + g_k u_k + (1 - g_k) v_k)``, ``c_0 = 0``.

    Where one encoder has more sites, its last ones are read; a wider one's states are first taken
    to the other's width, at each site by a map of its own.
    """

    def __init__(
        self, widths: tuple[int, int], num_sites: int, bottleneck: int, *, is_gated: bool
    ) -> None:
        super().__init__()
        width = min(widths)
        self.adapters = nn.ModuleList(Adapter(width, bottleneck) for _ in range(num_sites))
        self.gates = Gates(num_sites, is_gated=is_gated)
        self.narrowed = nn.ModuleList(
            nn.ModuleList(nn.Linear(own, width) for _ in range(num_sites if own > width else 0))
            for own in widths
        )

    def forward(
        self,
        first: Float[Tensor, "items first_sites first_width"],
        second: Float[Tensor, "items second_sites second_width"],
    ) -> Float[Tensor, "items width"]:
        """What is left after the last site."""
        total: Tensor | float = 0.0
        for site, adapter in enumerate(self.adapters):
            share, rest = self.gates.shares(site)
            here = share * self._state(0, first, site) + rest * self._state(1, second, site)
            total = adapter(total + here)
        assert isinstance(total, Tensor), "there is a site"
        return total

    def _state(self, which: int, states: Tensor, site: int) -> Tensor:
        state = states[:, states.shape[1] - len(self.adapters) + site]
        narrowed = self.narrowed[which]
        assert isinstance(narrowed, nn.ModuleList), "a map per site"
        return narrowed[site](state) if len(narrowed) else state
