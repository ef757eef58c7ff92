import pytest

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
