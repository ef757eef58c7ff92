"""Tables and figures of the papers, from Python."""

import pytest

from orchestrator import api
from orchestrator.api import reproducing
from orchestrator.api.exhibits import Asked, Ready
from orchestrator.errors import ConfigError, DataError
from orchestrator.reproduction.declared import find_exhibit


def test_counts_come_as_a_frame_and_as_text(data_dir, tmp_path):
    made = api.reproduce(
        "decorec/table1", datasets=["tiny"], data_dir=data_dir, results=tmp_path / "results"
    )
    assert made.claims["metric"].tolist() == ["num_items", "num_interactions", "sparsity_percent"]
    assert made.values.empty
    assert made.text.startswith("DeCoRec paper, Table 1: ")
    tables = ["table1.tex", "table1.md", "table1.csv"]
    assert [path.name for path in made.files] == ["claims.md", "claims.csv", *tables]
    assert all(path.exists() for path in made.files)
    (exhibit,) = (
        one
        for one in api.reproductions(results=tmp_path / "results")
        if one.exhibit.name == "decorec/table1"
    )
    assert [outcome.dataset for outcome in exhibit.outcomes] == ["tiny"]


@pytest.fixture
def asked():
    return Asked(num_seeds=2, config=None, overrides={}, how={})


@pytest.fixture
def refusing(monkeypatch):
    """Studies on some data sets are refused."""

    def refuse(*datasets):
        def ready(exhibit, dataset, asked):
            if dataset in datasets:
                raise ConfigError(f"{dataset} cannot be.")
            return Ready(run=lambda: None, price=lambda: f"on {dataset}")

        monkeypatch.setattr(reproducing, "ready", ready)

    return refuse


def test_a_data_set_that_is_refused_is_left_out_with_its_reason(asked, refusing):
    refusing("toys")
    left_out = {}
    exhibit, chosen = find_exhibit("tame/fig2"), ("toys", "beauty")
    jobs = reproducing._ready(exhibit, chosen, asked, left_out, is_named=False)
    assert {dataset: job.price() for dataset, job in jobs.items()} == {"beauty": "on beauty"}
    assert reproducing.left_out_text(left_out) == ["Not run on toys: toys cannot be."]


@pytest.mark.parametrize(("refused", "is_named"), [(("toys", "beauty"), False), (("toys",), True)])
def test_what_was_named_is_refused_and_so_is_nothing_at_all(asked, refusing, refused, is_named):
    refusing(*refused)
    exhibit, chosen = find_exhibit("tame/fig2"), ("toys", "beauty")
    with pytest.raises(ConfigError, match="cannot be"):
        reproducing._ready(exhibit, chosen, asked, {}, is_named=is_named)


def test_data_sets_of_the_paper_that_are_here_are_taken(tmp_path):
    api.make_planted("beauty", num_users=30, num_items=20, data_dir=tmp_path)
    chosen, left_out = reproducing._chosen(find_exhibit("tame/fig2"), (), tmp_path)
    assert chosen == ("beauty",)
    assert list(left_out) == ["toys", "sports"]
    with pytest.raises(DataError, match="`orch data get amazon-2018/office-products`"):
        reproducing._chosen(find_exhibit("decorec/fig9"), (), tmp_path)


def test_what_was_changed_is_told():
    asked = Asked(num_seeds=2, config=None, overrides={"train.max_epochs": 1}, tune=3, how={})
    assert asked.changed == {"train.max_epochs": 1, "--tune": 3}
