"""Figures that are drawn again from the store."""

import pytest

from orchestrator import api
from orchestrator.errors import StoreError


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


def test_an_ablation_is_drawn_again_with_the_ranks_of_its_users(ablated, place, tmp_path):
    again = api.plot(
        ablated.name, out=tmp_path / "again", results=place / "results", on_problem=pytest.fail
    )
    for one, other in zip(ablated.figures, again, strict=True):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes()


def test_an_ablation_without_its_runs_folder_is_drawn_without_users(ablated, place, tmp_path):
    """The store knows the metrics, not the ranks."""
    told = []
    results = place / "results"
    drawn = api.plot(
        ablated.name,
        out=tmp_path / "again",
        results=tmp_path / "elsewhere",
        tracking_uri=f"sqlite:///{results / 'mlflow.db'}",
        on_problem=told.append,
    )
    missing = len({r.run_id for r in ablated.records})
    assert len(told) == 1
    assert "are not in" in told[0]
    assert str(tmp_path / "elsewhere" / "runs") in told[0]
    assert 0 < int(told[0].split()[3]) <= missing
    assert len(drawn) == len(ablated.figures)
