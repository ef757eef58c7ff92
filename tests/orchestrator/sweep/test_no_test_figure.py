"""Test metrics never reach a search: whatever they are, what is tried and chosen is the same."""

import json
from dataclasses import replace

import pytest
from ray import tune
from ray.tune.search import Searcher

from orchestrator.config import MONITOR, flatten
from orchestrator.data import open_dataset
from orchestrator.results import Epoch, Record, provenance, run_id
from orchestrator.sweep import budget, local
from orchestrator.sweep.events import Events, Silent
from orchestrator.sweep.local import execute
from orchestrator.sweep.options import Options
from orchestrator.sweep.path import AblationPath, run_path
from orchestrator.sweep.ray import worker
from orchestrator.sweep.ray.search import Sampler, scheduler
from orchestrator.sweep.sampling import open_study

RATE = "train.learning_rate = {low = 1e-4, high = 1e-1, log = true}"
DROPOUT = "model.dropout = {low = 0.0, high = 0.5}"
POISONS = (
    ("constant", lambda value: 0.5),
    ("opposite", lambda value: 1 - value),
    ("nan", lambda value: float("nan")),
)
"""What test figures are: a constant, the opposite of validation, or no number at all."""


def worth(config):
    """Validation: best at a rate of 0.01 and a dropout of 0.1."""
    values = flatten(config)
    rate, dropout = values["train.learning_rate"], values["model.dropout"]
    return round(1 / (1 + abs(rate - 0.01) * 50 + abs(dropout - 0.1)), 9)


def record_of(config, poison, data="d" * 16):
    """A run's record without the run."""
    value = worth(config)
    metrics = {MONITOR: value, **dict.fromkeys(("test/ndcg@10", "test/ndcg@20"), poison(value))}
    return Record(
        run_id=run_id(config, data),
        status="finished",
        config=config.to_json(),
        provenance=provenance(model=config.model, data=data, device="cpu"),
        metrics=metrics,
        num_parameters=round(1000 * flatten(config)["model.dropout"]),
        seconds=1.0,
    )


class NoSink:
    def start_run(self, run):
        pass

    def log_epoch(self, key, epoch):
        pass

    def finish_run(self, key, record):
        pass

    def stop_run(self, key, record):
        pass


@pytest.fixture
def poisoned(monkeypatch):
    """Every run that the local executor is asked for has test figures of one kind."""

    def poison(kind):
        def run_trial(self, config, dataset, **_):
            return record_of(config, kind)

        monkeypatch.setattr(budget.Deadline, "run_trial", run_trial)
        monkeypatch.setattr(local, "dataset_in_worker", lambda *_: None)

    return poison


def options_of(folder):
    return Options(results=folder, data_dir=folder, folder=folder)


@pytest.mark.parametrize("objectives", [("ndcg",), ("ndcg", "parameters")])
@pytest.mark.parametrize(
    "sampler", ["tpe", pytest.param("gp", marks=pytest.mark.slow), "random", "cmaes"]
)
def test_what_a_sampler_tries_does_not_depend_on_them(
    tmp_path, make_study, poisoned, sampler, objectives
):
    if sampler == "cmaes" and len(objectives) > 1:
        pytest.skip("refused before the start")
    told = []
    for name, poison in POISONS:
        poisoned(poison)
        study = make_study(
            RATE,
            DROPOUT,
            kind="joint",
            num_trials=12,
            sampler=sampler,
            objectives=objectives,
            seeds=(0,),
        )
        execute(study, [], Events(NoSink(), Silent()), options_of(tmp_path / name))
        journal = tmp_path / name / "optuna.journal"
        assert "test/" not in journal.read_text()
        history = open_study(journal, "test", seed=0, objectives=objectives)
        told.append([(trial.params, trial.values) for trial in history.get_trials()])
    assert len(told[0]) == 12
    assert told[0] == told[1] == told[2]


class RayTrial:
    def __init__(self, number):
        self.trial_id = str(number)
        self.status = "RUNNING"

    def is_finished(self):
        return False


def decisions(study, poison):
    """What a scheduler says to every report of 27 trials, the last of which carries records."""
    rule = scheduler(study)
    rule.set_search_properties(MONITOR, "max")
    said = []
    for number in range(27):
        trial = RayTrial(number)
        rule.on_trial_add(None, trial)
        for epoch in range(1, 21):
            value = ((number * 7) % 27) / 27 * epoch / 20
            result = {MONITOR: value, "training_iteration": epoch, "epochs": []}
            if epoch == 20:
                record = record_of(replace(study.base, seed=number), poison)
                result |= {"records": [record.to_json()], "state": "finished"}
            said.append((number, epoch, rule.on_trial_result(None, trial, result)))
            if said[-1][2] != "CONTINUE":
                break
        rule.on_trial_complete(None, trial, result)
    return said


