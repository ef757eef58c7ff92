"""A mismatch of model and data set is refused before training, with what would mend it."""

import dataclasses

import pytest

from models import Config, Need
from orchestrator.errors import ConfigError
from orchestrator.training.inputs import label, settled_inputs


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanting(Config):
    """Needs one thing."""

    source: str = "text"
    forms: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()

    def needs(self):
        return (Need(self.source, self.forms, self.degraded),)


@pytest.fixture
def wanting(trial):
    base = trial("sasrec")
    return lambda *need: dataclasses.replace(
        base, settings=Wanting(**dict(zip(("source", "forms", "degraded"), need, strict=False)))
    )


@pytest.mark.parametrize(
    ("need", "rule"),
    [
        (
            ("sound", ("layers",)),
            "^sasrec on cycle: the data set has no `sound` features; it has image, text. Make "
            "them with `orch data encode cycle --modality sound --encoder ENCODER "
            "--hidden-states`.$",
        ),
        (("sound", ("pooled",)), "--modality sound --encoder ENCODER --forms pooled`.$"),
    ],
)
def test_a_lacking_input_is_refused_with_the_command_that_makes_it(cycle, wanting, need, rule):
    with pytest.raises(ConfigError, match=rule.replace(".", r"\.")):
        settled_inputs(wanting(*need), cycle)


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("timestamps", "Import one whose interactions have times"),
        ("categories", "`orch data import PATH --overwrite --category-columns COLUMN`"),
    ],
)
def test_what_no_encoder_makes_is_imported(cycle, wanting, monkeypatch, source, rule):
    monkeypatch.setattr(type(cycle), "available", lambda self: {"ids": ()})
    with pytest.raises(ConfigError, match=f"has no {source}\\. .*{rule}"):
        settled_inputs(wanting(source), cycle)


def test_a_model_on_inputs_it_was_not_made_for_has_another_name(cycle, wanting):
    assert label(wanting("text", ("tokens",)), cycle) == "sasrec"
    assert label(wanting("text", ("states",), ("pooled",)), cycle) == "sasrec-pooled"
