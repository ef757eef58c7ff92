import itertools
import math

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from orchestrator.errors import StoreError
from orchestrator.reporting import style
from orchestrator.reporting.sensitivity import sensitivity, sensitivity_frame, write_figure

T2 = 4.302652729911275
"""97.5 % quantile of Student's t with 2 degrees of freedom."""
COLUMNS = [
    *("factor", "value", "is_base", "metric"),
    *("mean", "low", "high", "n", "failed", "seeds", "by_seed"),
]


def row(frame, factor, *, value, metric="test/recall@20"):
    (found,) = frame[
        (frame["factor"] == factor)
        & (frame["metric"] == metric)
        & np.array([type(v) is type(value) and v == value for v in frame["value"]])
    ].to_dict("records")
    return found


def test_means_and_intervals_by_hand(runs, info):
    frame = sensitivity_frame(runs, info)
    assert list(frame.columns) == COLUMNS
    one = row(frame, "model.text_heads", value=1)
    assert one["mean"] == pytest.approx(0.09)
    assert one["low"] == pytest.approx(0.09 - T2 * 0.01 / math.sqrt(3))
    assert one["high"] == pytest.approx(0.09 + T2 * 0.01 / math.sqrt(3))
    assert (one["n"], one["failed"], one["seeds"]) == (3, 0, (0, 1, 2))
    assert one["by_seed"] == pytest.approx((0.08, 0.09, 0.10))


def test_base_point_belongs_to_every_factor(runs, info):
    frame = sensitivity_frame(runs, info)
    for factor, value in (("model.text_heads", 2), ("model.use_gate", True)):
        base = row(frame, factor, value=value)
        assert base["is_base"]
        assert base["mean"] == pytest.approx(0.11)
    assert frame["is_base"].sum() == 4  # two factors, two metrics


def test_failed_runs_are_counted_and_in_no_mean(runs, info):
    frame = sensitivity_frame(runs, info)
    four = row(frame, "model.text_heads", value=4)
    assert (four["n"], four["failed"]) == (2, 1)
    assert four["mean"] == pytest.approx(0.135)
    off = row(frame, "model.use_gate", value=False)
    assert (off["n"], off["failed"]) == (0, 3)
    assert math.isnan(off["mean"])


def test_runs_away_from_the_base_in_another_factor_are_left_out(runs, info, make_row):
    crossed = pd.concat([runs, pd.DataFrame([make_row(1, 0, 0.9, gate=False)])])
    frame = sensitivity_frame(crossed, info)
    assert row(frame, "model.text_heads", value=1)["mean"] == pytest.approx(0.09)
    assert row(frame, "model.use_gate", value=False)["n"] == 0


def test_in_a_grid_the_other_factors_vary(runs, make_info, info, make_row):
    grid = make_info(info.factors, info.base, kind="grid")
    crossed = pd.concat([runs, pd.DataFrame([make_row(1, 0, 0.28, gate=False)])])
    one = row(sensitivity_frame(crossed, grid), "model.text_heads", value=1)
    assert one["by_seed"] == pytest.approx((0.18, 0.09, 0.10))  # seed 0: (0.08 + 0.28) / 2


def test_one_seed_has_no_interval(runs, info):
    one = row(sensitivity_frame(runs[runs["seed"] == 0], info), "model.text_heads", value=1)
    assert one["mean"] == 0.08
    assert math.isnan(one["low"])
    assert math.isnan(one["high"])


def test_newer_run_of_a_point_and_seed_replaces_the_older(runs, info, make_row):
    again = pd.concat([runs, pd.DataFrame([make_row(1, 0, 0.5)])])
    one = row(sensitivity_frame(again, info), "model.text_heads", value=1)
    assert one["by_seed"] == pytest.approx((0.5, 0.09, 0.10))


def test_values_come_in_order_and_untried_ones_too(runs, make_info):
    wide = make_info({"model.text_heads": (8, 1, 2)}, {"model.text_heads": 2})
    frame = sensitivity_frame(runs, wide)
    assert frame["value"].drop_duplicates().tolist() == [1, 2, 4, 8]
    assert row(frame, "model.text_heads", value=8)["n"] == 0


def test_one_is_not_true(runs, make_info, make_row):
    rows = [make_row(1, 0, recall, gate=gate) for gate, recall in ((True, 0.1), (False, 0.2))]
    info = make_info({"model.use_gate": (True, False)}, {"model.use_gate": True})
    frame = sensitivity_frame(pd.DataFrame(rows), info)
    assert row(frame, "model.use_gate", value=True)["mean"] == 0.1


def drawn(runs, info, **references):
    return sensitivity(sensitivity_frame(runs, info), info, **references)


def texts(figure):
    figure.canvas.draw()
    parts = [figure._suptitle, *figure.legends[0].get_texts(), figure.legends[0].get_title()]
    return "\n".join(part.get_text() for part in parts)


def test_panel_per_factor_with_both_axes_named(runs, info):
    figure = drawn(runs, info)
    labels = [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()]
    assert labels == ["text heads", "use gate"]
    named = {axes.get_ylabel() for axes in figure.axes}
    assert named == {"Recall@20", "NDCG@20", ""}
    left, right = (axes for axes in figure.axes if axes.get_ylabel())
    assert left.get_ylabel() == "Recall@20"
    assert right.get_ylabel() == "NDCG@20"


def test_title_names_the_data_and_that_it_is_synthetic(runs, info, make_info):
    assert "planted (synthetic data)" in texts(drawn(runs, info)).replace("\N{NO-BREAK SPACE}", " ")
    real = make_info(info.factors, info.base, synthetic=False)
    assert "synthetic" not in texts(drawn(runs, real))


