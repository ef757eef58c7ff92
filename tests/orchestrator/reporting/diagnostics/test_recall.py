import math

import pytest

from orchestrator.diagnosis.recall_views import VIEWS, Recalled
from orchestrator.reporting.diagnostics.recall import (
    EACH,
    draw_recall,
    published_views,
    recall_frame,
    target_predictions,
)


@pytest.fixture
def found():
    return tuple(
        Recalled(
            view=view,
            k=place + 1,
            num_recalled=100 * (place + 1),
            num_predicted=10_000,
            num_users=2928,
            low=0.009 * (place + 1),
            high=0.011 * (place + 1),
        )
        for place, view in enumerate(VIEWS)
    )


def test_the_papers_numbers_stand_beside_ours(found):
    rows = {row["view"]: row for row in recall_frame(found, "scientific").to_dict("records")}
    both = rows["modality_interest"]
    assert (both["recalled"], both["predicted"], both["precision"]) == (300, 10_000, 0.03)
    paper = [both[f"published_{name}"] for name in ("recalled", "predicted", "precision")]
    assert paper == [354, 26_854, 0.01318]
    assert set(published_views("pantry")) == set(VIEWS)


def test_a_data_set_that_the_paper_does_not_have_has_none(found, info):
    frame = recall_frame(found, "planted")
    assert frame.filter(like="published").isna().all(axis=None)
    drawing = draw_recall(found, info.__class__(**{**vars(info), "dataset": "planted"}))
    assert not any(one.figure.startswith("paper") for one in drawing.told)


def test_predictions_are_aimed_at_the_papers_number():
    assert target_predictions("scientific", 5) == round((33_149 + 29_898 + 26_854) / 3)
    assert target_predictions("planted", 7) == 7 * EACH


def test_a_figure_has_a_bar_per_view_with_its_counts(found, info, texts, told):
    drawing = draw_recall(found, info)
    (axes,) = drawing.figure.axes
    assert [bar.get_width() for bar in axes.patches] == [0.01, 0.02, 0.03]
    shown = texts(drawing.figure)
    assert "interest\n200 of 10,000, k = 2" in shown
    assert "DeCoRec paper, Table 3" in shown
    numbers = told(drawing)
    gain = numbers["gain over interest", "precision"]
    assert gain[0] == pytest.approx(0.01)
    assert gain[2] - gain[0] == pytest.approx(math.hypot(0.003, 0.002))
    assert "gain over interest, precision: +0.01000" in drawing.verdicts()[1]
    assert numbers["modal similarity", "precision"] == (0.01, 0.009, 0.011, 2928)
    assert numbers["modal similarity", "paper: precision"][0] == 0.00769
    assert math.isnan(numbers["interest", "k"][1])
