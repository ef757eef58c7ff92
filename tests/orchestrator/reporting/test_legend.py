from matplotlib.lines import Line2D

from orchestrator.reporting.legend import broken, describe, joined
from orchestrator.reporting.style import COLUMN, PAGE, new_figure


def test_short_sentences_share_a_line_and_long_ones_are_broken():
    assert joined(["One.", "Two.", "A sentence of its own."], 24) == [
        "One. Two.",
        "A sentence of its own.",
    ]
    assert joined(["a much longer sentence than fits"], 16) == [
        "a much longer",
        "sentence than",
        "fits",
    ]
    assert joined(["", "Two."], 20) == [" Two."]
    assert joined([], 20) == []


def test_a_figure_grows_by_what_is_written_under_it():
    figure = new_figure(COLUMN, 2.0)
    handles = [Line2D([], [], label=label) for label in "abc"]
    describe(figure, title="word " * 30, handles=handles, notes=["A note."])
    assert figure.get_figheight() == 2.0 + 0.13 * 2  # a note, and three handles side by side
    assert figure._suptitle.get_text().count("\n") == 2
    assert figure.legends[0].get_title().get_text() == "A note."


def test_a_legend_has_as_many_columns_as_the_figure_has_room_for():
    handles = [Line2D([], [], label=f"a label that is rather long {n}") for n in range(4)]
    columns = []
    for width in (COLUMN, PAGE):
        figure = new_figure(width, 2.0)
        describe(figure, title="x", handles=handles, notes=[])
        columns.append(figure.legends[0]._ncols)
    assert columns == [1, 2]


def test_a_figure_without_handles_has_its_notes():
    figure = new_figure(COLUMN, 2.0)
    describe(figure, title="x", handles=[], notes=["A note."])
    assert figure.legends[0].get_title().get_text() == "A note."
    figure = new_figure(COLUMN, 2.0)
    describe(figure, title="x", handles=[], notes=[])
    assert (figure.legends, figure.get_figheight()) == ([], 2.0)


def test_names_keep_together_and_so_does_what_stands_in_brackets():
    assert broken("means of looks-of-decorec on planted (synthetic data)", 22.0) == [
        "means of",
        "looks-of-decorec on",
        "planted",
        "(synthetic\xa0data)",
    ]
