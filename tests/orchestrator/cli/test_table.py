"""``orch table``: forms, files, and what cannot be in one table."""

import shutil
import subprocess

import pytest

from orchestrator import api

SETTINGS = {"model.dim": 8, "train.max_epochs": 1, "train.batch_targets": 64}


@pytest.fixture(scope="session")
def made(tmp_path_factory, made_store):
    """A results folder with comparisons on `tiny` and on `tinier`, and an ablation."""
    folder = tmp_path_factory.mktemp("compared")
    results, data_dir = folder / "results", folder / "data"
    results.mkdir()
    shutil.copy(made_store, results / "mlflow.db")
    api.make_planted("tiny", num_users=60, num_items=40, data_dir=data_dir)
    api.make_planted("tinier", num_users=50, num_items=40, data_dir=data_dir)
    shared = {"executor": "local", "results": results, "data_dir": data_dir}
    two = {**shared, "num_seeds": 2, "overrides": SETTINGS}
    api.compare(["sasrec", "gru4rec"], dataset="tiny", name="mine", **two)
    api.compare(["sasrec", "gru4rec"], dataset="tinier", name="other", **two)
    api.compare(["sasrec", "nextitnet"], dataset="tinier", name="odd", **two)
    api.ablate("nextitnet", dataset="tiny", name="cut", variants="without_residual", **two)
    failing = {**SETTINGS, "train.learning_rate": 1e30}
    api.compare(
        ["sasrec", "gru4rec"], dataset="tiny", name="broken", num_seeds=1, overrides=failing,
        **shared,
    )  # fmt: skip
    return results


@pytest.fixture
def results(place, made):
    """The same in the default results folder."""
    shutil.copytree(made, place / "results")
    return place / "results"


def test_a_comparison_on_the_terminal_and_in_every_form(orch, results):
    done = orch("table", "comparison", "mine", "--metrics", "recall@10,ndcg@50")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "mine: 2 models on tiny (synthetic data)"
    assert lines[2].split() == ["tiny", "Recall@10", "NDCG@50"]
    assert [line.split()[0] for line in lines[4:6]] == ["SASRec", "GRU4Rec"]
    latex = orch("table", "comparison", "mine", "--format", "latex").out
    assert latex.startswith("% \\usepackage{booktabs}\n\\begin{table*}")
    assert latex.count(r"\textbf{") >= 4, "the best of each metric; equal ones too"
    alone = orch("table", "comparison", "mine", "--format", "latex", "--standalone").out
    assert alone.startswith(r"\documentclass")
    assert latex.strip() in alone
    half = r"$\pm$ half of the 95 \% t interval over seeds."
    assert half not in latex, "no cell has an interval"
    assert half in orch("table", "comparison", "mine", "--intervals", "--format", "latex").out
    numbers = orch("table", "comparison", "mine", "--format", "csv").out.splitlines()
    assert numbers[0].startswith("dataset,metric,group,model,mean,low,high,seeds")
    assert "| tiny | Recall@10 |" in orch("table", "comparison", "mine", "--format", "markdown").out


def test_a_file_has_the_form_of_its_ending(orch, results, place):
    done = orch("table", "comparison", "mine", "--out", "tables/mine.md")
    assert (done.code, done.out) == (0, "tables/mine.md\n")
    assert (place / "tables" / "mine.md").read_text().startswith("**mine: 2 models on tiny")


def test_several_data_sets_stand_below_each_other(orch, results):
    done = orch("table", "comparison", "mine", "other", "--format", "latex")
    assert (done.code, done.err) == (0, "")
    assert r"\multicolumn{4}{l}{\emph{tiny}}" in done.out
    assert r"\multicolumn{4}{l}{\emph{tinier}}" in done.out


def test_sweeps_and_ablations_of_one_data_set_stand_beside_each_other(orch, results):
    done = orch("table", "comparison", "mine", "cut", "--ours", "nextitnet")
    assert (done.code, done.err) == (0, "")
    assert "nextitnet: the base of cut." in " ".join(done.out.split())
    assert "NextItNet over the best other %" in done.out


