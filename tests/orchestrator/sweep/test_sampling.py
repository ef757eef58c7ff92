"""Joint spaces that Optuna samples: what its journal says of each trial, and going on."""

import math

import optuna
import pytest
from optuna.trial import TrialState

from orchestrator.config import override, trial_from_json
from orchestrator.results import read_record
from orchestrator.sweep.local import outcome
from orchestrator.sweep.sampling import open_study, suggest

pytestmark = pytest.mark.filterwarnings(
    # Ray leaves sockets and files of its processes to the garbage collector.
    "ignore:unclosed:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)

SPACE = """
[spaces.test]
kind = "joint"
about = "Good, poor and impossible rates."
factors.train.learning_rate = {choices = [1e-2, 1e-7, 1e30]}
factors.model.dropout = {low = 0.0, high = 0.5}
factors.train.patience = {low = 12, high = 15}
"""


def trials(results, name):
    """The journal as it is, without the mending that opening a sweep's study does."""
    journal = optuna.storages.journal.JournalFileBackend(
        str(results / "sweeps" / name / "optuna.journal")
    )
    storage = optuna.storages.JournalStorage(journal)
    return optuna.load_study(study_name=name, storage=storage).get_trials()


def by_point(result):
    """Records of each sampled point, by the values sampled."""
    found = {}
    for record in result.records:
        config = record.config
        point = (
            config["train"]["learning_rate"],
            config["settings"]["dropout"],
            config["train"]["patience"],
        )
        found.setdefault(point, []).append(record)
    return found


def point_of(trial):
    keys = ("train.learning_rate", "model.dropout", "train.patience")
    return tuple(trial.params[key] for key in keys)


def check_journal(result, told):
    """Each trial is told what became of its point: the mean over seeds, pruned, or failed."""
    records = by_point(result)
    for trial in told:
        here = records[point_of(trial)]
        if trial.state is TrialState.COMPLETE:
            values = [record.metrics["val/ndcg@10"] for record in here]
            assert trial.value == pytest.approx(sum(values) / 2, abs=1e-12)
            assert len(values) == 2
        elif trial.state is TrialState.PRUNED:
            assert [record.status for record in here] == ["stopped"]
        else:
            assert trial.state is TrialState.FAIL
            assert {record.status for record in here} == {"failed"}


@pytest.fixture(scope="module")
def local(run_sweep, new_results):
    results = new_results()
    return run_sweep(SPACE, executor="local", num_trials=5, results=results, name="s"), results


def test_a_journal_tells_every_trials_end(local):
    result, results = local
    told = trials(results, "s")
    assert len(told) == 5
    assert {trial.state for trial in told} == {TrialState.COMPLETE, TrialState.FAIL}
    check_journal(result, told)


def test_values_lie_inside_the_space(local):
    _, results = local
    for trial in trials(results, "s"):
        rate, dropout, patience = point_of(trial)
        assert rate in (1e-2, 1e-7, 1e30)
        assert 0.0 <= dropout <= 0.5
        assert isinstance(patience, int)
        assert 12 <= patience <= 15


def test_a_sampled_sweep_goes_on_where_it_was_cut(local, run_sweep, new_results):
    """Ctrl-C in the third trial: the trial that was cut is tried again, the others are not."""
    whole, _ = local
    results = new_results()

    class Interrupting:
        def __init__(self):
            self.num_finished = 0
            self.planned_runs = None
            self.is_armed = True

        def checking(self, num_done, num_variants):
            raise AssertionError("a sweep has no variants")

        def phase(self, name):
            raise AssertionError("a sweep has no phases")

        def planned(self, num_runs, num_reused, notes):
            self.planned_runs = (num_runs, num_reused)

        def note(self, text):
            raise AssertionError("a sweep without a GPU measures none")

        def epoch(self, run, epoch):
            if self.is_armed and self.num_finished == 4:
                raise KeyboardInterrupt

        def finished(self, run, record):
            self.num_finished += 1

    # The first two of the points are as in the whole sweep: the sampler's seed is the same.
    listener = Interrupting()
    arguments = {"executor": "local", "num_trials": 5, "results": results, "name": "s"}
    with pytest.raises(KeyboardInterrupt):
        run_sweep(SPACE, listener=listener, **arguments)
    before = trials(results, "s")
    assert before[-1].state is TrialState.RUNNING, "nobody was left to tell its end"
    listener.is_armed = False
    again = run_sweep(SPACE, listener=listener, **arguments)
    after = trials(results, "s")
    assert [trial.params for trial in after[: len(before)]] == [trial.params for trial in before]
    assert after[len(before)].params == before[-1].params
    counted = [t for t in after if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    assert TrialState.RUNNING not in {trial.state for trial in after}
    complete = sum(trial.state is TrialState.COMPLETE for trial in before)
    assert listener.planned_runs == (10, 2 * complete)
    assert again.num_reused == 2 * complete
    failed_now = sum(trial.state is TrialState.FAIL for trial in after[len(before) :])
    assert len(counted) == 5 - failed_now, "as many are tried as were left; failed ones count not"
    assert whole.records[0].run_id == again.records[0].run_id


def test_a_sampled_sweep_that_is_done_runs_nothing(run_sweep, new_results):
    space = SPACE.replace(", 1e30", "")
    results = new_results()
    arguments = {"executor": "local", "num_trials": 2, "results": results, "name": "s"}
    first = run_sweep(space, **arguments)
    again = run_sweep(space, **arguments)
    assert len(trials(results, "s")) == 2
    assert again.num_reused == len(again.records) == 4
    assert {r.run_id for r in again.records} == {r.run_id for r in first.records}
    assert again.text == first.text


def test_a_point_that_failed_may_be_proposed_again(run_sweep, new_results):
    """Six trials of two points: the failed one comes more than once, after an epoch or so."""
    space = """
    [spaces.test]
    kind = "joint"
    factors.train.learning_rate = {choices = [1e30, 1e-2]}
    factors.model.dropout = {choices = [0.0, 0.2, 0.3, 0.4]}
    """
    results = new_results()
    result = run_sweep(space, executor="local", num_trials=7, results=results, name="s")
    told = trials(results, "s")
    assert len(told) == 7
    points = [tuple(trial.params.values()) for trial in told]
    assert len(set(points)) < len(points), "no point came twice: choose another seed"
    assert len(result.records) == 2 * len(set(points))


def test_the_history_does_not_depend_on_the_process(tmp_path, make_study):
    """Trials cut in the middle are told as failed and stand first in line."""
    study = make_study("model.dropout = {low = 0.0, high = 0.5}", kind="joint", num_trials=9)
    journal = tmp_path / "optuna.journal"
    first = open_study(journal, "s", seed=0)
    cut = suggest(first.ask(), study.space)
    second = open_study(journal, "s", seed=0)
    assert suggest(second.ask(), study.space) == cut
    states = [trial.state for trial in second.get_trials()]
    assert states == [TrialState.FAIL, TrialState.RUNNING]


def test_a_study_that_goes_on_draws_other_points(tmp_path, make_study):
    """With the seed alone, the first points would come again and the budget be spent twice."""
    study = make_study("model.dropout = {low = 0.0, high = 0.5}", kind="joint", num_trials=9)
    journal = tmp_path / "optuna.journal"
    points = []
    for _ in range(3):
        history = open_study(journal, "s", seed=0)
        trial = history.ask()
        points.append(suggest(trial, study.space)["model.dropout"])
        history.tell(trial, 0.5)
    assert len(set(points)) == 3
    again = open_study(tmp_path / "other.journal", "s", seed=0)
    assert suggest(again.ask(), study.space)["model.dropout"] == points[0]


def test_ranges_are_sampled_as_their_bounds_say(tmp_path, make_study):
    study = make_study(
        "model.dropout = {low = 0.1, high = 0.2}",
        "model.num_layers = {low = 1, high = 3}",
        "train.learning_rate = {low = 1e-6, high = 1e-2, log = true}",
        kind="joint",
    )
    history = open_study(tmp_path / "optuna.journal", "s", seed=0)
    points = [suggest(history.ask(), study.space) for _ in range(40)]
    assert all(0.1 <= point["model.dropout"] <= 0.2 for point in points)
    assert {point["model.num_layers"] for point in points} == {1, 2, 3}
    small = [point["train.learning_rate"] < 1e-4 for point in points]
    assert 10 < sum(small) < 30, "half of a log scale lies below its middle"
    for point in points:
        override(study.base, point, where="test")


def test_a_point_is_worth_its_mean_over_seeds(local):
    result, results = local
    finished = [record for record in result.records if record.status == "finished"][:2]
    failed = result.failed[0]
    values = [record.metrics["val/ndcg@10"] for record in finished]
    assert outcome(finished) == {"state": "finished", "value": math.fsum(values) / 2}
    assert outcome([finished[0], failed]) == {"state": "failed", "value": None}
    stored = read_record(results / "runs" / finished[0].run_id / "record.json")
    assert trial_from_json(stored.config) == trial_from_json(finished[0].config)


@pytest.mark.slow
def test_asha_through_ray_tells_optuna_what_became_of_each_trial(run_sweep, new_results, small):
    """Ray's own class would tell a trial ended early as complete, and leave a NaN one running."""
    results = new_results()
    arguments = {
        "executor": "ray",
        "num_trials": 8,
        "scheduler": "asha",
        "results": results,
        "name": "s",
        "overrides": {**small, "train.max_epochs": 12},
    }
    result = run_sweep(SPACE, **arguments)
    told = trials(results, "s")
    assert len(told) == 8
    states = {trial.state for trial in told}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    check_journal(result, told)
    for trial in told:
        if trial.state is TrialState.PRUNED:
            assert 5 <= max(trial.intermediate_values) < 12
    stopped = [record for record in result.records if record.status == "stopped"]
    assert all(5 <= len(record.epochs) < 12 for record in stopped)
    assert {record.reason for record in stopped} == {"ended early by the scheduler"}
    num_failed = sum(trial.state is TrialState.FAIL for trial in told)
    run_sweep(SPACE, **arguments)
    assert len(trials(results, "s")) == 8 + num_failed, "only the failed ones are made up for"
