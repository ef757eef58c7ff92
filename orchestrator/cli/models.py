"""Models in words: a table of all, or all that there is to tell of one."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.cli.columns import aligned

if TYPE_CHECKING:
    from models import Need, Samples
    from orchestrator.api import ModelDescription, SettingDescription

WIDTH = 100
"""Characters of a line of text."""
HEADER = ("model", "reads", "trains on", "spaces", "paper")


def table(models: Sequence["ModelDescription"]) -> list[str]:
    """A line per model."""
    return aligned(
        HEADER,
        [
            (m.name, _inputs(m.needs), _samples(m.samples), ", ".join(m.spaces), m.venue)
            for m in models
        ],
    )


def whole(model: "ModelDescription") -> list[str]:
    """One model: its text, its contract, its settings, its spaces and variants."""
    lines = [model.about]
    for head, text in model.sections.items():
        lines += ["", *textwrap.wrap(f"{head}: {text}", WIDTH)]
    reach = "earlier positions alone" if model.causal else "positions on both sides"
    lines += [
        "",
        f"Reads: {_inputs(model.needs)}",
        f"Trains on: {_samples(model.samples)}; a state is made of {reach}",
        f"Spaces: {', '.join(model.spaces) or 'none'} (orch spaces {model.name})",
        f"Variants: {', '.join(model.variants) or 'none'}",
        "",
    ]
    return [*lines, *_settings(model.settings)]


def _settings(settings: Sequence["SettingDescription"]) -> list[str]:
    rows = [(f"model.{s.name}", s.kind, str(s.default), s.about) for s in settings]
    return aligned(("setting", "type or values", "default", "what it is"), rows)


def _inputs(needs: Sequence["Need"]) -> str:
    return ", ".join(map(_need, needs))


def _need(need: "Need") -> str:
    forms = " or ".join(need.forms)
    if need.degraded:
        forms = " ".join(filter(None, [forms, f"else {' or '.join(need.degraded)}"]))
    return f"{need.source} ({forms})" if forms else need.source


def _samples(samples: "Samples") -> str:
    from models import Masked, Prefixes

    if isinstance(samples, Masked):
        return "hidden items"
    if isinstance(samples, Prefixes):
        return "prefixes with twins" if samples.twins else "prefixes"
    return "every position"
