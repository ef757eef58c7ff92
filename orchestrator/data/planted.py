"""The planted world: a generated data set whose best possible ranking is known.

Every item has a few facets that only its text tells and a few that only its image tells. What a
user takes next depends on the last item alone: each facet moves on to the value that follows it
(nearly always), and among the items that fit, popular ones are likelier. So the exact
probability of every next item is known (:func:`oracle_scores`), and a model that reads both
modalities can come near it, while ids alone meet most items too rarely.

An item's tokens name each of its facets once, on tokens that carry a marker; the other tokens
name random values of the same facets. Attention can pick by the marker; a mean over the tokens
drowns the one right value among the random ones.

With extras, the same world also has states of an encoder's layers, which tell the right values more
plainly the deeper the layer, clock times, which tell nothing, and categories, which are the text's
facets.
"""

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float16, Float32, Float64, Int, Int64

from models._interface import at_least, positive, probability
from orchestrator.config import JSON
from orchestrator.data.features import Features
from orchestrator.data.folders import locked
from orchestrator.data.interactions import Sequences, bounds
from orchestrator.data.manifest import Origin
from orchestrator.data.store import Content, Dataset, ItemTable, open_stored, write_dataset
from orchestrator.errors import ConfigError, DataError

NAME = "planted"
MODALITIES = ("text", "image")
GENERATOR = 1
"""Version of this generator; a stored world of another one is made anew."""

