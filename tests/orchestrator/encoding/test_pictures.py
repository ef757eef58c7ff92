"""Pictures through an encoder: read whatever they are stored in, patches averaged where asked."""

import numpy as np
import pytest
import torch
from PIL import Image

from orchestrator.data import write_dataset
from orchestrator.encoding import Settings, encode
from orchestrator.encoding.pictures import pool_patches, read_picture
from orchestrator.errors import ConfigError, DataError


def settings(folder, **changes):
    return Settings(
        **{"modality": "image", "encoder": str(folder), "batch_size": 3, "dtype": "float32"}
        | changes
    )


def alone(folder, path, processor):
    """What transformers itself makes of one picture."""
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    if hasattr(model, "vision_model"):
        model = model.vision_model
    given = processor.from_pretrained(folder)(read_picture(path), return_tensors="pt")
    with torch.no_grad():
        return model(pixel_values=given["pixel_values"], output_hidden_states=True)


def test_class_token_and_patches_are_stored_and_the_missing_picture_is_told(dataset, vit, pictures):
    from transformers import BitImageProcessorPil

    encoded = encode(dataset, settings(vit, forms=("tokens", "pooled", "layers")))
    image = encoded.dataset.catalogue().modality("image")
    assert image.tokens.lengths.tolist() == [0, 37, 37, 37, 37, 0, 37, 37, 37, 37]
    assert image.missing.tolist() == [False] * 5 + [True] + [False] * 4
    assert not image.pooled[5].any()
    assert encoded.num_missing == 1
    output = alone(vit, pictures[5], BitImageProcessorPil)
    tokens = image.tokens.values.split(image.tokens.lengths.tolist())[6]
    torch.testing.assert_close(tokens, output.last_hidden_state[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        image.pooled[6], output.last_hidden_state[0, 0], rtol=1e-5, atol=1e-5
    )
    expected = torch.stack([states[0, 0] for states in output.hidden_states])
    torch.testing.assert_close(image.layers[6], expected, rtol=1e-5, atol=1e-5)
    assert (
        "image tokens: 1 items have no picture and are marked missing."
        in encoded.dataset.manifest.origin.notes
    )


def test_of_clip_the_image_tower_is_taken(dataset, clip, pictures):
    from transformers import CLIPImageProcessorPil

    image = encode(dataset, settings(clip)).dataset.catalogue().modality("image")
    output = alone(clip, pictures[0], CLIPImageProcessorPil)
    tokens = image.tokens.values.split(image.tokens.lengths.tolist())[1]
    assert tokens.shape == (1 + 9, 12)
    torch.testing.assert_close(tokens, output.last_hidden_state[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(image.pooled[1], output.pooler_output[0], rtol=1e-5, atol=1e-5)


def test_patches_are_averaged_in_blocks_and_the_class_token_stays(dataset, vit, pictures):
    from transformers import BitImageProcessorPil

    image = encode(dataset, settings(vit, pool_patches=2)).dataset.catalogue().modality("image")
    tokens = image.tokens.values.split(image.tokens.lengths.tolist())[1]
    last = alone(vit, pictures[0], BitImageProcessorPil).last_hidden_state[0]
    grid = last[1:].reshape(6, 6, 12)
    expected = torch.stack(
        [last[0], *(grid[y : y + 3, x : x + 3].mean((0, 1)) for y in (0, 3) for x in (0, 3))]
    )
    torch.testing.assert_close(tokens, expected, rtol=1e-5, atol=1e-5)


def test_pooling_by_mean_is_over_patches_alone(dataset, vit, pictures):
    from transformers import BitImageProcessorPil

    given = settings(vit, forms=("pooled",), pooling="mean")
    image = encode(dataset, given).dataset.catalogue().modality("image")
    last = alone(vit, pictures[0], BitImageProcessorPil).last_hidden_state[0]
    torch.testing.assert_close(image.pooled[1], last[1:].mean(dim=0), rtol=1e-5, atol=1e-5)


def test_patches_of_a_grid_that_does_not_divide_are_shared():
    patches = torch.arange(9.0).reshape(1, 9, 1)
    # Of rows and columns 0 to 2, the first cell has 0 and 1, the second 1 and 2.
    assert pool_patches(patches, (3, 3), 2).flatten().tolist() == [2.0, 3.0, 5.0, 6.0]


def test_more_patches_than_there_are_are_refused(dataset, vit):
    with pytest.raises(ConfigError, match=r"--pool-patches: cannot be 7: .* gives 6 x 6 patches"):
        encode(dataset, settings(vit, pool_patches=7))


def test_every_kind_of_picture_becomes_three_colours(pictures):
    for path in pictures:
        if path is not None:
            assert read_picture(path).mode == "RGB"


def test_grey_values_of_16_bits_keep_their_order(tmp_path):
    values = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "x.png")
    grey = np.asarray(read_picture(tmp_path / "x.png"))[:, :, 0].flatten()
    assert (grey[0], grey[-1]) == (0, 255)
    assert (np.diff(grey.astype(int)) > 0).all()


def test_a_picture_lies_upright(tmp_path):
    picture = Image.new("RGB", (4, 2))
    exif = picture.getexif()
    exif[0x0112] = 6  # a quarter turn
    picture.save(tmp_path / "x.jpg", exif=exif)
    assert read_picture(tmp_path / "x.jpg").size == (2, 4)


@pytest.mark.parametrize("cut", [0, 300])
def test_a_picture_that_cannot_be_read_is_named(content, tmp_path, vit, pictures, cut):
    (tmp_path / "broken.jpg").write_bytes(pictures[0].read_bytes()[:cut] or b"no picture")
    images = list(content.items.images)
    images[4] = tmp_path / "broken.jpg"
    items = type(content.items)(content.items.raw_ids, content.items.texts, images)
    dataset = write_dataset(
        type(content)(**{**vars(content), "items": items}), tmp_path / "sets" / "x"
    )
    with pytest.raises(DataError, match=r"images/4\.jpg: cannot be read as a picture \(.*import"):
        encode(dataset, settings(vit))
    assert "image" not in dataset.manifest.modalities
