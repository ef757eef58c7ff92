from matplotlib.lines import Line2D

from orchestrator.reporting.legend import describe, joined
from orchestrator.reporting.style import COLUMN, new_figure


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
    assert figure.get_figheight() == 2.0 + 0.13 * 3  # a note, and three handles in two columns
    assert figure._suptitle.get_text().count("\n") == 2
    assert figure.legends[0].get_title().get_text() == "A note."
