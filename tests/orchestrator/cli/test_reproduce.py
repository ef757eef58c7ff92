"""``orch reproduce``: the list, refusals, and whole small experiments on a tiny world."""

import shutil

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from orchestrator import api
from orchestrator.reproduction.declared import exhibits

QUICK = ("--executor", "local", "--max-epochs", "1", "--seeds", "2", "--dataset", "tiny")


def blocks(text):
    """Name of an exhibit -> its lines in the list."""
    found, name = {}, ""
    for line in text.partition("\n\n")[0].splitlines():
        if not line.startswith(" "):
            name = line.partition(" ")[0]
        found.setdefault(name, []).append(line.strip())
    return found


def test_the_list_has_every_exhibit_with_what_it_needs(orch):
    done = orch("reproduce", "--list")
    assert (done.code, done.err) == (0, "")
    found = blocks(done.out)
    assert list(found) == list(exhibits())
    assert found["tame/fig1"][1] == "a drawing: there is nothing to run"
    assert found["tame/fig4"] == [
        "tame/fig4 (Figure 4): How many attention heads the retriever of texts needs",
        "sweep of tame on toys, sports, beauty",
        "cannot run: none of these data sets is here; --dataset lets another stand in",
        "not run so far",
    ]
    told = "  beauty: not here; `orch data get amazon-2014/beauty`\n"
    assert done.out.count(told) == 1


@pytest.fixture
def named_beauty(data_dir, tmp_path):
    """A folder of data sets in which the tiny world goes by the name of one of TAME's."""
    folder = tmp_path / "named"
    api.make_planted("beauty", num_users=60, num_items=40, data_dir=folder)
    return folder


def test_the_list_tells_what_is_here_and_what_the_zoo_lacks(orch, named_beauty, monkeypatch):
    import models as zoo

    monkeypatch.setattr(zoo, "names", lambda: ["sasrec", "tame"])
    found = blocks(orch("reproduce", "--list", "--data-dir", named_beauty).out)
    assert found["tame/fig2"][2] == "can run in part: on beauty"
    assert found["tame/table2"][2].startswith(
        "can run in part: on beauty; without gru4rec, nextitnet, fearec, "
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a table or figure, or add --list to see all"),
        (["tame/fig4", "--list"], "--list shows all: leave tame/fig4 or --list out"),
        (["tame/fig6"], "There is no table or figure `tame/fig6`. Did you mean `tame/fig5`?"),
        (["tame/fig1"], "tame/fig1: is a drawing (How TAME's modules hang together): it measures"),
        (
            ["decorec/fig9"],
            "decorec/fig9: none of its data sets is here (office: `orch data get "
            "amazon-2018/office-products`). Get one, or let another stand in with "
            "--dataset.",
        ),
        (
            ["tame/fig4", "--dataset", "toys"],
            "`toys` is not here: `orch data get amazon-2014/toys-and-games`.",
        ),
        (["tame/fig4", "--dataset", "tyni"], "There is no data set `tyni`. Did you mean `tiny`?"),
        (["tame/fig4", "--dataset", "tiny", "--seeds", "0"], "--seeds cannot be 0"),
        (
            ["tame/fig4", "--dataset", "tiny", "--tune", "3"],
            "--tune: tame/fig4 compares no models, which alone are tuned. Leave it out.",
        ),
        (["tame/fig4", "--dataset", "tiny", "--set", "model.dimm=3"], "model.dimm"),
    ],
)
def test_what_cannot_be_is_one_sentence(orch, place, words, message):
    done = orch("reproduce", *words)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (place / "results").exists()


def test_counts_of_a_data_set_that_stands_in_are_not_judged(orch, place):
    done = orch("reproduce", "decorec/table1", "--dataset", "tiny")
    assert (done.code, done.err) == (0, "")
    assert "tiny stands in for the paper's data (arts, instruments, office" in done.out
    folder = place / "results/reproductions/decorec/table1"
    frame = pd.read_csv(folder / "tiny-stands-in/claims.csv")
    assert frame["verdict"].isna().all()
    assert (folder / "table1.tex").read_text().count(r"\begin{table") == 1
    assert frame.set_index("metric")["ours"]["num_items"] == 41  # the padding item counts there


def test_counts_that_differ_from_the_papers_are_told(orch, named_beauty):
    done = orch("reproduce", "tame/table1", "--data-dir", named_beauty)
    assert done.code == 0
    assert "6 different" in done.out
    assert "Not run on toys: not here; `orch data get amazon-2014/toys-and-games" in done.out


@pytest.fixture
def made(orch, store, small):
    """DeCoRec's Figure 3 on the tiny world: one variant, its gradients traced."""
    return orch("reproduce", "decorec/fig3", *QUICK, *small)


def test_an_experiment_is_run_judged_kept_and_told_to_mlflow(made, orch, place, store, small):
    assert made.code == 0, made.err
    text = " ".join(made.out.split())
    assert "DeCoRec paper, Figure 3: Whether ids and modalities pull alike" in text
    assert "decorec/fig3 on tiny (synthetic data), 2 seeds: " in text
    assert "(not the paper's data; settings changed)" in text
    assert "norm id last below norm modality last" in text
    folder = place / "results/reproductions/decorec/fig3/tiny-stands-in"
    claims = pd.read_csv(folder / "claims.csv")
    assert len(claims) == 4
    assert not claims["is_paper_data"].any()
    assert set(claims["verdict"]) <= {"reproduced", "not resolved", "opposite"}
    assert (claims["seeds"] == 2).all()
    assert (claims["low"] <= claims["ours"]).all()
    assert len(pd.read_csv(folder / "values.csv")) == 6
    assert (folder / "decorec-gradients-tiny.png").read_bytes().startswith(b"\x89PNG")
    whole = pd.read_csv(folder.parent / "fig3.csv")
    assert set(whole["dataset"]) == {"tiny"}
    assert (folder.parent / "fig3.pdf").read_bytes().startswith(b"%PDF")
    _check_store(store)
    listed = blocks(orch("reproduce", "--list").out)["decorec/fig3"]
    assert listed[-1].startswith("tiny (not the paper's data), 2 seeds, with model.dim=8, ")
    again = orch("reproduce", "decorec/fig3", *QUICK, *small)
    assert "2 runs, 2 of them done before and reused." in again.out
    assert pd.read_csv(folder / "claims.csv").equals(claims)


