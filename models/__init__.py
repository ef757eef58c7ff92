"""A zoo of sequential recommenders in plain torch: one file is one paper."""

from models._interface import (
    Batch,
    Catalogue,
    Clustered,
    Config,
    Derived,
    Group,
    History,
    Items,
    Loss,
    Modality,
    Recommender,
    Stage,
    TokenFeatures,
)
from models._registry import find, names

__all__ = [
    "Batch",
    "Catalogue",
    "Clustered",
    "Config",
    "Derived",
    "Group",
    "History",
    "Items",
    "Loss",
    "Modality",
    "Recommender",
    "Stage",
    "TokenFeatures",
    "find",
    "names",
]
