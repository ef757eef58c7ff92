"""Every swept key is proven to reach the model: its values give different computations here.

Settings of which two make one and the same run (``Config.canonical``) need no training to be told.
Of the others two models are trained for a moment from the same seed, as
:mod:`orchestrator.sweep.probe` does for variants. What no moment can show goes by a rule:
:data:`RULES`. In a one-factor space the other settings are at the base; elsewhere a key counts that
acts beside any value of another factor.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.config import TrialConfig, override
from orchestrator.data import Dataset
from orchestrator.errors import ConfigError
from orchestrator.results import run_id
from orchestrator.sweep.probe import Probe
from orchestrator.sweep.space import Space
from orchestrator.training.loop import build_model, training_batches

OnCheck = Callable[[int, int], None]
"""Hears how many factors are checked, and how many there are."""
TRAINED = "trained for a moment, the two give the same scores bit for bit"


def prove(space: Space, base: TrialConfig, dataset: Dataset, *, on_check: OnCheck) -> None:
    """Refuse a swept value that gives the same computation as another one.

    Args:
        space: a checked space.
        base: where nothing is swept.
        dataset: the open data set.
        on_check: told of progress.

    Raises:
        ConfigError: two values of a key are one computation, or a model cannot be built.
    """
    proof = _Proof(space, override(base, space.base, where=space.source), dataset)
    for place, key in enumerate(space.factors):
        on_check(place, len(space.factors))
        proof.check(key)


@dataclass
class _Proof:
    """What is known of one space on one data set."""

    space: Space
    base: TrialConfig
    dataset: Dataset

    def __post_init__(self) -> None:
        self._probe = Probe(self.dataset)

    def check(self, key: str) -> None:
        """Compare each value of a factor with those before it."""
        values = self.space.factors[key].corners()
        for place, value in enumerate(values):
            for other in values[:place]:
                why = self._same(key, other, value)
                if why:
                    raise ConfigError(self._refusal(key, other, value, why))

    def _same(self, key: str, one: Any, other: Any) -> str:  # noqa: ANN401 - settings' values
        """Why two values are the same computation wherever it matters; empty where they differ."""
        why = ""
        for around in self._around(key):
            pair = self._pair({**around, key: one}, {**around, key: other})
            found = self._why(key, *pair) if pair else ""
            if pair and not found:
                return ""
            why = why or found
        return why

    def _around(self, key: str) -> Iterator[Mapping[str, Any]]:
        """The base, and beside other factors each of their values alone."""
        yield {}
        if self.space.kind == "one-factor":
            return
        for other, factor in self.space.factors.items():
            if other != key:
                yield from ({other: value} for value in factor.corners())

    def _pair(
        self, one: Mapping[str, Any], other: Mapping[str, Any]
    ) -> tuple[TrialConfig, TrialConfig] | None:
        try:
            where = self.space.source
            return override(self.base, one, where=where), override(self.base, other, where=where)
        except ConfigError:  # no point of the space: three values that no config allows together
            return None

    def _why(self, key: str, one: TrialConfig, other: TrialConfig) -> str:
        if run_id(one, "") == run_id(other, ""):
            return "the model's other settings switch it off"
        if key in RULES:
            return RULES[key](one, other, self.dataset)
        if self._probe.differ(one, other):
            return ""
        if not self._probe.is_small and self._probe.differ(one, other, in_whole=True):
            return ""
        return TRAINED

    def _refusal(self, key: str, one: Any, other: Any, why: str) -> str:  # noqa: ANN401
        return (
            f"{self.space.source} `{key}` cannot be swept over {one!r} and {other!r}: they are the "
            f"same computation in {self.base.model} on {self.dataset.name}: {why}. "
            "Leave one of them out, or change what switches it off with --set."
        )


def _acts(one: TrialConfig, other: TrialConfig, dataset: Dataset) -> str:
    """It acts, though not within a few steps."""
    return ""


def _patience(one: TrialConfig, other: TrialConfig, dataset: Dataset) -> str:
    """The first epoch is the best so far, so that patience has an epoch less to run out in."""
    most = one.train.max_epochs
    if min(one.train.patience, other.train.patience) < most - 1:
        return ""
    return f"with `train.max_epochs` = {most} neither runs out before the last epoch"


def _batch_targets(one: TrialConfig, other: TrialConfig, dataset: Dataset) -> str:
    batches = training_batches(
        build_model(one, dataset),
        dataset,
        max_length=one.settings.max_length,
        batch_targets=one.train.batch_targets,
    )
    if min(one.train.batch_targets, other.train.batch_targets) < batches.num_targets:
        return ""
    return f"an epoch has {batches.num_targets:,} targets, which either takes in one step"


def _reports(one: TrialConfig, other: TrialConfig, dataset: Dataset) -> str:
    return "it decides what is recorded, and nothing that is computed"


RULES: Mapping[str, Callable[[TrialConfig, TrialConfig, Dataset], str]] = {
    "train.max_epochs": _acts,
    "train.patience": _patience,
    "train.batch_targets": _batch_targets,
    "train.clip_norm": _acts,
    "train.average_decay": _acts,
    "train.trace_gradients": _reports,
    "eval.cutoffs": _reports,
    "eval.ties": _acts,
    "eval.exclude_seen": _acts,
}
"""Key -> why two values are the same computation (empty where they are not), for keys that a few
steps cannot show. A limit on gradients' norm acts as soon as one exceeds it, in whichever epoch; an
average forgets at its own rate only after hundreds of steps."""
