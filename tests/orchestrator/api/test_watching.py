from orchestrator import api


def test_an_ablation_counts_its_runs_of_all_phases(place, ablated):
    """Three fixed and three retuned at two seeds, and three searches of two points."""
    found = {status.name: status for status in api.status(results=place / "results")}
    status = found[ablated.name]
    assert (status.kind, status.space, status.condition) == ("ablation", "ablation", "finished")
    assert (status.num_done, status.num_planned) == (18, 18)
    assert status.num_seeds == 2
    detail = api.status_of(ablated.name, results=place / "results")
    assert sorted({run.phase for run in detail.runs}) == ["fixed", "retuned", "search"]
    assert len(detail.runs) == 18
    assert detail.go_on == ""


def test_planned_runs_are_counted_anew_when_a_sweep_goes_on(place, swept):
    again = api.sweep(
        "sasrec",
        "heads",
        dataset="tiny",
        num_seeds=2,
        overrides={
            "model.dim": 8,
            "model.inner_dim": 16,
            "model.num_layers": 1,
            "train.max_epochs": 2,
            "train.batch_targets": 64,
        },
        executor="local",
        results=place / "results",
        data_dir=place / "data",
    )
    assert again.name == swept.name
    assert api.status_of(swept.name, results=place / "results").num_planned == 8