@pytest.mark.parametrize("name", ["asha", "hyperband", "median"])
def test_what_a_scheduler_ends_does_not_depend_on_them(make_study, name):
    study = make_study(RATE, DROPOUT, kind="joint", scheduler=name)
    study = replace(study, base=replace(study.base, train=replace(study.base.train, max_epochs=20)))
    said = [decisions(study, poison) for _, poison in POISONS]
    assert said[0] == said[1] == said[2]
    ended = {number for number, _, action in said[0] if action == "STOP"}
    assert 0 < len(ended) < 27, "it ends some, and not all"


def test_hyperband_draws_its_brackets_repeatably(make_study):
    study = make_study(RATE, kind="joint", scheduler="hyperband")
    study = replace(study, base=replace(study.base, train=replace(study.base.train, max_epochs=60)))

    def brackets():
        rule = scheduler(study)
        rule.set_search_properties(MONITOR, "max")
        for number in range(12):
            rule.on_trial_add(None, RayTrial(number))
        every = rule._brackets
        return [every.index(bracket) for bracket in rule._trial_info.values()]

    assert brackets() == brackets()
    assert len(set(brackets())) > 1


def test_what_ray_is_told_leads_the_sampler_to_the_same(tmp_path, make_study):
    """Reports of epochs and ends, as workers make them, and one trial that is ended early."""
    told = []
    for name, poison in POISONS:
        study = make_study(RATE, DROPOUT, kind="joint", num_trials=5, seeds=(0,))
        sampler = Sampler(study, options_of(tmp_path / name))
        for number in range(5):
            point = sampler.suggest(str(number))
            record = record_of(study.trial(point).config, poison)
            epoch = {MONITOR: record.metrics[MONITOR] / 2, "training_iteration": 1}
            if number == 3:
                sampler.on_trial_complete("3", epoch)
                continue
            sampler.on_trial_result(str(number), epoch)
            end = {"state": "finished", "records": [record.to_json()], "training_iteration": 2}
            sampler.on_trial_complete(str(number), {**end, MONITOR: record.metrics[MONITOR]})
        journal = tmp_path / name / "optuna.journal"
        assert "test/" not in journal.read_text()
        trials = open_study(journal, "test", seed=0).get_trials()
        told.append([(t.params, t.state, t.value, t.intermediate_values) for t in trials])
    assert told[0] == told[1] == told[2]
    assert [state.name for _, state, *_ in told[0]] == [*["COMPLETE"] * 3, "PRUNED", "COMPLETE"]
    assert all(len(steps) == 1 for *_, steps in told[0])


def test_a_searcher_says_when_there_is_nothing_left(tmp_path, make_study):
    space = ("model.dropout = {choices = [0.0, 0.1]}", "model.num_layers = {choices = [1, 2]}")
    study = make_study(*space, kind="joint", num_trials=3, seeds=(0,))
    sampler = Sampler(study, options_of(tmp_path))
    points = [sampler.suggest(str(number)) for number in range(4)]
    assert len({tuple(point.items()) for point in points}) == 4
    assert sampler.suggest("4") == Searcher.FINISHED


def test_workers_report_no_test_figure_before_the_end(tmp_path, make_study, data_dir, monkeypatch):
    reports = []
    monkeypatch.setattr(tune, "report", reports.append)
    study = make_study(
        RATE,
        kind="joint",
        num_trials=5,
        seeds=(0,),
        scheduler="asha",
        data_hash=open_dataset("tiny", data_dir).data_hash,
    )
    options = Options(results=tmp_path, data_dir=data_dir, folder=tmp_path, device="cpu")
    context = worker.Context(study=study, options=options, todo=())
    worker.work({"train.learning_rate": 1e-2}, context=context)
    *epochs, end = reports
    assert len(epochs) == 2
    assert "test/" not in json.dumps(epochs)
    assert all(isinstance(Epoch(**epoch), Epoch) for one in epochs for epoch in one["epochs"])
    assert end["state"] == "finished"
    assert "test/" not in json.dumps({k: v for k, v in end.items() if k != "records"})
    assert "test/ndcg@10" in end["records"][0]["metrics"], "or the test would show nothing"


def test_the_steps_of_a_path_do_not_depend_on_them(base, tmp_path):
    path = AblationPath(
        name="path",
        search="s",
        base=base,
        target={"train.learning_rate": 0.01, "model.dropout": 0.1, "train.patience": 3},
        seeds=(0, 1),
        data_hash="d" * 16,
    )

    def walk(poison, folder):
        tried = []

        def run(study, todo, events, options):
            for one in todo:
                tried.append(one.label)
                events.finished(one, record_of(one.config, poison))

        run_path(path, sink=NoSink(), options=options_of(folder), execute=run, listener=Silent())
        return tried

    walks = [walk(poison, tmp_path) for _, poison in POISONS]
    assert walks[0] == walks[1] == walks[2]
    assert walks[0][-1] == "learning_rate+dropout+patience"
