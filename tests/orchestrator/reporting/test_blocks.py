from orchestrator.reporting.blocks import (
    WIDTH,
    Block,
    Marked,
    Section,
    block_markdown,
    block_text,
    filled,
)

SMALL = Block(
    header=("Hit@10", "mean", "verdict"),
    sections=(
        Section(rows=(("base", "0.1", "-"),)),
        Section(title="modality controls", rows=(("image shuffled", "0.05 ± 0.01", "helps"),)),
    ),
)


def test_text():
    assert block_text(SMALL) == (
        """\
Hit@10                 mean  verdict
--------------  -----------  -------
base                    0.1        -
[modality controls]
image shuffled  0.05 ± 0.01    helps"""
    )


def test_markdown():
    assert block_markdown(SMALL) == (
        """\
| Hit@10 | mean | verdict |
| :--- | ---: | ---: |
| base | 0.1 | - |
| *modality controls* |  |  |
| image shuffled | 0.05 ± 0.01 | helps |"""
    )


def test_a_bar_in_a_cell_ends_no_column():
    block = Block(header=("a|b",), sections=())
    assert block_markdown(block).splitlines()[0] == "| a\\|b |"


def test_long_names_are_broken_so_that_lines_fit():
    name = "linear adapter without collaborative information"
    row = (name, *["0.1234 ± 0.0012"] * 5)
    block = Block(header=("Hit@10", *"abcde"), sections=(Section(rows=(row,)),))
    lines = block_text(block).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[2].startswith("linear adapter without")
    assert lines[2].count("0.1234") == 5
    assert " ".join(" ".join(lines[2:]).replace("0.1234 ± 0.0012", "").split()) == name


def test_names_keep_some_room_however_many_columns_there_are():
    row = ("without phase", *["0.1234 ± 0.0012"] * 9)
    block = Block(header=("Hit@10", *"abcdefghi"), sections=(Section(rows=(row,)),))
    assert block_text(block).splitlines()[2].startswith("without phase  ")


def test_sentences_fill_lines():
    long = "word " * 40
    lines = filled(["One.", long]).splitlines()
    assert lines[0] == "One."
    assert len(lines) == 3
    assert max(map(len, lines)) <= WIDTH


MARKED = Block(
    header=("", "x"),
    sections=(
        Section(rows=(("a", Marked("0.5", "best")), ("b", Marked("0.4", "second")))),
        Section(title="t", rows=(("c|d", "0.3"),)),
    ),
)


def test_marks_are_characters_on_a_terminal_and_numbers_stay_aligned():
    lines = block_text(MARKED).splitlines()
    assert [line[-4:] for line in lines[2:4]] == ["*0.5", "_0.4"]
    assert lines[-1].endswith(" 0.3")


def test_marks_are_bold_and_underlined_on_a_page():
    text = block_markdown(MARKED)
    assert "| a | **0.5** |" in text
    assert "| b | <u>0.4</u> |" in text


def test_a_copy_keeps_text_and_loses_nothing_of_it():
    cell = Marked("0.5", "best")
    assert (cell, cell.mark, len(cell)) == ("0.5", "best", 3)
