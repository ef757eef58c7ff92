import pytest

from orchestrator.reporting.bars import bars
from orchestrator.reporting.published import ablation_source


def drawn(frame, info):
    figure = bars(frame, title="T", notes=["N."], source=ablation_source(info.model))
    figure.canvas.draw()
    return figure


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def widths(axes):
    return [patch.get_width() for patch in axes.patches]


def test_bars_begin_at_zero_and_show_means_the_base_first(by_hand):
    figure = drawn(by_hand.frame(), by_hand.info)
    for axes in figure.axes:
        assert axes.get_xlim()[0] == 0
        assert all(patch.get_x() == 0 for patch in axes.patches)
        assert widths(axes) == pytest.approx([7 / 12, 1 / 4, 7 / 12])
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["base", "without phase", "linear adapter"]


def test_every_seed_is_a_dot(by_hand):
    axes = drawn(by_hand.frame(), by_hand.info).axes[0]
    dots = [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "o"]
    assert dots[0] == [0.5, 0.75, 0.5]
    assert [len(values) for values in dots] == [3, 3, 3]


def test_the_papers_values_are_open_markers(by_hand):
    figure = drawn(by_hand.frame(), by_hand.info)
    stars = [line for line in figure.axes[1].lines if line.get_marker() == "*"]
    assert [line.get_xdata()[0] for line in stars] == [0.0897, 0.0805, 0.0816]
    assert all(line.get_markerfacecolor() == "white" for line in stars)
    assert "DeCoRec paper, Table 4" in legend(figure)


def test_a_line_stands_at_the_bases_mean(by_hand):
    axes = drawn(by_hand.frame(), by_hand.info).axes[0]
    (line,) = [line for line in axes.lines if line.get_linestyle() == ":"]
    assert line.get_xdata()[0] == pytest.approx(7 / 12)


def test_retuned_bars_are_hatched(crossed, crossed_frame):
    figure = drawn(crossed_frame, crossed.info)
    hatched = [patch for patch in figure.axes[0].patches if patch.get_hatch()]
    assert len(hatched) == len(figure.axes[0].patches) / 2 == 4
    assert "mean, retuned" in legend(figure)
    assert "mean, fixed settings" in legend(figure)


def test_an_interval_wider_than_all_else_is_cut(ablation):
    made = ablation(variants=("a",), seeds=(0, 1))
    made.add("base", 0, [1, 99]).add("base", 1, [1, 99])
    made.add("a", 0, [1, 99]).add("a", 1, [99, 99])
    axes = drawn(made.frame(), made.info).axes[0]
    (arrow,) = [line for line in axes.lines if line.get_marker() == ">"]
    assert arrow.get_xdata()[0] < axes.get_xlim()[1] < made.frame()["high"].max()


def test_variant_without_a_finished_run_is_a_cross(by_hand):
    for row in by_hand.rows:
        row |= {"status": "failed"} if row["variant"] == "without_phase" else {}
    figure = drawn(by_hand.frame(), by_hand.info)
    assert any(line.get_marker() == "x" for line in figure.axes[0].lines)
    assert "no run finished" in legend(figure)
