import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex

from orchestrator.reporting.forest import VERDICT_LOOKS, forest


def drawn(frame, info, *, roles=("component", "control"), **options):
    shown = frame[frame["role"].isin(roles)]
    figure = forest(shown, info, **{"bound": 0.02, "title": "T", "notes": ["N."], **options})
    figure.canvas.draw()
    return figure


def legend(figure):
    (own,) = figure.legends
    return [text.get_text() for text in own.get_texts()]


def marks(axes, marker):
    return [
        (line.get_xdata()[0], line.get_ydata()[0])
        for line in axes.lines
        if line.get_marker() == marker and len(line.get_xdata()) == 1
    ]


def names(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def test_a_panel_per_metric_and_a_row_per_variant(by_hand):
    figure = drawn(by_hand.frame(), by_hand.info)
    left, right = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["Hit@10", "NDCG@10"]
    assert names(left) == ["without phase", "linear adapter"]
    assert names(right) == ["", ""]
    assert figure._suptitle.get_text() == "T"
    assert figure.legends[0].get_title().get_text().startswith("N.")


def test_differences_are_in_percent_of_the_base_and_told_by_verdict(by_hand):
    frame = by_hand.frame()
    assert frame["verdict"].tolist()[1:3] == ["unresolved", "neutral"]
    axes = drawn(frame, by_hand.info).axes[0]
    ((x, y),) = marks(axes, VERDICT_LOOKS["unresolved"].marker)
    assert (x, y) == (pytest.approx(-100 * (1 / 3) / (7 / 12)), 0.0)
    assert marks(axes, VERDICT_LOOKS["neutral"].marker) == [(0.0, -1.0)]


def test_both_intervals_and_the_neutral_band_are_drawn(by_hand):
    frame = by_hand.frame(bound=0.05)
    axes = drawn(frame, by_hand.info, bound=0.05).axes[0]
    row = frame.iloc[1]
    spans = [tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    for low, high in (("difference_low", "difference_high"), ("users_low", "users_high")):
        expected = [100 * row[name] / row["base"] for name in (low, high)]
        assert any(np.allclose(span, expected) for span in spans)
    (band,) = axes.patches
    assert (band.get_x(), band.get_width()) == (pytest.approx(-5), pytest.approx(10))


def test_the_papers_differences_are_stars(by_hand):
    figure = drawn(by_hand.frame(), by_hand.info)
    found = [x for x, _ in marks(figure.axes[0], "*")]
    assert found == pytest.approx([-100 * 0.0129 / 0.1779, -100 * 0.0150 / 0.1779])
    assert "DeCoRec paper, Table 4" in legend(figure)


def test_nothing_published_is_no_entry(crossed, crossed_frame):
    assert not any("paper" in text for text in legend(drawn(crossed_frame, crossed.info)))


def test_sections_have_titles_and_retuned_lines_lie_under_fixed_ones(crossed, crossed_frame):
    figure = drawn(crossed_frame, crossed.info)
    axes = figure.axes[0]
    places = dict(zip(names(axes), axes.get_yticks(), strict=True))
    assert sorted(places, key=places.get, reverse=True) == [
        *("without a", "without b", "modality controls", "image shuffled"),
    ]
    assert "retuned" in legend(figure)
    heights = {line.get_ydata()[0] for line in axes.lines if len(line.get_xdata()) == 1}
    for name in ("without a", "image shuffled"):
        near = sorted(h for h in heights if abs(h - places[name]) < 0.5)
        assert near == pytest.approx([places[name] - 0.2, places[name] + 0.2])


def test_interactions_are_drawn_by_what_was_found(crossed, crossed_frame):
    axes = drawn(crossed_frame, crossed.info, roles=("interaction",)).axes[0]
    assert names(axes) == ["without a + without b"]
    assert axes.get_xlabel() == "interaction (% of base)"
    row = crossed_frame[crossed_frame["role"] == "interaction"].iloc[0]
    look = VERDICT_LOOKS[row["verdict"]]
    at = 100 * row["difference"] / row["base"]
    assert any(x == pytest.approx(at) for x, _ in marks(axes, look.marker))


def test_an_interval_that_is_too_wide_is_cut_and_said_to_go_on(ablation):
    made = ablation(variants=("without_phase",), seeds=(0, 1))
    made.planted({"without_phase": 0.3}, num_users=2000, noise=0.3)
    figure = drawn(made.frame(), made.info)
    assert "Arrows: intervals that go on." in figure.legends[0].get_title().get_text()
    (axes, *_) = figure.axes
    low, high = axes.get_xlim()
    assert all(low < x < high for arrow in "<>" for x, _ in marks(axes, arrow))


def test_one_seed_has_no_interval_to_explain(ablation):
    made = ablation(variants=("without_phase",), seeds=(0,)).planted({"without_phase": 0.3})
    told = legend(drawn(made.frame(), made.info))
    assert "95 % over seeds" not in told
    assert "95 % over users" in told


def test_verdicts_differ_without_colour():
    assert len(VERDICT_LOOKS) == 7
    looks = VERDICT_LOOKS.values()
    assert len({look.marker for look in looks}) == 4
    assert len({to_hex(look.color) for look in looks}) == 4


def test_a_frame_without_a_finished_run_can_be_drawn(by_hand):
    by_hand.rows = [row | {"status": "failed"} for row in by_hand.rows]
    assert len(drawn(by_hand.frame(), by_hand.info).axes) == 2


@pytest.mark.parametrize("num_variants", [1, 7, 20])
def test_nothing_overlaps_or_is_cut_off(ablation, num_variants):
    variants = [f"without_a_rather_long_name_of_component_{i}" for i in range(num_variants)]
    made = ablation(variants=variants, seeds=(0, 1)).planted(
        {name: 0.1 * i for i, name in enumerate(variants)}, num_users=40
    )
    figure = drawn(made.frame(), made.info, notes=["A note.", "Another note."])
    renderer = figure.canvas.get_renderer()
    below = figure.legends[0].get_window_extent(renderer)
    assert figure.bbox.y0 <= below.y0
    labels = [label.get_window_extent(renderer) for label in figure.axes[0].get_yticklabels()]
    ends = sorted((box.y0, box.y1) for box in labels)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(ends))
    for axes in figure.axes:
        box = axes.get_tightbbox(renderer)
        assert not box.overlaps(below)
        assert box.x0 >= figure.bbox.x0 - 1
        assert box.x1 <= figure.bbox.x1 + 1
