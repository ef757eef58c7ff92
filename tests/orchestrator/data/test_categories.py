import dataclasses

import pytest
import torch

from orchestrator.data import Content, ItemTable, Options, Origin, import_dataset, write_dataset
from orchestrator.data import sample as sample_module
from orchestrator.data.categories import CATEGORIES_FILE, write_categories
from orchestrator.data.interactions import sequences_of
from orchestrator.data.sample import sample
from orchestrator.errors import DataError

CONTENT = Content(
    sequences=sequences_of([[1, 2, 3, 4], [4, 3, 2, 1, 5]]),
    users=["a", "b"],
    items=ItemTable(["", *"vwxyz"], ["", *"vwxyz"], [None] * 6),
    categories=[[], ["Drama", "War"], [], ["Comedy"], ["Drama"], ["War"]],
    origin=Origin(importer="test", licence="none"),
)


def told(found):
    parts = found.values.split(found.lengths.tolist())
    return [[found.names[value] for value in part] for part in parts]


def test_categories_come_back_with_their_items(tmp_path):
    dataset = write_dataset(CONTENT, tmp_path / "known")
    assert dataset.available()["categories"] == ()
    assert dataset.categories.names == ("Comedy", "Drama", "War")
    assert told(dataset.categories) == CONTENT.categories
    assert dataset.catalogue().categories is dataset.categories


def test_without_categories_a_data_set_is_what_it_was(tmp_path):
    plain = write_dataset(dataclasses.replace(CONTENT, categories=None), tmp_path / "plain")
    known = write_dataset(CONTENT, tmp_path / "known")
    assert plain.categories is None
    assert "categories" not in plain.available()
    assert known.manifest.files.keys() - plain.manifest.files.keys() == {CATEGORIES_FILE}
    assert all(known.manifest.files[name] == entry for name, entry in plain.manifest.files.items())


def test_a_sample_has_the_categories_of_its_items(tmp_path, monkeypatch):
    monkeypatch.setattr(sample_module, "MAX_ITEMS", 4)
    monkeypatch.setattr(sample_module, "MIN_ITEMS", 2)
    few = sample(write_dataset(CONTENT, tmp_path / "known"))
    assert few.num_items == 4
    assert told(few.categories) == CONTENT.categories[:5]
    assert few.categories.names == ("Comedy", "Drama", "War"), "as wide as the whole"


def test_a_damaged_table_is_refused(tmp_path):
    dataset = write_dataset(CONTENT, tmp_path / "known")
    write_categories(dataset.folder, [*CONTENT.categories, ["War"]])
    with pytest.raises(DataError, match=r"categories\.parquet.*`item` must ascend within 1\.\.5"):
        _ = dataset.categories


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "films"
    place.mkdir()
    lines = ["id\tgenres\ttags", "x\tDrama War\tlong one|old", "y\tWar\t", "z\t\told"]
    (place / "items.tsv").write_text("\n".join(lines) + "\n")
    (place / "sequences.txt").write_text("u\tx y z\nv\ty x z\n")
    return place


def test_columns_that_are_asked_for_become_categories(folder, tmp_path):
    options = Options(category_columns=("genres", "tags"))
    dataset = import_dataset(folder, data_dir=tmp_path, options=options, name="stored")
    assert told(dataset.categories) == [[], ["Drama", "War", "long one", "old"], ["War"], ["old"]]
    assert import_dataset(folder, data_dir=tmp_path, name="plain").categories is None


def test_commas_divide_where_a_column_has_them(folder, tmp_path):
    (folder / "items.tsv").write_text("id\tgenres\nx\tA b, C\ny\tC\nz\tA b\n")
    options = Options(category_columns=("genres",))
    dataset = import_dataset(folder, data_dir=tmp_path, options=options, name="stored")
    assert told(dataset.categories) == [[], ["A b", "C"], ["C"], ["A b"]]
    assert torch.equal(dataset.categories.lengths, torch.tensor([0, 2, 1, 1]))


@pytest.mark.parametrize(
    ("column", "rule"),
    [("genre", "has no column `genre` for --category-columns"), ("tags", "has nothing in the col")],
)
def test_columns_without_categories_are_refused(folder, tmp_path, column, rule):
    (folder / "items.tsv").write_text("id\tgenres\ttags\nx\tA\t\ny\tC\t\nz\tA b\t\n")
    options = Options(category_columns=(column,))
    with pytest.raises(DataError, match=rule):
        import_dataset(folder, data_dir=tmp_path, options=options, name="stored")
