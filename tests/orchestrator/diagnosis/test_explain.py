"""What a model reads of an item is its own attention, with the names of the item's tokens."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from orchestrator.config import default_trial, override
from orchestrator.data import (
    Content,
    EncoderEntry,
    Features,
    ItemTable,
    Origin,
    add_features,
    open_dataset,
    planted_config,
    planted_marks,
    write_dataset,
)
from orchestrator.data.interactions import sequences_of
from orchestrator.diagnosis.explain import item_readings
from orchestrator.errors import ConfigError, StoreError
from orchestrator.training.loop import build_model

SMALL = {"model.dim": 8, "model.num_heads": 2, "model.inner_dim": 8, "model.text_queries": 3}
LENGTHS = [0, 2, 3, 1, 0]
PICTURE = EncoderEntry(
    name="vit", revision="1", preprocessing={"patches": [4, 4], "pool_patches": 2}
)


@pytest.fixture(scope="module")
def tiny(data_dir):
    return open_dataset("tiny", data_dir)


def small(dataset, model="tame", **changes):
    base = default_trial(model, dataset)
    return override(base, SMALL | changes if model == "tame" else changes, where="test")


@pytest.fixture(scope="module")
def weights(tiny, tmp_path_factory):
    """Weights that are not those that the model starts with."""
    model = build_model(small("tiny"), tiny)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator()))
    path = tmp_path_factory.mktemp("run") / "model.safetensors"
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)
    return path, model


def test_weights_are_the_models_own_attention(tiny, weights):
    path, model = weights
    found = item_readings(small("tiny"), path, tiny, 7)
    with torch.no_grad():
        expected = model.eval().attention(torch.tensor([6, 7]))
    assert [reading.modality for reading in found.shown] == ["text", "image"]
    assert found.notes == ()
    for reading in found.shown:
        np.testing.assert_allclose(reading.weights, expected[reading.modality][1], rtol=1e-4)
        np.testing.assert_allclose(reading.weights.sum(axis=2), 1, rtol=1e-5)
        assert reading.uniform == pytest.approx(1 / reading.weights.shape[2])
    untrained = item_readings(small("tiny"), None, tiny, 7)
    assert not np.allclose(untrained.shown[0].weights, found.shown[0].weights, atol=1e-3)


@pytest.mark.parametrize("item", [1, 7, 40])
def test_the_planted_worlds_marked_tokens_are_named_so(tiny, item):
    readings = item_readings(small("tiny"), None, tiny, item)
    for reading in readings.shown:
        lengths = tiny.catalogue().modality(reading.modality).tokens.lengths.tolist()
        marks = np.split(
            planted_marks(planted_config(tiny))[reading.modality], np.cumsum(lengths[1:-1])
        )[item - 1]
        expected = [f"token {n}{' (marked)' if m else ''}" for n, m in enumerate(marks, start=1)]
        assert list(reading.words) == expected
        assert sum("marked" in word for word in reading.words) == 1


@pytest.fixture
def write(tmp_path):
    """Four items of 2, 3, 1 and 0 text tokens, with words; each is 6 image tokens or a vector."""

    def make(*, words=("a", "##b", "c", "d", "e", "f"), patches=True, vectors=False):
        random = np.random.default_rng(0)
        text = Features(
            tokens=random.random((6, 4), np.float32),
            lengths=np.array(LENGTHS, np.int32),
            words=words,
        )
        image = Features(
            tokens=random.random((24, 4), np.float32),
            lengths=np.array([0, 6, 6, 6, 6], np.int32),
            encoders={"tokens": PICTURE} if patches else {},
        )
        pooled = random.random((5, 4), np.float32)
        pooled[0] = 0
        one = Features(pooled=pooled)
        content = Content(
            sequences=sequences_of([[1, 2, 3, 4], [4, 3, 2, 1]]),
            users=["u", "v"],
            items=ItemTable(["", *"wxyz"], ["", *"wxyz"], [None] * 5),
            features={"text": one if vectors else text, "image": one if vectors else image},
            origin=Origin(importer="test", licence="none"),
        )
        return write_dataset(content, tmp_path / "things", overwrite=True)

    return make


def test_stored_words_and_patches_are_the_items_own(write):
    text, image = item_readings(small("things"), None, write(), 2).shown
    assert (text.words, text.grid) == (("c", "d", "e"), None)
    assert image.grid == (2, 2)
    assert image.words == (*("token 1", "token 2"), "patch 1,1", "patch 1,2", *image.words[4:])
    assert image.words[4:] == ("patch 2,1", "patch 2,2")
    assert image.preprocessing == PICTURE.preprocessing


def test_without_words_and_grid_tokens_are_numbered(write):
    readings = item_readings(small("things"), None, write(words=None, patches=False), 1)
    text, image = readings.shown
    assert readings.notes == ()  # nobody knows what made them
    assert text.words == ("token 1", "token 2")
    assert (image.words[-1], image.grid) == ("token 6", None)


def test_tokens_that_an_encoder_could_name_again_are_told(write):
    made = EncoderEntry(name="bert", revision="1", preprocessing={"max_tokens": 3})
    tokens = Features(
        tokens=np.ones((6, 4), np.float32),
        lengths=np.array(LENGTHS, np.int32),
        encoders={"tokens": made},
    )
    dataset = add_features(write(), {"text": tokens}, overwrite=True)
    readings = item_readings(small("things"), None, dataset, 1)
    assert readings.shown[0].words == ("token 1", "token 2")
    (note,) = readings.notes
    assert note.startswith("text: things does not keep what its tokens stand for. Encode it again")


@pytest.mark.parametrize(
    ("item", "note"),
    [
        (3, "text: is one token here, which every query reads whole; not shown."),
        (4, "text: the item has none; not shown."),
    ],
)
def test_a_modality_without_a_choice_is_left_out_and_told(write, item, note):
    readings = item_readings(small("things"), None, write(), item)
    assert [reading.modality for reading in readings.shown] == ["image"]
    assert readings.notes == (note,)


def test_a_modality_of_vectors_is_left_out_and_told(write):
    mixed = write(vectors=True)
    tokens = Features(tokens=np.ones((6, 4), np.float32), lengths=np.array([0, 2, 2, 1, 1]))
    mixed = add_features(mixed, {"text": tokens})
    readings = item_readings(small("things"), None, mixed, 1)
    assert readings.notes == (
        "image: has one vector per item in the data set, which every query reads whole; not shown.",
    )


def test_features_of_a_control_have_no_names(write):
    dataset = write()
    plain = item_readings(small("things"), None, dataset, 2)
    changed = item_readings(small("things", **{"data.noise": ["text", "image"]}), None, dataset, 2)
    text, image = changed.shown
    assert (text.words, image.grid) == (("token 1", "token 2", "token 3"), None)
    assert plain.notes == ()
    assert changed.notes[0] == (
        "text: the run has `data.noise` for it, so its tokens are not the item's own and have no "
        "names."
    )


@pytest.mark.parametrize(
    ("model", "changes", "vectors", "item", "sentence"),
    [
        ("sasrec", {}, False, 1, "sasrec on things: with these settings .* no attention over"),
        ("tame", {"model.use_retriever": False}, False, 1, "has no attention over an item's tok"),
        ("tame", {}, True, 1, r"every item is one token \(text and image\), .*`orch data encode"),
        ("tame", {"model.use_image": False}, False, 3, r"ITEM: #3 has fewer than two .* \(text\)"),
    ],
)
def test_nothing_to_choose_from_is_one_sentence(write, model, changes, vectors, item, sentence):
    dataset = write(vectors=vectors)
    with pytest.raises(ConfigError, match=sentence):
        item_readings(small("things", model, **changes), None, dataset, item)


def test_weights_of_another_model_are_refused(tiny, weights):
    other = small("tiny", **{"model.dim": 16})
    with pytest.raises(StoreError, match="is damaged"):
        item_readings(other, weights[0], tiny, 1)
