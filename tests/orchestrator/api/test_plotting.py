"""Figures and frames of finished studies, from the store alone."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from orchestrator import api
from orchestrator.errors import ConfigError, StoreError


@pytest.fixture
def store(place, tmp_path):
    """The store without the results folder: runs' own files are not looked at."""
    return {
        "results": tmp_path / "elsewhere",
        "tracking_uri": f"sqlite:///{place / 'results' / 'mlflow.db'}",
    }


def test_a_figure_comes_with_the_frame_behind_it(swept, store, tmp_path):
    found = api.plot("sensitivity", swept.name, **store)
    assert isinstance(found.figure, Figure)
    assert set(found.frame["metric"]) == {"test/recall@20", "test/ndcg@20"}
    assert set(found.frame["study"]) == {swept.name}
    assert found.files == ()
    assert not any(tmp_path.iterdir()), "nothing is written"
    assert found._repr_png_().startswith(b"\x89PNG")


def test_the_known_ceiling_is_the_one_that_the_sweep_logged(swept, store):
    found = api.plot("sensitivity", swept.name, **store)
    own = pd.read_csv(next(path for path in swept.figures if path.suffix == ".csv"))
    assert own["ceiling"].notna().all()
    told = [text.get_text() for legend in found.figure.legends for text in legend.get_texts()]
    notes = found.figure.legends[0].get_title().get_text()
    assert "known ceiling" in told or "known ceiling" in notes


def test_files_are_a_figure_per_format_and_the_numbers(swept, store, tmp_path):
    found = api.plot(
        "convergence", swept.name, output=tmp_path / "a", formats=["svg", "png"], **store
    )
    names = [f"{swept.name}-convergence.{form}" for form in ("svg", "png", "csv")]
    assert [path.name for path in found.files] == names
    assert len(pd.read_csv(found.files[-1])) == len(found.frame) > 0
    one = api.plot("bars", swept.name, output=tmp_path / "b" / "fig2.pdf", bare=True, **store)
    assert [path.name for path in one.files] == ["fig2.pdf", "fig2.csv", "fig2.txt"]
    assert b"/FontFile2" in one.files[0].read_bytes(), "fonts are embedded"
    assert one.files[2].read_text() == f"{one.caption}\n"


def test_the_runs_of_a_study_are_a_frame(swept, ablated, store):
    runs = api.frame(swept.name, **store)
    assert (runs["status"] == "finished").all()
    assert {"run_id", "seed", "model.num_heads", "test/ndcg@10"} <= set(runs.columns)
    assert {"variant", "phase"} <= set(api.frame(ablated.name, **store).columns)


def test_a_study_says_which_figures_it_can_give(swept, ablated, store):
    found = set(api.kinds(swept.name, **store))
    assert found == {"sensitivity", "convergence", "bars", "forest", "front"}
    assert "forest" in api.kinds(ablated.name, **store)
    assert found < set(api.kinds())


def test_an_ablation_has_its_intervals_over_users_from_the_store(ablated, store):
    found = api.plot("forest", ablated.name, **store)
    assert found.frame["users_low"].notna().any()


@pytest.mark.parametrize(
    ("words", "given", "sentence"),
    [
        (("bar", "x"), {}, "There is no kind of figure `bar`. Did you mean `bars`?"),
        (("bars",), {}, "`bars` of what? Name one study or more"),
        (("bars", "x"), {"preset": "ieee"}, "--preset: There is no preset `ieee`."),
        (("bars", "x"), {"formats": ["jpg"]}, "--format: There is no format `jpg`."),
        (("bars", "x"), {"formats": []}, "--format: name one or more of pdf, png, svg."),
    ],
)
def test_what_cannot_be_asked_for_is_one_sentence(store, words, given, sentence):
    with pytest.raises(ConfigError) as found:
        api.plot(*words, **given, **store)
    assert str(found.value).startswith(sentence)


def test_an_unknown_study_offers_the_nearest(swept, store, tmp_path):
    with pytest.raises(StoreError, match=f"Did you mean `{swept.name}`"):
        api.plot("bars", swept.name[:-1], output=tmp_path / "figures", **store)
    assert not (tmp_path / "figures").exists()
