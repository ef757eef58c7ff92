"""Comparisons from Python: runs, the store, what knows the new kind, and what it is drawn from."""

import shutil

import pandas as pd
import pytest

from orchestrator import api
from orchestrator.api.drawing import drawn
from orchestrator.errors import ConfigError, StoreError
from orchestrator.tracking import Tracker
from orchestrator.tracking.reading import StoreReader
from orchestrator.tracking.store import existing_uri
from orchestrator.tracking.tree import runs_of, variants_of

MODELS = ("sasrec", "gru4rec")


@pytest.fixture(scope="session")
def compare(place):
    """Compares small models on the tiny world."""

    def run(*models, **arguments):
        given = {
            "dataset": "tiny",
            "num_seeds": 2,
            "overrides": {
                "model.dim": 8,
                "model.num_layers": 1,
                "train.max_epochs": 1,
                "train.batch_targets": 64,
            },
            "executor": "local",
            "results": place / "results",
            "data_dir": place / "data",
            **arguments,
        }
        return api.compare(models or MODELS, **given)

    return run


@pytest.fixture(scope="session")
def compared(compare):
    return compare(on_problem=pytest.fail)


@pytest.fixture(scope="session")
def tuned(compare):
    overrides = {"model.dim": 8, "train.max_epochs": 1, "train.batch_targets": 64}
    return compare(tune=2, name="tuned", num_seeds=1, overrides=overrides)


def test_a_comparison_gives_a_typed_result(compared):
    assert isinstance(compared, api.ComparisonResult)
    assert compared.name.startswith("comparison-tiny-")
    assert (len(compared.records), compared.failed) == (4, ())
    assert compared.table["model"].tolist() == list(MODELS)
    for model in MODELS:
        own = [r for r in compared.records if r.config["model"] == model]
        row = compared.table.set_index("model").loc[model]
        mean = sum(r.metrics["test/ndcg@10"] for r in own) / 2
        assert row["test/ndcg@10"] == pytest.approx(mean)
        assert row["num_parameters"] == own[0].num_parameters
        assert row["epochs"] == 1.0
        seconds = sum(r.epochs[0].seconds for r in own) / 2
        assert row["seconds_per_epoch"] == pytest.approx(seconds)


def test_users_groups_and_rare_items_are_told(compared):
    assert "2 seeds, 60 test users." in compared.text
    for column in ("cold users", "warm users", "rare targets", "frequent targets"):
        assert column in compared.text


def test_the_store_has_a_run_per_model_and_below_it_one_per_seed(compared, place):
    tracker = Tracker(compared.tracking_uri, place / "results")
    parent = tracker._parent(compared.name)
    nodes = variants_of(tracker._client, parent)
    assert {node.data.tags["orch.model"] for node in nodes} == set(MODELS)
    assert {node.info.status for node in nodes} == {"FINISHED"}
    runs = runs_of(tracker._client, parent)
    assert {(run.data.tags["orch.model"], run.data.tags["orch.seed"]) for run in runs} == {
        (model, seed) for model in MODELS for seed in ("0", "1")
    }
    assert all("num_epochs" in run.data.metrics for run in runs)
    means = {node.data.tags["orch.model"]: node.data.metrics for node in nodes}
    value = compared.table.set_index("model").loc["sasrec", "test/ndcg@10"]
    assert means["sasrec"]["test/ndcg_at_10"] == pytest.approx(value)
    assert tracker.find_sweep(compared.name).kind == "comparison"


def test_the_same_again_trains_nothing_and_draws_the_same(compared, compare):
    before = [path.read_bytes() for path in compared.figures]
    again = compare()
    assert (again.name, again.num_reused) == (compared.name, 4)
    assert again.text == compared.text
    assert [path.read_bytes() for path in again.figures] == before


def test_it_is_resumed_by_name(compared, place):
    again = api.resume(compared.name, results=place / "results", data_dir=place / "data")
    assert isinstance(again, api.ComparisonResult)
    assert again.num_reused == 4


