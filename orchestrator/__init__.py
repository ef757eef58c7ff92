"""Sweeps and ablations for multi-modal sequential recommenders."""

__version__ = "0.1.0"
