"""Data sets: kept on disk, imported, split, and the generated one whose answer is known."""

from models import FORMS
from orchestrator.data.adding import add_features, form_note, refuse_present, shared_missing
from orchestrator.data.features import Features
from orchestrator.data.importing import Layout, Options, import_dataset, recognise
from orchestrator.data.interactions import Sequences
from orchestrator.data.manifest import Counts, EncoderEntry, Manifest, Origin
from orchestrator.data.planted import NAME as PLANTED
from orchestrator.data.planted import (
    PlantedConfig,
    make_planted,
    oracle_scores,
    planted_config,
    planted_marks,
    with_distractors,
)
from orchestrator.data.sources import (
    Description,
    data_folder,
    dataset_names,
    describe,
    open_dataset,
)
from orchestrator.data.split import EvalUsers, Split, activity_groups, leave_one_out
from orchestrator.data.store import (
    Content,
    Dataset,
    ItemTable,
    Progress,
    write_dataset,
)

__all__ = [
    "FORMS",
    "PLANTED",
    "Content",
    "Counts",
    "Dataset",
    "Description",
    "EncoderEntry",
    "EvalUsers",
    "Features",
    "ItemTable",
    "Layout",
    "Manifest",
    "Options",
    "Origin",
    "PlantedConfig",
    "Progress",
    "Sequences",
    "Split",
    "activity_groups",
    "add_features",
    "data_folder",
    "dataset_names",
    "describe",
    "form_note",
    "import_dataset",
    "leave_one_out",
    "make_planted",
    "open_dataset",
    "oracle_scores",
    "planted_config",
    "planted_marks",
    "recognise",
    "refuse_present",
    "shared_missing",
    "with_distractors",
    "write_dataset",
]
