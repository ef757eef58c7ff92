"""Texts through an encoder: each as if it were encoded alone, whatever it is batched with."""

import shutil

import numpy as np
import pytest
import torch

from orchestrator.data import write_dataset
from orchestrator.encoding import Settings, encode
from orchestrator.errors import ConfigError

from .conftest import TEXTS


def settings(folder, **changes):
    return Settings(
        **{"modality": "text", "encoder": str(folder), "batch_size": 3, "dtype": "float32"}
        | changes
    )


def alone(folder, text, **limit):
    """What transformers itself makes of one text: its output and its token ids."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    if hasattr(model, "text_model"):
        model = model.text_model
    given = tokenizer(text, return_tensors="pt", **limit)
    with torch.no_grad():
        output = model(
            input_ids=given["input_ids"],
            attention_mask=given["attention_mask"],
            output_hidden_states=True,
        )
    return output, given["input_ids"][0].tolist()


def texts_of(modality):
    return modality.tokens.values.split(modality.tokens.lengths.tolist())


def test_packed_tokens_are_those_of_each_text_alone(dataset, bert):
    stored = encode(dataset, settings(bert, forms=("tokens",))).dataset
    modality = stored.catalogue().modality("text")
    found = texts_of(modality)
    lengths = [0]
    for item, text in enumerate(TEXTS, start=1):
        output, ids = alone(bert, text)
        lengths.append(len(ids) if text.strip() else 0)
        if text.strip():
            torch.testing.assert_close(
                found[item], output.last_hidden_state[0], rtol=1e-5, atol=1e-5
            )
    assert modality.tokens.lengths.tolist() == lengths
    assert modality.pooled is None


def test_pooled_is_the_class_tokens_state(dataset, bert):
    stored = encode(dataset, settings(bert, forms=("pooled",))).dataset
    pooled = stored.catalogue().modality("text").pooled
    for item in (1, 2, 5, 9):
        output, _ = alone(bert, TEXTS[item - 1])
        torch.testing.assert_close(
            pooled[item], output.last_hidden_state[0, 0], rtol=1e-5, atol=1e-5
        )


def test_pooled_by_mean_leaves_padding_out(dataset, bert):
    stored = encode(dataset, settings(bert, forms=("pooled",), pooling="mean")).dataset
    pooled = stored.catalogue().modality("text").pooled
    for item in (1, 2, 5, 9):
        output, _ = alone(bert, TEXTS[item - 1])
        expected = output.last_hidden_state[0].mean(dim=0)
        torch.testing.assert_close(pooled[item], expected, rtol=1e-5, atol=1e-5)


def test_layers_are_the_class_token_after_the_embedding_and_every_layer(dataset, bert):
    stored = encode(dataset, settings(bert, forms=("pooled", "layers"))).dataset
    modality = stored.catalogue().modality("text")
    assert modality.layers.shape == (10, 3, 16)
    output, _ = alone(bert, TEXTS[4])
    expected = torch.stack([states[0, 0] for states in output.hidden_states])
    torch.testing.assert_close(modality.layers[5], expected, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(expected[0], expected[2])
    assert stored.manifest.modalities["text"].layers.layers == 3


@pytest.mark.parametrize("size", [1, 2, 9])
def test_batches_do_not_change_what_comes_out(content, tmp_path, bert, size):
    def made(name, batch_size):
        dataset = write_dataset(content, tmp_path / "sets" / name)
        given = settings(bert, forms=("tokens", "pooled", "layers"), batch_size=batch_size)
        return encode(dataset, given).dataset.catalogue().modality("text")

    one, other = made("one", 4), made("other", size)
    assert one.tokens.lengths.tolist() == other.tokens.lengths.tolist()
    for first, second in (
        (one.tokens.values, other.tokens.values),
        (one.pooled, other.pooled),
        (one.layers, other.layers),
    ):
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-5)


def test_a_text_is_cut_at_the_limit_and_keeps_its_end(dataset, bert):
    encoded = encode(dataset, settings(bert, forms=("tokens",), max_tokens=5))
    modality = encoded.dataset.catalogue().modality("text")
    # With [CLS] and [SEP], the texts have 4, 10, 3, 12, 4, 6 and 3 tokens.
    assert modality.tokens.lengths.tolist() == [0, 4, 5, 0, 3, 5, 4, 0, 5, 3]
    assert encoded.num_cut == 3
    output, ids = alone(bert, TEXTS[1], truncation=True, max_length=5)
    assert len(ids) == 5
    torch.testing.assert_close(
        texts_of(modality)[2], output.last_hidden_state[0], rtol=1e-5, atol=1e-5
    )
    notes = encoded.dataset.manifest.origin.notes
    assert "text tokens: 3 texts are longer than 5 tokens and were cut." in notes


def test_clip_texts_are_pooled_at_their_end_token(dataset, clip):
    given = settings(clip, forms=("tokens", "pooled", "layers"))
    stored = encode(dataset, given).dataset
    modality = stored.catalogue().modality("text")
    for item in (1, 9):
        output, ids = alone(clip, TEXTS[item - 1])
        torch.testing.assert_close(
            texts_of(modality)[item], output.last_hidden_state[0], rtol=1e-5, atol=1e-5
        )
        torch.testing.assert_close(
            modality.pooled[item], output.pooler_output[0], rtol=1e-5, atol=1e-5
        )
        expected = torch.stack([states[0, len(ids) - 1] for states in output.hidden_states])
        torch.testing.assert_close(modality.layers[item], expected, rtol=1e-5, atol=1e-5)


def test_half_precision_is_the_rounded_single_precision(content, tmp_path, bert):
    def made(dtype):
        dataset = write_dataset(content, tmp_path / "sets" / dtype)
        return encode(dataset, settings(bert, dtype=dtype)).dataset.catalogue().modality("text")

    single, half = made("float32"), made("float16")
    assert half.pooled.dtype == half.tokens.values.dtype == torch.float16
    assert np.array_equal(half.pooled.numpy(), single.pooled.numpy().astype(np.float16))


@pytest.mark.parametrize("number", [2, 21])
def test_a_limit_that_the_encoder_cannot_have_is_refused(dataset, bert, number):
    with pytest.raises(ConfigError, match=rf"--max-tokens: cannot be {number}: .* 3 to 20 tokens"):
        encode(dataset, settings(bert, max_tokens=number))


def test_the_default_limit_is_the_encoders_where_that_is_lower(dataset, bert):
    stored = encode(dataset, settings(bert)).dataset
    made = stored.manifest.modalities["text"].tokens.encoder
    assert made.preprocessing["max_tokens"] == 20


def test_a_roberta_is_given_no_more_than_its_positions(dataset, bert, tmp_path):
    """Its positions begin behind the padding's: 13 of them are for 12 tokens."""
    from transformers import RobertaConfig, RobertaModel

    folder = tmp_path / "tiny-roberta"
    shutil.copytree(bert, folder)
    sizes = {"hidden_size": 8, "intermediate_size": 8, "max_position_embeddings": 13}
    config = RobertaConfig(
        vocab_size=40, num_hidden_layers=1, num_attention_heads=1, pad_token_id=0, **sizes
    )
    RobertaModel(config).save_pretrained(folder)
    with pytest.raises(ConfigError, match=r"reads 3 to 12 tokens"):
        encode(dataset, settings(folder, max_tokens=13))
    stored = encode(dataset, settings(folder, max_tokens=12)).dataset
    assert stored.catalogue().modality("text").tokens.lengths.max() == 12


@pytest.mark.gpu
def test_a_gpu_gives_the_same_up_to_rounding(content, tmp_path, bert):
    def made(device):
        dataset = write_dataset(content, tmp_path / "sets" / device)
        given = settings(bert, forms=("tokens", "pooled", "layers"), device=device)
        return encode(dataset, given).dataset.catalogue().modality("text")

    here, there = made("cpu"), made("cuda")
    torch.testing.assert_close(here.tokens.values, there.tokens.values, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(here.layers, there.layers, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(here.pooled, there.pooled, rtol=1e-3, atol=1e-3)
