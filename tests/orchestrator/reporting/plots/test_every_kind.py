"""What holds for the figure of every kind: laws over the registry."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.text import Text

from orchestrator.reporting.plots.draw import Look, as_csv, draw, possible
from orchestrator.reporting.plots.kind import Asked
from orchestrator.reporting.plots.kinds import KINDS
from orchestrator.reporting.style import PRESETS, style

OTHER = {"dataset": "scientific", "name": "second-1a2b3c4d", "data_hash": "e" * 16}
OTHER["synthetic"] = False


def texts_of(artist):
    """Every text that is drawn: of ticks those alone that are."""
    if not artist.get_visible():
        return
    if isinstance(artist, Axis):
        ticks = artist._update_ticks()
        yield from (
            label
            for tick in ticks
            for label in (tick.label1, tick.label2)
            if label.get_visible() and label.get_text()
        )
        yield from (t for t in (artist.label, artist.offsetText) if t.get_text())
        return
    if isinstance(artist, Text):
        if artist.get_text().strip():
            yield artist
        return
    for child in artist.get_children():
        yield from texts_of(child)


def is_slanted(text):
    return text.get_rotation() % 90 != 0


def mask(text, shape):
    height, width = shape
    renderer = RendererAgg(width, height, text.figure.dpi)
    text.draw(renderer)
    return np.asarray(renderer.buffer_rgba())[..., 3] > 0


def overlaps(one, other, boxes, shape):
    a, b = boxes[one], boxes[other]
    wide = min(a.x1, b.x1) - max(a.x0, b.x0)
    high = min(a.y1, b.y1) - max(a.y0, b.y0)
    if wide <= 1 or high <= 1:
        return False
    if is_slanted(one) or is_slanted(other):  # their boxes are larger than they are
        return bool((mask(one, shape) & mask(other, shape)).any())
    return True


def check_texts(figure):
    assert isinstance(figure.canvas, FigureCanvasAgg)
    with style():
        figure.canvas.draw()
        renderer = figure.canvas.get_renderer()
        boxes = {text: text.get_window_extent(renderer) for text in texts_of(figure)}
        shape = (int(renderer.height), int(renderer.width))
        clashing = [
            (one.get_text(), other.get_text())
            for one, other in itertools.combinations(boxes, 2)
            if overlaps(one, other, boxes, shape)
        ]
    assert not clashing, "texts that overlap"
    page = figure.bbox
    outside = [
        text.get_text()
        for text, box in boxes.items()
        if box.x0 < page.x0 - 1 or box.x1 > page.x1 + 1 or box.y0 < -1 or box.y1 > page.y1 + 1
    ]
    assert not outside, "texts that leave the page"


def luminance(color):
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return float(np.dot([0.2126, 0.7152, 0.0722], parts))


def form(handle):
    """What of a legend's entry is seen without colour, and how light it is."""
    if isinstance(handle, Line2D):
        line = (handle._unscaled_dash_pattern, handle.get_linewidth())
        marker = (handle.get_marker(), handle.get_markersize())
        is_hollow = to_rgb(handle.get_markerfacecolor()) == (1.0, 1.0, 1.0)
        seen = ("line", handle.get_linestyle() != "None" and line, marker, is_hollow)
        return seen, luminance(handle.get_color())
    return ("patch", handle.get_hatch()), luminance(handle.get_facecolor())


def check_without_colour(figure):
    for legend in figure.legends:
        named = {t.get_text(): form(h) for h, t in
                 zip(legend.legend_handles, legend.get_texts(), strict=True)}  # fmt: skip
        for (one, a), (other, b) in itertools.combinations(named.items(), 2):
            assert a[0] != b[0] or abs(a[1] - b[1]) > 0.15, f"{one} and {other} look alike in grey"


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("preset", [None, "ieee-column"])
def test_texts_keep_apart_and_series_differ_without_colour(name, preset, give):
    made = give(name)
    drawn = draw(name, [made], Asked(), Look(preset=preset))
    if preset:
        assert drawn.figure.get_figwidth() == PRESETS[preset]
    check_texts(drawn.figure)
    check_without_colour(drawn.figure)
    assert set(drawn.frame[["study", "model", "dataset"]].drop_duplicates().iloc[0]) == {
        made.info.name, "tame", "planted"
    }  # fmt: skip
    assert as_csv(drawn.frame).startswith(b"study,model,dataset,")
    assert "planted (synthetic data)" in drawn.caption
    assert name in possible(made)


@pytest.mark.parametrize("name", KINDS)
def test_several_studies_are_panels_of_one_figure(name, give):
    drawn = draw(name, [give(name), give(name, **OTHER)], Asked(), Look(preset="acm-page"))
    check_texts(drawn.figure)
    headings = {sub._suptitle.get_text() for sub in drawn.figure.subfigs if sub._suptitle}
    assert any(text.startswith("planted") for text in headings)
    assert any(text.startswith("scientific") for text in headings)
    assert drawn.frame["dataset"].drop_duplicates().tolist() == ["planted", "scientific"]


@pytest.mark.parametrize("kind", ["one-factor", "joint", "ablation", "diagnosis"])
def test_convergence_of_any_study_reads_well(kind, study):
    drawn = draw("convergence", [study(kind)], Asked(), Look())
    check_texts(drawn.figure)
    check_without_colour(drawn.figure)


def test_a_bare_figure_leaves_its_words_to_the_caption(give):
    plain, bare = (
        draw("history", [give("history")], Asked(), Look(is_bare=is_bare))
        for is_bare in (False, True)
    )
    texts = [text.get_text() for text in texts_of(bare.figure)]
    assert not any("planted" in text or "Means" in text for text in texts)
    assert plain.figure._suptitle.get_text().replace("\xa0", " ") in plain.caption
    assert "Means over seeds." in bare.caption
    assert bare.figure.get_figheight() < plain.figure.get_figheight()
    assert mpl.rcParams["pdf.fonttype"] == 3, "matplotlib's settings are as they were"
