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
            ("text", ("layers",)),
            "^sasrec on cycle: the data set has no layers of `text`; it has pooled, tokens. Make "
            "them with `orch data encode cycle --modality text --encoder ENCODER "
            "--hidden-states`.$",
        ),
        (("sound", ("pooled",)), "--modality sound --encoder ENCODER --forms pooled`.$"),
        (("categories",), "`orch data import PATH --overwrite --category-columns COLUMN`.$"),
    ],
)
def test_a_lacking_input_is_refused_with_the_command_that_makes_it(cycle, wanting, need, rule):
    with pytest.raises(ConfigError, match=rule.replace(".", r"\.")):
        settled_inputs(wanting(*need), cycle)


def test_a_model_on_inputs_it_was_not_made_for_has_another_name(cycle, wanting):
    assert label(wanting("text", ("tokens",)), cycle) == "sasrec"
    assert label(wanting("text", ("layers",), ("pooled",)), cycle) == "sasrec-pooled"
