import pytest

from orchestrator.reporting.ablation_tables import ablation_blocks, ablation_table, readable
from orchestrator.reporting.blocks import WIDTH, block_text


def test_tables_against_the_base_with_the_papers_numbers(by_hand):
    hit, ndcg = ablation_blocks(by_hand.frame(), by_hand.info)
    assert block_text(hit) == (
        """\
Hit@10                     mean  difference %  p seeds  p users  smallest %     verdict   paper  paper %
--------------  ---------------  ------------  -------  -------  ----------  ----------  ------  -------
base            0.5833 ± 0.3586             -        -        -           -           -  0.1779        -
without phase   0.2500 ± 0.0000  -57.1 ± 61.5    0.114    0.238        76.6  unresolved  0.1650     -7.3
linear adapter  0.5833 ± 0.3586    +0.0 ± 0.0    1.000    1.000         0.0     neutral  0.1629     -8.4"""  # noqa: E501
    )
    assert ndcg.header[0] == "NDCG@10"


def test_controls_stand_in_a_section_of_their_own_and_pairs_in_another_table(
    crossed, crossed_frame
):
    frame = crossed_frame
    against, beside, pairs, retuned_pairs = ablation_blocks(frame, crossed.info)[:4]
    for block in (against, beside):
        assert [section.title for section in block.sections] == ["", "", "modality controls"]
        names = [[row[0] for row in section.rows] for section in block.sections]
        assert names == [["base"], ["without a", "without b"], ["image shuffled"]]
    assert [row[0] for row in pairs.all_rows()] == ["Hit@10, pairs", "without a + without b"]
    assert retuned_pairs.header[0] == "Hit@10, pairs, retuned"
    assert [block.is_main for block in (against, beside, pairs)] == [True, False, False]


def test_retuned_figures_stand_beside_the_fixed_ones(crossed, crossed_frame):
    frame = crossed_frame
    _, beside, *_ = ablation_blocks(frame, crossed.info)
    assert beside.header == (
        "Hit@10, retuned",
        *("fixed", "difference %", "verdict"),
        *("retuned", "difference %", "verdict"),
    )
    rows = frame[(frame["variant"] == "without_a") & (frame["metric"] == "test/hit@10")]
    fixed, retuned = rows["mean"]
    (own,) = [row for row in beside.all_rows() if row[0] == "without a"]
    assert own[1].startswith(f"{fixed:.4f} ±")
    assert own[4].startswith(f"{retuned:.4f} ±")


def test_pairs_show_their_members_both_and_what_is_beyond_the_sum(crossed, crossed_frame):
    _, _, pairs, *_ = ablation_blocks(crossed_frame, crossed.info)
    assert pairs.header[1:5] == ("first %", "second %", "both %", "interaction %")
    (row,) = pairs.all_rows()[1:]
    first, second, both = map(float, row[1:4])
    interaction = float(row[4].split(" ± ")[0])
    assert interaction == pytest.approx(both - first - second, abs=0.2)
    assert pairs.header[-1] == "finding"
    assert row[-1] in ("negative", "positive", "additive", "unresolved")


def test_what_was_not_asked_has_no_table(by_hand):
    assert len(ablation_blocks(by_hand.frame(), by_hand.info)) == 2


def test_tables_fit_a_terminal(crossed, crossed_frame):
    for block in ablation_blocks(crossed_frame, crossed.info):
        assert max(map(len, block_text(block).splitlines())) <= WIDTH


def test_effect_sizes_are_for_paper_only(by_hand):
    frame = by_hand.frame()
    assert "d_z" not in ablation_blocks(frame, by_hand.info)[0].header
    assert "d_z" in ablation_blocks(frame, by_hand.info, is_wide=True)[0].header


def test_frame_as_a_table_has_a_row_per_variant(crossed_frame):
    frame = crossed_frame
    table = ablation_table(frame)
    assert table["variant"].tolist() == [
        "base",
        "without_a",
        "without_b",
        "image_shuffled",
        "without_a+without_b",
    ]
    row = frame[(frame["variant"] == "without_b") & (frame["metric"] == "test/ndcg@10")].iloc[1]
    cells = table.set_index("variant").loc["without_b"]
    assert row["phase"] == "retuned"
    assert cells["retuned test/ndcg@10"] == row["mean"]
    assert cells["retuned test/ndcg@10 verdict"] == row["verdict"]
    assert cells["test/hit@10 seeds"] == 4


def test_names_in_words():
    assert readable("without_a+without_b") == "without a + without b"
