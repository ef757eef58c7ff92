import pytest

from orchestrator.diagnosis.attention import Mass
from orchestrator.reporting.diagnostics.attention import attention_frame, draw_attention


@pytest.fixture
def masses():
    def of(trained):
        text = Mass(chance=0.25, untrained=0.2, trained=trained, best_query=trained + 0.1)
        image = Mass(chance=0.1, untrained=0.1, trained=0.05, best_query=0.06)
        return {"text": text, "image": image}

    return {1: of(0.8), 0: of(0.6)}


def test_the_frame_has_each_seed_of_each_modality(masses):
    frame = attention_frame(masses)
    assert list(frame.columns) == [
        *("modality", "seed", "chance", "untrained", "trained", "best_query"),
    ]
    assert frame["seed"].tolist() == [0, 0, 1, 1]
    assert frame[frame["modality"] == "text"]["trained"].tolist() == [0.6, 0.8]


def test_rises_are_of_the_same_seeds(masses, info, told):
    numbers = told(draw_attention(masses, info))
    assert numbers["text", "chance"][0] == 0.25
    assert numbers["text", "rise"][0] == pytest.approx(0.5)
    assert numbers["text", "after, best query"][0] == pytest.approx(0.8)
    mean, low, high, num = numbers["image", "rise"]
    assert (mean, low, high, num) == pytest.approx((-0.05, -0.05, -0.05, 2))


def test_a_panel_per_modality_shows_seeds_and_chance(masses, info, texts):
    figure = draw_attention(masses, info).figure
    assert len(figure.axes) == 2
    assert {"text", "image", "share of attention", "chance"} <= set(texts(figure))
    lines = [list(line.get_ydata()) for line in figure.axes[0].lines]
    assert [0.2, 0.6] in [pytest.approx(line) for line in lines]
    assert any(list(line) == [0.25, 0.25] for line in lines)
