"""A study's page, from the store."""

import hashlib

import pytest

from orchestrator import api
from orchestrator.errors import StoreError


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_page_is_written_beside_the_sweep_and_nothing_else_is_touched(swept, place):
    results = place / "results"
    before = digest(results / "mlflow.db")
    path = api.report(swept.name, results=results, data_dir=place / "data")
    assert path == results / "sweeps" / swept.name / "report.html"
    html = path.read_text()
    assert digest(results / "mlflow.db") == before
    assert "60 users" in html
    assert html.count("<img ") == 1
    for record in swept.records:
        assert record.run_id[:8] in html


def test_a_run_says_what_processor_time_it_took(swept):
    for record in swept.records:
        assert 0 < record.cpu_seconds < 60


def test_an_ablation_without_its_ranks_says_what_is_left_out(ablated, place, tmp_path):
    path = api.report(
        ablated.name,
        output=tmp_path / "page.html",
        results=tmp_path / "elsewhere",
        data_dir=tmp_path,
        tracking_uri=f"sqlite:///{place / 'results' / 'mlflow.db'}",
    )
    html = path.read_text()
    assert "Left out: the ranks of" in html
    assert "counts are not told" in html
    assert "each at the settings of its own search" in html


def test_an_unknown_study_names_the_nearest(swept, place, tmp_path):
    with pytest.raises(StoreError, match=f"Did you mean `{swept.name}`"):
        api.report(swept.name[:-1], output=tmp_path / "x.html", results=place / "results")
    assert not list(tmp_path.iterdir())


def test_a_study_of_which_nothing_finished_has_no_page(place, tmp_path):
    api.sweep(
        "sasrec",
        "heads",
        dataset="tiny",
        num_seeds=1,
        num_trials=1,
        name="hopeless",
        overrides={"train.learning_rate": 1e30, "train.clip_norm": 0, "model.dim": 8},
        executor="local",
        results=tmp_path / "results",
        data_dir=place / "data",
    )
    with pytest.raises(StoreError, match=r"hopeless: no run of it has finished, .*runs are failed"):
        api.report("hopeless", output=tmp_path / "x.html", results=tmp_path / "results")
    assert not (tmp_path / "x.html").exists()


def test_a_diagnosis_that_needs_no_run_has_a_page_with_its_verdicts(place, tmp_path):
    given = {"results": tmp_path / "results", "data_dir": place / "data"}
    made = api.diagnose("decorec", dataset="tiny", views="recall", executor="local", **given)
    page = api.report(made.name, output=tmp_path / "x.html", **given).read_text()
    assert "No run was needed: nothing is trained." in page
    assert "gain over interest, precision: " in page


def test_a_page_that_cannot_be_written_leaves_nothing(swept, place, tmp_path):
    (tmp_path / "page").mkdir()
    with pytest.raises(StoreError, match="page: cannot be written"):
        api.report(swept.name, output=tmp_path / "page", results=place / "results")
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
