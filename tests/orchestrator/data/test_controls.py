import pytest
import torch

from models import Modality, TokenFeatures
from orchestrator.config import DataConfig
from orchestrator.data.controls import control


@pytest.fixture
def modalities():
    generator = torch.Generator().manual_seed(0)
    pooled = torch.randn(41, 3, generator=generator) * torch.tensor([1.0, 5.0, 0.1]) + 2
    missing = torch.zeros(41, dtype=torch.bool)
    missing[[7, 9]] = True
    pooled[0] = pooled[missing] = 0
    lengths = torch.arange(41) % 4
    values = torch.randn(int(lengths.sum()), 2, generator=generator).half()
    return {
        "text": Modality("text", pooled=pooled, missing=missing),
        "image": Modality("image", tokens=TokenFeatures(values, lengths), missing=lengths == 0),
    }


def test_without_controls_features_are_the_very_same(modalities):
    assert control(modalities, DataConfig(), seed=0) == modalities


def test_shuffling_moves_features_among_the_items_that_have_them(modalities):
    text = control(modalities, DataConfig(shuffle=("text",)), seed=0)["text"].pooled
    own = modalities["text"].pooled
    assert not torch.equal(text, own)
    assert not text[[0, 7, 9]].any()
    assert sorted(text.tolist()) == sorted(own.tolist())
    assert (text != own).any(dim=1).sum() > 30


def test_shuffled_tokens_stay_whole(modalities):
    config = DataConfig(shuffle=("image",))
    image = control(modalities, config, seed=1)["image"].tokens
    own = modalities["image"].tokens

    def bags(tokens):
        parts = tokens.values.split(tokens.lengths.tolist())
        return sorted(part.flatten().tolist() for part in parts)

    assert bags(image) == bags(own)
    assert not torch.equal(image.values, own.values)
    assert image.lengths[0] == 0


def test_noise_keeps_mean_and_spread_of_each_feature(modalities):
    text = control(modalities, DataConfig(noise=("text",)), seed=0)["text"].pooled
    own = modalities["text"].pooled
    present = own.any(dim=1)
    assert not text[~present].any()
    spread = own[present].std(dim=0)
    assert ((text[present].mean(dim=0) - own[present].mean(dim=0)).abs() < 0.6 * spread).all()
    torch.testing.assert_close(text[present].std(dim=0), spread, rtol=0.35, atol=0)
    correlation = torch.corrcoef(torch.stack([text[present][:, 1], own[present][:, 1]]))[0, 1]
    assert abs(correlation) < 0.5


def test_the_mean_is_the_same_for_every_item(modalities):
    both = control(modalities, DataConfig(mean=("text", "image")), seed=0)
    text, own = both["text"].pooled, modalities["text"].pooled
    present = own.any(dim=1)
    torch.testing.assert_close(text[present], own[present].mean(dim=0).expand(38, 3))
    tokens = both["image"].tokens
    assert (tokens.values == tokens.values[0]).all()
    assert tokens.values.dtype == torch.float16
    assert torch.equal(tokens.lengths, modalities["image"].tokens.lengths)


@pytest.mark.parametrize("kind", ["shuffle", "noise"])
def test_the_seed_decides_what_is_drawn(modalities, kind):
    config = DataConfig(**{kind: ("text",)})
    one, same, other = (control(modalities, config, seed=s)["text"].pooled for s in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_control_of_an_absent_modality_is_refused(modalities):
    with pytest.raises(ValueError, match=r"`data.noise` names `audio`.*has image, text"):
        control(modalities, DataConfig(noise=("audio",)), seed=0)


def test_two_controls_of_one_modality_are_refused():
    with pytest.raises(ValueError, match="`text` has more than one control"):
        DataConfig(shuffle=("text",), mean=("text",))


def test_the_layers_go_with_the_other_forms(modalities):
    """A layer's states are controlled as pooled features are: as vectors of the item."""
    pooled, missing = modalities["text"].pooled, modalities["text"].missing
    layers = torch.stack([pooled, 2 * pooled], dim=1)
    given = {"text": Modality("text", pooled=pooled, layers=layers, missing=missing)}
    for kind in ("shuffle", "noise", "mean"):
        text = control(given, DataConfig(**{kind: ("text",)}), seed=0)["text"]
        assert not text.layers[[0, 7, 9]].any()
        assert not torch.equal(text.layers, layers)
    shuffled = control(given, DataConfig(shuffle=("text",)), seed=0)["text"]
    assert torch.equal(shuffled.layers[:, 0], shuffled.pooled)
    mean = control(given, DataConfig(mean=("text",)), seed=0)["text"]
    torch.testing.assert_close(mean.layers[1, 1], 2 * mean.pooled[1])
