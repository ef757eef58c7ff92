"""``orch data get`` and what Python has for it, in this process; encoders are stood in for."""

import re
import sys

import numpy as np
import pytest

from orchestrator import api
from orchestrator.cli import main
from orchestrator.data import EncoderEntry, Features, add_features, open_dataset
from orchestrator.encoding import Encoded
from orchestrator.errors import DataError


@pytest.fixture
def encodings(monkeypatch):
    """Stands in for encoding: stores pooled features and tokens of ones; tells what was asked."""
    asked = []

    def encode(dataset, *, modality, encoder, forms, overwrite, data_dir, **rest):
        asked.append((modality, encoder, forms))
        stored = open_dataset(dataset, data_dir)
        rows = stored.num_items + 1
        pooled = np.ones((rows, 2), np.float16)
        pooled[0] = 0
        lengths = np.array([0] + [1] * (rows - 1), np.int32)
        made = EncoderEntry(name=encoder, revision="1", preprocessing={})
        features = Features(
            pooled=pooled,
            tokens=np.ones((rows - 1, 2), np.float16),
            lengths=lengths,
            encoders=dict.fromkeys(forms, made),
        )
        return Encoded(
            dataset=add_features(stored, {modality: features}, overwrite=overwrite),
            encoder=encoder,
            num_items=rows - 1,
            num_missing=0,
            num_cut=0,
            num_tokens=rows - 1,
            width=2,
            num_resumed=0,
        )

    monkeypatch.setattr("orchestrator.api.obtaining.encode", encode)
    return asked


@pytest.fixture
def get(web, tmp_path):
    def run(source, **options):
        return api.get_data(source, mirror=web.address, data_dir=tmp_path / "sets", **options)

    return run


CLIP = "openai/clip-vit-base-patch32"
FORMS = ("tokens", "pooled")


def test_the_papers_encoders_are_taken_once(get, published, encodings):
    published.amazon_2014()
    told: list[str] = []
    result = get("amazon-2014/beauty")
    assert encodings == [("text", "bert-base-uncased", FORMS), ("image", CLIP, FORMS)]
    assert set(result.dataset.manifest.modalities) == {"text", "image"}
    again = get("amazon-2014/beauty", tell=told.append)
    assert len(encodings) == 2
    assert (again.was_there, dict(again.encoded)) == (True, {})
    assert "text: encoded before by bert-base-uncased" in told
    assert again.dataset.data_hash == result.dataset.data_hash


def test_another_encoder_is_refused_where_one_has_been_and_taken_when_told_so(
    get, published, encodings
):
    published.amazon_2014()
    get("amazon-2014/beauty", image_encoder="none")
    assert encodings == [("text", "bert-base-uncased", FORMS)]
    with pytest.raises(DataError, match="has `text` features already"):
        get("amazon-2014/beauty", text_encoder="other", image_encoder="none")
    result = get("amazon-2014/beauty", text_encoder="other", image_encoder="none", overwrite=True)
    form = result.dataset.manifest.modalities["text"].forms["tokens"]
    assert form.encoder.name == "other"


def test_where_no_item_has_a_picture_none_is_encoded(get, published, encodings):
    published.amazon_2014(pictures=False)
    get("amazon-2014/beauty")
    assert [asked[0] for asked in encodings] == ["text"]


def test_a_data_set_that_was_obtained_says_so_and_how_it_differs(get, published, encodings):
    published.amazon_2014()
    folder = get("amazon-2014/beauty", name="mine").dataset.folder.parent
    info = api.data_info("mine", data_dir=folder)
    assert info.source.name == "amazon-2014/beauty"
    assert info.differences == (
        ("users", 22363, 30),
        ("items", 12101, 12),
        ("interactions", 198502, 180),
    )
    origin = info.dataset.manifest.origin
    assert origin.importer == "amazon-2014/beauty"
    assert set(origin.sources) == {"reviews_Beauty_5.json.gz", "meta_Beauty.json.gz"}
    assert not any(one.problems for one in api.check_data("mine", data_dir=folder))


@pytest.fixture
def orch(capsys, monkeypatch):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["orch", *map(str, words)])
        with pytest.raises(SystemExit) as leaving:
            main()
        return (leaving.value.code or 0, *capsys.readouterr())

    return run


def test_all_that_the_command_prints(orch, published, web, tmp_path, encodings):
    published.amazon_2018()
    web.pages["/large/3.jpg"].status = 410
    words = ("data", "get", "amazon-2018/industrial-and-scientific", "--mirror", web.address)
    code, out, err = orch(*words, "--data-dir", tmp_path / "sets")
    assert (code, err) == (0, "")
    masked = re.sub(r"SHA-256 [0-9a-f]+", "SHA-256 X", out).replace(web.address, "WEB")
    masked = re.sub(r"[\d,]+ bytes", "N bytes", masked)
    assert masked.splitlines()[2:] == [
        "file: Industrial_and_Scientific.csv, N bytes, SHA-256 X, from "
        "WEB/categoryFilesSmall/Industrial_and_Scientific.csv",
        "file: meta_Industrial_and_Scientific.json.gz, N bytes, SHA-256 X, from "
        "WEB/metaFiles2/meta_Industrial_and_Scientific.json.gz",
        "rows: 242 interactions of 40 users with 15 items",
        "items: 14 described, 14 of them with the address of a picture",
        "core: 40 users, 14 items, 240 interactions; repeats dropped: 1",
        "pictures: 13 of 14 addresses gave one",
        "  1 missing: 410 Gone",
        "dataset: 40 users, 13 items, 221 interactions",
        f"scientific: text tokens, pooled of 13 of 13 items by {CLIP}; width 2, 1.0 tokens per "
        "item",
        f"scientific: image tokens, pooled of 13 of 13 items by {CLIP}; width 2, 1.0 tokens per "
        "item",
        "              DeCoRec, Table 1  here  difference",
        "------------  ----------------  ----  ----------",
        "items         1,586             14    -1,572",
        "interactions  16,784            181   -16,603",
        "Interactions are counted as rows of a history and a target, items with the padding, as "
        "there.",
        f"Stored in {tmp_path}/sets/scientific. Use it with --dataset scientific.",
    ]


def test_what_cannot_be_had_is_one_sentence(orch, web, tmp_path):
    words = ("data", "get", "movielens-1m", "--mirror", web.address, "--data-dir", tmp_path / "s")
    code, out, err = orch(*words)
    assert code == 2
    assert err == (
        f"orch: ml-1m.zip: cannot be had ({web.address}/ml-1m.zip: 404 Not Found). Check the "
        "network, or name another address with --mirror; the command goes on where it was.\n"
    )
    assert len(out.splitlines()) == 2
