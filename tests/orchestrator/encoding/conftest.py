"""Tiny random encoders in the files that transformers itself writes, and a data set to encode."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

from orchestrator.data import Content, Features, ItemTable, Origin, write_dataset
from orchestrator.data.interactions import sequences_of

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported: nothing here asks the hub

WORDS = ["a", "red", "green", "blue", "shirt", "shoe", "hat", "old", "new", "bag", "of", "two"]
WORDS += ["three", "and", "with"]
TEXTS = [
    "red shirt",
    "a green hat with two old bags",
    "   ",
    "hat",
    "a new blue shoe and a red bag of three",
    "old shoe",
    "",
    "two new hats",
    "a",
]
MODES = ["RGB", "L", "CMYK", "P", None, "RGBA", "1", "LA", "I;16"]
"""How each item's picture is stored; None where there is none."""


@pytest.fixture(scope="session")
def encoders(tmp_path_factory):
    return tmp_path_factory.mktemp("encoders")


def save(model, folder):
    """As it would be published: initialised with some spread, so that states differ."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.2, generator=generator)
    model.save_pretrained(folder)


@pytest.fixture(scope="session")
def bert(encoders):
    """A BERT of two layers; its tokenizer knows a few words and `s`."""
    from transformers import BertConfig, BertModel

    folder = encoders / "tiny-bert"
    sizes = {"hidden_size": 16, "intermediate_size": 24, "max_position_embeddings": 24}
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##s"]
    save(
        BertModel(
            BertConfig(vocab_size=len(words), num_hidden_layers=2, num_attention_heads=2, **sizes)
        ),
        folder,
    )
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "model_max_length": 20})
    )
    return folder


@pytest.fixture(scope="session")
def vit(encoders):
    """A DINOv2 of two layers for pictures of 24 x 24 in patches of 4."""
    from transformers import BitImageProcessorPil, Dinov2Config, Dinov2Model

    folder = encoders / "tiny-vit"
    save(
        Dinov2Model(
            Dinov2Config(
                hidden_size=12,
                mlp_ratio=2,
                num_hidden_layers=2,
                num_attention_heads=2,
                image_size=24,
                patch_size=4,
            )
        ),
        folder,
    )
    size = {"height": 24, "width": 24}
    BitImageProcessorPil(size={"shortest_edge": 24}, crop_size=size).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def clip(encoders):
    """A CLIP with a text tower of width 8 and an image tower of width 12."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    folder = encoders / "tiny-clip"
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(f"{x}</w>" for x in letters), "<|startoftext|>", "<|endoftext|>"]
    shared = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    end = {"bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1}
    text = {"hidden_size": 8, "vocab_size": len(words), "max_position_embeddings": 30, **end}
    image = {"hidden_size": 12, "image_size": 24, "patch_size": 8}
    save(
        CLIPModel(
            CLIPConfig(
                text_config={**shared, **text},
                vision_config={**shared, **image},
                projection_dim=4,
            )
        ),
        folder,
    )
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 30})
    )
    size = {"height": 24, "width": 24}
    CLIPImageProcessorPil(size={"shortest_edge": 24}, crop_size=size).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A picture per item, each stored in another way and of another size."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    paths = []
    for number, mode in enumerate(MODES):
        paths.append(None if mode is None else folder / f"{number}.{suffix(mode)}")
        if mode is None:
            continue
        values = random.integers(0, 255, (30 + number, 40, 3), dtype=np.uint8)
        picture = Image.fromarray(values)
        if mode == "I;16":
            picture = Image.fromarray(values[:, :, 0].astype(np.uint16) * 257)
        elif mode != "RGB":
            picture = picture.convert(mode)
        picture.save(paths[-1])
    return paths


def suffix(mode):
    return "jpg" if mode in ("RGB", "L", "CMYK") else "png"


@pytest.fixture
def content(pictures):
    """Nine items, two of them without text and one without picture; no features."""
    names = [f"i{n}" for n in range(1, 10)]
    return Content(
        sequences=sequences_of([[1, 2, 3, 4, 5], [6, 7, 8, 9], [2, 2, 1]]),
        users=["anna", "bert", "carl"],
        items=ItemTable(["", *names], ["", *TEXTS], [None, *pictures]),
        origin=Origin(importer="test", licence="none", notes=("a note",)),
    )


@pytest.fixture
def dataset(content, tmp_path):
    return write_dataset(content, tmp_path / "sets" / "things")


@pytest.fixture
def with_pooled(content, tmp_path):
    """Adds features to what the data set has, as an importer would give them."""

    def write(missing=()):
        pooled = np.ones((10, 3), np.float32)
        mask = np.zeros(10, dtype=np.bool_)
        mask[list(missing)] = True
        pooled[0] = pooled[mask] = 0
        features = {"text": Features(pooled=pooled, missing=mask)}
        changed = Content(**{**vars(content), "features": features})
        return write_dataset(changed, tmp_path / "sets" / "things")

    return write
