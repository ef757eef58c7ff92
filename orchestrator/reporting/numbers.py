"""Numbers and names as tables and figures show them."""

import math
import sys
from functools import cache

import models

NONE = "-"
"""Stands where a number is not known."""


def number(value: float, form: str) -> str:
    """A number in a format; infinity is a sign, and what is not known a dash."""
    if math.isnan(value):
        return NONE
    return f"{value:{form}}".replace("inf", "∞")


def with_half(value: float, half: float, form: str) -> str:
    """A number and, if it is known, half of its interval."""
    reach = "" if math.isnan(half) else f" ± {half:{form.removeprefix('+')}}"
    return number(value, form) + reach


def p_value(value: float) -> str:
    """A p value."""
    return "<0.001" if value < 0.001 else number(value, ".3f")


@cache
def model_text(model: str) -> str:
    """A model as its paper writes it: ``SASRec`` for ``sasrec``; one that is not here as it is."""
    if model not in models.names():
        return model
    about = sys.modules[models.find(model).__module__].__doc__ or ""
    return about.partition(":")[0]
