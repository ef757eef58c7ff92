"""Figures of finished studies, asked for by kind: ``orch plot KIND STUDY...``."""
