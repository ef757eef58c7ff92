"""The part of a picture that patches are laid on is what the image processor makes of it."""

import numpy as np
import pytest
from PIL import Image

from orchestrator.encoding import Settings, encode
from orchestrator.encoding.pictures import read_picture
from orchestrator.encoding.seen import picture_seen


def preprocessing_of(dataset):
    return dataset.manifest.modalities["image"].tokens.encoder.preprocessing


def shown_by(processor, path):
    """What a processor makes of a picture, in its colours again."""
    given = processor(read_picture(path), return_tensors="np")["pixel_values"][0]
    mean, spread = np.array(processor.image_mean), np.array(processor.image_std)
    return np.rint((given.transpose(1, 2, 0) * spread + mean) * 255)


@pytest.mark.parametrize("item", [1, 2, 6, 9])
def test_resized_and_cropped_as_the_processor_does(dataset, vit, item):
    from transformers import BitImageProcessorPil

    image = Settings(modality="image", encoder=str(vit), forms=("tokens",))
    stored = encode(dataset, image).dataset
    path = stored.items.images[item]
    seen = picture_seen(path, preprocessing_of(stored))
    expected = shown_by(BitImageProcessorPil.from_pretrained(vit), path)
    assert seen.dtype == np.uint8
    assert seen.shape == (24, 24, 3)
    np.testing.assert_allclose(seen, expected, atol=1)


@pytest.fixture
def wide(tmp_path):
    """Black on the left half, red on the right."""
    picture = Image.new("RGB", (40, 20))
    picture.paste((255, 0, 0), (20, 0, 40, 20))
    picture.save(tmp_path / "wide.png")
    return tmp_path / "wide.png"


def red(seen):
    return (seen[:, :, 0] > 127).mean(axis=0).round().astype(int).tolist()


def test_the_middle_is_cropped(wide):
    given = {"size": {"shortest_edge": 10}, "crop_size": {"height": 10, "width": 10}}
    seen = picture_seen(wide, {**given, "resample": 0, "patches": [2, 2]})
    assert red(seen) == [0] * 5 + [1] * 5


def test_a_size_of_two_sides_squeezes(wide):
    given = {"size": {"height": 8, "width": 8}, "crop_size": None, "resample": 0}
    seen = picture_seen(wide, {**given, "patches": [2, 2]})
    assert red(seen) == [0] * 4 + [1] * 4


def test_what_fills_no_patch_is_cut_off(wide):
    given = {"size": {"height": 9, "width": 10}, "crop_size": None, "resample": 0}
    assert picture_seen(wide, {**given, "patches": [2, 3]}).shape == (8, 9, 3)


def test_black_is_laid_around_a_picture_that_is_too_small(wide):
    given = {"size": None, "crop_size": {"height": 20, "width": 44}, "patches": [2, 4]}
    assert red(picture_seen(wide, given)) == [0] * 22 + [1] * 20 + [0] * 2


def test_a_processor_that_is_not_known_gives_no_picture(wide):
    given = {"size": {"shortest_edge": 8, "longest_edge": 10}, "crop_size": None, "resample": 0}
    assert picture_seen(wide, {**given, "patches": [2, 2]}) is None
