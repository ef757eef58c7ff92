"""What a user asks of an ablation, and what of it cannot be."""

import pytest

from orchestrator.config import default_trial, override
from orchestrator.data import open_dataset
from orchestrator.errors import ConfigError
from orchestrator.sweep import prepare_ablation as module
from orchestrator.sweep.prepare_ablation import Question, prepare_ablation
from orchestrator.sweep.space import read_spaces
from orchestrator.tracking import VariantInfo

TEXT = """
[spaces.joint]
kind = "joint"
factors.model.num_heads = {choices = [1, 2, 4]}
factors.model.dropout = {low = 0.0, high = 0.5}
[spaces.heads]
kind = "one-factor"
factors.model.num_heads = {choices = [1, 2, 4]}
[variants.one_head]
model.num_heads = 1
[variants.four_heads]
model.num_heads = 4
[variants.deep]
model.num_layers = 2
[variants.ties]
eval.ties = "mean"
[variants.narrow]
model.dim = 6
[variants.narrow_and_one_head]
model.dim = 6
model.num_heads = 1
[variants.wrong]
model.dim = 7
"""
TAME = {
    "model.dim": 8,
    "model.inner_dim": 16,
    "model.num_layers": 1,
    "model.text_heads": 1,
    "model.image_heads": 1,
}


@pytest.fixture
def ask(read, base, data_dir):
    """Prepares an ablation of SASRec on the tiny world."""

    def asked(variants="one_head,deep", text=TEXT, on_check=lambda done, num: None, **fields):
        question = Question(**{"variants": variants, "overrides": {}, "num_seeds": 2, **fields})
        dataset = open_dataset("tiny", data_dir)
        return prepare_ablation(question, read(text), base, dataset, on_check=on_check)

    return asked


@pytest.fixture
def ask_tame(data_dir):
    def asked(**fields):
        base = override(default_trial("tame", "tiny"), TAME, where="test")
        question = Question(**{"overrides": {}, **fields})
        dataset = open_dataset("tiny", data_dir)
        return prepare_ablation(
            question, read_spaces("tame"), base, dataset, on_check=lambda done, num: None
        )

    return asked


def test_an_ablation_holds_what_was_asked_for(ask, base):
    ablation = ask(overrides={"train.patience": 3})
    assert ablation.seeds == (0, 1)
    assert ablation.base == override(base, {"train.patience": 3}, where="test")
    assert ablation.variants == (
        VariantInfo(name="one_head", changed={"model.num_heads": 1}),
        VariantInfo(name="deep", changed={"model.num_layers": 2}),
    )
    assert ablation.search is None
    assert ablation.notes == ()
    assert ask(overrides={"train.patience": 3}) == ablation


