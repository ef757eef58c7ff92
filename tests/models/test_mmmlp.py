import dataclasses

import pytest
import torch

from models import History
from models.layers.mixing import MixerBlock
from models.mmmlp import MMMLPConfig

from .conftest import NUM_ITEMS


def test_a_block_reads_places_counted_from_the_newest():
    torch.manual_seed(0)
    block = MixerBlock(6, 4, 0.0)
    x = torch.randn(2, 3, 4)
    is_item = torch.tensor([[False, True, True], [True, True, True]])
    wide = torch.nn.functional.pad(x, (0, 0, 3, 0), value=7.0)
    wide_is_item = torch.nn.functional.pad(is_item, (3, 0))
    found = block(x, is_item)
    torch.testing.assert_close(block(wide, wide_is_item)[:, 3:], found)
    x[0, 0] = 9.0
    assert torch.equal(block(x, is_item)[0, 1:], found[0, 1:]), "padding is not read"


def test_of_a_longer_history_the_newest_items_are_read(build):
    model = build("mmmlp")
    long = torch.arange(1, NUM_ITEMS + 1)[None]
    newest = long[:, -model.config.max_length :]
    assert torch.equal(model.scores(History(long)), model.scores(History(newest)))


def test_released_mixing_has_one_block_per_stream(build):
    def blocks(**settings):
        model = build("mmmlp", num_layers=3, **settings)
        return {name: len(stream.blocks) for name, stream in model.streams.items()}

    assert set(blocks().values()) == {3}
    assert set(blocks(mixing="released").values()) == {1}
    single = MMMLPConfig(num_layers=1, mixing="released")
    assert single.canonical() == MMMLPConfig(num_layers=1)


def test_released_texts_have_one_layer_whatever_the_number(build, histories):
    """Of ids the one block is repeated."""

    def state(name, num_layers):
        model = build("mmmlp", num_layers=num_layers, mixing="released", fusion="linear")
        x = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))
        return model.streams[name](x, torch.ones(2, 5, dtype=torch.bool))

    assert torch.equal(state("text", 1), state("text", 4))
    assert not torch.allclose(state("id", 1), state("id", 4))


@pytest.mark.parametrize("name", ["text", "image"])
def test_items_without_a_modality_are_zeros_there(build, catalogue, name):
    table = build("mmmlp").encode_items()[name]
    missing = catalogue.modality(name).missing
    assert not table[missing].any()
    assert not table[0].any()
    assert table[1:][~missing[1:]].any(dim=1).all()


def test_tokens_alone_are_refused(build, catalogue):
    text = dataclasses.replace(catalogue.modality("text"), pooled=None)
    few = dataclasses.replace(catalogue, modalities={**catalogue.modalities, "text": text})
    with pytest.raises(ValueError, match="no pooled of `text`; it has tokens, layers"):
        build("mmmlp", few)
