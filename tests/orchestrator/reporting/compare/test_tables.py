import re

import numpy as np

from orchestrator.reporting.blocks import Marked, block_text
from orchestrator.reporting.compare.report import comparison_in_forms, report_comparison
from orchestrator.reporting.compare.tables import (
    cost_block,
    group_block,
    model_block,
    pair_block,
    paper_block,
)

HIT = ("test/hit@10",)


def test_a_row_per_model_with_best_second_and_gain(by_hand):
    assert block_text(model_block(by_hand.compared(metrics=(*HIT, "test/ndcg@20")))) == (
        """\
planted                       Hit@10           NDCG@20
------------------  ----------------  ----------------
SASRec              _0.5000 ± 0.0000  _0.5000 ± 0.0000
TAME                *0.7500 ± 0.0000  *0.7500 ± 0.0000
GRU4Rec              0.3333 ± 0.3586   0.3333 ± 0.3586
best over second %             +50.0             +50.0"""
    )


def test_the_papers_form_has_a_row_per_metric_and_a_section_per_data_set(by_hand, contest):
    other = contest("sasrec", "tame", "gru4rec", dataset="other")
    for model in ("sasrec", "tame", "gru4rec"):
        other.first(model, (1, 1, 1))
    block = paper_block([by_hand.compared(metrics=HIT), other.compared(metrics=HIT)])
    assert block.header == ("data set", "SASRec", "TAME", "GRU4Rec", "improvement %")
    assert [section.title for section in block.sections] == ["planted", "other"]
    ((name, *cells, gain),) = block.sections[0].rows
    assert (name, cells, gain) == ("Hit@10", ["0.5000", "0.7500", "0.3333"], "+50.0")
    assert [cell.mark if isinstance(cell, Marked) else "" for cell in cells] == [
        "second",
        "best",
        "",
    ]


def test_a_resolved_gain_has_a_sign(clear):
    ((_, *_, gain),) = paper_block([clear.compared(metrics=HIT)]).sections[0].rows
    assert re.fullmatch(r"\+\d+\.\d†", gain)


def test_a_loss_has_none(clear):
    clear.info = clear.info.__class__(**{**vars(clear.info), "ours": "sasrec"})
    ((_, *_, gain),) = paper_block([clear.compared(metrics=HIT)]).sections[0].rows
    assert re.fullmatch(r"-\d+\.\d", gain)


def test_the_leading_model_is_set_against_each_other(by_hand):
    block = pair_block(by_hand.compared(metrics=HIT))
    rows = {row[0]: row for row in block.sections[0].rows}
    assert block.header[0] == "Hit@10: TAME against"
    assert set(rows) == {"SASRec", "GRU4Rec"}
    assert rows["SASRec"][1] == "+50.0 ± 0.0"
    assert rows["GRU4Rec"][1].startswith("+125.0 ±")


def test_the_side_on_which_a_pair_was_stored_does_not_matter(clear):
    """TAME is stored second, and leads: the difference is read from its side."""
    (row,) = pair_block(clear.compared(metrics=HIT)).sections[0].rows
    assert row[1].startswith("+4")
    assert row[-1] == "better"


def test_what_a_paper_prints_stands_below_as_the_papers(contest):
    made = contest("sasrec", "decorec", "gru4rec", dataset="scientific")
    for model in ("sasrec", "decorec", "gru4rec"):
        made.first(model, (1, 2, 1))
    of = made.compared(metrics=HIT)
    printed = model_block(of).sections[-1]
    assert printed.title == "DeCoRec paper, Table 2"
    assert [row[0] for row in printed.rows] == ["SASRec", "DeCoRec"], "it has no GRU4Rec"
    assert printed.rows[0] == ("SASRec", "0.1523")
    assert paper_block([of]).sections[-1].rows == (
        ("Hit@10", "0.1523", printed.rows[1][1], "-", "-"),
    )


def test_groups_and_costs_have_tables_of_their_own(by_hand):
    rare = np.array([True, True, False, False])
    of = by_hand.compared(metrics=HIT, groups={"rare": rare, "frequent": ~rare})
    assert group_block(of).header == ("Hit@10", "rare targets", "frequent targets")
    assert group_block(by_hand.compared(metrics=HIT)) is None
    (first, *_) = cost_block(of).sections[0].rows
    assert first[:2] == ("SASRec", "100")
    assert first[5] == "-", "memory was not told"


def test_many_models_stand_below_each_other_on_a_page(contest):
    names = [f"model{place}" for place in range(9)]
    made = contest(*names)
    for name in names:
        made.first(name, (1, 2, 1))
    table = comparison_in_forms([made.compared(metrics=HIT)], with_asides=False)
    assert table.pages[0].header == ("planted", "Hit@10")


def test_a_report_writes_every_form_and_says_how_to_read_it(by_hand, tmp_path):
    found = report_comparison(
        by_hand.runs(), by_hand.info, ranks=by_hand.ranks, groups={}, folder=tmp_path
    )
    assert [path.name for path in found.files] == [
        "comparison-planted-bars.pdf",
        "comparison-planted-bars.png",
        "comparison-planted.csv",
        "comparison-planted-pairs.csv",
        "comparison-planted-costs.csv",
        "comparison-planted.md",
        "comparison-planted.tex",
    ]
    assert found.text.startswith("comparison-1: 3 models on planted (synthetic data)\n")
    assert "3 seeds, 4 test users." in found.text
    assert "* best, _ second" in found.text
    assert "Best in bold, second underlined" in found.markdown
    assert "**0.7500 ± 0.0000**" in found.markdown
    assert r"\textbf{0.7500}" in (tmp_path / "comparison-planted.tex").read_text()


def test_runs_that_failed_and_seeds_that_lack_are_told(contest, tmp_path):
    made = contest("sasrec", "tame").first("sasrec", (1, 2, 1)).first("tame", (1, 2))
    made.add("tame", 2, status="failed")
    found = report_comparison(made.runs(), made.info, ranks=made.ranks, groups={}, folder=tmp_path)
    text = " ".join(found.text.split())
    assert "Fewer seeds: TAME 2." in text
    assert "Failed runs, left out: TAME 1." in text


def test_where_no_run_finished_the_report_says_so(contest, tmp_path):
    made = contest("sasrec", "tame")
    made.add("sasrec", 0, status="failed").add("tame", 0, status="failed")
    found = report_comparison(made.runs(), made.info, ranks={}, groups={}, folder=tmp_path)
    assert "No run has finished." in found.text
