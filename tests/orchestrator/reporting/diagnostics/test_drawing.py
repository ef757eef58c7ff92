import math

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from orchestrator.errors import StoreError
from orchestrator.reporting.diagnostics.drawing import (
    COLUMNS,
    Drawing,
    Told,
    mean_and_band,
    over_seeds_text,
    told_over,
)
from orchestrator.reporting.diagnostics.report import report_diagnosis
from orchestrator.reporting.style import new_figure

T2 = 4.302652729911275
"""97.5 % quantile of Student's t with 2 degrees of freedom."""


@pytest.fixture
def drawing():
    told = (
        Told(name="first", figure="peak", mean=0.25, low=0.2, high=0.3, num=3),
        Told(name="first", figure="gain", mean=0.5, form="+.0%"),
        Told(name="second", figure="peak", mean=math.nan, num=0),
    )
    frame = pd.DataFrame({"a": [1, 2]})
    return Drawing(
        view="cold",
        title="A title",
        figure=new_figure(2.0, 1.0),
        frame=frame,
        told=told,
        notes=("A note.",),
        beside={"more": frame * 2},
    )


def test_numbers_are_told_with_half_their_interval():
    assert Told(name="", figure="", mean=0.25, low=0.2, high=0.3).text() == "0.2500 ± 0.0500"
    assert Told(name="", figure="", mean=0.25).text() == "0.2500"
    assert Told(name="", figure="", mean=math.nan).text() == "-"
    gain = Told(name="", figure="", mean=-0.1, low=-0.3, high=0.1, form="+.1%")
    assert gain.text() == "-10.0% ± 20.0%"


SIGNS = ("better", "worse")


@pytest.mark.parametrize(
    ("bounds", "word"),
    [((0.1, 0.3), "better"), ((-0.3, -0.1), "worse"), ((-0.1, 0.3), "unresolved")],
)
def test_a_verdict_is_which_side_of_0_the_interval_lies_on(bounds, word):
    low, high = bounds
    one = Told(name="n", figure="gain", mean=(low + high) / 2, low=low, high=high, signs=SIGNS)
    told = f"n, gain: {one.mean:.4f} (95 % interval {low:.4f} to {high:.4f}): {word}."
    assert one.verdict() == told


def test_one_seed_resolves_nothing_and_numbers_without_a_question_have_no_verdict():
    assert Told(name="n", figure="gain", mean=0.5, signs=SIGNS).verdict() == (
        "n, gain: 0.5000 at one seed, so unresolved."
    )
    assert Told(name="n", figure="peak", mean=0.5, low=0.4, high=0.6).verdict() is None
    assert Told(name="n", figure="gain", mean=math.nan, signs=SIGNS).verdict() is None


def test_a_mean_over_seeds_leaves_out_what_is_no_number():
    one = told_over("n", "f", [0.08, math.nan, 0.10, 0.09])
    assert (one.mean, one.num) == (pytest.approx(0.09), 3)
    assert one.high - one.mean == pytest.approx(T2 * 0.01 / math.sqrt(3))
    none = told_over("n", "f", [math.nan])
    assert math.isnan(none.mean)
    assert none.num == 0
    assert math.isnan(told_over("n", "f", [0.5]).low)


def test_a_band_goes_as_far_as_the_shortest_curve():
    mean, low, high = mean_and_band([[1.0, 2.0, 9.0], [3.0, 2.0], [2.0, 2.0, 5.0]])
    assert mean.tolist() == [2.0, 2.0]
    np.testing.assert_allclose(high - mean, [T2 / math.sqrt(3), 0.0])
    np.testing.assert_allclose(mean - low, high - mean)


@pytest.mark.parametrize(
    ("nums", "text"),
    [
        ([1, 1], "One seed: no interval."),
        ([2, 3], "Means over 3 seeds, 95 % t intervals."),
        ([], "One seed: no interval."),
    ],
)
def test_what_means_are_over_is_said(nums, text):
    assert over_seeds_text(nums) == text


def test_a_drawing_is_told_and_written(drawing, tmp_path):
    assert drawing.text().splitlines() == [
        "A title",
        "cold               peak  gain",
        "------  ---------------  ----",
        "first   0.2500 ± 0.0500  +50%",
        "second                -",
        "A note.",
    ]
    assert "| first | 0.2500 ± 0.0500 | +50% |" in drawing.markdown()
    table = drawing.table()
    assert list(table.columns) == list(COLUMNS)
    assert table["view"].tolist() == ["cold"] * 3
    files = drawing.write(tmp_path / "new" / "decorec-cold-x")
    assert [path.name for path in files] == [
        *("decorec-cold-x.pdf", "decorec-cold-x.png"),
        *("decorec-cold-x.csv", "decorec-cold-x-more.csv"),
    ]
    assert files[0].read_bytes().startswith(b"%PDF")
    Image.open(files[1]).verify()
    assert pd.read_csv(files[3])["a"].tolist() == [2, 4]


def test_a_folder_that_cannot_be_written_is_told(drawing, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        drawing.write(tmp_path / "file" / "decorec-cold-x")


def test_a_report_has_every_view_under_its_name(drawing, info, tmp_path):
    report = report_diagnosis([drawing, drawing], info, folder=tmp_path)
    assert report.text.startswith("decorec-diagnosis-1\n\nA title\n")
    assert report.files[0] == tmp_path / "decorec-cold-scientific.pdf"
    assert len(report.table) == 6
    assert report.markdown.count("**A title**") == 2


def test_a_report_of_nothing_is_empty(info, tmp_path):
    report = report_diagnosis([], info, folder=tmp_path)
    assert (report.files, report.text) == ((), "decorec-diagnosis-1")
    assert list(report.table.columns) == list(COLUMNS)
