"""What a model reads of a data set; where something is lacking, the command that would make it."""

from models import CATEGORIES, TIMESTAMPS, Inputs, MissingInputError, Need, settle
from orchestrator.config import TrialConfig
from orchestrator.data import Dataset
from orchestrator.errors import ConfigError


def settled_inputs(config: TrialConfig, dataset: Dataset) -> Inputs:
    """The inputs that a model of these settings reads here; nothing is loaded.

    Raises:
        ConfigError: the data set lacks one; says how to make it.
    """
    try:
        return settle(config.settings.needs(), dataset.available())
    except MissingInputError as error:
        remedy = _remedy(error.need, dataset.name)
        raise ConfigError(f"{config.model} on {dataset.name}: {error} {remedy}") from None


def label(config: TrialConfig, dataset: Dataset) -> str:
    """What the model is called here: its name, with more behind it where an input is degraded.

    Raises:
        ConfigError: the data set lacks an input.
    """
    return settled_inputs(config, dataset).label(config.model)


def _remedy(need: Need, name: str) -> str:
    if need.source == TIMESTAMPS:
        return "Import one whose interactions have times (`orch data import --help`)."
    if need.source == CATEGORIES:
        return "Import it again: `orch data import PATH --overwrite --category-columns COLUMN`."
    form = need.forms[0]
    forms = "--hidden-states" if form == "layers" else f"--forms {form}"
    return (
        f"Make them with `orch data encode {name} --modality {need.source} --encoder ENCODER "
        f"{forms}`."
    )
