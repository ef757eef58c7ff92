"""Plain layouts: sequences or ratings beside items.tsv."""

from pathlib import Path

import pytest

from orchestrator.data import Options, import_dataset, recognise
from orchestrator.data.plain import join_text
from orchestrator.errors import DataError


def test_it_is_recognised_and_named_after_its_folder(plain_folder: Path) -> None:
    layout = recognise(plain_folder)
    assert (layout.kind, layout.name) == ("sequences", "tiny")


def test_items_keep_the_order_of_their_file_and_unused_ones_go(
    plain_folder: Path, tmp_path: Path
) -> None:
    dataset = import_dataset(plain_folder, data_dir=tmp_path)
    assert dataset.items.raw_ids == ["", "z", "x", "y"]
    assert dataset.sequences.of(0).tolist() == [2, 3, 1]
    assert dataset.sequences.of(1).tolist() == [1, 2]
    assert any("1 items of items.tsv dropped" in note for note in dataset.manifest.origin.notes)


def test_texts_join_the_columns_with_words(plain_folder: Path, tmp_path: Path) -> None:
    texts = import_dataset(plain_folder, data_dir=tmp_path).items.texts
    assert texts == ["", "Zed.", "Ex! He runs.", "Why. No."]


def test_join_text_ends_each_field_once() -> None:
    assert join_text(["A", "", "B.", "C?"]) == "A. B. C?"


def test_pictures_are_stored_under_their_item(plain_folder: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    dataset = import_dataset(
        plain_folder, data_dir=tmp_path, progress=lambda *step: told.append(step)
    )
    images = dataset.items.images
    assert images[1] is None
    assert images[3] is None
    assert images[2] is not None
    assert images[2].name == "2.jpg"
    assert images[2].read_bytes() == b"picture of x"
    assert told == [("images", 1, 1)]
    assert "images/2.jpg" in dataset.manifest.files
    assert "2 items have no picture." in dataset.manifest.origin.notes


def test_a_column_of_picture_names_wins_over_the_id(plain_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "seven.PNG").write_bytes(b"picture of z")
    (plain_folder / "items.tsv").write_text(
        "id\ttitle\tfile\nz\tZed\tseven.PNG\nx\tEx\t\ny\tWhy\t\n"
    )
    dataset = import_dataset(plain_folder, data_dir=tmp_path, options=Options(images=other))
    image = dataset.items.images[1]
    assert image is not None
    assert image.name == "1.png"
    assert dataset.items.images[2] is None
    assert dataset.items.texts[1] == "Zed."


def test_items_without_a_line_are_kept_and_counted(plain_folder: Path, tmp_path: Path) -> None:
    (plain_folder / "sequences.txt").write_text("anna\tx y new z\n")
    dataset = import_dataset(plain_folder, data_dir=tmp_path)
    assert dataset.items.raw_ids == ["", "z", "x", "y", "new"]
    assert dataset.items.texts[4] == ""
    assert "1 items are not in items.tsv; kept with an empty text." in dataset.manifest.origin.notes


def test_a_third_column_holds_clock_times(plain_folder: Path, tmp_path: Path) -> None:
    (plain_folder / "sequences.txt").write_text("anna\tx y z\t5 5 9\nbert\tz\t7\n")
    times = import_dataset(plain_folder, data_dir=tmp_path).sequences.timestamps
    assert times is not None
    assert times.tolist() == [5, 5, 9, 7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("anna\tx\nanna\ty\n", r"line 2: user 'anna' has a line already"),
        ("anna\tx\n\nbert\ty\n", r"line 2: the line is empty"),
        ("anna\n", r"line 1: must have 2 or 3 columns, has 1"),
        ("anna\t \nbert\ty\n", r"line 1: user 'anna' has no items"),
        ("anna\tx y\t9 5\n", r"line 1: timestamps must ascend"),
        ("anna\tx y\t9\n", r"line 1: has 2 items but 1 timestamps"),
        ("anna\tx\tnoon\n", r"line 1: timestamp 'noon' is no integer"),
        ("anna\tx\t1\nbert\ty\n", r"has timestamps for some users only"),
        ("", r"holds no users"),
    ],
)
def test_sequences_that_cannot_be_are_refused(
    plain_folder: Path, tmp_path: Path, text: str, message: str
) -> None:
    (plain_folder / "sequences.txt").write_text(text)
    with pytest.raises(DataError, match=rf"sequences\.txt(, |: ){message}"):
        import_dataset(plain_folder, data_dir=tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\ttitle\nx\tEx\tmore\n", r"line 2: must have 2 columns like the header, has 3"),
        ("id\ttitle\nx\tEx\nx\tEks\n", r"line 3: item 'x' has a line already"),
        ("id\ttitle\n", r"holds no items"),
    ],
)
def test_items_that_cannot_be_are_refused(
    plain_folder: Path, tmp_path: Path, text: str, message: str
) -> None:
    (plain_folder / "items.tsv").write_text(text)
    with pytest.raises(DataError, match=rf"items\.tsv(, |: ){message}"):
        import_dataset(plain_folder, data_dir=tmp_path)


