import math

import numpy as np
import pandas as pd
import pytest

from orchestrator.reporting.diagnostics.gradients import (
    FIRST,
    draw_gradients,
    gradients_frame,
    running_mean,
)
from orchestrator.training.trace import SCHEMA


def trace(cosines, *, first=1, norm_modality=0.5):
    steps = np.arange(first, first + len(cosines))
    columns = {
        "step": steps,
        "epoch": 1 + steps // 10,
        "stage": "joint",
        "cosine": cosines,
        "norm_id": 1 / (steps - first + 1),
        "norm_modality": norm_modality,
        "shared_norm_id": 1.0,
        "shared_norm_modality": 2.0,
    }
    return pd.DataFrame(columns)[SCHEMA.names]


@pytest.fixture
def traces():
    early, late = [-0.5] * FIRST, [0.25] * FIRST
    return {"joint": {1: trace([*early, *late]), 0: trace([*early, *late, 0.25])}}


def test_the_frame_has_every_step_of_every_run(traces):
    frame = gradients_frame(traces)
    assert list(frame.columns) == ["variant", "seed", *SCHEMA.names]
    assert frame.groupby("seed").size().to_dict() == {0: 101, 1: 100}
    assert frame["seed"].is_monotonic_increasing


def test_cosines_are_told_early_and_late(traces, info, told):
    numbers = told(draw_gradients(traces, info))
    first, last = (f"joint, {part} {FIRST} steps" for part in ("first", "last"))
    assert numbers[first, "cosine"] == (-0.5, -0.5, -0.5, 2)
    assert numbers[first, "below 0"][0] == 1.0
    assert numbers[last, "cosine"][0] == 0.25
    assert numbers[last, "below 0"][0] == 0.0
    harmonic = sum(1 / step for step in range(1, FIRST + 1)) / FIRST
    assert numbers[first, "norm id"][0] == pytest.approx(harmonic)
    assert numbers[last, "norm modality"][0] == 0.5


def test_three_panels_show_steps_from_the_first_recorded(info):
    traces = {"base": {0: trace([0.1] * 80, first=400), 1: trace([0.3] * 90, first=300)}}
    early, whole, norms = draw_gradients(traces, info).figure.axes
    for axes, longest in ((early, FIRST), (whole, 90), (norms, 90)):
        starts = {float(line.get_xdata()[0]) for line in axes.lines if len(line.get_xdata()) > 2}
        ends = {float(line.get_xdata()[-1]) for line in axes.lines if len(line.get_xdata()) > 2}
        assert starts == {1.0}
        assert max(ends) == longest
    bold = [line for line in whole.lines if line.get_linewidth() > 1]
    assert [len(line.get_ydata()) for line in bold] == [80], "as far as the shortest"
    np.testing.assert_allclose(bold[0].get_ydata(), 0.2)
    assert norms.get_yscale() == "log"


def test_a_part_that_does_not_train_has_no_norm_drawn(info, told):
    drawing = draw_gradients({"base": {0: trace([0.1] * 60, norm_modality=math.nan)}}, info)
    assert math.isnan(told(drawing)[f"base, first {FIRST} steps", "norm modality"][0])
    norms = drawing.figure.axes[2]
    assert len(norms.lines) == 2  # the id part: a seed and the mean


def test_each_variant_has_a_row(traces, info, texts):
    figure = draw_gradients({**traces, "without_text": traces["joint"]}, info).figure
    assert len(figure.axes) == 6
    assert {"joint", "without text"} <= set(texts(figure))


def test_a_running_mean_is_centred():
    values = np.array([0.0, 3.0, 6.0, math.nan, 0.0])
    assert running_mean(values, 3).tolist() == [1.5, 3.0, 4.5, 3.0, 0.0]
    assert running_mean(values[:3], 1).tolist() == [0.0, 3.0, 6.0]
