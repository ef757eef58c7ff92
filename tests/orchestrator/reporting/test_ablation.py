import numpy as np
import pandas as pd
import pytest
from PIL import Image

from orchestrator.errors import StoreError
from orchestrator.reporting.ablation import report_ablation
from orchestrator.reporting.blocks import WIDTH
from orchestrator.reporting.comparison import COLUMNS
from orchestrator.reporting.style import DOTS_PER_INCH, PAGE

NAMES = [
    *("decorec-ablation-scientific-forest.pdf", "decorec-ablation-scientific-forest.png"),
    *("decorec-ablation-scientific-bars.pdf", "decorec-ablation-scientific-bars.png"),
    *("decorec-ablation-scientific.csv", "decorec-ablation-scientific.tex"),
]


def report(made, folder, **options):
    return report_ablation(made.runs(), made.info, ranks=made.ranks, folder=folder, **options)


@pytest.fixture(scope="module")
def done(_by_hand, tmp_path_factory):
    return report(_by_hand, tmp_path_factory.mktemp("report") / "figures")


def test_everything_is_written_and_nothing_else(done):
    assert [path.name for path in done.files] == NAMES
    assert sorted(done.files[0].parent.iterdir()) == sorted(done.files)


def test_text_has_title_tables_and_notes_and_fits_a_terminal(done):
    lines = done.text.splitlines()
    assert lines[0] == "decorec-ablation-1: decorec, ablation, on scientific"
    assert [line.split()[0] for line in lines if line.startswith(("Hit", "NDCG"))] == [
        "Hit@10",
        "NDCG@10",
    ]
    assert "±2 %" in done.text
    assert lines[-1] == "Test metrics choose nothing."
    assert max(map(len, lines)) <= WIDTH


def test_markdown_holds_the_same_cells(done):
    assert done.markdown.startswith("**decorec-ablation-1: decorec, ablation, on scientific**\n\n")
    assert "| without phase | 0.2500 ± 0.0000 | -57.1 ± 61.5 |" in done.markdown


def test_numbers_are_in_full_beside_the_figures(done, by_hand):
    back = pd.read_csv(done.files[4], keep_default_na=False, na_values=[""])
    frame = by_hand.frame()
    assert list(back.columns) == COLUMNS
    assert np.allclose(back["difference"], frame["difference"], rtol=0, atol=0, equal_nan=True)
    assert back["by_seed"].tolist()[0] == "0.5 0.75 0.5"


def test_latex_shows_the_papers_numbers(done):
    text = done.files[5].read_text()
    assert r"\label{tab:decorec-ablation-scientific}" in text
    assert "& paper & paper" in text
    assert "without phase &" in text
    assert "0.1650" in text
    assert "_phase" not in text


def test_the_table_has_a_row_per_variant(done):
    assert done.table["variant"].tolist() == ["base", "without_phase", "linear_adapter"]
    assert done.table["test/hit@10 verdict"].tolist() == ["", "unresolved", "neutral"]


def test_synthetic_data_and_another_bound_are_said(crossed, tmp_path):
    found = report(crossed, tmp_path, bound=0.1, metrics=("test/hit@10",))
    assert found.text.startswith(
        "decorec-ablation-1: decorec, ablation, on planted (synthetic data)"
    )
    assert "±10 %" in found.text
    assert "NDCG" not in found.text


def test_pairs_have_a_figure_of_their_own(crossed, tmp_path):
    found = report(crossed, tmp_path, metrics=("test/hit@10",))
    assert [path.name for path in found.files if "pairs" in path.name] == [
        "decorec-ablation-planted-pairs.pdf",
        "decorec-ablation-planted-pairs.png",
    ]


def test_files_have_the_same_bytes_every_time(done, by_hand, tmp_path):
    for path, again in zip(done.files, report(by_hand, tmp_path).files, strict=True):
        assert path.read_bytes() == again.read_bytes()


def test_figures_are_as_wide_as_the_page_with_fonts_inside(done):
    for path in done.files[:4]:
        if path.suffix == ".png":
            with Image.open(path) as image:
                assert image.width == round(PAGE * DOTS_PER_INCH)
        else:
            assert b"/FontFile2" in path.read_bytes()
            assert b"/Type3" not in path.read_bytes()


def test_variants_that_replace_rather_than_remove_are_shown_alike(ablation, tmp_path):
    views = ("image_view", "text_view", "intra_view")
    made = ablation(model="sasrec", dataset="toys", variants=views, seeds=(0, 1))
    made.planted({name: 0.2 * place for place, name in enumerate(views)}, num_users=50)
    found = report(made, tmp_path)
    assert found.files[0].name == "sasrec-ablation-toys-forest.pdf"
    assert all(name in found.text for name in ("image view", "text view", "intra view"))


def test_nothing_finished_is_a_report_too(by_hand, tmp_path):
    by_hand.rows = [row | {"status": "failed"} for row in by_hand.rows]
    found = report(by_hand, tmp_path)
    assert found.text.endswith("No run has finished.")
    assert all(path.exists() for path in found.files)


def test_folder_that_cannot_be_written_is_one_sentence(by_hand, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot be written .*another folder"):
        report(by_hand, tmp_path / "file" / "figures")
