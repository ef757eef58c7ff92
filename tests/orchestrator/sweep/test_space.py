from contextlib import contextmanager

import pytest

from orchestrator.config import default_trial, flatten
from orchestrator.errors import ConfigError
from orchestrator.sweep.space import (
    Choice,
    Group,
    Range,
    base_trial,
    check,
    find_space,
    read_spaces,
)

TOP = '[spaces.test]\nkind = "one-factor"\n'
JOINT = '[spaces.test]\nkind = "joint"\n'
WHERE = "sasrec.toml: [spaces.test]"


def test_a_file_is_read_as_it_is_written(read):
    file = read(
        """
        [spaces.heads]
        kind = "one-factor"
        about = "Heads."
        base.model.dim = 32
        factors.model.num_heads = { choices = [1, 2] }
        factors.eval.cutoffs = { choices = [[10], [5, 10]] }

        [spaces.joint]
        kind = "joint"
        factors.model.dropout = { low = 0.0, high = 0.5 }
        factors.train.learning_rate = { low = 1e-4, high = 1e-2, log = true }
        factors.model.num_layers = { low = 1, high = 3 }

        [datasets.tiny]
        train.learning_rate = 2e-3
        model.dim = 16

        [variants.narrow]
        model.dim = 8
        eval.cutoffs = [10, 20]

        [ablations.widths]
        about = "Widths."
        variants = ["narrow"]
        """
    )
    heads, joint = file.spaces["heads"], file.spaces["joint"]
    assert (heads.name, heads.model, heads.kind, heads.about) == (
        "heads", "sasrec", "one-factor", "Heads.",
    )  # fmt: skip
    assert heads.base == {"model.dim": 32}
    assert heads.factors == {
        "model.num_heads": Choice((1, 2)),
        "eval.cutoffs": Choice(((10,), (5, 10))),
    }
    assert heads.size() == 4
    assert joint.about == ""
    assert joint.factors == {
        "model.dropout": Range(0.0, 0.5),
        "train.learning_rate": Range(1e-4, 1e-2, log=True),
        "model.num_layers": Range(1, 3),
    }
    assert [factor.is_whole for factor in joint.choices()] == [False, True, False]  # by section
    assert joint.size() == float("inf")
    assert file.datasets == {"tiny": {"train.learning_rate": 2e-3, "model.dim": 16}}
    assert file.variants == {"narrow": {"model.dim": 8, "eval.cutoffs": (10, 20)}}
    assert file.ablations == {"widths": Group(about="Widths.", variants=("narrow",))}


def test_an_empty_file_declares_nothing(read):
    file = read("")
    assert (file.spaces, file.datasets, file.variants, file.ablations) == ({}, {}, {}, {})


@contextmanager
def refused(message):
    with pytest.raises(ConfigError) as refusal:
        yield
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[space.x]\n", "sasrec.toml: There is no key `space`. Did you mean `spaces`?"),
        (
            "[qqq.x]\n",
            "sasrec.toml: There is no key `qqq`. Known: ablations, datasets, diagnostics, "
            "experiments, spaces, variants.",
        ),
        ("spaces = 3\n", "sasrec.toml: `spaces` cannot be 3: it must be a table."),
        ("[spaces]\ntest = 3\n", "sasrec.toml: [spaces]: `test` cannot be 3: it must be a table."),
        (
            "[variants]\nplain = true\n",
            "sasrec.toml: [variants]: `plain` cannot be True: it must be a table.",
        ),
        (
            '[spaces.test]\nkind = "one-factor"\n',
            f"{WHERE}: `factors` is empty. Name a key to sweep.",
        ),
        (f"{TOP}factors = 3\n", f"{WHERE}: `factors` cannot be 3: it must be a table."),
        (
            f"{TOP}base = 3\nfactors.model.dim.choices = [1]\n",
            f"{WHERE}: `base` cannot be 3: it must be a table.",
        ),
        (
            f"{TOP}factor.model.dim.choices = [1]\n",
            f"{WHERE}: There is no key `factor`. Did you mean `factors`?",
        ),
        (
            '[spaces.test]\nkind = "random"\n',
            f"{WHERE} `kind` cannot be 'random': it must be one of "
            "['one-factor', 'grid', 'joint'].",
        ),
        (
            "[spaces.test]\n",
            f"{WHERE} `kind` cannot be None: it must be one of ['one-factor', 'grid', 'joint'].",
        ),
    ],
)
def test_a_table_that_spaces_do_not_have_is_refused(read, text, message):
    with refused(message):
        read(text)


