"""The Python functions behind the commands: typed results, and figures that can be drawn again."""

import inspect
from pathlib import Path

import pandas as pd
import pytest

from orchestrator import api
from orchestrator.cli import runs
from orchestrator.errors import ConfigError, DataError, OrchError, StoreError
from orchestrator.results import Record, read_record

SMALL = {
    "model.dim": 8,
    "model.inner_dim": 16,
    "model.num_layers": 1,
    "train.max_epochs": 2,
    "train.batch_targets": 64,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """``data`` with a small planted world, and ``results``."""
    folder = tmp_path_factory.mktemp("place")
    api.make_planted("tiny", num_users=60, num_items=40, data_dir=folder / "data")
    return folder


@pytest.fixture(scope="module")
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


def test_a_sweep_gives_a_typed_result(swept, place):
    assert isinstance(swept, api.SweepResult)
    assert swept.name.startswith("sasrec-heads-tiny-")
    assert len(swept.records) == 8
    assert all(isinstance(record, Record) for record in swept.records)
    assert (swept.failed, swept.num_reused) == ((), 0)
    assert isinstance(swept.table, pd.DataFrame)
    assert swept.table["model.num_heads"].tolist() == [2, 1, 4, 8]
    assert swept.table["seeds"].tolist() == [2] * 4
    assert swept.table["is_best"].sum() == 1
    assert swept.text.startswith(f"{swept.name}: sasrec, heads, on tiny (synthetic data)\n")
    assert swept.tracking_uri == f"sqlite:///{place / 'results' / 'mlflow.db'}"


def test_a_tables_row_is_the_mean_over_seeds(swept):
    for _, row in swept.table.iterrows():
        values = [
            record.metrics["test/recall@20"]
            for record in swept.records
            if record.config["settings"]["num_heads"] == row["model.num_heads"]
        ]
        assert row["test/recall@20"] == pytest.approx(sum(values) / 2)


def test_a_sweeps_figures_exist(swept, place):
    folder = place / "results" / "sweeps" / swept.name / "figures"
    assert swept.figures == tuple(folder / f"sasrec-heads.{s}" for s in ("pdf", "png", "csv"))
    pdf, png, csv = swept.figures
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(csv)) > 0


def test_a_plot_draws_the_same_bytes_from_the_store(swept, place, tmp_path):
    again = api.plot(
        swept.name, out=tmp_path / "again", results=place / "results", data_dir=place / "data"
    )
    for one, other in zip(swept.figures, again, strict=True):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes()


def test_a_plot_of_an_unknown_sweep_offers_the_nearest(swept, place, tmp_path):
    wrong = swept.name[:-1]
    with pytest.raises(
        StoreError, match=f"There is no sweep `{wrong}`. Did you mean `{swept.name}"
    ):
        api.plot(wrong, out=tmp_path, results=place / "results", data_dir=place / "data")


def test_the_store_says_what_the_files_say(swept, place):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(swept.tracking_uri)
    (parent,) = [
        run
        for experiment in client.search_experiments()
        for run in client.search_runs([experiment.experiment_id])
        if run.data.tags.get("orch.role") == "sweep"
    ]
    assert (parent.info.status, parent.info.run_name) == ("FINISHED", swept.name)
    assert "| val NDCG@10 |" in parent.data.tags["mlflow.note.content"]
    kept = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert kept == {path.name for path in swept.figures}


def test_the_same_sweep_again_runs_nothing(swept, place):
    again = api.sweep(
        "sasrec",
        "heads",
        dataset="tiny",
        num_seeds=2,
        overrides=SMALL,
        executor="local",
        results=place / "results",
        data_dir=place / "data",
    )
    assert (again.name, again.num_reused) == (swept.name, 8)
    assert again.text == swept.text
    pd.testing.assert_frame_equal(again.table, swept.table)


def test_a_single_run_is_the_sweeps_run(swept, place):
    """Equal settings, seed, data and code are one run, whoever asks for it."""
    record = api.train(
        "sasrec",
        dataset="tiny",
        seed=1,
        overrides=SMALL,
        results=place / "results",
        data_dir=place / "data",
    )
    assert record.run_id in {swept_record.run_id for swept_record in swept.records}
    stored = place / "results" / "runs" / record.run_id / "record.json"
    assert read_record(stored) == record


def test_a_single_run_elsewhere_gives_the_same_numbers(swept, place, tmp_path):
    epochs = []
    record = api.train(
        "sasrec",
        dataset="tiny",
        overrides=SMALL,
        results=tmp_path,
        data_dir=place / "data",
        on_epoch=epochs.append,
    )
    (other,) = [found for found in swept.records if found.run_id == record.run_id]
    assert dict(record.metrics) == dict(other.metrics)
    assert tuple(epochs) == record.epochs


def test_models_and_spaces_agree():
    described = {model.name: model for model in api.models()}
    declared = api.spaces()
    assert list(described) == sorted(described) == list(declared)
    for name, file in declared.items():
        assert described[name].spaces == tuple(file.spaces)
        assert described[name].variants == tuple(file.variants)
        assert described[name].about
    assert api.spaces("sasrec") == {"sasrec": declared["sasrec"]}
    with pytest.raises(ConfigError, match="There is no model `sas`"):
        api.spaces("sas")


def test_datasets_are_listed(place):
    names = [dataset.name for dataset in api.datasets(data_dir=place / "data")]
    assert names == ["planted", "tiny"]


def test_a_folder_is_imported(tmp_path):
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "items.tsv").write_text("item_id\ttitle\na\tA\nb\tB\n")
    (tmp_path / "things" / "sequences.txt").write_text("u\ta b a b\n")
    dataset = api.import_data(tmp_path / "things", data_dir=tmp_path / "sets")
    assert (dataset.name, dataset.num_users, dataset.num_items) == ("things", 1, 2)
    with pytest.raises(DataError, match="is there already"):
        api.import_data(tmp_path / "things", data_dir=tmp_path / "sets")


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": "sasrc"},
        {"space": "haeds"},
        {"dataset": "tyni"},
        {"num_seeds": 0},
        {"num_trials": 0},
        {"num_workers": 0},
        {"num_threads": 0},
        {"num_gpus": -1.0},
        {"device": "cudaa"},
        {"name": "a/b"},
        {"scheduler": "asha"},
        {"overrides": {"model.dmi": 8}},
        {"tracking_uri": "http://127.0.0.1:9"},
    ],
)
def test_a_refused_sweep_writes_nothing(place, tmp_path, arguments):
    given = {"model": "sasrec", "space": "heads", "dataset": "tiny", "executor": "local"}
    with pytest.raises(OrchError):
        api.sweep(**{**given, **arguments}, results=tmp_path / "results", data_dir=place / "data")
    assert not list((tmp_path / "results").rglob("*"))


@pytest.mark.parametrize(
    ("function", "command"), [(api.sweep, runs.sweep), (api.train, runs.train)]
)
def test_the_command_line_has_the_same_defaults(function, command):
    ours, theirs = (inspect.signature(which).parameters for which in (function, command))
    names = {
        "num_seeds": "seeds",
        "num_trials": "trials",
        "num_workers": "workers",
        "num_threads": "threads",
        "num_gpus": "gpus",
        "overrides": "settings",
        "address": "ray_address",
    }
    told = {"listener", "on_problem", "on_epoch"}
    shared = {name: names.get(name, name) for name in ours if name not in told}
    assert set(shared.values()) | {"max_epochs"} == set(theirs)
    for mine, its in shared.items():
        assert ours[mine].default == theirs[its].default, mine


def test_results_lie_below_the_working_directory_by_default():
    assert Path("results") == api.RESULTS