def test_a_file_that_is_not_utf8_is_refused(plain_folder: Path, tmp_path: Path) -> None:
    (plain_folder / "items.tsv").write_bytes(b"id\ttitle\nx\t\xff\n")
    with pytest.raises(DataError, match=r"items\.tsv: must be UTF-8"):
        import_dataset(plain_folder, data_dir=tmp_path)


def test_an_empty_picture_is_refused(plain_folder: Path, tmp_path: Path) -> None:
    (plain_folder / "posters" / "y.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"y\.jpg: is an empty file"):
        import_dataset(plain_folder, data_dir=tmp_path)


@pytest.fixture
def ratings_folder(plain_folder: Path) -> Path:
    """Ratings out of order: anna took z and then, at one time, x and y; carl's two are rare."""
    (plain_folder / "sequences.txt").unlink()
    rows = ["anna x 1 9", "bert y 5 4", "anna y 5 9", "anna z 3 2", "bert x 2 6", "carl q 1 1"]
    text = "user_id\titem_id\trating\ttimestamp\n" + "\n".join(rows).replace(" ", "\t") + "\n"
    (plain_folder / "ratings.tsv").write_text(text)
    return plain_folder


def test_ratings_are_ordered_by_time_and_then_by_line(ratings_folder: Path, tmp_path: Path) -> None:
    dataset = import_dataset(ratings_folder, data_dir=tmp_path, options=Options(min_interactions=1))
    raw = [[dataset.items.raw_ids[item] for item in dataset.sequences.of(user)] for user in (0, 1)]
    assert raw == [["z", "x", "y"], ["y", "x"]]
    assert dataset.sequences.timestamps is not None
    assert dataset.sequences.timestamps.tolist() == [2, 9, 9, 4, 6, 1]
    assert dataset.users == ["anna", "bert", "carl"]


def test_rare_users_and_items_are_dropped_and_counted(ratings_folder: Path, tmp_path: Path) -> None:
    dataset = import_dataset(ratings_folder, data_dir=tmp_path, options=Options(min_interactions=2))
    assert dataset.users == ["anna", "bert"]
    assert dataset.items.raw_ids == ["", "x", "y"]
    assert dataset.manifest.origin.notes[0].startswith(
        "2 interactions of users or items with fewer"
    )


def test_too_sparse_ratings_are_refused(ratings_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ratings\.tsv: no user and item has 5 interactions"):
        import_dataset(ratings_folder, data_dir=tmp_path)


def test_a_rating_without_a_time_is_refused(ratings_folder: Path, tmp_path: Path) -> None:
    path = ratings_folder / "ratings.tsv"
    path.write_text(path.read_text().replace("\t9\n", "\tlate\n", 1))
    with pytest.raises(DataError, match=r"ratings\.tsv, line 2: timestamp 'late' is no integer"):
        import_dataset(ratings_folder, data_dir=tmp_path)


def test_an_unknown_layout_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Looked for: `NAME\.train\.inter`.*`sequences\.txt`"):
        recognise(tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        recognise(tmp_path / "nowhere")


def test_options_of_another_layout_are_refused(plain_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--min-interactions: cannot be given for the sequences"):
        import_dataset(plain_folder, data_dir=tmp_path, options=Options(min_interactions=2))


@pytest.mark.parametrize("name", ["planted", ".hidden", "a/b", ".."])
def test_a_name_that_cannot_be_is_refused(plain_folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="--name: cannot be"):
        import_dataset(plain_folder, data_dir=tmp_path, name=name)


def test_a_taken_name_is_refused_before_anything_is_read(
    plain_folder: Path, tmp_path: Path
) -> None:
    import_dataset(plain_folder, data_dir=tmp_path)
    (plain_folder / "items.tsv").write_text("broken")
    with pytest.raises(DataError, match="is there already"):
        import_dataset(plain_folder, data_dir=tmp_path)
    (plain_folder / "items.tsv").write_text("id\ttitle\nx\tEx\n")
    assert import_dataset(plain_folder, data_dir=tmp_path, overwrite=True).items.texts[1] == "Ex."


def test_the_text_is_made_of_the_columns_asked_for(ratings_folder: Path, tmp_path: Path) -> None:
    options = Options(min_interactions=1, text_columns=("plot", "year", "plot"))
    dataset = import_dataset(ratings_folder, data_dir=tmp_path, options=options)
    texts = dict(zip(dataset.items.raw_ids, dataset.items.texts, strict=True))
    assert texts["x"] == "He runs. 2000."
    assert texts["z"] == "1999."
    assert "made of these columns of items.tsv: plot, year" in " ".join(
        dataset.manifest.origin.notes
    )


@pytest.mark.parametrize("column", ["plots", "id", ""])
def test_a_column_that_is_not_there_is_refused(
    plain_folder: Path, tmp_path: Path, column: str
) -> None:
    options = Options(text_columns=("title", column))
    message = rf"items\.tsv: has no column `{column}` for --text-columns; it has title, plot, year"
    with pytest.raises(DataError, match=message):
        import_dataset(plain_folder, data_dir=tmp_path, options=options)
