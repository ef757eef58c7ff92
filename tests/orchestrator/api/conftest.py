"""One sweep and one ablation of the tiny world, made once."""

import pytest

from orchestrator import api

SMALL = {
    "model.dim": 8,
    "model.inner_dim": 16,
    "model.num_layers": 1,
    "train.max_epochs": 2,
    "train.batch_targets": 64,
}


@pytest.fixture(scope="session")
def small():
    return SMALL


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """``data`` with a small planted world, and ``results``."""
    folder = tmp_path_factory.mktemp("place")
    api.make_planted("tiny", num_users=60, num_items=40, data_dir=folder / "data")
    return folder


@pytest.fixture(scope="session")
def swept(place):
    return api.sweep(
        "sasrec",
        "heads",
        dataset="tiny",
        num_seeds=2,
        overrides=SMALL,
        executor="local",
        results=place / "results",
        data_dir=place / "data",
    )


@pytest.fixture(scope="session")
def ablate(place):
    """Ablates a small TAME."""

    def run(**arguments):
        given = {
            "dataset": "tiny",
            "num_seeds": 2,
            "overrides": {**SMALL, "model.dim": 16, "train.max_epochs": 1},
            "executor": "local",
            "results": place / "results",
            "data_dir": place / "data",
            **arguments,
        }
        return api.ablate("tame", **given)

    return run


@pytest.fixture(scope="session")
def ablated(ablate):
    return ablate(variants="without_text,without_id_enrichment", retune=2)