def test_near_references_are_lines_and_far_ones_are_told(runs, info):
    figure = drawn(
        runs,
        info,
        ceiling={"test/recall@20": 0.9, "test/ndcg@20": 0.5},
        published={"test/recall@20": 0.15, "test/ndcg@20": 0.07},
    )
    said = texts(figure)
    assert "Off the scale: known ceiling, Recall@20 0.9, NDCG@20 0.5." in said
    assert "TAME paper, Table II" in said
    lines = [
        line for axes in figure.axes for line in axes.lines if list(line.get_xdata()) == [0, 1]
    ]
    assert sorted({line.get_ydata()[0] for line in lines}) == [0.07, 0.15]


def test_failures_are_said_once_each(runs, info, make_row):
    assert "4 failed runs are left out." in texts(drawn(runs, info))
    base = make_row(2, 3, status="failed")
    assert "5 failed runs are left out." in texts(
        drawn(pd.concat([runs, pd.DataFrame([base])]), info)
    )


def test_sweep_without_a_finished_run_can_be_drawn(runs, info):
    assert "no run finished" in texts(drawn(runs.iloc[:0], info))


def boxes(axes):
    renderer = axes.figure.canvas.get_renderer()
    labels = [t for t in axes.get_xticklabels() if t.get_text()]
    return [label.get_window_extent(renderer) for label in labels]


@pytest.mark.parametrize("num_factors", range(1, 10))
def test_nothing_overlaps_with_any_number_of_factors(make_info, num_factors):
    kinds = [
        (1, 2, 4, 8, 16),
        (0.0, 0.1, 0.2, 0.3, 0.5),
        (True, False),
        ("sum", "concatenation", "attention", "gated mixture"),
        (1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
        (0, 1e-4, 1e-3, 1e-2),
        tuple(float(x) for x in np.linspace(0.01, 0.6, 20)),
        tuple(float(x) for x in np.geomspace(1e-4, 1e-2, 20)),
        ((5, 10), (5, 10, 20)),
    ]
    factors = {f"model.factor_{i}": values for i, values in enumerate(kinds[:num_factors])}
    base = {key: values[1] for key, values in factors.items()}
    points = [{**base, key: value} for key, values in factors.items() for value in values]
    scored = [
        {"run_id": f"{i}-{seed}", "status": "finished", "seed": seed, **point,
         "test/recall@20": 0.1 + 0.001 * (i % 5) + 0.001 * seed, "test/ndcg@20": 0.05}
        for (i, point), seed in itertools.product(enumerate(points), (0, 1, 2))
    ]  # fmt: skip
    info = make_info(factors, base)
    figure = drawn(pd.DataFrame(scored), info, ceiling={"test/recall@20": 0.11})
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    legend = figure.legends[0].get_window_extent(renderer)
    whole = figure.bbox
    assert whole.x0 <= legend.x0
    assert legend.x1 <= whole.x1
    for axes in figure.axes:
        assert not axes.get_tightbbox(renderer).overlaps(legend)
        is_turned = any(label.get_rotation() for label in axes.get_xticklabels())
        if axes.xaxis.get_visible() and not is_turned:
            ends = sorted((box.x0, box.x1) for box in boxes(axes))
            assert all(a[1] < b[0] for a, b in itertools.pairwise(ends))
        assert axes.get_tightbbox(renderer).x0 >= whole.x0 - 1
        assert axes.get_tightbbox(renderer).x1 <= whole.x1 + 1


def test_files_have_the_same_bytes_every_time(runs, info, tmp_path):
    frame = sensitivity_frame(runs, info)
    for name in ("a", "b"):
        write_figure(sensitivity(frame, info), tmp_path / name, frame)
    for suffix in ("pdf", "png", "csv"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_users_matplotlib_settings_change_nothing(runs, info, tmp_path):
    import matplotlib as mpl

    frame = sensitivity_frame(runs, info)
    plain, _ = write_figure(sensitivity(frame, info), tmp_path / "a", frame)
    with mpl.rc_context({"font.size": 20, "pdf.fonttype": 3, "lines.linewidth": 9}):
        other, _ = write_figure(sensitivity(frame, info), tmp_path / "b", frame)
        assert mpl.rcParams["font.size"] == 20
    assert plain.read_bytes() == other.read_bytes()


def test_fonts_are_embedded_and_no_date_is_written(runs, info, tmp_path):
    frame = sensitivity_frame(runs, info)
    pdf, png = write_figure(sensitivity(frame, info), tmp_path / "figure.v2", frame)
    assert (pdf.name, png.name) == ("figure.v2.pdf", "figure.v2.png")
    content = pdf.read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert b"CreationDate" not in content


def test_png_is_as_wide_as_the_page_and_readable_in_grey(runs, info, tmp_path):
    frame = sensitivity_frame(runs, info)
    _, png = write_figure(sensitivity(frame, info), tmp_path / "figure", frame)
    with Image.open(png) as image:
        assert image.width == round(style.PAGE * style.DOTS_PER_INCH)
    looks = style.LOOKS[:2]
    assert len({(look.marker, look.line, look.fill == "white") for look in looks}) == 2


def test_numbers_are_beside_the_figure(runs, info, tmp_path):
    frame = sensitivity_frame(runs, info)
    write_figure(sensitivity(frame, info), tmp_path / "figure", frame)
    back = pd.read_csv(tmp_path / "figure.csv")
    assert list(back.columns) == COLUMNS
    assert back["by_seed"].iloc[0] == "0.08 0.09 0.1"


def test_folder_that_cannot_be_written_is_one_sentence(runs, info, tmp_path):
    (tmp_path / "file").touch()
    frame = sensitivity_frame(runs, info)
    with pytest.raises(StoreError, match=r"figure\.csv: cannot be written .*another folder"):
        write_figure(sensitivity(frame, info), tmp_path / "file" / "figure", frame)
