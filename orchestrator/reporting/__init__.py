"""Runs as figures and tables; the only place that draws."""
