"""Public data sets, from the publishers' addresses to a stored data set, step by step.

What a source is, ``sources.toml`` declares; :mod:`~orchestrator.obtaining.obtain` has the steps.
Data are known by their content, so nothing here is part of a run's code digest.
"""

from orchestrator.obtaining.declaration import Source, find_source, read_sources
from orchestrator.obtaining.network import Network
from orchestrator.obtaining.obtain import Choices, Obtained, obtain

__all__ = [
    "Choices",
    "Network",
    "Obtained",
    "Source",
    "find_source",
    "obtain",
    "read_sources",
]
