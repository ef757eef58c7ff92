import pytest

from orchestrator import api
from orchestrator.config import flatten, trial_from_json
from orchestrator.errors import ConfigError, StoreError
from orchestrator.results import read_record


def record(place, run):
    return read_record(place / "results" / "runs" / run / "record.json")


def test_the_best_point_has_the_settings_and_figures_of_its_runs(place, swept):
    point = api.best(swept.name, results=place / "results")
    runs = [record(place, run) for run in point.runs]
    assert [run.config["seed"] for run in runs] == list(point.seeds) == [0, 1]
    assert point.settings == flatten(trial_from_json(runs[0].config)), "with their types"
    for metric in ("val/ndcg@10", "test/recall@20"):
        values = [run.metrics[metric] for run in runs]
        assert point.figures[metric].mean == pytest.approx(sum(values) / 2)
        assert point.figures[metric].seeds == (0, 1)
    (starred,) = swept.table.loc[swept.table["is_best"], "model.num_heads"]
    assert point.settings["model.num_heads"] == starred
    assert (point.swept, point.num_compared, point.is_whole) == (("model.num_heads",), 4, True)
    assert point.changed["model.dim"] == 8
    assert "eval.ties" not in point.changed


def test_the_best_point_of_a_sampled_sweep_comes_back_from_its_file(place):
    swept = api.sweep(
        "sasrec",
        "joint",
        dataset="tiny",
        num_seeds=1,
        num_trials=2,
        overrides={"model.inner_dim": 16, "train.max_epochs": 1},
        executor="local",
        results=place / "results",
        data_dir=place / "data",
    )
    point = api.best(swept.name, results=place / "results")
    api.export_best(point, place / "joint.toml")
    again = api.train(
        "sasrec",
        dataset="tiny",
        config=place / "joint.toml",
        results=place / "results",
        data_dir=place / "data",
    )
    assert again.run_id == point.runs[0]
    assert point.num_compared == 2


def test_of_an_ablation_it_is_what_a_variants_own_search_chose(place, ablated):
    results = place / "results"
    base = api.best(ablated.name, results=results)
    other = api.best(ablated.name, variant="without_text", results=results)
    assert (base.variant, other.variant) == ("base", "without_text")
    assert (base.settings["model.use_text"], other.settings["model.use_text"]) == (True, False)
    assert base.seeds == other.seeds == (0, 1)
    assert base.num_compared == 2
    assert base.about.startswith(f"Variant `base` of ablation {ablated.name}: ")
    assert "Chosen from 2 points searched at one seed by validation NDCG@10 alone" in base.about
    with pytest.raises(ConfigError, match=r"no retuned variant of .* `without_txt`. Did you mean"):
        api.best(ablated.name, variant="without_txt", results=results)


def test_an_ablation_at_fixed_settings_has_chosen_none(place, ablate):
    fixed = ablate(variants="without_text", name="fixed")
    with pytest.raises(ConfigError, match=r"fixed is an ablation that has chosen no settings: .*"):
        api.best(fixed.name, results=place / "results")


def test_a_sweep_in_which_nothing_finished(place):
    broken = api.sweep(
        "sasrec",
        "heads",
        dataset="tiny",
        num_seeds=1,
        name="broken",
        overrides={"model.dim": 8, "train.max_epochs": 1, "train.learning_rate": 1e30},
        executor="local",
        results=place / "results",
        data_dir=place / "data",
    )
    with pytest.raises(StoreError, match=r"no run has finished yet; see `orch status broken`\."):
        api.best(broken.name, results=place / "results")
