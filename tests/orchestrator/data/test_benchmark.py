"""The benchmark layout: read as it is meant, refused where its files disagree."""

from pathlib import Path

import numpy as np
import pytest

from orchestrator.data import Options, import_dataset, recognise
from orchestrator.errors import DataError


def test_it_is_recognised_and_named_after_its_files(benchmark_folder: Path) -> None:
    layout = recognise(benchmark_folder)
    assert (layout.kind, layout.name) == ("benchmark", "tiny")


def test_sequences_are_the_test_rows(benchmark_folder: Path, tmp_path: Path) -> None:
    dataset = import_dataset(benchmark_folder, data_dir=tmp_path)
    assert dataset.sequences.of(0).tolist() == [1, 2, 3, 4, 2]
    assert dataset.sequences.of(1).tolist() == [4, 3, 2, 1]
    assert dataset.users == ["u0", "u1"]
    assert dataset.manifest.counts.training_targets == 3
    assert "hold 7 rows" in dataset.manifest.origin.notes[0]
    assert len(dataset.manifest.origin.sources) == 8


def test_texts_and_features_stand_by_item(benchmark_folder: Path, tmp_path: Path) -> None:
    dataset = import_dataset(benchmark_folder, data_dir=tmp_path)
    catalogue = dataset.catalogue()
    text, image = catalogue.modality("text"), catalogue.modality("image")
    assert dataset.items.texts == ["", "ant", "bee", "cow", ""]
    assert dataset.items.raw_ids == ["", "A", "B", "C", "D"]
    assert text.pooled is not None
    assert image.missing is not None
    assert text.pooled.tolist() == [[0, 0], [1, 2], [3, 4], [5, 6], [7, 8]]
    assert image.missing.tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("part", ["feat1CLS", "feat3CLS"])
def test_features_may_be_absent(benchmark_folder: Path, tmp_path: Path, part: str) -> None:
    (benchmark_folder / f"Tiny.{part}").unlink()
    kept = {"feat1CLS": "image", "feat3CLS": "text"}[part]
    assert set(import_dataset(benchmark_folder, data_dir=tmp_path).manifest.modalities) == {kept}


@pytest.mark.parametrize(
    ("part", "old", "new", "message"),
    [
        ("test.inter", "user_id:token", "user", r"line 1: the header must be user_id:token"),
        ("test.inter", "0 1 2 3\t1", "0 1 2 3 1", r"line 2: must have 3 columns, has 2"),
        ("test.inter", "0 1 2 3\t1", "0 1 x 3\t1", r"line 2: item 'x' is no integer"),
        ("test.inter", "0 1 2 3\t1", "0 1 -2 3\t1", r"line 2: item '-2' is no integer"),
        ("test.inter", "0 1 2 3\t1", "0 1 2 4\t1", r"line 2: item 4 is not in 0\.\.3"),
        ("test.inter", "1\t3 2 1", "2\t3 2 1", r"line 3: user 2 is not in 0\.\.1"),
        ("test.inter", "1\t3 2 1", "0\t3 2 1", r"line 3: user 0 has a row already"),
        ("test.inter", "1\t3 2 1\t0\n", "", r"user 1 has no row"),
        ("test.inter", "1\t3 2 1\t0\n", "\n", r"line 3: the line is empty"),
        ("valid.inter", "1\t3 2\t1", "1\t\t1", r"line 3: user 1 has no history"),
        ("valid.inter", "1\t3 2\t1", "1\t3 2\t0", r"line 3: user 1: must be the test row without"),
        ("valid.inter", "1\t3 2\t1\n", "", r"user 1 has no row"),
        ("train.inter", "0\t0 1\t2", "0\t0 1\t3", r"line 2: user 0: is not how the training part"),
        ("train.inter", "1\t3\t2", "1\t3 2\t1", r"line 4: user 1: is not how the training part"),
        ("train.inter", "0\t0\t1", "0\t0 1\t2", r"line 3: user 0: repeats an earlier row"),
        ("train.inter", "0\t0\t1\n", "", r"user 0 has no row with a history of 1 items"),
        ("text", "item_id:token", "item", r"line 1: the header must be item_id:token"),
        ("text", "B\tbee", "X\tbee", r"line 2: item 'X' is not in \.item2index"),
        ("text", "A\tant", "B\tant", r"line 3: item 'B' has a text already"),
        ("text", "C\tcow\n", "", r"item 'C' of \.item2index has no line"),
        ("item2index", "D\t3", "D\t4", r"indices must count 0\.\.3; 3 is missing"),
        ("item2index", "D\t3", "D\t2", r"line 4: index 2 is given twice"),
        ("item2index", "D\t3", "A\t3", r"line 4: 'A' has an index already"),
        ("user2index", "u1\t1", "u1\tone", r"line 2: index 'one' is no integer"),
    ],
)
def test_disagreeing_files_are_refused_by_file_and_line(
    benchmark_folder: Path, tmp_path: Path, part: str, old: str, new: str, message: str
) -> None:
    path = benchmark_folder / f"Tiny.{part}"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=rf"Tiny\.{part}(, |: ){message}"):
        import_dataset(benchmark_folder, data_dir=tmp_path)
    assert not (tmp_path / "tiny").exists()


def test_features_of_another_number_of_items_are_refused(
    benchmark_folder: Path, tmp_path: Path
) -> None:
    np.ones(7, "<f4").tofile(benchmark_folder / "Tiny.feat1CLS")
    with pytest.raises(DataError, match=r"Tiny\.feat1CLS: has 28 bytes, .* of 4 items"):
        import_dataset(benchmark_folder, data_dir=tmp_path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused(
    benchmark_folder: Path, tmp_path: Path, bad: float
) -> None:
    np.array([1, 1, 1, 1, 1, bad, 1, 1], "<f4").tofile(benchmark_folder / "Tiny.feat3CLS")
    with pytest.raises(DataError, match=r"Tiny\.feat3CLS: row 2 .* NaN or infinity"):
        import_dataset(benchmark_folder, data_dir=tmp_path)


def test_a_required_file_that_is_missing_is_named(benchmark_folder: Path) -> None:
    (benchmark_folder / "Tiny.user2index").unlink()
    with pytest.raises(DataError, match=r"Tiny\.user2index: is missing"):
        recognise(benchmark_folder)


def test_two_data_sets_in_a_folder_are_refused(benchmark_folder: Path) -> None:
    (benchmark_folder / "Other.train.inter").write_text("")
    with pytest.raises(DataError, match="several data sets: Other, Tiny"):
        recognise(benchmark_folder)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (Options(text_columns=("title",)), "--text-columns"),
        (Options(images=Path()), "--images"),
        (Options(min_interactions=2), "--min-interactions"),
    ],
)
def test_options_of_other_layouts_are_refused(
    benchmark_folder: Path, tmp_path: Path, options: Options, name: str
) -> None:
    with pytest.raises(DataError, match=f"^{name}: cannot be given for the benchmark layout"):
        import_dataset(benchmark_folder, data_dir=tmp_path, options=options)
