import pytest

from orchestrator.config import DataConfig
from orchestrator.errors import ConfigError
from orchestrator.sweep.variants import CONTROLS, choose, controls, pairs
from orchestrator.tracking import VariantInfo

TEXT = """
[variants.narrow]
model.dim = 4
[variants.one_head]
model.num_heads = 1
[variants.deep]
model.num_layers = 2
[ablations.sizes]
variants = ["narrow", "deep"]
"""


def names(variants):
    return [variant.name for variant in variants]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (None, ["narrow", "one_head", "deep"]),
        ("deep", ["deep"]),
        ("sizes", ["narrow", "deep"]),
        ("one_head, sizes,deep", ["one_head", "narrow", "deep"]),
    ],
)
def test_variants_and_groups_are_named_by_commas(read, wanted, chosen):
    assert names(choose(read(TEXT), wanted, model="sasrec")) == chosen


def test_the_group_of_components_is_the_default(read):
    declared = read(f'{TEXT}[ablations.components]\nvariants = ["one_head"]\n')
    (variant,) = choose(declared, None, model="sasrec")
    assert variant == VariantInfo(name="one_head", changed={"model.num_heads": 1})


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("narow", "--variants: There is no variant of sasrec `narow`. Did you mean `narrow`?"),
        ("deep,size", "--variants: There is no variant of sasrec `size`. Did you mean `sizes`?"),
        (
            "deep,,",
            "--variants: There is no variant of sasrec ``. Known: deep, narrow, one_head, sizes.",
        ),
    ],
)
def test_an_unknown_name_is_refused(read, wanted, message):
    with pytest.raises(ConfigError) as refusal:
        choose(read(TEXT), wanted, model="sasrec")
    assert str(refusal.value) == message


def test_each_modality_has_every_control():
    assert set(CONTROLS) == set(vars(DataConfig()))
    assert [(v.name, v.changed) for v in controls(["text", "image"])] == [
        ("shuffled_text", {"data.shuffle": ("text",)}),
        ("noise_text", {"data.noise": ("text",)}),
        ("mean_text", {"data.mean": ("text",)}),
        ("shuffled_image", {"data.shuffle": ("image",)}),
        ("noise_image", {"data.noise": ("image",)}),
        ("mean_image", {"data.mean": ("image",)}),
    ]
    assert all(variant.is_control for variant in controls(["text"]))


def test_a_pair_joins_what_two_variants_change():
    """Two that set one key differently contradict each other; the same value is none."""
    joined, contradictions = pairs(
        [
            VariantInfo(name="a", changed={"model.x": 1}),
            VariantInfo(name="b", changed={"model.y": 2}),
            VariantInfo(name="c", changed={"model.x": 3, "model.z": 4}),
            VariantInfo(name="d", changed={"model.x": 1, "model.z": 4}),
        ]
    )
    assert contradictions == ("a+c", "c+d")
    assert joined == (
        VariantInfo(name="a+b", changed={"model.x": 1, "model.y": 2}, members=("a", "b")),
        VariantInfo(name="a+d", changed={"model.x": 1, "model.z": 4}, members=("a", "d")),
        VariantInfo(
            name="b+c", changed={"model.y": 2, "model.x": 3, "model.z": 4}, members=("b", "c")
        ),
        VariantInfo(
            name="b+d", changed={"model.y": 2, "model.x": 1, "model.z": 4}, members=("b", "d")
        ),
    )
