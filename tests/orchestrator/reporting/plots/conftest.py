"""Studies of every kind by hand, as a store would give them."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from orchestrator.tracking import SweepInfo
from orchestrator.tracking.runs import VariantInfo
from orchestrator.tracking.stored import StoredStudy

METRICS = ("test/recall@20", "test/ndcg@20", "test/hit@10", "test/ndcg@10")


class Made(StoredStudy):
    """A study that no store holds."""

    def __init__(self, info, runs, tables=None):
        self.made = info
        self.state = SimpleNamespace(
            info=info, runs=runs, conditions=tuple(runs["status"]), identity="x"
        )
        self.tables = tables or {}

    @property
    def curve_names(self):
        is_there = (self.runs["status"] == "finished").any()
        return ("epoch/seconds", "loss/total", "val/ndcg@10") if is_there else ()

    def curves(self, metric):
        rows = []
        for place in range(len(self.runs)):
            worth = np.random.default_rng(place).normal(0.1, 0.01)
            value = [worth * (1 - 0.6**epoch) for epoch in range(1, 9)]
            rows += [[place, epoch + 1, value[epoch], epoch == 6] for epoch in range(8)]
        return pd.DataFrame(rows, columns=["place", "epoch", "value", "is_best"])

    @property
    def files(self):
        return frozenset(self.tables)

    def table(self, name):
        return self.tables[name].copy()


def make_info(kind, **given):
    own = {
        "name": f"{kind}-of-tame-1a2b3c4d",
        "kind": kind,
        "model": "tame",
        "dataset": "planted",
        "data_hash": "d" * 16,
        "space": kind,
        "factors": {},
        "base": {},
        "seeds": (0, 1, 2),
        "synthetic": True,
    }
    return SweepInfo(**{**own, **given})


def make_run(seed, worth, *, status="finished", **own):
    values = np.random.default_rng([seed, int(1e6 * worth)]).normal(worth, 0.05 * worth, 5)
    metrics = dict(zip((*METRICS, "val/ndcg@10"), values, strict=True))
    groups = {
        f"test/{name}@{k}{group}": worth * factor * (1 + 0.1 * seed)
        for name in ("hit", "ndcg")
        for k in (10, 50)
        for group, factor in (("", 1.0), ("/cold", 0.7), ("/warm", 1.2))
    }
    rest = {"num_parameters": 50_000.0 * (1 + round(50 * worth)), "seconds": 3.0 + seed}
    done = {**groups, **metrics, **rest} if status == "finished" else {}
    return {"run_id": f"{seed}-{worth}-{own}", "status": status, "seed": seed, **own, **done}


def one_factor(**given):
    factors = {"model.text_heads": (1, 2, 4, 8, 16), "model.image_heads": (1, 2, 4)}
    info = make_info(
        "one-factor", factors=factors, base=dict.fromkeys(factors, 2), space="heads", **given
    )
    points = [(heads, 2) for heads in factors["model.text_heads"]] + [(2, 1), (2, 4)]
    rows = [
        make_run(seed, 0.1 + 0.01 * text, **{"model.text_heads": text, "model.image_heads": image})
        for text, image in points
        for seed in info.seeds
    ]
    return Made(info, pd.DataFrame(rows))


def search(**given):
    domains = {
        "train.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
        "model.num_layers": {"choices": (1, 2)},
        "model.dropout": {"low": 0.0, "high": 0.5, "log": False},
    }
    base = {"train.learning_rate": 1e-3, "model.num_layers": 1, "model.dropout": 0.25}
    factors = {key: domain.get("choices", ()) for key, domain in domains.items()}
    info = make_info(
        "joint", factors=factors, base=base, domains=domains, seeds=(0, 1), space="joint", **given
    )
    random = np.random.default_rng(3)
    rows = []
    for _ in range(24):
        point = {
            "train.learning_rate": float(10 ** random.uniform(-4, -1)),
            "model.num_layers": int(random.integers(1, 3)),
            "model.dropout": float(random.uniform(0, 0.5)),
        }
        worth = 0.2 - 0.04 * abs(np.log10(point["train.learning_rate"]) + 2)
        rows += [make_run(seed, float(worth), **point) for seed in (0, 1)]
    return Made(info, pd.DataFrame(rows))


def ablation(num=6, **given):
    long = "linear_adapter_without_collaborative_information"
    names = [long, *(f"without_part_{n}" for n in range(num - 1))]
    variants = [VariantInfo(name=name, changed={}) for name in names]
    pair = VariantInfo(name="without_part_0+without_part_1", changed={}, members=tuple(names[1:3]))
    info = make_info("ablation", variants=(*variants, pair), **given)
    rows = [
        make_run(seed, 0.2 - 0.01 * at, variant=name, phase="fixed")
        for at, name in enumerate(["base", *names, pair.name])
        for seed in info.seeds
    ]
    return Made(info, pd.DataFrame(rows))


def views(model, dataset):
    """What a diagnosis logs: one file per view."""
    random = np.random.default_rng(5)
    steps = pd.DataFrame({"variant": "naive_joint", "seed": 0, "step": range(1, 101)})
    steps["cosine"] = random.normal(0, 0.2, 100)
    steps["norm_id"], steps["norm_modality"] = random.uniform(0.1, 1, (2, 100))
    sides = [(source, side) for source in ("text", "image") for side in ("without", "with")]
    places = pd.concat(
        pd.DataFrame({"source": source, "side": side, "item": range(1, 61), "cluster": at,
                      "place": at, "x": random.normal(0, 1, 60), "y": random.normal(0, 1, 60)})
        for source, side in sides for at in [np.arange(60) % 9 - 1]
    )  # fmt: skip
    scores = [[source, side, seed, 0.1 * seed] for source, side in sides for seed in (0, 1)]
    modalities = [(m, seed) for m in ("text", "image") for seed in (0, 1)]
    alone = [
        [m, trained, seed, metric, 0.1 + 0.01 * seed]
        for m, seed in modalities
        for trained in ("alone", "together")
        for metric in ("test/hit@10", "test/ndcg@10")
    ]
    attended = [[m, seed, 0.2, 0.25, 0.7, 0.9] for m, seed in modalities]
    recall = {"view": ["interest", "modal_similarity"], "k": 3, "recalled": 40, "predicted": 6000,
              "precision": 0.007, "low": 0.005, "high": 0.009, "users": 600,
              "published_recalled": 50.0, "published_predicted": 6e3,
              "published_precision": 0.006}  # fmt: skip
    columns = {
        "clusters-{}-silhouette": (scores, ["source", "side", "seed", "silhouette"]),
        "unimodal-{}": (alone, ["modality", "trained", "seed", "metric", "value"]),
        "attention-{}": (
            attended, ["modality", "seed", "chance", "untrained", "trained", "best_query"]
        ),
    }  # fmt: skip
    tables = {name: pd.DataFrame(rows, columns=head) for name, (rows, head) in columns.items()}
    tables |= {"gradients-{}": steps, "clusters-{}": places, "recall-{}": pd.DataFrame(recall)}
    return {f"{model}-{name.format(dataset)}.csv": table for name, table in tables.items()}


def diagnosis(**given):
    names = ("id_only", "naive_joint", "against-sasrec")
    listed = tuple(VariantInfo(name=name, changed={}) for name in names)
    info = make_info("diagnosis", variants=listed, seeds=(0, 1), **given)
    rows = [
        make_run(seed, 0.2 - 0.03 * at, variant=name, phase="fixed")
        for at, name in enumerate(("base", *names))
        for seed in info.seeds
    ]
    return Made(info, pd.DataFrame(rows), views(info.model, info.dataset))


def path(**given):
    factors = {"model.dropout": (0.1, 0.3), "train.learning_rate": (1e-3, 1e-2)}
    info = make_info("path", factors=factors, base={}, seeds=(0, 1), **given)
    rows = [
        make_run(seed, 0.1 + 0.03 * (rate > 1e-3) + 0.01 * (dropout > 0.1),
                 **{"model.dropout": dropout, "train.learning_rate": rate})
        for dropout in (0.1, 0.3) for rate in (1e-3, 1e-2) for seed in (0, 1)
    ]  # fmt: skip
    return Made(info, pd.DataFrame(rows))


def comparison(**given):
    names = ("tame", "decorec", "sasrec")
    listed = tuple(VariantInfo(name=name, changed={}) for name in names)
    info = make_info("comparison", variants=listed, **given)
    rows = [
        make_run(seed, 0.2 - 0.02 * at, variant=name, phase="fixed")
        for at, name in enumerate(names)
        for seed in info.seeds
    ]
    return Made(info, pd.DataFrame(rows))


MAKERS = {
    "comparison": comparison,
    "one-factor": one_factor,
    "joint": search,
    "ablation": ablation,
    "diagnosis": diagnosis,
    "path": path,
}
GIVES = {
    **dict.fromkeys(("gradients", "tsne", "cold", "recall", "unimodal", "attention"), "diagnosis"),
    **dict.fromkeys(("importance", "slice", "contour", "front", "history"), "joint"),
    **dict.fromkeys(("bars", "forest", "interactions"), "ablation"),
    **dict.fromkeys(("sensitivity", "convergence"), "one-factor"),
    "path": "path",
}
"""Kind of figure -> a kind of study that gives it."""


@pytest.fixture
def study():
    """Makes a study of a kind; settings of its info may be given."""

    def make(kind, **given):
        return MAKERS[kind](**given)

    return make


@pytest.fixture
def give():
    """Makes a study that gives a kind of figure."""

    def make(what, **given):
        return MAKERS[GIVES[what]](**given)

    return make


@pytest.fixture
def without_runs():
    """The same study, with no run finished."""

    def make(study):
        runs = study.runs.assign(status="failed")
        return Made(dataclasses.replace(study.info), runs, study.tables)

    return make