NARROW = "[variants.narrow]\nmodel.dim = 8\n"
GROUP = "sasrec.toml: [ablations.x]"
RULE = "use letters, digits, `-`, `_`, `.`, no `.` at the beginning, and not `base`."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[ablations.x]\n",
            f"{GROUP}: `variants` cannot be None: it must list one variant or more.",
        ),
        (
            "[ablations.x]\nvariants = []\n",
            f"{GROUP}: `variants` cannot be []: it must list one variant or more.",
        ),
        (
            "[ablations.x]\nvariants = 'narrow'\n",
            f"{GROUP}: `variants` cannot be 'narrow': it must list one variant or more.",
        ),
        (
            "[ablations.x]\nvariants = ['narow']\n",
            f"{GROUP}: There is no variant `narow`. Did you mean `narrow`?",
        ),
        (
            "[ablations.x]\nvariants = ['narrow']\nwhy = ''\n",
            f"{GROUP}: There is no key `why`. Known: about, variants.",
        ),
        (
            "[ablations.narrow]\nvariants = ['narrow']\n",
            "sasrec.toml: [ablations.narrow]: `narrow` is a variant already. Rename the group.",
        ),
        (
            "[ablations.'a,b']\nvariants = ['narrow']\n",
            f"sasrec.toml: [ablations.a,b]: `a,b` cannot be a name: {RULE}",
        ),
        (
            "[variants.base]\nmodel.dim = 1\n",
            f"sasrec.toml: [variants]: `base` cannot be a name: {RULE}",
        ),
        (
            "[variants.'a+b']\nmodel.dim = 1\n",
            f"sasrec.toml: [variants]: `a+b` cannot be a name: {RULE}",
        ),
    ],
)
def test_a_group_lists_variants_and_names_are_plain(read, text, message):
    """A comma parts names on the command line, a plus joins the members of a pair."""
    with refused(message):
        read(NARROW + text)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("8", "8"),
        ("[1, 2]", "[1, 2]"),
        ("{choices = 3}", "{'choices': 3}"),
        ("{choices = [1], log = true}", "{'choices': [1], 'log': True}"),
        ("{low = 1}", "{'low': 1}"),
        ("{low = 1, high = true}", "{'low': 1, 'high': True}"),
        ("{low = 1, high = '2'}", "{'low': 1, 'high': '2'}"),
        ("{low = 1, high = inf}", "{'low': 1, 'high': inf}"),
        ("{low = 1, high = nan}", "{'low': 1, 'high': nan}"),
        ("{low = 1, high = 2, log = 'no'}", "{'low': 1, 'high': 2, 'log': 'no'}"),
        ("{low = 1, high = 2, step = 1}", "{'low': 1, 'high': 2, 'step': 1}"),
    ],
)
def test_a_factor_is_choices_or_bounds(read, value, shown):
    message = (
        f"{WHERE} `model.dim` cannot be {shown}: "
        "write {choices = [...]} or {low = .., high = ..}."
    )
    with refused(message):
        read(f"{JOINT}factors.model.dim = {value}\n")


def test_text_that_is_not_toml_is_refused_with_its_place(read):
    with pytest.raises(
        ConfigError, match=r"^sasrec\.toml: is not TOML: .+ line 1, column \d+\)\.$"
    ):
        read("[spaces\n")


