"""A study as one HTML page that needs nothing beside it: no network, no script, no other file."""

from orchestrator.reporting.page.content import Evidence, page_of
from orchestrator.reporting.page.render import render

__all__ = ["Evidence", "page_of", "render"]
