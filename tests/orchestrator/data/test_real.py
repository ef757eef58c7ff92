"""The real data sets, where they lie beside the checkout: counts as published."""

from pathlib import Path

import pytest

from orchestrator.data import Dataset, Options, import_dataset

REAL = Path(__file__).parents[4] / "shared" / "data"


def _import(name: str, tmp_path: Path, options: Options | None = None) -> Dataset:
    if not (REAL / name).is_dir():
        pytest.skip(f"the real data set {name} is not in shared/data beside the checkout")
    return import_dataset(REAL / name, data_dir=tmp_path, options=options)


def test_scientific_is_as_published(tmp_path: Path) -> None:
    dataset = _import("amazon-scientific", tmp_path)
    counts, catalogue = dataset.manifest.counts, dataset.catalogue()
    assert dataset.name == "scientific"
    # The published 16,784 are the rows of the .inter files; each user's first item is one more.
    assert (counts.users, counts.items, counts.targets) == (2928, 1585, 16784)
    assert (counts.interactions, counts.training_targets) == (16784 + 2928, 10928)
    for modality in ("text", "image"):
        pooled = catalogue.modality(modality).pooled
        assert pooled is not None
        assert pooled.shape == (1586, 512)


@pytest.mark.parametrize(
    ("folder", "name", "users", "items", "interactions"),
    [
        ("amazon-beauty", "beauty", 22363, 12101, 198502),
        ("amazon-toys", "toys", 19412, 11924, 167597),
        ("amazon-sports", "sports", 35598, 18357, 296337),
        ("movielens-1m", "movielens-1m", 6040, 3416, 999371),
    ],
)
def test_plain_data_sets_are_as_published(
    tmp_path: Path, folder: str, name: str, users: int, items: int, interactions: int
) -> None:
    dataset = _import(folder, tmp_path)
    counts = dataset.manifest.counts
    assert dataset.name == name
    assert (counts.users, counts.items, counts.interactions) == (users, items, interactions)
    assert all(dataset.items.texts[1:])


def test_posters_are_stored_for_95_percent_of_the_films(tmp_path: Path) -> None:
    dataset = _import("movielens-1m", tmp_path)
    posters = [image for image in dataset.items.images if image is not None]
    assert len(posters) == 3256
    assert all(poster.is_file() for poster in posters)
    assert "Toy Story (1995). Animation Children's Comedy." in dataset.items.texts[1]


def test_movielens_100k_keeps_its_clock_times(tmp_path: Path) -> None:
    options = Options(images=REAL / "movielens-1m" / "posters")
    dataset = _import("movielens-100k", tmp_path, options)
    counts = dataset.manifest.counts
    assert (counts.users, counts.items, counts.interactions) == (943, 1349, 99287)
    times = dataset.split.train.timestamps
    assert times is not None
    assert 874_000_000 < times.min() < times.max() < 894_000_000
