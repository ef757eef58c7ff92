"""``orch plot``: what it writes, and that bad input writes nothing."""

from orchestrator.cli import options


def test_a_sweep_is_drawn(orch, swept, place):
    words = ("--preset", "ieee-column", "--metric", "ndcg@10", "--factor", "num_heads")
    done = orch("plot", "sensitivity", "mine", *words)
    assert (done.code, done.err) == (0, "")
    names = [f"mine-sensitivity.{form}" for form in ("pdf", "png", "csv")]
    assert done.out == "".join(f"figures/{name}\n" for name in names)
    assert sorted(path.name for path in (place / "figures").iterdir()) == sorted(names)
    numbers = (place / "figures" / "mine-sensitivity.csv").read_text()
    assert numbers.startswith("study,model,dataset,factor,value,")


def test_all_draws_every_kind_that_the_study_can_give(orch, swept, place):
    done = orch("plot", "all", "mine", "--format", "png", "--bare")
    assert (done.code, done.err) == (0, "")
    kinds = ("sensitivity", "convergence", "bars", "forest", "front")
    expected = [f"figures/mine-{kind}.{form}" for kind in kinds for form in ("png", "csv", "txt")]
    assert done.out.splitlines() == expected


def test_what_cannot_be_drawn_is_one_sentence_and_nothing_is_written(orch, swept, place):
    for words, sentence in (
        (
            ("history", "mine"),
            "mine: `history` cannot be drawn of it: it is a sweep of one factor at a time, not a "
            "search. It can give: sensitivity, convergence, bars, forest, cold, front.",
        ),
        (("bars", "mine", "--metric", "hit@7"), "mine: no finished run of it has logged `hit@7`."),
        (("all", "mine", "--metric", "hit@5"), "--metric: `all` has no use for it."),
        (("cold", "mine"), "mine: `cold` cannot be drawn of it: it has no other model beside it;"),
    ):
        done = orch("plot", *words, "--output", "never")
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"orch: {sentence}")
        assert len(done.err.splitlines()) == 1
    assert not (place / "never").exists()


def test_what_the_shell_completes_is_what_there_is():
    from orchestrator.reporting.plots.kinds import KINDS
    from orchestrator.reporting.style import PRESETS

    assert set(options.KINDS) == set(KINDS)
    assert set(options.PRESETS) == set(PRESETS)
    assert options.complete_kinds("s") == ["sensitivity", "slice"]
    assert options.complete_presets("acm-p") == ["acm-page"]
