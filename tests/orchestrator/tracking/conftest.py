"""A fresh store per test, copied from one that MLflow made once: making one takes seconds."""

import shutil

import pytest

from orchestrator.results import Epoch, Provenance, Record
from orchestrator.tracking import RunInfo, SweepInfo, Tracker, tracking_uri


@pytest.fixture(scope="session")
def made_store(tmp_path_factory):
    results = tmp_path_factory.mktemp("store")
    Tracker(tracking_uri(None, results), results)
    return results / "mlflow.db"


@pytest.fixture(autouse=True)
def no_uri_from_outside(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def results(tmp_path, made_store):
    folder = tmp_path / "my results"  # a space in the path is usual
    folder.mkdir()
    shutil.copy(made_store, folder / "mlflow.db")
    return folder


@pytest.fixture
def problems():
    return []


@pytest.fixture
def tracker(results, problems):
    return Tracker(tracking_uri(None, results), results, on_problem=problems.append)


@pytest.fixture
def info():
    return SweepInfo(
        name="heads-1",
        kind="one-factor",
        model="tame",
        dataset="toys",
        data_hash="d" * 16,
        space="heads",
        description="Attention heads of the retrievers.",
        factors={"model.text_heads": (1, 2, 4)},
        base={"model.text_heads": 2, "eval.cutoffs": (5, 10), "train.learning_rate": 1e-3},
        seeds=(0, 1),
        synthetic=True,
    )


@pytest.fixture
def make_run():
    def make(heads=2, seed=0):
        params = {
            "model.text_heads": heads,
            "model.use_gate": True,
            "model.fusion": "sum",
            "train.learning_rate": 1e-3,
            "eval.cutoffs": (5, 10),
        }
        return RunInfo(
            run_id=f"run-{heads}-{seed}",
            name=f"text_heads={heads} seed={seed}",
            params=params,
            seed=seed,
            changed={"model.text_heads": heads},
            tags={"orch.variant": "full"},
        )

    return make


def epoch(step):
    return Epoch(
        step=step,
        stage="joint",
        loss={"total": 1.0 / step, "alignment": 0.5},
        valid={"val/ndcg@10": 0.01 * step, "val/recall@10": 0.02 * step},
        seconds=1.5,
    )


@pytest.fixture
def make_epoch():
    return epoch


@pytest.fixture
def make_record():
    def make(run, status="finished", num_epochs=3, **changes):
        has_ended_well = status == "finished"
        fields = {
            "run_id": run.run_id,
            "status": status,
            "config": {"model": "tame", "seed": run.seed, "settings": {"text_heads": 2}},
            "provenance": Provenance(
                code="c0de", commit="abc+dirty", data="d" * 16, device="cpu",
                versions={"torch": "2.13"},
            ),
            "metrics": {"val/ndcg@10": 0.02, "test/ndcg@20": 0.03, "test/recall@20": 0.06}
            if has_ended_well
            else {},
            "epochs": tuple(epoch(step) for step in range(1, num_epochs + 1)),
            "best_step": 2 if has_ended_well else None,
            "reason": None if has_ended_well else "the loss became NaN",
            "traceback": None if has_ended_well else "Traceback: NaN",
            "num_parameters": 1234,
            "seconds": 4.5,
            "inputs": {"image": "tokens", "text": "pooled"},
        }  # fmt: skip
        return Record(**{**fields, **changes})

    return make