BEGINNING, YEAR = 1_500_000_000, 365 * 86_400
"""Of clock times, in seconds."""
NUM_LAYERS = 5
"""States of a modality's encoder."""
WORDS = (
    "amber", "birch", "cobalt", "dune", "ember", "fjord", "garnet", "heath", "indigo", "jade",
    "kelp", "lichen", "mica", "nectar", "onyx", "pewter", "quartz", "rust", "slate", "teal",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PlantedConfig:
    """Parameters of a planted world."""

    num_users: int = 600
    num_items: int = 400
    min_length: int = 5
    """Interactions of the least active users."""
    mean_length: float = 8.0
    """Mean number of interactions; beyond the minimum it is Poisson distributed."""
    num_facets: int = 1
    """Facets per modality."""
    facet_values: int = 5
    sharpness: float = 0.85
    """Probability that a facet moves to its next value; the rest is spread over the others."""
    popularity_exponent: float = 0.3
    """Popularity of the r-th item is (r + 5) ** -exponent; 0 makes all alike."""
    text_tokens: tuple[int, int] = (3, 5)
    """Fewest and most tokens of a text."""
    image_tokens: int = 4
    """Patches of an image."""
    width: int = 16
    noise: float = 0.1
    """Standard deviation of what is added to each feature; codes have deviation 1."""
    marker: float = 4.0
    """Standard deviation of the markers' features: how plainly true tokens stand out."""
    missing_images: float = 0.0
    """Share of items without an image."""
    seed: int = 0
    has_extras: bool = False
    """Whether there are states of layers, clock times and categories too."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        for key in ("num_users", "num_items", "min_length", "num_facets", "width"):
            at_least(key, getattr(self, key), 1)
        at_least("facet_values", self.facet_values, 2)
        at_least("mean_length", self.mean_length, self.min_length)
        at_least("popularity_exponent", self.popularity_exponent, 0)
        at_least("text_tokens", self.text_tokens[0], self.num_facets)
        at_least("text_tokens", self.text_tokens[1], self.text_tokens[0])
        at_least("image_tokens", self.image_tokens, self.num_facets)
        at_least("noise", self.noise, 0)
        at_least("marker", self.marker, 0)
        positive("sharpness", self.sharpness)
        probability("sharpness", self.sharpness)
        probability("missing_images", self.missing_images)


def with_distractors(config: PlantedConfig, distractors: int) -> PlantedConfig:
    """The same world with so many tokens per item beside the marked ones; texts vary by one.

    Raises:
        ValueError: fewer than one.
    """
    at_least("distractors", distractors, 1)
    tokens = config.num_facets + distractors
    return dataclasses.replace(config, text_tokens=(tokens - 1, tokens + 1), image_tokens=tokens)


@dataclass(frozen=True)
class World:
    """What decides the next item; axis ``facets`` holds the text's facets, then the image's."""

    facets: Int64[np.ndarray, "items facets"]
    """Value of each facet of each item; row ``j`` is item ``j + 1``."""
    log_popularity: Float64[np.ndarray, " items"]
    log_moves: Float64[np.ndarray, "facets values values"]
    """Log probability that a facet moves from one value to another."""


@lru_cache(maxsize=4)
def world(config: PlantedConfig) -> World:
    """The world of a configuration."""
    random = _random(config, "world")
    num_facets = len(MODALITIES) * config.num_facets
    facets = random.integers(config.facet_values, size=(config.num_items, num_facets))
    ranks = random.permutation(config.num_items) + 1
    log_popularity = -config.popularity_exponent * np.log(ranks + 5.0)
    cycles = [random.permutation(config.facet_values) for _ in range(num_facets)]
    return World(facets, log_popularity, np.stack([_log_moves(config, cycle) for cycle in cycles]))


def _random(config: PlantedConfig, *purpose: str) -> np.random.Generator:
    """Independent random numbers for each purpose, so that one setting does not shift another."""
    return np.random.default_rng([config.seed, *"/".join(purpose).encode()])


def _log_moves(
    config: PlantedConfig, cycle: Int[np.ndarray, " values"]
) -> Float64[np.ndarray, "values values"]:
    """A facet goes round a cycle of its values, so no value is its own successor."""
    rest = (1 - config.sharpness) / (config.facet_values - 1)
    moves = np.full((config.facet_values, config.facet_values), rest)
    moves[cycle, np.roll(cycle, -1)] = config.sharpness
    return np.log(moves)


def oracle_scores(
    config: PlantedConfig, histories: Int[np.ndarray, "batch length"]
) -> Float64[np.ndarray, "batch items"]:
    """Exact log probability of every item being the next one: no ranking can be better.

    Args:
        config: the world's parameters.
        histories: items, oldest first, padded on the left with 0; an all-padding history is a
            user's beginning, where popularity decides.
    """
    return _log_next(world(config), histories[:, -1])


def _log_next(of: World, last: Int[np.ndarray, " batch"]) -> Float64[np.ndarray, "batch items"]:
    """Compute log P(j | i) = log pop_j + sum over facets f of log M_f[f(i), f(j)] + const."""
    scores = np.repeat(of.log_popularity[None], len(last), axis=0)
    known = last > 0
    for facet, moves in zip(of.facets.T, of.log_moves, strict=True):
        scores[known] += moves[:, facet][facet[last[known] - 1]]
    top = scores.max(axis=1, keepdims=True)
    scores -= top + np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
    return scores


def planted_sequences(config: PlantedConfig) -> Sequences:
    """Every user's walk through the world; an item may come again."""
    random = _random(config, "sequences")
    extra = random.poisson(config.mean_length - config.min_length, size=config.num_users)
    lengths = config.min_length + extra
    walks = np.zeros((config.num_users, lengths.max() + 1), dtype=np.int32)
    cumulative, context = _contexts(world(config))
    for step in range(lengths.max()):
        uniform = random.random(config.num_users)
        walks[:, step + 1] = _draw(cumulative, context[walks[:, step]], uniform)
    inside = np.arange(lengths.max()) < lengths[:, None]
    times = _times(config, inside) if config.has_extras else None
    return Sequences(walks[:, 1:][inside], bounds(lengths), times)


def _times(
    config: PlantedConfig, inside: Bool[np.ndarray, "users steps"]
) -> Int64[np.ndarray, " interactions"]:
    """Unix seconds that ascend for each user, some hours or days apart."""
    random = _random(config, "times")
    starts = BEGINNING + random.integers(YEAR, size=(len(inside), 1))
    gaps = random.lognormal(mean=10, sigma=2, size=inside.shape).astype(np.int64)
    times: Int64[np.ndarray, " interactions"] = (starts + gaps.cumsum(axis=1))[inside]
    return times


def _contexts(
    of: World,
) -> tuple[Float64[np.ndarray, "contexts items"], Int64[np.ndarray, " rows"]]:
    """Cumulative probabilities of the next item after each kind of last item.

    Items of equal facets lead on alike. Returns a row per kind, the first for having no last
    item, and the row that belongs to each item and to padding.
    """
    _, first, kind = np.unique(of.facets, axis=0, return_index=True, return_inverse=True)
    examples = np.concatenate([[0], first + 1])
    cumulative = np.exp(_log_next(of, examples)).cumsum(axis=1)
    return cumulative, np.concatenate([[0], kind.ravel() + 1])


def _draw(
    cumulative: Float64[np.ndarray, "contexts items"],
    contexts: Int64[np.ndarray, " users"],
    uniform: Float64[np.ndarray, " users"],
) -> Int64[np.ndarray, " users"]:
    """The next item of each user, by inverting the cumulative probabilities."""
    drawn = np.zeros(len(contexts), dtype=np.int64)
    for context in np.unique(contexts):
        here, row = contexts == context, cumulative[context]
        drawn[here] = 1 + np.searchsorted(row[:-1], uniform[here] * row[-1], side="right")
    return drawn


def planted_features(config: PlantedConfig) -> dict[str, Features]:
    """Token features of both modalities, and their means as pooled features."""
    facets = np.split(world(config).facets, len(MODALITIES), axis=1)
    return {
        modality: _features(config, modality, own, lengths)
        for own, (modality, lengths) in zip(facets, _lengths(config).items(), strict=True)
    }


def _lengths(config: PlantedConfig) -> dict[str, Int64[np.ndarray, " items"]]:
    """Tokens of each item, by modality."""
    fewest, most = config.text_tokens
    random = _random(config, "lengths")
    lengths = random.integers(fewest, most + 1, size=config.num_items)
    patches = np.full(config.num_items, config.image_tokens)
    patches[random.random(config.num_items) < config.missing_images] = 0
    return {"text": lengths, "image": patches}


def planted_marks(config: PlantedConfig) -> dict[str, Bool[np.ndarray, " packed"]]:
    """By modality: which tokens, in the order of the stored ones, carry the marker of true ones.

    A model that reads an item as it should gives these tokens its attention.
    """
    marks = {}
    for modality, lengths in _lengths(config).items():
        inside = _inside(lengths)
        order = _order(_random(config, "features", modality), inside)
        marks[modality] = order[inside] < config.num_facets
    return marks


def _inside(lengths: Int64[np.ndarray, " items"]) -> Bool[np.ndarray, "items tokens"]:
    return np.arange(lengths.max()) < lengths[:, None]


def _order(
    random: np.random.Generator, inside: Bool[np.ndarray, "items tokens"]
) -> Int64[np.ndarray, "items tokens"]:
    """Rank of each token in its item's random order; the first name the facets, one each."""
    return np.where(inside, random.random(inside.shape), np.inf).argsort(axis=1).argsort(axis=1)


def _features(
    config: PlantedConfig,
    modality: str,
    facets: Int64[np.ndarray, "items facets"],
    lengths: Int64[np.ndarray, " items"],
) -> Features:
    num_facets = config.num_facets
    inside = _inside(lengths)
    random = _random(config, "features", modality)
    order = _order(random, inside)
    is_true = order < num_facets  # the marked tokens lie anywhere among the others
    facet = np.where(is_true, order, random.integers(num_facets, size=inside.shape))
    other = random.integers(config.facet_values, size=inside.shape)
    value = np.where(is_true, np.take_along_axis(facets, facet, axis=1), other)
    tokens = _token_vectors(config, random, facet=facet, value=value, is_true=is_true)
    packed = _packed(tokens, inside)
    if not config.has_extras:
        return packed
    return dataclasses.replace(packed, layers=_layers(packed, tokens, is_true & inside))


def _layers(
    packed: Features,
    tokens: Float32[np.ndarray, "items tokens width"],
    is_true: Bool[np.ndarray, "items tokens"],
) -> Float16[np.ndarray, "rows layers width"]:
    """From the mean of all tokens, layer by layer, to that of the true ones."""
    assert packed.pooled is not None
    marked = (tokens * is_true[:, :, None]).sum(axis=1)
    true = marked / np.maximum(is_true.sum(axis=1), 1)[:, None]
    true = np.concatenate([np.zeros_like(true[:1]), true])
    shares = np.linspace(0, 1, NUM_LAYERS)[:, None]
    states = (1 - shares) * packed.pooled[:, None] + shares * true[:, None]
    result: Float16[np.ndarray, "rows layers width"] = states.astype(np.float16)
    return result


def _token_vectors(
    config: PlantedConfig,
    random: np.random.Generator,
    *,
    facet: Int64[np.ndarray, "items tokens"],
    value: Int64[np.ndarray, "items tokens"],
    is_true: Bool[np.ndarray, "items tokens"],
) -> Float32[np.ndarray, "items tokens width"]:
    """Code of the facet's value, plus the marker of true or of other tokens, plus noise."""
    codes = random.standard_normal(
        (config.num_facets, config.facet_values, config.width), dtype=np.float32
    )
    markers = config.marker * random.standard_normal((2, config.width), dtype=np.float32)
    noise = random.standard_normal((*facet.shape, config.width), dtype=np.float32)
    return codes[facet, value] + markers[is_true.astype(int)] + config.noise * noise


def _packed(
    tokens: Float32[np.ndarray, "items tokens width"], inside: Bool[np.ndarray, "items tokens"]
) -> Features:
    lengths = inside.sum(axis=1)
    totals = (tokens * inside[:, :, None]).sum(axis=1)
    means = totals / np.maximum(lengths, 1)[:, None]
    return Features(
        pooled=np.concatenate([np.zeros_like(means[:1]), means]).astype(np.float32),
        tokens=tokens[inside].astype(np.float16),
        lengths=np.concatenate([[0], lengths]).astype(np.int32),
    )


def planted_texts(config: PlantedConfig) -> list[str]:
    """A readable text per item that names its text facets; entry 0 is padding."""
    text, _ = np.split(world(config).facets, len(MODALITIES), axis=1)
    return ["", *(_text(item, values) for item, values in enumerate(text.tolist(), start=1))]


def planted_categories(config: PlantedConfig) -> list[list[str]]:
    """The text's facets of each item; entry 0 is padding."""
    text, _ = np.split(world(config).facets, len(MODALITIES), axis=1)
    of = [[f"trait {n} {_word(v)}" for n, v in enumerate(own, start=1)] for own in text.tolist()]
    return [[], *of]


def _text(item: int, values: list[int]) -> str:
    traits = ", ".join(f"trait {n} is {_word(value)}" for n, value in enumerate(values, start=1))
    return f"Synthetic item {item}: {traits}."


def _word(value: int) -> str:
    turn, place = divmod(value, len(WORDS))
    return WORDS[place] + (f" {turn + 1}" if turn else "")


def make_planted(
    config: PlantedConfig, *, name: str, data_dir: Path, overwrite: bool = False
) -> Dataset:
    """Generate a planted world and store it.

    Raises:
        DataError: one of this name is there and ``overwrite`` is not set, or the disk refuses.
    """
    origin = Origin(
        importer=NAME,
        licence="generated",
        synthetic=True,
        generator=_parameters(config),
        notes=("Generated, not observed; the exact best ranking is known.",),
    )
    content = Content(
        sequences=planted_sequences(config),
        users=[f"user-{user}" for user in range(config.num_users)],
        items=_items(config),
        features=planted_features(config),
        categories=planted_categories(config) if config.has_extras else None,
        origin=origin,
    )
    return write_dataset(content, data_dir / name, overwrite=overwrite)


def _items(config: PlantedConfig) -> ItemTable:
    names = ["", *(f"item-{item}" for item in range(1, config.num_items + 1))]
    return ItemTable(names, planted_texts(config), [None] * len(names))


def _parameters(config: PlantedConfig) -> JSON:
    plain = dataclasses.asdict(config)
    if not config.has_extras:
        del plain["has_extras"]  # worlds of before there were any stay what they are
    return {**plain, "text_tokens": list(config.text_tokens), "version": GENERATOR}


def open_planted(data_dir: Path, *, verify: bool = False) -> Dataset:
    """The built-in planted world, generated on first use and whenever it is not what it should be.

    Raises:
        DataError: it cannot be written.
    """
    folder = data_dir / NAME
    current = _current(folder, verify=verify)
    if current is None:
        with locked(folder):  # whoever waited here finds the work done
            current = _current(folder, verify=verify)
            if current is None:
                current = make_planted(
                    PlantedConfig(), name=NAME, data_dir=data_dir, overwrite=True
                )
    return current


def _current(folder: Path, *, verify: bool) -> Dataset | None:
    """The stored world, if it is whole and generated as it would be now."""
    try:
        dataset = open_stored(folder, verify=verify)
    except DataError:
        return None
    generator = dataset.manifest.origin.generator
    return dataset if generator == _parameters(PlantedConfig()) else None


def planted_config(dataset: Dataset) -> PlantedConfig:
    """The parameters that a planted data set was generated with, as its oracle needs them.

    Raises:
        ConfigError: the data set was not generated by this version's planted world.
    """
    stored = dict(dataset.manifest.origin.generator or {})
    if stored.pop("version", None) != GENERATOR:
        raise ConfigError(f"{dataset.name}: is no planted world of this version; it has no oracle.")
    return PlantedConfig(**{**stored, "text_tokens": tuple(stored["text_tokens"])})