def test_a_model_without_a_file_is_told_which_to_write(tmp_path):
    message = "new.toml: `new` has no search spaces. Write search_spaces/new.toml."
    with refused(message):
        read_spaces("new", path=tmp_path / "new.toml")


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (
            "model.num_head = {choices = [1]}",
            f"{WHERE} There is no key `model.num_head`. Did you mean `model.num_heads`?",
        ),
        (
            "model.num_heads = {choices = [1, '2']}",
            f"{WHERE}: `model.num_heads` cannot be '2': it should be a valid integer.",
        ),
        (
            "model.num_heads = {choices = [2, true]}",
            f"{WHERE}: `model.num_heads` cannot be True: it should be a valid integer.",
        ),
        (
            "model.num_heads = {choices = [1.0]}",
            f"{WHERE}: `model.num_heads` cannot be 1.0: it should be a valid integer.",
        ),
        (
            "model.dropout = {choices = [true]}",
            f"{WHERE}: `model.dropout` cannot be True: it should be a valid number.",
        ),
        (
            "model.num_heads = {choices = [2, 3]}",
            f"{WHERE}: [model] `num_heads` cannot be 3: it must divide `dim` = 8.",
        ),
        (
            "model.norm = {choices = ['post', 'none']}",
            f"{WHERE}: `model.norm` cannot be 'none': it should be 'post' or 'pre'.",
        ),
        (
            "model.dropout = {choices = [0.5, 1.0]}",
            f"{WHERE}: [model] `dropout` cannot be 1.0: it must be in [0, 1).",
        ),
        (
            "model.num_heads = {choices = []}",
            f"{WHERE} `model.num_heads` cannot be []: values must differ.",
        ),
        (
            "model.num_heads = {choices = [1, 2, 1]}",
            f"{WHERE} `model.num_heads` cannot be [1, 2, 1]: values must differ.",
        ),
        (
            "eval.cutoffs = {choices = [[10], [10]]}",
            f"{WHERE} `eval.cutoffs` cannot be [(10,), (10,)]: values must differ.",
        ),
        (
            "model.dropout = {low = 0.1, high = 0.2}",
            f"{WHERE} `model.dropout` cannot be a range: a one-factor space needs `choices`.",
        ),
    ],
)
def test_a_factor_alone_must_fit_the_models_settings(make_space, base, factor, message):
    with refused(message):
        check(make_space(factor), base)


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (
            "model.dropout = {low = 0.5, high = 0.5}",
            f"{WHERE} `model.dropout`: `low` = 0.5 must be below `high` = 0.5.",
        ),
        (
            "model.dropout = {low = 0.5, high = 0.1}",
            f"{WHERE} `model.dropout`: `low` = 0.5 must be below `high` = 0.1.",
        ),
        (
            "model.dropout = {low = 0.0, high = 0.5, log = true}",
            f"{WHERE} `model.dropout`: `low` = 0.0 must be above 0 on a log scale.",
        ),
        (
            "model.dropout = {low = 0.0, high = 1.5}",
            f"{WHERE}: [model] `dropout` cannot be 1.5: it must be in [0, 1).",
        ),
        (
            "model.num_layers = {low = 1, high = 2.5}",
            f"{WHERE}: `model.num_layers` cannot be 2.5: it should be a valid integer.",
        ),
    ],
)
def test_a_range_must_fit_the_models_settings(make_space, base, factor, message):
    with refused(message):
        check(make_space(factor, kind="joint"), base)


def test_two_factors_that_cannot_meet_are_refused_where_they_would(make_space, base):
    """Each value stands with the base; 12 heads of width 8 only meet in a joint space."""
    factors = ("model.dim = {choices = [8, 12]}", "model.num_heads = {choices = [2, 8]}")
    check(make_space(*factors), base)
    message = f"{WHERE}: [model] `num_heads` cannot be 8: it must divide `dim` = 12."
    for kind in ("joint", "grid"):
        with refused(message):
            check(make_space(*factors, kind=kind), base)


def test_two_factors_may_meet_where_one_alone_cannot_stand(read, base):
    """The space's own base makes room for its factor."""
    text = f"{TOP}base.model.dim = 12\nfactors.model.num_heads.choices = [3, 6]\n"
    checked = check(read(text).spaces["test"], base)
    assert flatten(checked) == {**flatten(base), "model.dim": 12}


def test_a_wrong_base_is_told(read, base):
    text = f"{TOP}base.model.dmi = 12\nfactors.model.num_heads.choices = [1]\n"
    message = f"{WHERE} base: There is no key `model.dmi`. Did you mean `model.dim`?"
    with refused(message):
        check(read(text).spaces["test"], base)


def test_an_unknown_space_offers_the_nearest():
    with refused("There is no space of sasrec `haeds`. Did you mean `heads`?"):
        find_space("sasrec", "haeds")


def test_an_unknown_model_is_told():
    with refused("There is no model `sasrc`. Did you mean `sasrec`?"):
        base_trial("sasrc", "planted")


def test_settings_of_a_data_set_are_laid_over_the_defaults(spaces_file):
    with spaces_file("[datasets.tiny]\nmodel.dim = 16\n"):
        tiny, other = base_trial("sasrec", "tiny"), base_trial("sasrec", "other")
    assert flatten(tiny) == {**flatten(default_trial("sasrec", "tiny")), "model.dim": 16}
    assert other == default_trial("sasrec", "other")


def test_wrong_settings_of_a_data_set_are_told(spaces_file):
    message = (
        "sasrec.toml: [datasets.tiny]: `model.dim` cannot be 1.5: it should be a valid integer."
    )
    with spaces_file("[datasets.tiny]\nmodel.dim = 1.5\n"), refused(message):
        base_trial("sasrec", "tiny")
