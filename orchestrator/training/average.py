"""Moving average of a stage's weights: what is evaluated and kept instead of the last ones."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

_COUNT = "num_updates"


class Average:
    """Exponential moving average of the weights that train; the others are left alone.

    While few updates are done the decay is ``(1 + n) / (10 + n)``, so that the first weights do
    not linger.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._num_updates = 0
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._names = list(named)
        self._own = list(named.values())
        self._other = [parameter.detach().clone() for parameter in self._own]
        """The mean, while the model holds the weights in training; inside ``applied`` the
        reverse."""

    @torch.no_grad()
    def update(self) -> None:
        """Count the weights as they are now into the mean."""
        self._num_updates += 1
        warm_up = (1 + self._num_updates) / (10 + self._num_updates)
        mean = get_ema_multi_avg_fn(min(self._decay, warm_up))
        mean(self._other, list(self._own), self._num_updates)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model holds the mean."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def training_weights(self) -> dict[str, Tensor]:
        """To be kept beside the mean, inside :meth:`applied`."""
        count = torch.tensor(self._num_updates)
        return {_COUNT: count, **dict(zip(self._names, self._other, strict=True))}

    @torch.no_grad()
    def restore(self, kept: Mapping[str, Tensor]) -> None:
        """Go on from a model that holds the mean and from :meth:`training_weights`."""
        self._num_updates = int(kept[_COUNT])
        for name, own, other in zip(self._names, self._own, self._other, strict=True):
            other.copy_(own)
            own.copy_(kept[name])

    @torch.no_grad()
    def _swap(self) -> None:
        for own, other in zip(self._own, self._other, strict=True):
            kept = own.detach().clone()
            own.copy_(other)
            other.copy_(kept)
