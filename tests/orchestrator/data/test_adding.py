"""Forms of a modality from different encoders lie side by side, and agree about what is missing."""

import json
from pathlib import Path

import numpy as np
import pytest

from orchestrator.data import (
    Content,
    Dataset,
    EncoderEntry,
    Features,
    add_features,
    form_note,
    write_dataset,
)
from orchestrator.data.store import open_stored
from orchestrator.errors import DataError


def vectors(*missing: int, width: int = 7) -> Features:
    pooled = np.ones((5, width), np.float16)
    mask = np.zeros(5, dtype=np.bool_)
    mask[list(missing)] = True
    pooled[0] = pooled[mask] = 0
    return Features(pooled=pooled, missing=mask)


def tokens(*lengths: int) -> Features:
    return Features(
        tokens=np.ones((sum(lengths), 3), np.float16), lengths=np.array([0, *lengths], np.int32)
    )


@pytest.fixture
def stored(content: Content, tmp_path: Path) -> Dataset:
    """Its texts are tokens (of all items), its images pooled (of all but item 3)."""
    return write_dataset(content, tmp_path / "tiny")


def test_a_form_is_added_and_the_other_stays(stored: Dataset) -> None:
    before = (stored.folder / "features" / "text.tokens.npy").read_bytes()
    more = add_features(stored, {"text": vectors()})
    text = open_stored(more.folder, verify=True).catalogue().modality("text")
    assert set(more.manifest.modalities["text"].forms) == {"pooled", "tokens"}
    assert (more.folder / "features" / "text.tokens.npy").read_bytes() == before
    assert text.pooled is not None
    assert text.pooled.shape == (5, 7)
    assert text.missing is None


def test_the_encoder_of_each_form_is_known(stored: Dataset) -> None:
    made = EncoderEntry(name="x", revision="1", preprocessing={"size": [2, 3]})
    pooled = Features(pooled=vectors().pooled, encoders={"pooled": made})
    manifest = add_features(stored, {"text": pooled}).manifest
    assert manifest.modalities["text"].pooled is not None
    assert manifest.modalities["text"].pooled.encoder == made
    assert manifest.modalities["text"].tokens is not None
    assert manifest.modalities["text"].tokens.encoder is None
    assert open_stored(stored.folder).manifest == manifest


def test_tokens_may_lack_an_item_that_has_a_vector(stored: Dataset) -> None:
    """As with pooled features from elsewhere and an item whose text is empty."""
    image = add_features(stored, {"image": tokens(2, 0, 0, 1)}).catalogue().modality("image")
    assert image.tokens is not None
    assert image.missing is not None
    assert image.tokens.lengths.tolist() == [0, 2, 0, 0, 1]
    assert image.missing.tolist() == [False, False, False, True, False]


def test_tokens_of_an_item_that_has_no_vector_are_refused(stored: Dataset) -> None:
    with pytest.raises(DataError, match="`image`: 1 items have tokens but no pooled, whose zeros"):
        add_features(stored, {"image": tokens(1, 1, 1, 1)})
    assert set(open_stored(stored.folder, verify=True).manifest.modalities["image"].forms) == {
        "pooled"
    }


def test_vectors_that_lack_an_item_with_tokens_are_refused(stored: Dataset) -> None:
    with pytest.raises(DataError, match="`text`: 1 items have tokens but no pooled, whose zeros"):
        add_features(stored, {"text": vectors(2)})


def test_layers_need_another_form_beside_them(stored: Dataset) -> None:
    states = np.ones((5, 2, 3), np.float16)
    states[0] = 0
    with pytest.raises(DataError, match="`audio` cannot have layers alone"):
        add_features(stored, {"audio": Features(layers=states)})
    text = add_features(stored, {"text": Features(layers=states)}).catalogue().modality("text")
    assert text.layers is not None
    assert np.array_equal(text.layers.numpy(), states)


def test_a_new_folder_leaves_the_old_one_as_it_is(stored: Dataset) -> None:
    there = stored.folder.with_name("other")
    other = add_features(stored, {"text": tokens(1, 1, 1, 1)}, folder=there)
    assert (other.name, other.folder) == ("other", there)
    assert open_stored(stored.folder, verify=True).manifest == stored.manifest
    assert other.catalogue().modality("image").pooled is not None
    with pytest.raises(DataError, match="is there already"):
        add_features(stored, {"text": tokens(1, 1, 1, 1)}, folder=there)


def test_a_note_goes_with_its_form(stored: Dataset) -> None:
    first = add_features(stored, {"text": vectors()}, notes=(form_note("text", "pooled", "old."),))
    again = add_features(
        first,
        {"text": vectors(width=2)},
        overwrite=True,
        notes=(form_note("text", "pooled", "new."),),
    )
    assert again.manifest.origin.notes == ("text pooled: new.",)


def test_missing_of_overwritten_forms_is_what_the_new_ones_say(stored: Dataset) -> None:
    image = add_features(stored, {"image": vectors()}, overwrite=True)
    assert image.catalogue().modality("image").missing is None
    assert "features/image.missing.npy" not in image.manifest.files


def test_a_manifest_without_what_is_new_is_read(stored: Dataset) -> None:
    path = stored.folder / "manifest.json"
    plain = json.loads(path.read_text())
    for entry in plain["modalities"].values():
        del entry["layers"]
        for form in ("pooled", "tokens"):
            if entry[form] is not None:
                del entry[form]["layers"], entry[form]["encoder"]
    path.write_text(json.dumps(plain))
    assert open_stored(stored.folder).manifest == stored.manifest
