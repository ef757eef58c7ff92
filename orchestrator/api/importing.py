"""Data sets in: imported ones and made ones."""

from collections.abc import Callable
from pathlib import Path

from orchestrator import data
from orchestrator.data import Dataset, data_folder
from orchestrator.errors import ConfigError


def import_data(
    path: Path,
    *,
    name: str | None = None,
    data_dir: Path | None = None,
    overwrite: bool = False,
    images: Path | None = None,
    text_columns: tuple[str, ...] | None = None,
    category_columns: tuple[str, ...] | None = None,
    min_interactions: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Dataset:
    """Import a data set; its layout is recognised.

    Args:
        path: the folder to read.
        name: what to call it; by default what its layout suggests.
        data_dir: folder of data sets; by default ``ORCH_DATA``, else the user's cache.
        overwrite: replace a data set of that name.
        images: folder of pictures, where they do not lie in the folder itself.
        text_columns: columns of ``items.tsv`` that make an item's text, in this order; by default
            all that hold words.
        category_columns: columns of ``items.tsv`` that hold an item's categories; by default it
            has none.
        min_interactions: least interactions of every user and item of a ratings file, 5 by
            default.
        progress: hears what is done, how much of it is done, and how much there is.

    Raises:
        DataError: the folder is no known layout, a file in it is wrong (names file and line), or
            its layout has no use for an option.
    """
    options = data.Options(
        images=images,
        text_columns=text_columns,
        category_columns=category_columns,
        min_interactions=min_interactions,
    )
    return data.import_dataset(
        path,
        name=name,
        data_dir=data_dir,
        overwrite=overwrite,
        options=options,
        progress=progress,
    )


def make_planted(
    name: str,
    *,
    num_users: int = 600,
    num_items: int = 400,
    num_distractors: int = 3,
    seed: int = 0,
    has_extras: bool = False,
    overwrite: bool = False,
    data_dir: Path | None = None,
) -> Dataset:
    """Make a synthetic data set whose best possible ranking is known.

    Args:
        name: what to call it.
        num_users: users.
        num_items: items.
        num_distractors: tokens of each text and image that name values at random, beside the one
            that tells; texts vary by one.
        seed: of the generator.
        has_extras: also clock times, categories and states of an encoder's layers.
        overwrite: replace a data set of that name.
        data_dir: folder of data sets; by default ``ORCH_DATA``, else the user's cache.

    Raises:
        ConfigError: a size that no world has.
        DataError: there is a data set of that name, or the disk refuses.
    """
    try:
        config = data.PlantedConfig(
            num_users=num_users, num_items=num_items, seed=seed, has_extras=has_extras
        )
        config = data.with_distractors(config, num_distractors)
    except ValueError as error:
        raise ConfigError(f"orch data planted: {error}") from None
    return data.make_planted(config, name=name, data_dir=data_folder(data_dir), overwrite=overwrite)
