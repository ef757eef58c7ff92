import math

from orchestrator.reporting.ablation_notes import counts, notes


def told(made, bound=0.02):
    return "\n".join(notes(made.frame(bound=bound), made.info, bound=bound))


def test_notes_state_tests_bound_counts_and_source(by_hand):
    text = told(by_hand, bound=0.05)
    for part in (
        "in % of the base's mean",
        "3 seeds and 4 users in each comparison.",
        "paired t test over seeds, paired bootstrap over users (10,000 resamples)",
        "corrected by Holm over 2 variants",
        "80 % power",
        "within ±5 % of the base's mean",
        "paper: DeCoRec paper, Table 4",
        "Test metrics choose nothing.",
    ):
        assert part in text
    assert "retuned" not in text
    assert "interaction" not in text


def test_notes_explain_what_is_shown(crossed, crossed_frame):
    text = "\n".join(notes(crossed_frame, crossed.info, bound=0.02))
    assert "its own search of equal budget" in text
    assert "interaction: both - first - second" in text
    assert "over 3 variants" in text  # two components and a control
    assert "paper:" not in text


def test_fewer_seeds_and_failures_are_said(by_hand):
    by_hand.rows[1] |= {"status": "failed", "test/hit@10": math.nan, "test/ndcg@10": math.nan}
    (text,) = counts(by_hand.frame())
    assert text == (
        "3 seeds and 4 users in each comparison. Fewer seeds: without phase 2. "
        "Failed runs, left out: without phase 1."
    )


def test_phases_are_counted_apart(crossed):
    crossed.rows = [row for row in crossed.rows if row["phase"] == "fixed" or row["seed"] in (0, 1)]
    (text,) = counts(crossed.frame())
    assert text == (
        "4 seeds and 150 users in each comparison. "
        "2 seeds and 150 users in each comparison of retuned variants."
    )


def test_one_seed_is_said_to_resolve_nothing(by_hand):
    by_hand.rows = [row for row in by_hand.rows if row["seed"] == 0]
    (text,) = counts(by_hand.frame())
    assert text.startswith("1 seed and 4 users in each comparison. There is no test over one seed")


def test_missing_ranks_are_said(by_hand):
    by_hand.ranks.pop(by_hand.rows[1]["run_id"])
    (text,) = counts(by_hand.frame())
    assert "No test over users, as ranks are missing: without phase." in text


def test_nothing_finished_or_nothing_to_compare(by_hand):
    by_hand.rows = [row for row in by_hand.rows if row["variant"] == "base"]
    assert "no seed has finished in a variant and in the base" in told(by_hand)
    by_hand.rows = [row | {"status": "failed"} for row in by_hand.rows]
    assert told(by_hand) == "No run has finished."
