import pytest

from orchestrator.reporting.diagnostics.unimodal import METRICS, draw_unimodal, unimodal_frame


def metrics(value):
    return dict.fromkeys(METRICS, value) | {"test/mrr@10": 1.0}


@pytest.fixture
def alone():
    return {
        "text": {0: metrics(0.10), 1: metrics(0.20)},
        "image": {0: metrics(0.05), 1: metrics(0.05)},
    }


@pytest.fixture
def together():
    return {
        "text": {0: metrics(0.11), 1: metrics(0.24), 2: metrics(0.90)},
        "image": {0: metrics(0.04), 1: metrics(0.05), 2: metrics(0.06)},
    }


def test_the_frame_has_each_seed_of_each_way_of_training(alone, together):
    frame = unimodal_frame(alone, together)
    assert list(frame.columns) == ["modality", "trained", "seed", "metric", "value"]
    assert set(frame["metric"]) == set(METRICS)
    assert frame.groupby(["trained", "modality"]).size().to_dict() == {
        ("alone", "image"): 4,
        ("alone", "text"): 4,
        ("together", "image"): 6,
        ("together", "text"): 6,
    }


def test_gains_are_of_the_same_seeds(alone, together, info, told):
    numbers = told(draw_unimodal(alone, together, info))
    assert numbers["text, NDCG@10", "gain"][0] == pytest.approx((0.1 + 0.2) / 2)
    assert numbers["text, NDCG@10", "gain"][3] == 2
    assert numbers["image, Hit@10", "gain"][0] == pytest.approx((-0.2 + 0.0) / 2)
    assert numbers["text, NDCG@10", "trained alone"][0] == pytest.approx(0.15)
    assert numbers["text, NDCG@10", "trained with the others"][3] == 3


def test_a_panel_per_metric_has_two_bars_per_modality(alone, together, info, texts):
    figure = draw_unimodal(alone, together, info).figure
    assert len(figure.axes) == 2
    for axes in figure.axes:
        assert [bar.get_height() for bar in axes.patches] == pytest.approx(
            [0.15, (0.11 + 0.24 + 0.9) / 3, 0.05, 0.05]
        )
        assert axes.get_ylim()[0] == 0
    assert {"text", "image", "Hit@10", "NDCG@10"} <= set(texts(figure))
