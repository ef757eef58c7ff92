import re

SWEEP = ("sweep", "sasrec", "--space", "heads", "--dataset", "tiny", "--executor", "local")
WORDS = (*SWEEP, "--seeds", 1, "--max-epochs", 2, "--name", "mine")
RUN = "val NDCG@10 # at epoch N of 2, # s"
REPORT = """\

mine: sasrec, heads, on tiny (synthetic data)

   num heads  seeds  val NDCG@10  test Recall@20  test NDCG@20
-  ---------  -----  -----------  --------------  ------------
           2      1            #               #             #
           1      1            #               #             #
           4      1            #               #             #
           8      1            #               #             #

* best by mean validation NDCG@10; test metrics choose nothing.
Best possible ranking on the test split: Recall@20 #, NDCG@20 #.

PDF: results/sweeps/mine/figures/sasrec-heads.pdf
PNG: results/sweeps/mine/figures/sasrec-heads.png
CSV: results/sweeps/mine/figures/sasrec-heads.csv
MLflow: sqlite:///STORE/mlflow.db; browse it with `orch ui --results results`.
"""


def shape(done, store, masked):
    """What was printed, without what differs from run to run."""
    text = re.sub(r"at epoch \d of", "at epoch N of", masked(done.out))
    text = re.sub(r"(?<= ) +#", lambda found: " " * (len(found.group()) - 1) + "#", text)
    text = re.sub(r"^\*  ", "   ", text, flags=re.MULTILINE)
    return text.replace(str(store), "STORE")


def aligned(text):
    return [line.split() for line in text.splitlines()]


def test_a_sweep_tells_each_run_and_a_table(orch, store, small, masked):
    done = orch(*WORDS, *small)
    assert (done.code, done.err) == (0, "")
    head = [
        "4 runs.",
        f"[1/4] base seed=0: {RUN}",
        f"[2/4] num_heads=1 seed=0: {RUN}",
        f"[3/4] num_heads=4 seed=0: {RUN}",
        f"[4/4] num_heads=8 seed=0: {RUN}",
    ]
    told = aligned(shape(done, store, masked))
    assert told == [*(line.split() for line in head), *aligned(REPORT)]
    again = orch(*WORDS, *small)
    first_line = again.out.splitlines()[0]
    assert (again.code, first_line) == (0, "4 runs, 4 of them done before and reused.")
    assert aligned(shape(again, store, masked))[1:] == told[1:]


def test_failed_runs_are_told_one_by_one_and_in_sum(orch, store, small):
    words = (*WORDS, *small, "--set", "train.learning_rate=1e30")
    done = orch(*words)
    reason = (
        "the loss `total` is nan in epoch 1 (stage joint). "
        "Lower `train.learning_rate` or set `train.clip_norm`."
    )
    lines = done.err.splitlines()
    assert done.code == 1
    assert len(lines) == 6
    assert all(
        re.fullmatch(rf"orch: run [0-9a-f]{{16}} failed: {re.escape(reason)}", line)
        for line in lines[:4]
    )
    assert lines[4] == ("orch: 4 of 4 runs failed. Type the same command again to run those again.")
    first = lines[0].split()[2]
    assert lines[5] == f"orch: `orch show {first[:8]}` tells more of the first."
    shown = orch("show", first)
    assert f"Reason: {reason}\n" in shown.out
    assert shown.out.endswith(f"orchestrator.errors.TrialError: {reason}\n"), "the traceback"
    assert f"[1/4] base seed=0: FAILED: {reason}" in done.out
    assert "No run has finished." in done.out


def test_a_sweep_is_gone_on_with_by_its_name(orch, store, small, masked):
    first = orch(*WORDS, *small)
    again = orch("resume", "mine")
    assert (again.code, again.err) == (0, "")
    assert again.out.splitlines()[0] == "4 runs, 4 of them done before and reused."
    assert aligned(shape(again, store, masked))[1:] == aligned(shape(first, store, masked))[1:]


def test_two_processes_never_run_one_sweep(orch, store, small):
    """The second is told so, and does nothing."""
    from filelock import FileLock

    orch(*WORDS, *small)
    with FileLock(store / "sweeps" / "mine" / ".lock"):
        done = orch("resume", "mine")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "orch: mine: is running in another process. Wait for its end, or choose another --name.\n"
    )
