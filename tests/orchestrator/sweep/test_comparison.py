"""Comparisons prepared and run: what is refused, equal budget, and what is taken."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from orchestrator.data import open_dataset
from orchestrator.errors import ConfigError
from orchestrator.sweep import objective
from orchestrator.sweep.options import Options
from orchestrator.sweep.phases import run_phases
from orchestrator.sweep.prepare_comparison import Entry, prepare_comparison
from orchestrator.sweep.run import open_executor
from orchestrator.sweep.study import claim

SMALL = {"model.dim": 8, "model.max_length": 10, "train.max_epochs": 1, "train.batch_targets": 64}


class Book:
    """A sink: what was told, in order."""

    def __init__(self):
        self.runs, self.records = [], []

    def start_run(self, run):
        self.runs.append(run)

    def log_epoch(self, key, epoch):
        pass

    def finish_run(self, key, record):
        self.records.append(record)

    stop_run = finish_run

    def counted(self):
        """Runs by model and phase."""
        return Counter((run.variant, run.phase) for run in self.runs)


@pytest.fixture
def make(data_dir):
    """Prepares a comparison on the tiny world."""

    def prepared(*models, **fields):
        given = {"overrides": SMALL, "num_seeds": 2, **fields}
        entry = Entry(models=models, **given)
        return prepare_comparison(entry, open_dataset("tiny", data_dir), on_check=lambda *_: None)

    return prepared


@pytest.fixture
def trained(monkeypatch):
    """Settings that were really trained, one per run."""
    found = []
    original = objective.train

    def watched(config, *args, **kwargs):
        found.append(config)
        return original(config, *args, **kwargs)

    monkeypatch.setattr(objective, "train", watched)
    return found


@pytest.fixture
def run(data_dir, new_results, new_listener):
    """Runs a comparison; what was told, and the outcome."""
    results = new_results()

    def running(comparison, **changes):
        folder = results / "sweeps" / comparison.name
        options = Options(results=results, data_dir=data_dir, folder=folder, **changes)
        book = Book()
        with open_executor("local") as execute:
            claim(comparison, folder)
            outcome = run_phases(
                comparison, sink=book, options=options, execute=execute, listener=new_listener()
            )
        return book, outcome

    return running


def test_all_models_run_at_the_same_seeds_and_nothing_is_trained_twice(make, run, trained):
    comparison = make("sasrec", "gru4rec")
    book, outcome = run(comparison)
    assert book.counted() == {("sasrec", "fixed"): 2, ("gru4rec", "fixed"): 2}
    assert {(run.model, run.seed) for run in book.runs} == {
        (model, seed) for model in ("sasrec", "gru4rec") for seed in (0, 1)
    }
    assert (len(trained), outcome.num_reused) == (4, 0)
    _, again = run(comparison)
    assert (len(trained), again.num_reused) == (4, 4)


def test_what_another_comparison_ran_is_taken(make, run, trained):
    run(make("sasrec", "gru4rec"))
    _, outcome = run(make("sasrec", "nextitnet"))
    assert [config.model for config in trained].count("sasrec") == 2
    assert outcome.num_reused == 2


def test_each_model_is_searched_with_equal_budget_and_runs_at_what_it_chose(make, run, trained):
    comparison = make("sasrec", "gru4rec", tune=2)
    book, _ = run(comparison)
    assert book.counted() == {
        (model, phase): 2 for model in ("sasrec", "gru4rec") for phase in ("search", "retuned")
    }
    searched = [r for r in book.runs if r.phase == "search"]
    assert {run.seed for run in searched} == {0}
    for model in ("sasrec", "gru4rec"):
        chosen = {
            tuple(sorted((k, v) for k, v in r.params.items()))
            for r in book.runs
            if (r.variant, r.phase) == (model, "retuned")
        }
        assert len(chosen) == 1, "one setting at both seeds"
    assert len(trained) == 6, "what a search ran at seed 0 is not run again"


def test_a_run_says_how_much_memory_it_took(make, run):
    book, _ = run(make("sasrec", "gru4rec", num_seeds=1))
    taken = [record.peak_memory for record in book.records]
    if Path("/proc/self/clear_refs").exists():
        assert all(10**7 < value < 10**12 for value in taken)
    else:
        assert taken == [None, None]


def test_the_name_follows_from_what_decides_the_results(make):
    name = make("sasrec", "gru4rec").name
    assert name.startswith("comparison-tiny-")
    assert make("sasrec", "gru4rec").name == name
    assert make("sasrec", "gru4rec", num_seeds=3).name != name
    assert make("sasrec", "gru4rec", tune=2).name != name
    assert make("sasrec", "gru4rec", name="mine").name == "mine"


def test_another_plan_of_that_name_is_refused(make, run):
    run(make("sasrec", "gru4rec", name="mine", num_seeds=1))
    with pytest.raises(ConfigError, match="`mine` is a comparison with other models"):
        run(make("sasrec", "nextitnet", name="mine", num_seeds=1))


def test_a_setting_is_of_every_model_that_has_it_and_may_be_of_one_alone(make):
    overrides = {**SMALL, "model.num_heads": 1, "gru4rec.model.dim": 4}
    comparison = make("sasrec", "gru4rec", overrides=overrides)
    sasrec, gru4rec = (contender.base.settings for contender in comparison.contenders)
    assert (sasrec.dim, sasrec.num_heads, gru4rec.dim) == (8, 1, 4)
    assert comparison.notes == ("`model.num_heads` = 1 is set of sasrec alone.",)


def test_settings_of_a_file_are_of_its_model(make, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[origin]\nmodel = "sasrec"\n[model]\nnum_layers = 3\n')
    comparison = make("sasrec", "gru4rec", configs=(path,))
    assert comparison.contenders[0].base.settings.num_layers == 3
    with pytest.raises(ConfigError, match="is of sasrec, which is not compared"):
        make("gru4rec", "nextitnet", configs=(path,))
    path.write_text("[model]\nnum_layers = 3\n")
    with pytest.raises(ConfigError, match="does not say of which model it is"):
        make("sasrec", "gru4rec", configs=(path,))


@pytest.mark.parametrize(
    ("models", "fields", "sentence"),
    [
        (("sasrec", "sasrc"), {}, "There is no model `sasrc`. Did you mean `sasrec`?"),
        (
            ("sasrec",),
            {},
            "MODEL: `sasrec` alone cannot be compared: name two models or more, or --all.",
        ),
        ((), {}, "MODEL: there is nothing to compare: name two models or more, or --all."),
        (
            ("sasrec", "tame", "sasrec"),
            {},
            "MODEL: `sasrec` is named twice. Name it once.",
        ),
        (
            ("sasrec",),
            {"has_all": True},
            "--all: takes every model that the data set can serve. Leave the names out.",
        ),
        (("sasrec", "tame"), {"tune": 0}, "--tune cannot be 0: it must be at least 1."),
        (
            ("sasrec", "tame"),
            {"tune_space": "joint"},
            "--tune-space: nothing is searched without --tune N. Add it.",
        ),
        (
            ("sasrec", "gru4rec"),
            {"tune": 2, "tune_space": "heads"},
            "--tune-space cannot be heads: it is a one-factor space of sasrec. Name a joint one.",
        ),
        (
            ("sasrec", "tame"),
            {"tune": 2, "tune_space": "contrast"},
            "--tune-space: There is no space of sasrec `contrast`. Known: heads, joint.",
        ),
        (
            ("sasrec", "gru4rec"),
            {"tune": 2, "overrides": {"model.dropout": 0.1}},
            "--set: `model.dropout` of sasrec is searched by --tune (space joint). Leave it out.",
        ),
        (
            ("sasrec", "gru4rec"),
            {"overrides": {"model.dmi": 8}},
            "--set: There is no key `model.dmi`. Did you mean `model.dim`?",
        ),
        (("sasrec", "gru4rec"), {"num_seeds": 0}, "--seeds cannot be 0: it must be at least 1."),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(make, models, fields, sentence):
    with pytest.raises(ConfigError) as refused:
        make(*models, **fields)
    assert str(refused.value) == sentence


@pytest.fixture
def blind(data_dir):
    """The tiny world without its features."""
    dataset = open_dataset("tiny", data_dir)
    manifest = dataclasses.replace(dataset.manifest, modalities={})
    return dataclasses.replace(dataset, manifest=manifest)


def test_a_model_that_the_data_set_cannot_serve_is_refused_with_the_input(blind):
    entry = Entry(models=("sasrec", "tame"), overrides={})
    with pytest.raises(ConfigError, match=r"tame on tiny: .*text"):
        prepare_comparison(entry, blind, on_check=lambda *_: None)


def test_of_all_models_those_are_left_out_and_told(blind):
    entry = Entry(models=(), has_all=True, overrides={"train.max_epochs": 1})
    comparison = prepare_comparison(entry, blind, on_check=lambda *_: None)
    names = [member.name for member in comparison.members]
    assert "sasrec" in names
    assert "tame" not in names
    assert any(note.startswith("`tame` is left out: ") for note in comparison.notes)


def test_a_model_that_runs_degraded_is_compared_under_its_own_name(make, run):
    """No table may take it for the model that was meant."""
    comparison = make("sasrec", "iisan", num_seeds=1)
    names = [(member.name, member.model) for member in comparison.members]
    assert names == [("sasrec", "sasrec"), ("iisan-pooled", "iisan")]
    book, _ = run(comparison)
    assert set(book.counted()) == {("sasrec", "fixed"), ("iisan-pooled", "fixed")}
    assert set(make("sasrec", "iisan", tune=2).searches()) == {"sasrec", "iisan-pooled"}
