"""What a model reads of an item, as numbers, as a table and as a figure."""

import warnings

import numpy as np
import pytest
from matplotlib.text import Text

from orchestrator.diagnosis.explain import Reading, Readings
from orchestrator.errors import StoreError
from orchestrator.reporting.explain import (
    About,
    explanation_figure,
    explanation_frame,
    explanation_text,
    report_explanation,
)

ABOUT = About(
    model="tame",
    dataset="things",
    is_synthetic=False,
    item=17,
    raw_id="B17",
    text="A red shoe, and more of it than there is room for in the title of a figure",
    seed=3,
    run_id="0123456789abcdef",
)
WORDS = ("[CLS]", "red", "shoe", "red")


def reading(weights, words=WORDS, modality="text", grid=None):
    given = np.asarray(weights, np.float32)
    return Reading(modality=modality, weights=given, words=tuple(words), grid=grid)


@pytest.fixture
def text():
    """Two queries with two heads each."""
    first = [[0.1, 0.2, 0.3, 0.4], [0.1, 0.6, 0.1, 0.2]]
    second = [[0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25]]
    return reading([first, second])


@pytest.fixture
def image():
    """Two queries; class token, then patches of 2 x 3, of which one is bright."""
    words = ("class", *(f"patch {y},{x}" for y in (1, 2) for x in (1, 2, 3)))
    weights = [[[0.3, 0, 0, 0, 0, 0, 0.7]], [[0.1, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1]]]
    return reading(weights, words, "image", (2, 3))


@pytest.fixture
def picture():
    """Black but for a white right third."""
    values = np.zeros((40, 60, 3), np.uint8)
    values[:, 40:] = 255
    return values


def texts_of(figure):
    return [t.get_text() for t in figure.findobj(Text) if t.get_visible() and t.get_text()]


def panels(figure):
    """Without the scales of colours."""
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def test_the_frame_has_each_weight_with_its_place(text, image):
    frame = explanation_frame([text, image])
    assert list(frame.columns) == ["modality", "query", "head", "place", "token", "weight"]
    assert len(frame) == 2 * 2 * 4 + 2 * 7
    row = frame[(frame["modality"] == "text") & (frame["query"] == 1) & (frame["head"] == 2)]
    assert row["token"].tolist() == list(WORDS)
    assert row["place"].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(row["weight"], [0.1, 0.6, 0.1, 0.2], rtol=1e-6)


def test_the_table_tells_the_largest_means_over_heads(text, image):
    told = explanation_text(ABOUT, Readings(shown=(text, image), notes=("audio: not shown.",)))
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert "[text: 4 tokens, uniform share 1/4 = 0.250; means over 2 heads]" in lines
    # Of query 1 the means are 0.1, 0.4, 0.2, 0.3; the word `red` is there twice.
    assert "query 1 red (2) 0.400 red (4) 0.300 shoe 0.200 [CLS] 0.100" in lines
    assert "query 2 [CLS] 0.475 red (2) 0.175 shoe 0.175 red (4) 0.175" in lines
    assert "[image: 7 tokens, uniform share 1/7 = 0.143]" in lines
    first = "query 2 patch 1,1 0.400 class 0.100 patch 1,2 0.100 patch 1,3"
    assert any(line.startswith(first) for line in lines)
    assert told.splitlines()[-1].endswith("audio: not shown.")


def test_a_heat_map_has_a_row_per_query_and_head_and_a_column_per_word(text):
    figure = explanation_figure(ABOUT, Readings(shown=(text,)), {})
    (axes,) = panels(figure)
    assert [label.get_text() for label in axes.get_xticklabels()] == list(WORDS)
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        *("query 1, head 1", "query 1, head 2", "query 2, head 1", "query 2, head 2")
    ]
    (drawn,) = axes.images
    shares = drawn.get_array()
    np.testing.assert_allclose(shares[1], [0.1, 0.6, 0.1, 0.2], rtol=1e-6)
    colors = drawn.cmap(drawn.norm(shares))[:, :, :3].mean(axis=2)
    assert np.unravel_index(colors.argmax(), colors.shape) == (2, 0)  # brightest: most attention
    assert {".70", ".25", "share"} <= set(texts_of(figure))
    assert "text: 4 tokens, uniform share 1/4 = 0.250" in texts_of(figure)


def test_the_title_says_whose_and_what(text):
    title = " ".join(
        explanation_figure(ABOUT, Readings(shown=(text,)), {}).get_suptitle().split("\n")
    )
    assert title == (
        "tame on things, seed 3, run 01234567: what it reads of item #17 (B17) "
        "“A red shoe, and more of it than there is room for in the ti…”"
    )


def test_the_scale_shows_the_uniform_share(text):
    figure = explanation_figure(ABOUT, Readings(shown=(text,)), {})
    (bar,) = [axes for axes in figure.axes if axes.get_label() == "<colorbar>"]
    assert {line.get_ydata()[0] for line in bar.lines} == {0.25}
    assert any("uniform share" in text for text in texts_of(figure))


def test_nearly_uniform_attention_is_not_blown_up():
    flat = reading([[[0.26, 0.25, 0.25, 0.24]]])
    (axes,) = panels(explanation_figure(ABOUT, Readings(shown=(flat,)), {}))
    assert axes.images[0].norm.vmax == pytest.approx(0.5)


def test_many_queries_and_heads_are_shown_as_means():
    weights = np.random.default_rng(0).dirichlet(np.ones(4), size=(3, 6))
    many = reading(weights)
    figure = explanation_figure(ABOUT, Readings(shown=(many,)), {})
    (axes,) = panels(figure)
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        f"query {n}" for n in (1, 2, 3)
    ]
    np.testing.assert_allclose(axes.images[0].get_array(), weights.mean(axis=1), rtol=1e-5)
    assert any("means over 6 heads" in text for text in texts_of(figure))


