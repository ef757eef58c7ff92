"""Runs a study with Ray Tune; the only folder that imports ray."""

from orchestrator.sweep.ray.session import RaySession

__all__ = ["RaySession"]
