"""The one look of all figures."""

import itertools

import pytest
from matplotlib.colors import to_rgb

from orchestrator.reporting.style import (
    BARS,
    LOOKS,
    PRESETS,
    fitted,
    for_paper,
    is_bare,
    new_figure,
    rendered,
    settle,
    style,
)


def luminance(color):
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.mark.parametrize("look", LOOKS)
def test_every_curve_stands_out_from_white(look):
    """3 to 1 is what accessibility rules ask of graphics."""
    assert 1.05 / (luminance(look.color) + 0.05) >= 3


def test_curves_differ_in_marker_and_in_line():
    for name in ("marker", "line", "color"):
        assert len({str(getattr(look, name)) for look in LOOKS}) == len(LOOKS)


def test_bars_differ_in_hatch_or_clearly_in_lightness():
    for one, other in itertools.combinations(BARS, 2):
        apart = abs(luminance(one["facecolor"]) - luminance(other["facecolor"]))
        assert one.get("hatch") != other.get("hatch") or apart > 0.3


def test_a_preset_decides_the_width_inside_its_block_alone():
    for preset, width in PRESETS.items():
        with for_paper(preset, is_bare=True):
            assert (fitted(1.0), is_bare()) == (width, True)
    assert (fitted(1.0), is_bare()) == (1.0, False)


@pytest.mark.parametrize("form", ["pdf", "png", "svg"])
def test_a_settled_figure_has_the_same_bytes_again_and_no_date_in_them(form):
    with style():
        figure = new_figure(2.0, 2.0)
        figure.add_subplot().plot([1, 2])
        settle(figure)
    content = rendered(figure, form)
    rendered(figure, "png" if form == "pdf" else "pdf")
    assert content == rendered(figure, form)
    assert b"Date" not in content
    assert b"dc:date" not in content
