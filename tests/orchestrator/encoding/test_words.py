"""What stored tokens stand for: a tokenizer's pieces, and patches by row and column."""

import pytest

from orchestrator.encoding import Settings, encode

from .conftest import TEXTS


def words_of(dataset, modality):
    return [dataset.words(modality, item) for item in range(dataset.num_items + 1)]


def lengths_of(dataset, modality):
    return dataset.catalogue().modality(modality).tokens.lengths.tolist()


def test_words_of_a_text_are_the_tokenizers_pieces(dataset, bert):
    from transformers import AutoTokenizer

    text = Settings(modality="text", encoder=str(bert), batch_size=2)
    stored = encode(dataset, text).dataset
    words = words_of(stored, "text")
    tokenizer = AutoTokenizer.from_pretrained(bert)
    expected = [[], *(tokenizer(text).tokens() if text.strip() else [] for text in TEXTS)]
    assert words == expected
    assert words[8] == ["[CLS]", "two", "new", "hat", "##s", "[SEP]"]
    assert [len(own) for own in words] == lengths_of(stored, "text")


def test_words_are_cut_as_their_tokens_are(dataset, bert):
    text = Settings(modality="text", encoder=str(bert))
    long = encode(dataset, text).dataset
    short = Settings(modality="text", encoder=str(bert), max_tokens=4, forms=("tokens",))
    stored = encode(long, short, overwrite=True).dataset
    words = words_of(stored, "text")
    assert words[2] == ["[CLS]", "a", "green", "[SEP]"]
    assert words[9] == ["[CLS]", "a", "[SEP]"]
    assert [len(own) for own in words] == lengths_of(stored, "text")


def test_patches_are_named_by_row_and_column(dataset, vit):
    image = Settings(modality="image", encoder=str(vit), batch_size=2)
    stored = encode(dataset, image).dataset
    words = words_of(stored, "image")
    assert [len(own) for own in words] == lengths_of(stored, "image")
    assert words[5] == []  # without a picture
    assert words[6][:3] == ["class", "patch 1,1", "patch 1,2"]
    assert (words[6][7], words[6][-1]) == ("patch 2,1", "patch 6,6")


def test_averaged_patches_are_named_by_the_coarse_grid(dataset, vit):
    image = Settings(modality="image", encoder=str(vit), pool_patches=2)
    words = encode(dataset, image).dataset.words("image", 1)
    assert words == ["class", "patch 1,1", "patch 1,2", "patch 2,1", "patch 2,2"]


@pytest.fixture
def with_registers(encoders):
    """A DINOv2 that has two register tokens behind the class token."""
    from transformers import (
        BitImageProcessorPil,
        Dinov2WithRegistersConfig,
        Dinov2WithRegistersModel,
    )

    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_ratio": 1}
    config = Dinov2WithRegistersConfig(**sizes, image_size=8, patch_size=4, num_register_tokens=2)
    folder = encoders / "with-registers"
    Dinov2WithRegistersModel(config).save_pretrained(folder)
    crop = {"height": 8, "width": 8}
    BitImageProcessorPil(size={"shortest_edge": 8}, crop_size=crop).save_pretrained(folder)
    return folder


def test_registers_are_told_from_patches(dataset, with_registers):
    image = Settings(modality="image", encoder=str(with_registers), forms=("tokens",))
    words = encode(dataset, image).dataset.words("image", 1)
    assert words[:4] == ["class", "register 1", "register 2", "patch 1,1"]
    assert len(words) == 7


def test_without_tokens_there_are_no_words(dataset, bert):
    pooled = Settings(modality="text", encoder=str(bert), forms=("pooled",))
    assert encode(dataset, pooled).dataset.words("text", 1) is None
