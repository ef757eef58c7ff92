"""Settings of one run: a frozen dataclass per concern, strict about keys, types and domains.

Keys are dotted, section first: ``model.dim``, ``train.learning_rate``. A run's whole setting is a
:class:`TrialConfig`; it goes to workers and into records as plain JSON and comes back unchanged.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

import models
from models import Config
from models._interface import at_least, positive, probability
from orchestrator.errors import ConfigError, unknown

Scalar = bool | int | float | str
JSON = dict[str, Any]

MONITOR = "val/ndcg@10"
"""What early stopping, checkpoint choice and every search maximise; never a test figure."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a model is trained."""

    learning_rate: float = 1e-3
    """Adam's rate; a stage may scale it per parameter."""
    weight_decay: float = 0.0
    """Decoupled (AdamW) decay; 0 is plain Adam."""
    batch_targets: int = 1024
    """Targets (next items to predict) per optimiser step."""
    max_epochs: int = 200
    """Epochs per stage at most."""
    patience: int = 10
    """Epochs without a better validation NDCG@10 before a stage ends."""
    clip_norm: float = 0.0
    """Largest gradient norm; 0 does not clip."""
    average_decay: float = 0.0
    """Per step, of the moving average of weights that is evaluated and kept; 0 averages not."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of matrix products in training; weights, sums and evaluation stay fp32."""
    trace_gradients: bool = False
    """Record what the model's id part and modality part send into the parameters that they share,
    at every step; changes nothing else, and makes a step some three times as long."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        positive("learning_rate", self.learning_rate)
        at_least("weight_decay", self.weight_decay, 0)
        at_least("batch_targets", self.batch_targets, 1)
        at_least("max_epochs", self.max_epochs, 1)
        at_least("patience", self.patience, 1)
        at_least("clip_norm", self.clip_norm, 0)
        probability("average_decay", self.average_decay)


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """How rankings are measured: always against the whole catalogue."""

    cutoffs: tuple[int, ...] = (5, 10, 20, 50)
    """K of Recall@K, Hit@K, NDCG@K and MRR@K; 10 must be among them (early stopping)."""
    ties: Literal["worst", "mean"] = "worst"
    """Rank of a target that shares its score with other items."""
    exclude_seen: bool = False
    """Leave items of the user's history out of the ranking."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        for cutoff in self.cutoffs:
            at_least("cutoffs", cutoff, 1)
        if 10 not in self.cutoffs or len(set(self.cutoffs)) < len(self.cutoffs):
            raise ValueError(
                f"`cutoffs` cannot be {self.cutoffs}: 10 must be among them, and none twice."
            )


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Controls on what a model is given: modalities whose features are made uninformative.

    A model that loses nothing by a control did not use what the features tell, only the
    capacity that comes with them.
    """

    shuffle: tuple[str, ...] = ()
    """Modalities whose features are moved to other items at random."""
    noise: tuple[str, ...] = ()
    """Modalities whose features become Gaussian noise of the same mean and spread."""
    mean: tuple[str, ...] = ()
    """Modalities whose features become the mean over all items, the same for each."""

    def __post_init__(self) -> None:
        """Refuse two controls of one modality."""
        named = [*self.shuffle, *self.noise, *self.mean]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise ValueError(f"`{twice[0]}` has more than one control: name it once.")


@dataclass(frozen=True, kw_only=True)
class TrialConfig:
    """Everything that decides a run's result, apart from the code and the data themselves."""

    model: str
    dataset: str
    settings: Config
    """The model's own settings, of its ``config_type``."""
    train: TrainConfig = field(default_factory=TrainConfig)
    data: DataConfig = field(default_factory=DataConfig)
    evaluation: EvalConfig = field(default_factory=EvalConfig)
    seed: int = 0

    def to_json(self) -> JSON:
        """Plain data from which :func:`trial_from_json` rebuilds this."""
        return dataclasses.asdict(self)


SECTIONS = {"model": "settings", "train": "train", "data": "data", "eval": "evaluation"}
"""Key section -> field of :class:`TrialConfig`."""


def model_type(name: str) -> type[models.Recommender]:
    """A model of the zoo by name.

    Raises:
        ConfigError: there is no such model.
    """
    try:
        return models.find(name)
    except KeyError:
        raise ConfigError(unknown("model", name, models.names())) from None


def default_trial(model: str, dataset: str, *, seed: int = 0) -> TrialConfig:
    """A model's default settings on a data set."""
    settings = model_type(model).config_type()
    return TrialConfig(model=model, dataset=dataset, settings=settings, seed=seed)


def flatten(config: TrialConfig) -> dict[str, Any]:
    """Dotted key -> value for every setting of a run (data set, model name and seed apart)."""
    return {
        f"{section}.{f.name}": getattr(getattr(config, attribute), f.name)
        for section, attribute in SECTIONS.items()
        for f in dataclasses.fields(getattr(config, attribute))
    }


def override(base: TrialConfig, values: Mapping[str, Any], *, where: str) -> TrialConfig:
    """A copy of ``base`` with dotted keys set, each checked strictly against its field.

    Args:
        base: what the rest is taken from.
        values: dotted key -> new value.
        where: file or option that the values come from, to begin messages with.

    Raises:
        ConfigError: unknown key, wrong type, or a value the config refuses.
    """
    known = flatten(base)
    changes: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"{where}: {unknown('key', key, known)}")
        section, name = key.split(".", 1)
        target = type(getattr(base, SECTIONS[section]))
        changes[section][name] = _typed(target, name, value, where=where, key=key)
    replaced = {}
    for section, new in changes.items():
        if new:
            replaced[SECTIONS[section]] = _rebuilt(base, section, new, where)
    return dataclasses.replace(base, **replaced)


def _rebuilt(base: TrialConfig, section: str, new: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401
    try:
        return dataclasses.replace(getattr(base, SECTIONS[section]), **new)
    except ValueError as error:
        raise ConfigError(f"{where}: [{section}] {error}") from None


def _typed(config: type, name: str, value: object, *, where: str, key: str) -> object:
    """The value as its field's type, with no coercion but int to float and list to tuple."""
    annotation: Any = next(f.type for f in dataclasses.fields(config) if f.name == name)
    if isinstance(value, list):
        value = tuple(value)
    try:
        return TypeAdapter(annotation).validate_python(value, strict=True)
    except ValidationError as error:
        rule = error.errors()[0]["msg"].removeprefix("Input ")
        raise ConfigError(f"{where}: `{key}` cannot be {value!r}: it {rule}.") from None


def parse_assignment(text: str) -> tuple[str, Any]:
    """Split ``key=value`` from the command line; the value is read as TOML, else as a string.

    Raises:
        ConfigError: there is no ``=``.
    """
    import tomllib

    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set: `{text}` is not KEY=VALUE. Write for example train.patience=5.")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def trial_from_json(plain: JSON) -> TrialConfig:
    """Rebuild what :meth:`TrialConfig.to_json` gave.

    Raises:
        ConfigError: unknown model or key, or a value its config refuses.
    """
    base = default_trial(plain["model"], plain["dataset"], seed=plain["seed"])
    values = {
        f"{section}.{name}": value
        for section, attribute in SECTIONS.items()
        for name, value in plain[attribute].items()
    }
    return override(base, values, where="stored settings")


def content_hash(plain: object, *, length: int = 16) -> str:
    """Hex digest of plain data, the same for equal content whatever the key order."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:length]
