import pytest

from orchestrator.data import open_dataset

ITEMS = "item_id\ttitle\n" + "".join(f"i{n}\tThing {n}\n" for n in range(6))
SEQUENCES = "".join(
    f"u{n}\ti{n % 6} i{(n + 1) % 6} i{(n + 2) % 6} i{(n + 3) % 6}\n" for n in range(8)
)


@pytest.fixture
def plain(place):
    folder = place / "amazon-things"
    folder.mkdir()
    (folder / "items.tsv").write_text(ITEMS)
    (folder / "sequences.txt").write_text(SEQUENCES)
    return folder


def test_a_folder_is_imported_and_can_be_used(orch, place, plain):
    there = place / "sets"
    done = orch("data", "import", plain, "--data-dir", there)
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "things: 8 users, 6 items, 32 interactions, 8 training targets\n"
        f"Stored in {there / 'things'}. Use it with --dataset things.\n"
    )
    listed = orch("datasets", "--data-dir", there).out
    assert listed.endswith("things: 8 users, 6 items, 32 interactions; no features\n")


def test_a_data_set_is_not_replaced_unless_told_so(orch, place, plain):
    words = ("data", "import", plain, "--data-dir", place / "sets", "--name", "mine")
    assert orch(*words).code == 0
    done = orch(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"orch: {place / 'sets' / 'mine'}: is there already. "
        "Add --overwrite to replace it, or choose another --name.\n"
    )
    assert orch(*words, "--overwrite").code == 0


def test_a_folder_of_no_known_layout_is_refused(orch, place):
    (place / "empty").mkdir()
    done = orch("data", "import", place / "empty", "--data-dir", place / "sets")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"orch: {place / 'empty'}: holds no layout that is known. Looked for: `NAME.train.inter` "
        "(benchmark), or `sequences.txt` with `items.tsv` (sequences), or `ratings.tsv` with "
        "`items.tsv` (ratings).\n"
    )
    assert not (place / "sets").exists()


def test_the_text_is_made_of_the_columns_asked_for(orch, place, plain):
    (plain / "items.tsv").write_text(
        "item_id\ttitle\tyear\tplot\n"
        + "".join(f"i{n}\tThing {n}\t19{n}0\tIt {n}\n" for n in range(6))
    )
    words = ("data", "import", plain, "--data-dir", place / "sets")
    assert orch(*words, "--text-columns", "plot, year").code == 0
    stored = open_dataset("things", place / "sets")
    assert stored.items.texts[1] == "It 0. 1900."
    assert "The text is made of these columns of items.tsv: plot, year." in (
        stored.manifest.origin.notes
    )
    done = orch(*words, "--overwrite", "--text-columns", "title,plott")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"orch: {plain / 'items.tsv'}: has no column `plott` for --text-columns; "
        "it has title, year, plot.\n"
    )


def test_pictures_may_lie_elsewhere(orch, place, plain):
    (place / "photos").mkdir()
    (place / "photos" / "i3.jpg").write_bytes(b"picture")
    done = orch("data", "import", plain, "--data-dir", place, "--images", place / "photos")
    assert done.code == 0
    images = open_dataset("things", place).items.images
    assert [image is not None for image in images] == [False] * 4 + [True] + [False] * 2


def test_ratings_may_be_thinned_otherwise(orch, place, plain):
    (plain / "sequences.txt").unlink()
    rows = "".join(f"u{n}\ti{m}\t5\t{n + m}\n" for n in range(3) for m in range(3))
    (plain / "ratings.tsv").write_text("user_id\titem_id\trating\ttimestamp\n" + rows)
    words = ("data", "import", plain, "--data-dir", place)
    assert "no user and item has 5 interactions" in orch(*words).err
    assert orch(*words, "--min-interactions", 3).out.startswith("things: 3 users, 3 items, 9 ")
    done = orch(*words, "--overwrite", "--min-interactions", 0)
    assert (done.code, done.err) == (
        2,
        "orch: --min-interactions: cannot be 0: it must be at least 1.\n",
    )


def test_options_that_a_layout_has_no_use_for_are_refused(orch, place, plain):
    done = orch("data", "import", plain, "--data-dir", place, "--min-interactions", 3)
    assert (done.code, done.err) == (
        2,
        "orch: --min-interactions: cannot be given for the sequences layout. Leave it out.\n",
    )


def test_a_folder_that_is_not_there_is_refused(orch, place):
    done = orch("data", "import", place / "none")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"orch: {place / 'none'}: is no folder. Give the folder that holds the data set's files.\n"
    )


def test_a_planted_world_is_made(orch, place):
    words = ("data", "planted", "--name", "x", "--users", 50, "--items", 40)
    done = orch(*words, "--data-dir", place / "sets")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"Stored in {place / 'sets' / 'x'}. Use it with --dataset x.\n"
    listed = orch("datasets", "--data-dir", place / "sets").out
    assert "\nx (synthetic): 50 users, 40 items, " in listed
    again = orch(*words, "--data-dir", place / "sets")
    assert (again.code, again.err.startswith("orch: ")) == (2, True)


def test_a_world_of_no_users_is_refused(orch, place):
    done = orch("data", "planted", "--name", "x", "--users", 0, "--data-dir", place / "sets")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "orch: orch data planted: `num_users` cannot be 0: it must be at least 1.\n"
    )
    assert not (place / "sets").exists()
