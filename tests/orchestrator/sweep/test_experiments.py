import pytest

import models
from orchestrator.errors import ConfigError
from orchestrator.reporting.published import published
from orchestrator.sweep.experiments import experiment
from orchestrator.sweep.space import read_spaces

TABLE = {
    "about": "A model.",
    "dataset": "tiny",
    "seeds": 5,
    "command": "orch ablate sasrec --dataset tiny",
    "measured": {"test/hit@10": 0.25, "test/ndcg@10": 0.125},
    "paper": {"test/hit@10": 0.3},
}


def test_measured_figures_stand_beside_the_papers():
    assert experiment(TABLE, "x").lines() == [
        "test/hit@10: measured 0.2500, paper 0.3000",
        "test/ndcg@10: measured 0.1250",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, "`extra` is missing or unknown"),
        ({"measured": {"test/hit@10": "much"}}, "`measured` cannot be"),
        ({"seeds": 0}, "`seeds` cannot be 0"),
    ],
)
def test_a_wrong_table_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        experiment({**TABLE, **change}, "x.toml")


@pytest.mark.parametrize("name", models.names())
def test_experiments_name_settings_that_exist_and_quote_the_paper_rightly(name):
    declared = read_spaces(name)
    for found in declared.experiments.values():
        assert found.dataset in declared.datasets
        assert found.command.startswith(f"orch ablate {name} --dataset {found.dataset} ")
        rows = published(dataset=found.dataset, model=name, variant="base")
        printed = set(zip(rows["metric"], rows["value"], strict=True))
        assert {(m.removeprefix("test/"), v) for m, v in found.paper.items()} <= printed
        assert found.paper.keys() == found.measured.keys()