def test_long_texts_go_on_in_further_lines():
    words = [f"w{n}" for n in range(70)]
    weights = np.random.default_rng(0).dirichlet(np.ones(70), size=(1, 1))
    figure = explanation_figure(ABOUT, Readings(shown=(reading(weights, words),)), {})
    every = panels(figure)
    labels = [label.get_text() for axes in every for label in axes.get_xticklabels()]
    assert len(every) == 3
    assert labels == words
    drawn = np.concatenate([axes.images[0].get_array()[0] for axes in every])
    np.testing.assert_allclose(drawn, weights[0, 0], rtol=1e-5)
    assert len({axes.get_xlim() for axes in every}) == 1  # cells of one width


def test_patches_lie_on_the_picture_a_panel_per_query(image, picture):
    figure = explanation_figure(ABOUT, Readings(shown=(image,)), {"image": picture})
    first, *queries = panels(figure)
    assert np.array_equal(first.images[0].get_array(), picture)
    assert [axes.get_title() for axes in queries] == [
        "query 1, class 0.300",
        "query 2, class 0.100",
    ]
    below, shares = queries[0].images
    assert below.get_extent() == shares.get_extent() == [-0.5, 2.5, 1.5, -0.5]
    np.testing.assert_allclose(shares.get_array(), [[0, 0, 0], [0, 0, 0.7]], rtol=1e-6)
    # A cell is 20 x 20 pixels of the picture, so it is as high as it is wide.
    assert queries[0].get_aspect() == pytest.approx(1.0)
    assert 0 < shares.get_alpha() < 1


def test_a_cell_is_bright_where_attention_is(image, tmp_path):
    """In the pixels of the file itself; the black picture below cannot be what is bright."""
    from PIL import Image

    black = np.zeros((40, 60, 3), np.uint8)
    readings = Readings(shown=(image,))
    png = report_explanation(ABOUT, readings, {"image": black}, folder=tmp_path).files[1]
    figure = explanation_figure(ABOUT, readings, {"image": black})
    figure.canvas.draw()
    pixels = np.asarray(Image.open(png).convert("L"), float)
    height, width = pixels.shape
    axes = panels(figure)[1]

    def brightness(column, row):  # off the middle, where the share is written
        x, y = figure.transFigure.inverted().transform(axes.transData.transform((column, row)))
        return pixels[int((1 - y) * height) - 8 :, int(x * width) - 8 :][:16, :16].mean()

    cells = {(y, x): brightness(x + 0.3, y + 0.3) for y in range(2) for x in range(3)}
    assert max(cells, key=cells.get) == (1, 2)
    assert cells[1, 2] > 2 * max(value for at, value in cells.items() if at != (1, 2))


def test_without_a_picture_the_grid_stands_alone(image):
    figure = explanation_figure(ABOUT, Readings(shown=(image,)), {})
    first = panels(figure)[0]
    assert len(panels(figure)) == 2
    assert len(first.images) == 1
    assert first.images[0].get_alpha() == 1
    assert first.get_title() == "query 1, class 0.300"
    assert {".70", ".40"} <= set(texts_of(figure))


def test_other_special_tokens_are_told_together():
    words = ("class", "register 1", "register 2", *(f"patch 1,{x}" for x in (1, 2)))
    weights = [[[0.1, 0.2, 0.3, 0.2, 0.2]]]
    figure = explanation_figure(
        ABOUT, Readings(shown=(reading(weights, words, "image", (1, 2)),)), {}
    )
    assert panels(figure)[0].get_title() == "query 1, class 0.100\n2 more special tokens 0.500"


def test_fine_grids_have_no_numbers(picture):
    words = [f"patch {y},{x}" for y in range(1, 9) for x in range(1, 9)]
    fine = reading(np.full((1, 1, 64), 1 / 64), words, "image", (8, 8))
    figure = explanation_figure(ABOUT, Readings(shown=(fine,)), {"image": picture})
    assert ".02" not in texts_of(figure)


def test_signs_that_the_font_lacks_and_dollars_are_drawn_without_a_warning(tmp_path):
    words = ("$a_b$", "日本", "an-endlessly-long-piece", "\n")
    odd = reading(np.full((1, 1, 4), 0.25), words)
    about = About(**{**vars(ABOUT), "text": "costs $5 or $6 日"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report_explanation(about, Readings(shown=(odd,)), {}, folder=tmp_path)
    figure = explanation_figure(about, Readings(shown=(odd,)), {})
    found = texts_of(figure)
    assert {"$a_b$", "□□", "an-endlessly-lo…"} <= set(found)
    assert "“costs $5 or $6 □”" in " ".join(found).replace("\n", " ")
    assert not any(t.get_parse_math() for t in figure.findobj(Text) if "$" in t.get_text())


def test_files_are_named_after_the_item_and_are_the_same_again(text, image, picture, tmp_path):
    readings = Readings(shown=(text, image))

    def report(name):
        pictures = {"image": picture}
        return report_explanation(ABOUT, readings, pictures, folder=tmp_path / name)

    first, second = report("one"), report("two")
    assert [path.name for path in first.files] == [
        f"tame-explain-things-17.{suffix}" for suffix in ("pdf", "png", "csv")
    ]
    for one, two in zip(first.files, second.files, strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert first.files[2].read_text().startswith("modality,query,head,place,token,weight\n")


def test_a_folder_that_cannot_be_written_is_told(text, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        report_explanation(ABOUT, Readings(shown=(text,)), {}, folder=tmp_path / "file")