def test_an_ablations_table(orch, results):
    done = orch("table", "ablation", "cut", "--metrics", "mrr@10")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[2].startswith("MRR@10 ")
    assert "without residual" in done.out


def test_data_sets_in_numbers(orch):
    done = orch("table", "statistics", "tiny", "--format", "csv")
    assert (done.code, done.err) == (0, "")
    head, row = (line.split(",") for line in done.out.splitlines())
    told = dict(zip(head, row, strict=True))
    assert (told["dataset"], told["num_users"], told["num_items"]) == ("tiny", "60.0", "40.0")
    length = float(told["num_interactions"]) / 60
    assert float(told["interactions_per_user"]) == pytest.approx(length)
    assert float(told["sparsity_percent"]) == pytest.approx(100 * (1 - length / 40))


def test_without_the_ranks_the_table_comes_from_the_store_alone(orch, results):
    shutil.rmtree(results / "runs")
    done = orch("table", "comparison", "mine")
    assert done.code == 0
    assert done.err.startswith("orch: the ranks of 4 runs are not in results/runs any more")
    assert "no test over users, as ranks are missing" in done.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("comparison", "mime"),
            "sqlite:///STORE/mlflow.db: There is no sweep `mime`. Did you mean `mine`?",
        ),
        (
            ("comparison", "broken"),
            "broken: no run has finished yet; see `orch status broken`.",
        ),
        (
            ("comparison", "mine", "--metrics", "ndcg@7"),
            "--metrics: There is no logged metric `ndcg@7`. Did you mean `ndcg@5`?",
        ),
        (
            ("comparison", "mine", "odd"),
            "tiny and tinier cannot stand in one table: gru4rec is compared on tiny (mine) and not "
            "on tinier. Leave one data set out, or run gru4rec there.",
        ),
        (
            ("comparison", "other", "odd"),
            "`sasrec` is in both other and odd. Leave one out.",
        ),
        (
            ("comparison", "cut"),
            "cut has nextitnet alone: there is nothing to compare it with. Name more sweeps of its "
            "data set, or a comparison.",
        ),
        (
            ("comparison", "mine", "--ours", "tame"),
            "--ours: There is no compared model `tame`. Known: gru4rec, sasrec.",
        ),
        (
            ("ablation", "mine"),
            "mine is a comparison, and no ablation. `orch status` lists what there is.",
        ),
        (
            ("comparison", "mine", "--standalone"),
            "--standalone cannot be used with text: it is of LaTeX. Add --format latex.",
        ),
        (
            ("comparison", "mine", "--out", "mine.pdf"),
            "--out cannot be mine.pdf: its ending says no form. Use .txt, .md, .tex, .csv, or add "
            "--format.",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(orch, results, words, sentence):
    done = orch("table", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"orch: {sentence.replace('STORE', str(results))}\n"


def test_data_of_the_same_name_that_differ_are_refused(orch, results, tmp_path):
    data_dir = tmp_path / "data"
    api.make_planted("same", num_users=40, num_items=30, data_dir=data_dir)
    given = {"executor": "local", "results": results, "data_dir": data_dir, "dataset": "same"}
    given |= {"num_seeds": 1, "overrides": SETTINGS}
    api.compare(["sasrec", "gru4rec"], name="before", **given)
    api.make_planted("same", num_users=41, num_items=30, data_dir=data_dir, overwrite=True)
    api.compare(["sasrec", "gru4rec"], name="after", **given)
    done = orch("table", "comparison", "before", "after")
    assert (done.code, done.err) == (
        2,
        "orch: before and after ran on different data of the name same: they cannot stand in one "
        "table. Leave one out.\n",
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no LaTeX here")
@pytest.mark.parametrize(
    "words",
    [
        ("comparison", "mine", "other", "--intervals"),
        ("ablation", "cut"),
        ("statistics", "tiny"),
    ],
)
def test_latex_compiles_by_itself_and_fits_the_page(orch, results, place, words):
    done = orch("table", *words, "--standalone", "--out", "table.tex")
    assert (done.code, done.err) == (0, "")
    program = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    made = subprocess.run(program, cwd=place, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout[-2000:]
    assert (place / "table.pdf").read_bytes().startswith(b"%PDF-")
    assert "Overfull" not in made.stdout
