import dataclasses

import pytest
import torch

from models import Catalogue
from models.vqrec import VQRec, VQRecConfig, dead_permutation


def test_an_item_is_the_mean_of_its_codes_embeddings(build, catalogue):
    model = build("vqrec", num_codebooks=3, num_centroids=4)
    codes = catalogue.derived.product_codes(
        catalogue.modality("text").pooled[1:], num_codebooks=3, num_centroids=4, rotate=True
    )
    for item in range(12):
        rows = [1 + 4 * book + int(codes[item, book]) for book in range(3)]
        expected = model.code_table.weight[rows].mean(dim=0)
        torch.testing.assert_close(model.table()[item + 1], expected)
    assert not model.table()[0].any()


def test_items_of_equal_texts_are_one(build, catalogue):
    text = catalogue.modality("text")
    pooled = text.pooled.clone()
    pooled[4] = pooled[2]
    alike = dataclasses.replace(
        catalogue,
        modalities={**catalogue.modalities, "text": dataclasses.replace(text, pooled=pooled)},
    )
    table = build("vqrec", alike).table()
    assert torch.equal(table[4], table[2])
    assert not torch.equal(table[4], table[1])


def test_a_small_catalogue_has_as_many_centroids_as_the_power_of_two_below(build):
    assert build("vqrec").num_centroids == 8  # of 12 items all occur
    assert build("vqrec", num_centroids=4).num_centroids == 4


def test_random_codes_need_no_text(catalogue):
    bare = Catalogue(12, {}, catalogue.derived)
    config = VQRecConfig(dim=16, codes="random")
    assert VQRec(config, bare).codes.shape == (13, 32)
    with pytest.raises(ValueError, match="no `text` features"):
        VQRec(VQRecConfig(dim=16), bare)


def test_the_released_permutation_is_none():
    """Some 190 of 257 codes are left, more than of a mere drawing with repetition (163)."""
    torch.manual_seed(0)
    left = [len(dead_permutation(257).unique()) for _ in range(20)]
    assert 170 < sum(left) / len(left) < 220


def test_without_training_the_encoder_it_is_left_as_drawn(build):
    (stage,) = build("vqrec", train_encoder=False).stages()
    assert stage.frozen == ("encoder.*", "positions.*")


@pytest.mark.parametrize("num", [0, 1, 3, 512])
def test_a_number_of_centroids_that_is_no_power_of_two_in_a_byte_is_refused(num):
    with pytest.raises(ValueError, match=f"`num_centroids` cannot be {num}: .* 2 to 256"):
        VQRecConfig(num_centroids=num)
