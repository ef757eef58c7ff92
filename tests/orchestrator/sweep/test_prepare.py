import pytest

from models.sasrec import SASRec
from orchestrator.data import open_dataset
from orchestrator.errors import ConfigError
from orchestrator.sweep.options import Options
from orchestrator.sweep.prepare import at_least_one, check_devices, check_gpus, prepare

HEADS = "model.num_heads = {choices = [1, 2, 4]}"
JOINT = ("model.num_heads = {choices = [1, 2]}", "model.dropout = {low = 0.0, high = 0.5}")


@pytest.fixture
def ask(make_space, base, data_dir):
    def asked(*factors, kind="one-factor", overrides=None, **fields):
        given = {"num_seeds": 2, "num_trials": 20, "scheduler": "none", "name": None, **fields}
        space = make_space(*(factors or (HEADS,)), kind=kind)
        dataset = open_dataset("tiny", data_dir)
        return prepare(space, base, dataset, overrides=overrides or {}, **given)

    return asked


@pytest.fixture
def make_options(tmp_path):
    def make(**fields):
        return Options(results=tmp_path, data_dir=tmp_path, folder=tmp_path, **fields)

    return make


def test_a_study_holds_what_was_asked_for(ask):
    study = ask(overrides={"train.patience": 3}, num_seeds=3)
    assert study.seeds == (0, 1, 2)
    assert study.base.train.patience == 3
    assert ask(overrides={"train.patience": 3}, num_seeds=3) == study
    assert ask(name="mine").name == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"overrides": {"train.patince": 3}},
            "--set: There is no key `train.patince`. Did you mean `train.patience`?",
        ),
        (
            {"overrides": {"train.patience": 0}},
            "--set: [train] `patience` cannot be 0: it must be at least 1.",
        ),
        (
            {"overrides": {"model.dim": 6}},
            "sasrec.toml: [spaces.test]: [model] `num_heads` cannot be 4: "
            "it must divide `dim` = 6.",
        ),
        (
            {"name": "../up"},
            "--name cannot be '../up': it names a folder. Use letters, digits, `-`, `_`, `.`.",
        ),
        (
            {"name": ".hidden"},
            "--name cannot be '.hidden': it names a folder. Use letters, digits, `-`, `_`, `.`.",
        ),
        (
            {"scheduler": "asha"},
            "--scheduler cannot be asha with space test: ending runs early leaves gaps in a "
            "one-factor space. Use it with a joint one.",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_the_start(ask, arguments, message):
    with pytest.raises(ConfigError) as refusal:
        ask(**arguments)
    assert str(refusal.value) == message


@pytest.mark.parametrize("kind", ["joint", "grid"])
def test_a_setting_that_a_whole_space_sweeps_cannot_be_set(ask, kind):
    with pytest.raises(ConfigError) as refusal:
        ask(HEADS, kind=kind, overrides={"model.num_heads": 1})
    assert str(refusal.value) == "--set: `model.num_heads` is swept by space test. Leave it out."


def test_a_one_factor_space_takes_another_base(ask):
    """Its other factors are run with it."""
    study = ask(HEADS, "model.num_layers.choices = [1, 2]", overrides={"model.num_heads": 4})
    assert [dict(point) for point in study.points] == [
        {}, {"model.num_heads": 1}, {"model.num_heads": 2}, {"model.num_layers": 2},
    ]  # fmt: skip


def test_a_count_below_one_is_refused():
    assert at_least_one("--seeds", 1) == 1
    with pytest.raises(ConfigError) as refusal:
        at_least_one("--seeds", 0)
    assert str(refusal.value) == "--seeds cannot be 0: it must be at least 1."


def test_a_device_that_is_not_here_is_refused_before_the_start(make_options):
    check_devices(make_options(device="cpu"))
    with pytest.raises(ConfigError) as refusal:
        check_devices(make_options(device="cudaa"))
    assert str(refusal.value) == "--device cannot be cudaa: it is not here. Use auto or cpu."


@pytest.mark.parametrize(
    ("gpus", "found", "message"),
    [
        ("auto", 0, "--gpus-per-trial cannot be auto: there is no GPU here."),
        (1.5, 2, "--gpus-per-trial cannot be 1.5: above 1 it must be a whole number."),
        (3.0, 2, "--gpus-per-trial cannot be 3: it must be between 0 and the 2 that are here."),
    ],
)
def test_what_no_gpu_can_be_asked_for_is_refused(gpus, found, message):
    with pytest.raises(ConfigError) as refusal:
        check_gpus(gpus, found, "here")
    assert str(refusal.value) == message
    for fine in ("auto", None, 0.0, 0.25, 2.0):
        check_gpus(fine, 2, "here")


@pytest.mark.parametrize("gpus", [-1.0, 0.5, float("nan")])
def test_gpus_that_are_not_here_are_refused_before_the_start(make_options, monkeypatch, gpus):
    """Ray would wait for them for ever."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    message = f"--gpus-per-trial cannot be {gpus:g}: it must be between 0 and the 0 that are here."
    with pytest.raises(ConfigError) as refusal:
        check_devices(make_options(device="cpu", gpus=gpus))
    assert str(refusal.value) == message


def test_what_has_no_effect_on_the_data_set_is_not_swept(ask, monkeypatch):
    monkeypatch.setattr(SASRec, "inert_settings", lambda self: {"num_heads": "one token"})
    study = ask(*JOINT, kind="joint")
    assert set(study.space.factors) == {"model.dropout"}
    told = "`model.num_heads` is not swept: it changes nothing on this data set: one token."
    assert study.notes == (told,)
    with pytest.raises(ConfigError) as error:
        ask(HEADS)
    assert str(error.value) == f"--space test: there is nothing to sweep. {told}"
