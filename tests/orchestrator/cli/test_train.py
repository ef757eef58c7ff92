import json
import re

TRAINED = """\
epoch 1 (joint): loss #, val NDCG@10 #, # s
val NDCG@10 # at epoch N of 2, # s
val: recall@10 #, recall@20 #, ndcg@10 #, ndcg@20 #, mrr@10 #
test: recall@10 #, recall@20 #, ndcg@10 #, ndcg@20 #, mrr@10 #
Record and weights: results/runs/ID
Nothing is tracked: `orch train` writes no MLflow run; `orch sweep` does.
"""
WORDS = ("train", "sasrec", "--dataset", "tiny", "--max-epochs", 2, "--seed", 1)


def test_a_single_run_shows_its_numbers_and_keeps_its_weights(orch, place, small, masked):
    done = orch(*WORDS, *small)
    assert (done.code, done.err) == (0, "")
    told = re.sub(r"at epoch \d of", "at epoch N of", masked(done.out))
    told = re.sub(r"epoch 2 \(joint\).*\n", "", told)  # shown if the first took a second
    assert told == TRAINED
    (folder,) = (place / "results" / "runs").iterdir()
    assert {path.name for path in folder.iterdir()} == {
        ".lock",
        "model.safetensors",
        "ranks.parquet",
        "record.json",
    }
    record = json.loads((folder / "record.json").read_text())
    assert f"test: recall@10 {record['metrics']['test/recall@10']:.4f}," in done.out
    assert (record["seed"] if "seed" in record else record["config"]["seed"]) == 1
    assert not (place / "results" / "mlflow.db").exists()


def test_a_run_that_is_done_is_shown_again(orch, small):
    first = orch(*WORDS, *small)
    again = orch(*WORDS, *small)
    assert again.code == 0
    assert again.out.splitlines() == first.out.splitlines()[-5:]


def test_a_run_that_fails_is_one_sentence(orch, small):
    """There is no sweep to go on with: it is told as what the user can mend."""
    done = orch(*WORDS, *small, "--set", "train.learning_rate=1e30")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "orch: the loss `total` is nan in epoch 1 (stage joint). "
        "Lower `train.learning_rate` or set `train.clip_norm`.\n"
    )
