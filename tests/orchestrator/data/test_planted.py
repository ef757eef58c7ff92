"""The planted world: its best ranking is known, and so is what it takes to find it."""

import dataclasses
import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from orchestrator.data import (
    Dataset,
    PlantedConfig,
    leave_one_out,
    make_planted,
    open_dataset,
    oracle_scores,
    planted_config,
    planted_marks,
    with_distractors,
)
from orchestrator.data.planted import planted_features, planted_sequences, world
from orchestrator.errors import ConfigError

SMALL = PlantedConfig(num_users=40, num_items=30)
CROWDED = PlantedConfig(
    num_items=2000,
    num_facets=2,
    facet_values=4,
    text_tokens=(8, 14),
    image_tokens=16,
    width=32,
    noise=0.3,
    marker=2.0,
)
"""Two marked tokens per modality among many others."""


@pytest.fixture
def small(tmp_path: Path) -> Dataset:
    return make_planted(SMALL, name="small", data_dir=tmp_path)


def test_next_items_come_as_often_as_the_oracle_says() -> None:
    config = PlantedConfig(
        num_users=4000, num_items=6, facet_values=2, num_facets=1, sharpness=0.7, mean_length=20.0
    )
    sequences = planted_sequences(config)
    inside = np.diff(sequences.users) == 0
    counts = np.zeros((7, 7))
    np.add.at(counts, (sequences.items[:-1][inside], sequences.items[1:][inside]), 1)
    found = counts[1:, 1:] / counts[1:, 1:].sum(axis=1, keepdims=True)
    told = np.exp(oracle_scores(config, np.arange(1, 7)[:, None]))
    deviation = np.sqrt(told * (1 - told) / counts[1:, 1:].sum(axis=1, keepdims=True))
    assert (np.abs(found - told) < 5 * deviation).all()
    assert told.std(axis=0).max() > 0.05  # the last item matters


def test_first_items_come_by_popularity() -> None:
    config = PlantedConfig(num_users=20000, num_items=5)
    sequences = planted_sequences(config)
    found = np.bincount(sequences.items[sequences.offsets[:-1]], minlength=6)[1:] / 20000
    assert np.abs(found - np.exp(oracle_scores(config, np.zeros((1, 3), int)))[0]).max() < 0.02


def test_oracle_gives_probabilities_and_sees_the_last_item_alone() -> None:
    histories = np.array([[0, 3, 7], [5, 6, 7], [0, 0, 2]])
    scores = oracle_scores(SMALL, histories)
    assert scores.shape == (3, 30)
    assert np.exp(scores).sum(axis=1) == pytest.approx(1)
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_default_world_leaves_room_between_popularity_and_oracle() -> None:
    config = PlantedConfig()
    split = leave_one_out(planted_sequences(config))
    oracle = oracle_scores(config, split.test.histories(1))
    counts = np.bincount(split.train.items, minlength=config.num_items + 1)[1:]
    popularity = np.repeat(counts[None] + 0.0, len(split.test), axis=0)
    assert 0.6 < _recall_at_20(oracle, split.test.targets) < 0.8
    assert _recall_at_20(popularity, split.test.targets) < 0.15
    assert (counts < 5).mean() > 0.1  # ids alone have little to learn these items from


def _recall_at_20(scores: np.ndarray, targets: np.ndarray) -> float:
    of_targets = scores[np.arange(len(targets)), targets - 1]
    return float(((scores >= of_targets[:, None]).sum(axis=1) <= 20).mean())


@pytest.mark.parametrize("modality", ["text", "image"])
def test_marks_are_where_the_markers_are(modality: str) -> None:
    """Tokens of one mark are of one cluster: the two markers lie far from one another."""
    config = dataclasses.replace(CROWDED, missing_images=0.2, marker=20.0)
    marks, features = planted_marks(config)[modality], planted_features(config)[modality]
    tokens = features.tokens.astype(np.float32)
    assert len(marks) == len(tokens)
    by_item = np.repeat(np.arange(config.num_items + 1), features.lengths)
    counts = np.bincount(by_item[marks], minlength=config.num_items + 1)
    assert set(counts[features.lengths > 0]) == {config.num_facets}
    apart = np.linalg.norm(tokens[marks].mean(axis=0) - tokens[~marks].mean(axis=0))
    assert apart > 5 * max(tokens[marks].std(axis=0).max(), tokens[~marks].std(axis=0).max())


