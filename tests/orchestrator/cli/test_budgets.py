"""What the command line says of plans, budgets and seeds that are added one by one."""

import re

SWEEP = ("sweep", "sasrec", "--space", "heads", "--dataset", "tiny", "--executor", "local")


def test_a_plan_tells_the_price_and_writes_nothing(orch, place, small, masked):
    done = orch(*SWEEP, "--seeds", 2, "--max-epochs", 2, *small, "--plan")
    assert done.code == 0
    head, _, *lines = done.out.splitlines()
    assert re.fullmatch(
        r"sasrec-heads-tiny-\w{8}: nothing is started, as --plan only tells\.", head
    )
    told = {line[:8].strip(): line[8:] for line in lines if not line.startswith("Note: ")}
    assert list(told) == ["points", "seeds", "runs", "epochs", "timed", "time", "disk"]
    assert told["points"] == "4."
    assert told["seeds"] == "2 each."
    assert told["runs"] == "8: 0 done before and reused, 8 left."
    assert told["epochs"] == (
        "2 per run, from patience and max_epochs alone: no finished run tells more."
    )
    assert told["timed"].startswith("base ")
    assert re.fullmatch(r".* with 1 at once; .* CPU hours.*\.", told["time"])
    assert "kept in the results folder" in told["disk"]
    assert list(place.iterdir()) == []


def test_time_that_is_over_is_said_with_what_is_left(orch, store, small):
    words = (*SWEEP, "--seeds", 1, "--max-epochs", 1, *small)
    done = orch(*words, "--max-time", "0.001s")
    assert done.code == 3
    assert done.err == (
        "orch: --max-time is over: 4 runs are left, those cut among them. "
        "Type the same command again to go on.\n"
    )
    again = orch(*words)
    assert (again.code, again.err) == (0, "")
    assert again.out.startswith("4 runs.\n")


def test_an_ablation_that_had_no_time_says_so_too(orch, store):
    words = ("ablate", "tame", "--dataset", "tiny", "--executor", "local", "--seeds", 2)
    done = orch(*words, "--variants", "without_text", "--retune", 2, "--max-time", "0.001s")
    assert done.code == 3
    assert "No run has finished." in done.out
    assert done.err.startswith("orch: --max-time is over: ")


def test_seeds_until_resolved_are_told(orch, store, small):
    words = (*SWEEP, "--seeds", 4, "--max-epochs", 1, "--max-trials", 2, "--bound", 0.9, *small)
    done = orch(*words, "--until-resolved")
    assert (done.code, done.err) == (0, "")
    assert "seeds 0 to 2, 1 open: 6 runs." in done.out
    assert "Seeds were added until validation NDCG@10 settled" in done.out
    assert re.search(r"(Settled|Unresolved) after \d seeds: num_heads=1 ", done.out)
    assert "2 of 4 points are left, as --max-trials allows 2." in done.out
