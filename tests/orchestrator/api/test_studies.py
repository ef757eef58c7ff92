"""The Python functions behind the commands: typed results."""

import inspect
from pathlib import Path

import pandas as pd
import pytest

from orchestrator import api
from orchestrator.api.drawing import BOUND
from orchestrator.api.way import How, Way
from orchestrator.cli import ablate as cli_ablate
from orchestrator.cli import compare as cli_compare
from orchestrator.cli import diagnose as cli_diagnose
from orchestrator.cli import options, runs
from orchestrator.cli import path as cli_path
from orchestrator.errors import OrchError, StoreError
from orchestrator.reporting.comparison import BOUND as REPORTED
from orchestrator.results import Record
from orchestrator.sweep import objective
from orchestrator.tracking import Tracker


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


def test_the_store_says_what_the_files_say(swept, place):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(swept.tracking_uri)
    (parent,) = [
        run
        for experiment in client.search_experiments()
        for run in client.search_runs([experiment.experiment_id])
        if run.data.tags.get("orch.sweep") == swept.name
    ]
    assert (parent.info.status, parent.info.run_name) == ("FINISHED", swept.name)
    assert "| val NDCG@10 |" in parent.data.tags["mlflow.note.content"]
    kept = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert kept == {path.name for path in swept.figures}


def test_the_same_sweep_again_runs_nothing(swept, place, small):
    again = api.sweep(
        "sasrec",
        "heads",
        dataset="tiny",
        num_seeds=2,
        overrides=small,
        executor="local",
        results=place / "results",
        data_dir=place / "data",
    )
    assert (again.name, again.num_reused) == (swept.name, 8)
    assert again.text == swept.text
    pd.testing.assert_frame_equal(again.table, swept.table)


def test_an_ablation_gives_a_typed_result(ablated, place):
    assert isinstance(ablated, api.AblationResult)
    assert ablated.name.startswith("tame-ablation-tiny-")
    assert len(ablated.records) == 6 + 6 + 6
    assert (ablated.failed, ablated.num_reused >= 3) == ((), True)
    assert isinstance(ablated.table, pd.DataFrame)
    head = f"{ablated.name}: tame, ablation, on tiny (synthetic data)"
    assert ablated.text.splitlines()[0] == head
    assert "retuned" in ablated.text
    folder = place / "results" / "sweeps" / ablated.name / "figures"
    assert {path.suffix for path in ablated.figures} == {".pdf", ".png", ".csv", ".tex"}
    assert all(path.parent == folder for path in ablated.figures)
    assert all(path.stat().st_size for path in ablated.figures)


def test_an_ablations_runs_come_back_from_the_store(ablated, place):
    tracker = Tracker(ablated.tracking_uri, place / "results")
    frame = tracker.runs_frame(ablated.name)
    counts = frame.groupby(["variant", "phase"]).size()
    assert set(counts.index.get_level_values("variant")) == {
        "base",
        "without_text",
        "without_id_enrichment",
    }
    assert set(counts) == {2}
    info = tracker.find_sweep(ablated.name)
    assert (info.kind, info.bound) == ("ablation", 0.02)
    assert [variant.name for variant in info.variants] == ["without_text", "without_id_enrichment"]


def test_users_are_tested_by_the_ranks_that_the_runs_kept(ablated):
    """Without ranks the report would say so."""
    assert "2 seeds and 60 users in each comparison." in ablated.text


def test_the_same_ablation_again_runs_nothing(ablated, ablate):
    again = ablate(variants="without_text,without_id_enrichment", retune=2)
    assert (again.name, again.num_reused) == (ablated.name, len(ablated.records))
    assert again.text == ablated.text


def test_another_bound_is_another_reading_of_the_same_runs(ablated, ablate, place, monkeypatch):
    monkeypatch.setattr(objective, "train", lambda *_, **__: pytest.fail("it was trained before"))
    again = ablate(
        variants="without_text,without_id_enrichment", retune=2, bound=0.5, name="tolerant"
    )
    runs, before = ([record.run_id for record in one.records] for one in (again, ablated))
    assert sorted(runs) == sorted(before), "in the order in which they came to their ends"
    assert again.failed == ()
    assert "±50 %" in again.text
    assert Tracker(again.tracking_uri, place / "results").find_sweep("tolerant").bound == 0.5


def test_a_store_that_went_away_is_made_up_for_from_memory(ablated, ablate, monkeypatch):
    """The table is that of the runs in hand."""

    def gone(self, name):
        raise StoreError("the store is gone.")

    monkeypatch.setattr(Tracker, "runs_frame", gone)
    again = ablate(variants="without_text,without_id_enrichment", retune=2)
    assert again.text == ablated.text


def test_the_bound_is_the_reports():
    assert BOUND == REPORTED


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": "tmae"},
        {"variants": "without_txt"},
        {"dataset": "tyni"},
        {"num_seeds": 0},
        {"retune": 0},
        {"retune_space": "joint"},
        {"pairs": True, "variants": "without_text"},
        {"bound": 0.0},
        {"num_trials": 1},
        {"max_time": "2"},
        {"until_resolved": True, "num_seeds": 3},
        {"num_workers": 0},
        {"name": "a/b"},
        {"overrides": {"model.use_text": False}},
        {"tracking_uri": "http://127.0.0.1:9"},
    ],
)
def test_a_refused_ablation_writes_nothing(place, tmp_path, arguments):
    given = {"model": "tame", "dataset": "tiny", "executor": "local", **arguments}
    with pytest.raises(OrchError):
        api.ablate(**given, results=tmp_path / "results", data_dir=place / "data")
    assert not list((tmp_path / "results").rglob("*"))


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": "sasrc"},
        {"space": "haeds"},
        {"dataset": "tyni"},
        {"num_seeds": 0},
        {"num_trials": 0},
        {"max_time": "soon"},
        {"bound": 0.0, "until_resolved": True},
        {"until_resolved": True},
        {"overrides": {"model.num_heads": 2}, "space": "joint", "until_resolved": True},
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
    ("function", "command"),
    [
        (api.sweep, runs.sweep),
        (api.ablate, cli_ablate.ablate),
        (api.compare, cli_compare.compare),
        (api.diagnose, cli_diagnose.diagnose),
        (api.path, cli_path.path),
        (api.train, runs.train),
    ],
)
def test_the_command_line_has_the_same_defaults(function, command):
    ours, theirs = (dict(inspect.signature(which).parameters) for which in (function, command))
    if ours.pop("how", None):
        way = inspect.signature(Way).parameters
        ours |= {name: way[name] for name in How.__annotations__}
    names = {ours: theirs for theirs, ours in options.API_NAMES.items()}
    told = {"listener", "on_problem", "on_epoch"}
    shared = {name: names.get(name, name) for name in ours if name not in told}
    assert set(shared.values()) - {"max_epochs"} == set(theirs) - {"plan", "max_epochs"}
    for mine, its in shared.items():
        assert ours[mine].default == theirs[its].default, mine


def test_results_lie_below_the_working_directory_by_default():
    assert Path("results") == api.RESULTS