def test_distractors_are_what_an_item_has_besides_its_marked_tokens() -> None:
    config = with_distractors(PlantedConfig(num_items=300), 9)
    for modality, marks in planted_marks(config).items():
        lengths = planted_features(config)[modality].lengths[1:]
        assert lengths.mean() == pytest.approx(10, abs=0.15)
        assert marks.sum() == 300
    assert with_distractors(PlantedConfig(), 3) == PlantedConfig()
    with pytest.raises(ValueError, match="`distractors` cannot be 0: it must be at least 1"):
        with_distractors(PlantedConfig(), 0)


@pytest.mark.parametrize("modality", [0, 1])
def test_marked_tokens_tell_the_facets_and_means_do_not(modality: int) -> None:
    features = list(planted_features(CROWDED).values())[modality]
    facet = world(CROWDED).facets[:, 2 * modality]
    assert features.pooled is not None
    assert _linear_accuracy(_marked_means(features, facet), facet) > 0.95
    assert 0.3 < _linear_accuracy(features.pooled[1:], facet) < 0.6


def _marked_means(features, facet: np.ndarray) -> np.ndarray:
    """Mean over the two tokens of each item that look most like marked ones.

    The marker's direction is found from the tokens themselves: the two markers are the largest
    difference between them.
    """
    tokens = features.tokens.astype(np.float32)
    centred = tokens - tokens.mean(axis=0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    along = centred @ direction
    along *= np.sign((along**3).mean())  # marked tokens are the few
    owner = np.repeat(np.arange(len(facet)), features.lengths[1:])
    order = np.lexsort((-along, owner))
    starts = np.cumsum(features.lengths[:-1])
    return tokens[order][starts[:, None] + np.arange(2)].mean(axis=1)


def _linear_accuracy(inputs: np.ndarray, labels: np.ndarray) -> float:
    """Share of the second half that a least-squares classifier of the first half gets right."""
    design = np.column_stack([inputs.astype(np.float64), np.ones(len(inputs))])
    half = len(labels) // 2
    weights = np.linalg.lstsq(design[:half], np.eye(4)[labels[:half]], rcond=None)[0]
    return float(((design[half:] @ weights).argmax(axis=1) == labels[half:]).mean())


def test_equal_settings_give_equal_bytes(tmp_path: Path) -> None:
    first = make_planted(SMALL, name="w", data_dir=tmp_path / "one")
    second = make_planted(SMALL, name="w", data_dir=tmp_path / "two")
    for path in [*first.manifest.files, "manifest.json"]:
        assert (first.folder / path).read_bytes() == (second.folder / path).read_bytes()


def test_another_seed_gives_another_world(small: Dataset, tmp_path: Path) -> None:
    other = PlantedConfig(num_users=40, num_items=30, seed=1)
    assert make_planted(other, name="o", data_dir=tmp_path).data_hash != small.data_hash


def test_it_says_that_it_is_synthetic(small: Dataset) -> None:
    assert small.manifest.origin.synthetic
    assert small.manifest.origin.licence == "generated"
    assert small.items.texts[1].startswith("Synthetic item 1: trait 1 is ")


def test_equal_facets_read_alike(small: Dataset) -> None:
    facets = world(SMALL).facets[:, :1].tolist()
    words = [text.partition(": ")[2] for text in small.items.texts[1:]]
    assert len(set(words)) == len(set(map(tuple, facets)))


def test_pooled_features_are_means_of_the_tokens(small: Dataset) -> None:
    text = small.catalogue().modality("text")
    assert text.tokens is not None
    assert text.pooled is not None
    first = text.tokens.values[: int(text.tokens.lengths[1])].float().mean(dim=0)
    assert first.numpy() == pytest.approx(text.pooled[1].numpy(), abs=5e-3)


def test_images_can_be_missing(tmp_path: Path) -> None:
    config = PlantedConfig(num_users=40, num_items=100, missing_images=0.3)
    image = make_planted(config, name="w", data_dir=tmp_path).catalogue().modality("image")
    assert image.missing is not None
    assert image.tokens is not None
    assert image.pooled is not None
    assert 0.15 < image.missing[1:].float().mean() < 0.45
    assert image.tokens.lengths[image.missing].sum() == 0
    assert not image.pooled[image.missing].any()


def test_extras_leave_the_world_as_it_is(small: Dataset, tmp_path: Path) -> None:
    rich_config = dataclasses.replace(SMALL, has_extras=True, missing_images=0.2)
    plain_config = dataclasses.replace(SMALL, missing_images=0.2)
    rich = make_planted(rich_config, name="rich", data_dir=tmp_path)
    plain = make_planted(plain_config, name="plain", data_dir=tmp_path)
    added = {"categories.parquet", "features/text.layers.npy", "features/image.layers.npy"}
    changed = {"interactions.parquet"}  # for its clock times
    files = plain.manifest.files
    assert rich.manifest.files.keys() - files.keys() == added
    assert all(rich.manifest.files[f] == e for f, e in files.items() if f not in changed)
    assert np.array_equal(rich.sequences.items, plain.sequences.items)
    assert "has_extras" not in small.manifest.origin.generator
    assert planted_config(rich) == rich_config


def test_extras_are_what_models_of_time_layers_and_categories_need(tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, has_extras=True)
    rich = make_planted(config, name="rich", data_dir=tmp_path)
    catalogue = rich.catalogue()
    assert {"timestamps", "categories"} <= catalogue.available().keys()
    times = rich.sequences.timestamps
    same_user = np.diff(rich.sequences.users) == 0
    assert (np.diff(times)[same_user] >= 0).all()
    facets = world(config).facets[:, 0]
    categories = catalogue.categories
    assert categories.lengths.tolist() == [0] + [1] * SMALL.num_items
    assert len(set(zip(facets, categories.values.tolist(), strict=True))) == len(set(facets))
    text = catalogue.modality("text")
    assert text.layers.shape == (SMALL.num_items + 1, 5, SMALL.width)
    np.testing.assert_allclose(text.layers[:, 0], text.pooled, atol=1e-2)


def test_deeper_layers_tell_the_facets_more_plainly(tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, has_extras=True)
    layers = planted_features(config)["text"].layers[1:].astype(np.float32)
    facets = world(config).facets[:, 0]

    def spread_within(states: np.ndarray) -> float:
        of = [states[facets == value].var(axis=0).sum() for value in set(facets.tolist())]
        return float(np.mean(of) / states.var(axis=0).sum())

    spreads = [spread_within(layers[:, place]) for place in range(5)]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < 0.1


def test_settings_come_back_from_the_manifest(small: Dataset) -> None:
    assert planted_config(small) == SMALL


def test_a_data_set_that_was_not_generated_has_no_oracle(
    plain_folder: Path, tmp_path: Path
) -> None:
    from orchestrator.data import import_dataset

    with pytest.raises(ConfigError, match="tiny: is no planted world"):
        planted_config(import_dataset(plain_folder, data_dir=tmp_path))


@pytest.mark.parametrize(
    ("key", "value"),
    [("num_items", 0), ("mean_length", 4.0), ("sharpness", 1.0), ("text_tokens", (0, 9))],
)
def test_settings_outside_their_domain_are_refused(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"`{key}` cannot be"):
        PlantedConfig(**{key: value})


def test_it_is_generated_once(tmp_path: Path) -> None:
    first = open_dataset("planted", tmp_path)
    stamp = (first.folder / "manifest.json").stat().st_mtime_ns
    assert open_dataset("planted", tmp_path, verify=True).data_hash == first.data_hash
    assert (first.folder / "manifest.json").stat().st_mtime_ns == stamp


def test_an_outdated_world_is_generated_anew(tmp_path: Path) -> None:
    make_planted(SMALL, name="planted", data_dir=tmp_path)
    assert open_dataset("planted", tmp_path).num_items == PlantedConfig().num_items
    path = tmp_path / "planted" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 0}))
    assert open_dataset("planted", tmp_path).manifest.format == 1


def test_a_damaged_world_is_generated_anew(tmp_path: Path) -> None:
    whole = open_dataset("planted", tmp_path)
    (whole.folder / "items.parquet").unlink()
    assert open_dataset("planted", tmp_path, verify=True).data_hash == whole.data_hash


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_parallel_first_openers_get_one_world(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    openers = [context.Process(target=_open, args=(tmp_path, n)) for n in range(4)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join()
    told = [(tmp_path / f"hash-{n}").read_text().split() for n in range(4)]
    assert len({data_hash for data_hash, _ in told}) == 1
    assert len({stamp for _, stamp in told}) == 1  # generated by one, found by the others


def _open(data_dir: Path, number: int) -> None:
    dataset = open_dataset("planted", data_dir)
    stamp = (dataset.folder / "manifest.json").stat().st_mtime_ns
    (data_dir / f"hash-{number}").write_text(f"{dataset.data_hash} {stamp}")