def test_it_is_drawn_again_from_the_store(compared, place, tmp_path):
    given = {"results": place / "results", "data_dir": place / "data"}
    store = StoreReader(existing_uri(None, place / "results"))
    drawing = drawn(store, compared.name, folder=tmp_path, **given, on_problem=pytest.fail)
    again = drawing.files
    assert [path.name for path in again] == [path.name for path in compared.figures]
    assert len(drawing.verdicts) == 4
    assert drawing.verdicts[0].endswith((": better.", ": worse.", ": equal.", ": unresolved."))
    for one, other in zip(compared.figures, again, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_without_the_data_set_nothing_is_told_by_popularity(compared, place, tmp_path):
    told = []
    files = drawn(
        StoreReader(existing_uri(None, place / "results")),
        compared.name,
        folder=tmp_path,
        results=place / "results",
        data_dir=tmp_path,
        on_problem=told.append,
    ).files
    assert len(told) == 1
    assert told[0].startswith("tiny is not here as it was")
    frame = pd.read_csv(next(path for path in files if path.name == "comparison-tiny.csv"))
    assert set(frame["group"].dropna()) == {"cold", "warm"}


def test_status_knows_it(compared, place):
    found = {own.name: own for own in api.status(results=place / "results")}[compared.name]
    assert (found.kind, found.model, found.num_done) == ("comparison", "sasrec, gru4rec", 4)
    values = compared.table["val/ndcg@10"]
    assert found.best == pytest.approx(values.max())


def test_it_has_a_price_before_it_starts(place, tmp_path):
    told = api.plan(
        api.compare, MODELS, dataset="tiny", num_seeds=3, overrides={"train.max_epochs": 2},
        data_dir=place / "data", results=tmp_path,
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
    assert (told.tally.points, told.tally.runs, told.tally.left) == (2, 6, 6)
    assert set(told.epochs) == set(MODELS)
    assert set(told.timed) == {"sasrec base", "gru4rec base"}
    assert "sasrec 2 per run, from patience" in told.text


def test_searches_have_a_price_too(place, tmp_path):
    told = api.plan(
        api.compare, MODELS, dataset="tiny", num_seeds=3, tune=4,
        overrides={"train.max_epochs": 2}, data_dir=place / "data", results=tmp_path,
    )  # fmt: skip
    assert told.tally.runs == 2 * (4 + 2), "the chosen point ran at seed 0 already"


def test_best_tells_what_a_models_search_chose(tuned, compared, place):
    results = place / "results"
    point = api.best(tuned.name, variant="gru4rec", results=results)
    assert (point.model, point.variant) == ("gru4rec", "gru4rec")
    assert point.settings["model.dim"] == 8
    assert "A model of comparison tuned: gru4rec on tiny" in point.about
    with pytest.raises(ConfigError, match=r"--variant: tuned tuned each model .* sasrec, gru4rec"):
        api.best(tuned.name, results=results)
    with pytest.raises(ConfigError, match="no model of tuned `gru4re`"):
        api.best(tuned.name, variant="gru4re", results=results)
    with pytest.raises(ConfigError, match="chosen no settings: its models run at their own"):
        api.best(compared.name, results=results)


def test_what_it_chose_can_be_begun_from(tuned, compare, place, tmp_path):
    path = tmp_path / "gru4rec.toml"
    api.export_best(api.best(tuned.name, variant="gru4rec", results=place / "results"), path)
    overrides = {"train.max_epochs": 1}
    done = compare(configs=[path], name="begun", num_seeds=1, overrides=overrides)
    chosen = next(r for r in done.records if r.config["model"] == "gru4rec")
    rate = [r for r in tuned.records if r.run_id == chosen.run_id]
    assert rate, "the very run that the search chose"


def test_ours_must_be_one_of_them(compare):
    with pytest.raises(ConfigError) as refused:
        compare(ours="gru4re")
    assert str(refused.value) == (
        "--ours: There is no compared model `gru4re`. Did you mean `gru4rec`?"
    )


def test_it_is_removed_like_any_other(compared, place, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(place / "results", results)
    uri = f"sqlite:///{results / 'mlflow.db'}"
    removal = api.plan_removal(compared.name, results=results, tracking_uri=uri)
    assert removal.num_in_store == 1 + 2 + 4
    api.remove(removal)
    with pytest.raises(StoreError, match="There is no sweep"):
        api.status_of(compared.name, results=results, tracking_uri=uri)
