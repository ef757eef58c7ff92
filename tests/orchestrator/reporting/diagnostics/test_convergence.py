import math

import pytest

from orchestrator.reporting.diagnostics.convergence import convergence_frame, draw_convergence


@pytest.fixture
def runs(make_record):
    return {
        "id_only": {
            1: make_record((0.05, 0.10, 0.09)),
            0: make_record((0.10, 0.08)),
            2: make_record((0.05, 0.09, 0.099, 0.10)),
        },
        "modality_only": {seed: make_record((0.1, 0.2, 0.3, 0.4)) for seed in (0, 1, 2)},
    }


def test_the_frame_has_every_epoch_and_one_best_of_a_run(runs):
    frame = convergence_frame(runs, ["modality_only", "id_only"])
    assert list(frame.columns) == ["variant", "seed", "epoch", "value", "is_best"]
    assert frame["variant"].drop_duplicates().tolist() == ["modality_only", "id_only"]
    own = frame[frame["variant"] == "id_only"]
    assert own[["seed", "epoch", "value"]].to_numpy().tolist() == [
        [0, 1, 0.10],
        [0, 2, 0.08],
        *([1, 1, 0.05], [1, 2, 0.10], [1, 3, 0.09]),
        *([2, 1, 0.05], [2, 2, 0.09], [2, 3, 0.099], [2, 4, 0.10]),
    ]
    assert own.loc[own["is_best"], "epoch"].tolist() == [1, 2, 4]


def test_peaks_are_told_with_the_epoch_that_nearly_reached_them(runs, info, told):
    numbers = told(draw_convergence(runs, ["id_only", "modality_only"], info))
    assert numbers["id only", "epoch of the peak"][0] == pytest.approx((1 + 2 + 4) / 3)
    assert numbers["id only", "epoch of 95% of it"][0] == pytest.approx((1 + 2 + 3) / 3)
    assert numbers["modality only", "val NDCG@10"] == pytest.approx((0.4, 0.4, 0.4, 3))
    later = numbers["modality only less id only", "epoch of the peak"]
    assert (later[0], later[3]) == (pytest.approx((3 + 2 + 0) / 3), 3)


def test_the_figure_marks_peaks_and_names_variants(runs, info, texts):
    drawing = draw_convergence(runs, ["id_only", "modality_only"], info)
    (axes,) = drawing.figure.axes
    marks = [line for line in axes.lines if line.get_marker() not in ("None", "")]
    assert [len(mark.get_xdata()) for mark in marks] == [1, 3, 1, 3]
    assert marks[0].get_xdata()[0] == pytest.approx(7 / 3)
    means = [
        line for line in axes.lines if line.get_linewidth() == 1.2 and len(line.get_xdata()) > 1
    ]
    assert [len(line.get_xdata()) for line in means][:1] == [2], "as far as the shortest run"
    assert {"id only", "modality only", "validation NDCG@10"} <= set(texts(drawing.figure))


def test_one_seed_has_no_interval_and_is_drawn(make_record, info, told):
    drawing = draw_convergence({"a": {0: make_record((0.1, 0.2))}}, ["a"], info)
    assert math.isnan(told(drawing)["a", "epoch of the peak"][1])
    assert drawing.notes[-1] == "One seed: no interval."