def test_the_default_name_follows_from_the_content(ask):
    name = ask().name
    assert name.startswith("sasrec-ablation-tiny-")
    assert ask().name == name
    assert ask(name="mine").name == "mine"
    others = [
        ask("deep"),
        ask(num_seeds=3),
        ask(overrides={"train.patience": 3}),
        ask(has_pairs=True),
        ask(retune=3),
        ask(retune=4),
    ]
    assert len({name, *(other.name for other in others)}) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"variants": "one_haed"},
            "--variants: There is no variant of sasrec `one_haed`. Did you mean `one_head`?",
        ),
        ({"num_seeds": 0}, "--seeds cannot be 0: it must be at least 1."),
        (
            {"name": "a/b"},
            "--name cannot be 'a/b': it names a folder. Use letters, digits, `-`, `_`, `.`.",
        ),
        (
            {"overrides": {"model.dmi": 3}},
            "--set: There is no key `model.dmi`. Did you mean `model.dim`?",
        ),
        (
            {"variants": "wrong"},
            "sasrec.toml: [variants.wrong]: [model] `num_heads` cannot be 2: "
            "it must divide `dim` = 7.",
        ),
        (
            {"variants": "deep,ties"},
            "--variants: `ties` (eval.ties = mean) changes nothing in sasrec on tiny: trained for "
            "a moment, it gives the base's scores bit for bit. Leave it out, or mend its keys in "
            "sasrec.toml.",
        ),
        (
            {"overrides": {"model.num_heads": 1}},
            "--variants: `one_head` (model.num_heads = 1) changes nothing in sasrec on tiny: "
            "trained for a moment, it gives the base's scores bit for bit. Leave it out, or mend "
            "its keys in sasrec.toml.",
        ),
        (
            {"variants": "deep", "has_pairs": True},
            "--pairs cannot be used with 1 variant: a pair joins two. Name more with --variants.",
        ),
        (
            {"has_controls": True},
            "--modality-controls: sasrec uses no modality with these settings. Leave it out.",
        ),
        (
            {"text": "[variants]\n", "variants": None},
            "--variants: sasrec has none. Write [variants.<name>] in sasrec.toml.",
        ),
        ({"retune": 0}, "--retune cannot be 0: it must be at least 1."),
        ({"retune": -3}, "--retune cannot be -3: it must be at least 1."),
        (
            {"retune_space": "joint"},
            "--retune-space: nothing is searched without --retune N. Add it.",
        ),
        (
            {"retune": 3, "retune_space": "jiont"},
            "--retune-space: There is no space of sasrec `jiont`. Did you mean `joint`?",
        ),
        (
            {"retune": 3, "retune_space": "heads"},
            "--retune-space cannot be heads: it is a one-factor space of sasrec. Name a joint one.",
        ),
        (
            {"retune": 3, "text": "[variants.deep]\nmodel.num_layers = 2\n", "variants": "deep"},
            "--retune: There is no space of sasrec `joint`. Known: none.",
        ),
        (
            {"retune": 3, "overrides": {"model.dropout": 0.1}},
            "--set: `model.dropout` is searched by --retune (space joint). Leave it out.",
        ),
        (
            {"retune": 3, "variants": "deep,narrow"},
            "sasrec.toml: [spaces.joint] with variant `narrow`: [model] `num_heads` cannot be 4: "
            "it must divide `dim` = 6.",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_the_start(ask, arguments, message):
    with pytest.raises(ConfigError) as refusal:
        ask(**arguments)
    assert str(refusal.value) == message


def test_a_variant_that_cannot_be_built_on_the_data_set_is_refused_by_name(ask):
    with pytest.raises(ConfigError) as refusal:
        ask("loud", text='[variants.loud]\ndata.noise = ["sound"]\n')
    assert str(refusal.value) == (
        "variant `loud`: sasrec on tiny: `data.noise` names `sound`, which the data set lacks; "
        "it has image, text."
    )


def test_controls_are_made_for_the_modalities_in_use(ask_tame):
    ablation = ask_tame(
        variants="without_id_enrichment", has_controls=True, overrides={"model.use_text": False}
    )
    assert [(v.name, v.is_control) for v in ablation.variants] == [
        ("without_id_enrichment", False),
        ("shuffled_image", True),
        ("noise_image", True),
        ("mean_image", True),
    ]


def test_a_control_that_is_a_variants_name_is_refused(ask, monkeypatch):
    monkeypatch.setattr(module, "build_model", lambda *given: Uses())
    with pytest.raises(ConfigError) as refusal:
        ask(text=f"{TEXT}[variants.noise_text]\nmodel.dim = 16\n", has_controls=True)
    assert str(refusal.value) == (
        "--modality-controls: `noise_text` is a variant of sasrec already. "
        "Rename it in sasrec.toml."
    )


class Uses:
    def input_forms(self):
        return {"text": "pooled"}


def test_a_control_that_changes_nothing_is_refused(ask, monkeypatch):
    """A model that says it uses a modality, and does not."""
    monkeypatch.setattr(module, "build_model", lambda *given: Uses())
    with pytest.raises(ConfigError) as refusal:
        ask(has_controls=True)
    assert str(refusal.value) == (
        "--modality-controls: `shuffled_text` (data.shuffle = ('text',)) changes nothing in sasrec "
        "on tiny: trained for a moment, it gives the base's scores bit for bit. "
        "Leave --modality-controls out."
    )


def test_pairs_that_make_no_sense_are_named_and_not_run(ask):
    ablation = ask(variants="one_head,four_heads,deep,narrow_and_one_head", has_pairs=True)
    assert [variant.name for variant in ablation.variants] == [
        "one_head",
        "four_heads",
        "deep",
        "narrow_and_one_head",
        "one_head+deep",
        "four_heads+deep",
        "deep+narrow_and_one_head",
    ]
    assert ablation.variants[4].members == ("one_head", "deep")
    assert ablation.notes == (
        "not run, since the two contradict each other: `one_head+four_heads`, "
        "`four_heads+narrow_and_one_head`.",
        "`one_head+narrow_and_one_head` is not run: it is the same as `narrow_and_one_head`.",
    )


def test_a_pair_that_no_config_allows_is_named_and_not_run(ask_tame):
    ablation = ask_tame(variants="without_text,without_vision", has_pairs=True)
    assert [variant.name for variant in ablation.variants] == ["without_text", "without_vision"]
    assert ablation.notes == (
        "`without_text+without_vision` is not run: [model] `use_image` cannot be False with "
        "`use_text` False: TAME needs one.",
    )


def test_pairs_stand_before_controls_and_join_none(ask_tame):
    ablation = ask_tame(
        variants="without_text,without_id_enrichment", has_pairs=True, has_controls=True
    )
    names = [variant.name for variant in ablation.variants]
    assert names[:3] == [
        "without_text",
        "without_id_enrichment",
        "without_text+without_id_enrichment",
    ]
    assert len(names) == 9


def test_the_checks_tell_how_far_they_are(ask):
    told = []
    ask(has_pairs=True, on_check=lambda done, num: told.append((done, num)))
    assert told == [(0, 2), (1, 2), (0, 1)]


def test_what_the_few_do_not_show_is_looked_for_in_the_whole(ask, monkeypatch):
    """A pair of such a variant is compared there too."""
    asked = []

    class Hidden:
        is_small = False

        def __init__(self, dataset):
            pass

        def differ(self, one, other, *, in_whole=False):
            asked.append((other.settings.num_heads, other.settings.num_layers, in_whole))
            return in_whole or 1 not in (one.settings.num_heads, other.settings.num_heads)

    monkeypatch.setattr(module, "Probe", Hidden)
    ablation = ask(has_pairs=True)
    assert [variant.name for variant in ablation.variants] == ["one_head", "deep", "one_head+deep"]
    assert asked == [(1, 1, False), (1, 1, True), (2, 2, False), (1, 1, True), (2, 2, True)]


def test_a_search_leaves_out_what_a_variant_sets_and_what_is_inert(ask, monkeypatch):
    def inert(self, config):
        return {"dropout": "for some reason"} if config.settings.num_layers == 2 else {}

    monkeypatch.setattr(module.Probe, "inert_settings", inert)
    searches = ask(retune=3).searches()
    assert {name: list(search.space.factors) for name, search in searches.items()} == {
        "base": ["model.num_heads", "model.dropout"],
        "one_head": ["model.dropout"],
        "deep": ["model.num_heads"],
    }
    assert {name: search.notes for name, search in searches.items()} == {
        "base": (),
        "one_head": ("`model.num_heads` is not searched: the variant sets it.",),
        "deep": (
            "`model.dropout` is not searched: it changes nothing, for some reason.",
            "all 3 points that the space has here are run.",
        ),
    }