@pytest.fixture
def two_worlds(place, data_dir, monkeypatch):
    """A folder with the tiny world and another one."""
    folder = place / "worlds"
    shutil.copytree(data_dir / "tiny", folder / "tiny")
    api.make_planted("twin", num_users=60, num_items=40, seed=7, data_dir=folder)
    monkeypatch.setenv("ORCH_DATA", str(folder))


@pytest.mark.usefixtures("store", "two_worlds")
def test_an_exhibit_of_two_data_sets_is_one_figure_with_a_panel_of_each(orch, place, small):
    words = ("decorec/fig3", *QUICK, *small, "--dataset", "twin")
    done = orch("reproduce", *words)
    assert done.code == 0, done.err
    folder = place / "results/reproductions/decorec/fig3"
    frame = pd.read_csv(folder / "fig3.csv")
    assert frame["dataset"].unique().tolist() == ["tiny", "twin"]
    assert "decorec/fig3/fig3.pdf" in done.out
    parts = [pd.read_csv(folder / f"{name}-stands-in/claims.csv") for name in ("tiny", "twin")]
    assert [set(part["dataset"]) for part in parts] == [{"tiny"}, {"twin"}]


@pytest.mark.usefixtures("store")
def test_what_a_deadline_leaves_is_told_and_run_by_the_same_command_later(orch, place, small):
    words = ("reproduce", "decorec/fig3", *QUICK, *small)
    cut = orch(*words, "--max-time", "0.001s")
    assert cut.code == 3
    assert "orch: --max-time is over: 2 runs are left" in cut.err
    assert not (place / "results/reproductions/decorec/fig3/fig3.pdf").exists()
    done = orch(*words)
    assert done.code == 0, done.err
    assert (place / "results/reproductions/decorec/fig3/fig3.pdf").exists()


def _check_store(results):
    client = MlflowClient(f"sqlite:///{results / 'mlflow.db'}")
    ids = [found.experiment_id for found in client.search_experiments()]
    (run,) = client.search_runs(ids, "tags.`orch.reproduces` = 'decorec/fig3'")
    assert run.data.tags["orch.role"] == "sweep"
    assert run.data.tags["orch.verdicts"].endswith(" (not the paper's data; settings changed)")
    names = {found.path for found in client.list_artifacts(run.info.run_id, "reproduction")}
    assert names == {f"reproduction/{name}" for name in ("claims.md", "claims.csv", "values.csv")}


def test_a_plan_starts_nothing(orch, place, small):
    done = orch("reproduce", "decorec/fig3", *QUICK, *small, "--plan")
    assert done.code == 0, done.err
    assert "decorec/fig3 on tiny" in done.out
    assert "runs    2: 0 done before and reused, 2 left" in done.out
    assert "timed   decorec" in done.out
    assert not (place / "results").exists()


@pytest.mark.slow
def test_a_plan_of_a_sweep_has_its_price(orch, place, small):
    done = orch("reproduce", "tame/fig2", *QUICK, *small, "--plan")
    assert done.code == 0, done.err
    assert "runs    10: 0 done before and reused, 10 left" in done.out
    assert "\ntime " in done.out
    assert not (place / "results").exists()


@pytest.mark.slow
def test_a_sweep_of_one_seed_resolves_nothing(orch, place, store, small):
    done = orch("reproduce", "tame/fig2", *QUICK, *small, "--seeds", "1")
    assert done.code == 0, done.err
    text = " ".join(done.out.split())
    assert "[Recall@20, by number of queries to texts]" in text
    assert "4, 8, 16 below 1, 2" in text
    assert "One seed has no interval, so it resolves nothing: add --seeds 3 or more." in text
    folder = place / "results/reproductions/tame/fig2/tiny-stands-in"
    claims = pd.read_csv(folder / "claims.csv")
    assert set(claims["reason"]) == {"one seed has no interval"}
    assert len(pd.read_csv(folder / "values.csv")) == 5 * 2


@pytest.mark.slow
def test_models_that_the_zoo_lacks_are_not_run_and_the_others_are(
    orch, place, store, small, monkeypatch
):
    from orchestrator.reproduction import standing

    known = standing.zoo.names()
    monkeypatch.setattr(
        standing.zoo, "names", lambda: [name for name in known if name in ("sasrec", "decorec")]
    )
    done = orch("reproduce", "decorec/table2", *QUICK, *small)
    assert done.code == 0, done.err
    frame = pd.read_csv(place / "results/reproductions/decorec/table2/tiny-stands-in/claims.csv")
    told = frame.set_index("claim")[["verdict", "reason"]]
    assert set(told.loc["decorec above bert4rec", "reason"]) == {"not in the zoo"}
    verdicts = {"reproduced", "not resolved", "opposite"}
    assert set(told.loc["decorec above sasrec", "verdict"]) <= verdicts
    text = " ".join(done.out.split())
    assert "Not run: bert4rec, unisrec, missrec, mmmlp, dimo: not in the zoo." in text
    assert "Each model at its own settings here; --tune N gives each a search" in text
