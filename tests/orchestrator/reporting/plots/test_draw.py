"""What is asked for and cannot be: one sentence each, and what there is instead."""

import pytest

from orchestrator.errors import ConfigError, DataError, StoreError
from orchestrator.reporting.plots.draw import Look, draw, possible
from orchestrator.reporting.plots.kind import Asked

PLAIN = (Asked(), Look())


def refused(error, name, studies, asked=PLAIN[0], look=PLAIN[1]):
    with pytest.raises(error) as found:
        draw(name, studies, asked, look)
    return str(found.value)


def test_a_kind_that_a_study_cannot_give_names_what_it_can(study):
    text = refused(ConfigError, "history", [study("ablation")])
    assert text == (
        "ablation-of-tame-1a2b3c4d: `history` cannot be drawn of it: it is an ablation, not a "
        "search. It can give: convergence, bars, forest, interactions, cold."
    )
    assert possible(study("path")) == ("convergence", "path")


def test_a_view_that_was_not_drawn_names_the_command_that_draws_it(study):
    made = study("diagnosis")
    del made.tables["tame-gradients-planted.csv"]
    assert ("`orch diagnose tame --dataset planted --views gradients` does") in refused(
        ConfigError, "gradients", [made]
    )


def test_a_study_without_a_finished_run_is_refused(study, without_runs):
    text = refused(StoreError, "sensitivity", [without_runs(study("one-factor"))])
    assert text.startswith(
        "one-factor-of-tame-1a2b3c4d: none of its 21 runs has finished (21 failed), so there is "
        "nothing to draw."
    )


def test_a_metric_that_is_not_logged_names_those_that_are(study):
    text = refused(StoreError, "bars", [study("ablation")], Asked(metrics=("mrr@10",)))
    assert "no finished run of it has logged `mrr@10`. There is test/" in text
    text = refused(StoreError, "convergence", [study("joint")], Asked(metrics=("hit@1",)))
    assert "`hit@1` is not logged per epoch. There is epoch/seconds, loss/total, val/ndcg" in text
    text = refused(StoreError, "cold", [study("diagnosis")], Asked(metrics=("mrr@10",)))
    assert "There is test/hit@10, test/hit@50, test/ndcg@10, test/ndcg@20" in text


def test_a_metric_may_be_named_without_its_split(study):
    drawn = draw("bars", [study("ablation")], Asked(metrics=("ndcg@20",)), Look())
    assert set(drawn.frame["metric"]) == {"test/ndcg@20"}


def test_a_factor_is_named_by_its_last_part(study):
    asked = Asked(factors=("text_heads",))
    drawn = draw("sensitivity", [study("one-factor")], asked, Look())
    assert set(drawn.frame["factor"]) == {"model.text_heads"}
    text = refused(ConfigError, "sensitivity", [study("one-factor")], Asked(factors=("text_head",)))
    assert "There is no factor `text_head`. Did you mean `text_heads`?" in text


def test_options_that_a_kind_has_no_use_for_are_refused(study):
    text = refused(ConfigError, "history", [study("joint")], Asked(metrics=("ndcg@10",)))
    assert text.startswith("--metric: `history` has no use for it. These have: sensitivity,")
    text = refused(
        ConfigError, "sensitivity", [study("one-factor")], Asked(metrics=("a", "b", "c"))
    )
    assert text == "--metric: `sensitivity` shows 2 at most, and 3 are named."


def test_one_panel_does_not_mix_data_sets(study):
    other = study("diagnosis", name="b", dataset="scientific", data_hash="e" * 16)
    studies = [study("ablation", name="a"), other]
    text = refused(DataError, "convergence", studies, Asked(), Look(together=True))
    assert text == (
        "a is of `planted` and b of `scientific`: one panel cannot mix data sets. Leave out "
        "--together for a panel each."
    )
    text = refused(DataError, "cold", [studies[0]], Asked(against=other))
    assert "gains are over runs on the same data" in text


def test_data_of_one_name_and_other_content_are_told_apart(study):
    studies = [study("joint", name="a"), study("joint", name="b", data_hash="e" * 16)]
    text = refused(DataError, "history", studies)
    assert "a and b are of different data that are both called `planted`" in text


def test_several_studies_share_a_panel_where_that_is_asked_for(study):
    studies = [study("ablation", name="a"), study("diagnosis", name="b", model="decorec")]
    drawn = draw("convergence", studies, Asked(), Look(together=True))
    assert len(drawn.figure.axes) == 1
    assert set(drawn.frame["variant"]) == {"tame", "decorec"}


def test_gains_may_be_over_another_study(study):
    drawn = draw(
        "cold", [study("ablation")], Asked(against=study("one-factor", model="sasrec")), Look()
    )
    assert drawn.figure.axes[0].get_ylabel() == "gain over sasrec in %"
    assert "over sasrec" in drawn.caption


def test_a_sweep_points_can_be_compared_as_variants(study):
    drawn = draw("forest", [study("one-factor")], Asked(), Look())
    assert set(drawn.frame["variant"]) == {
        *(f"text heads = {n}" for n in (1, 4, 8, 16)), "image heads = 1", "image heads = 4",
    }  # fmt: skip


def test_a_comparison_has_a_bar_for_each_model_and_no_base(study):
    made = study("comparison")
    drawn = draw("bars", [made], Asked(metrics=("ndcg@10",)), Look())
    assert drawn.frame["model"].tolist() == ["tame", "decorec", "sasrec"]
    assert len(drawn.figure.axes[0].patches) == 3
    assert possible(made) == ("convergence", "bars")
    text = refused(ConfigError, "forest", [made])
    assert "it is a comparison of models, of which none is the base" in text


def test_intervals_over_users_are_those_that_the_ablation_logged(study):
    """They come from its own file, and only while that is of the same runs."""
    made = study("ablation")
    plain = draw("forest", [made], Asked(metrics=("ndcg@20",)), Look())
    assert "users_low" not in plain.frame
    frame = _logged(made)
    made.tables["tame-ablation-planted.csv"] = frame
    drawn = draw("forest", [made], Asked(metrics=("ndcg@20",)), Look())
    assert (drawn.frame["users_low"] == -0.01).all()
    frame.loc[0, "mean"] += 0.01
    old = draw("forest", [made], Asked(metrics=("ndcg@20",)), Look())
    assert "users_low" not in old.frame


def _logged(made):
    from orchestrator.reporting.comparison import ablation_frame

    frame = ablation_frame(made.runs, made.info, ranks={}, metrics=["test/ndcg@20"])
    return frame.assign(users=100, users_low=-0.01, users_high=0.01)


def test_a_curve_of_a_sampled_search_tells_the_best_trials_apart(study):
    drawn = draw("convergence", [study("joint")], Asked(), Look())
    names = set(drawn.frame["variant"])
    assert len(names) == 4
    assert "other trials" in names
