"""Joint spaces that Optuna samples: what its journal says of each trial, and going on."""

import itertools
import math
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState

from orchestrator.config import override, trial_from_json
from orchestrator.errors import ConfigError
from orchestrator.results import read_record
from orchestrator.sweep.local import outcome
from orchestrator.sweep.sampling import Search, base_point, open_study, suggest
from orchestrator.sweep.study import claim

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
factors.model.num_heads = {low = 1, high = 2}
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
            config["settings"]["num_heads"],
        )
        found.setdefault(point, []).append(record)
    return found


def point_of(trial):
    keys = ("train.learning_rate", "model.dropout", "model.num_heads")
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
        rate, dropout, heads = point_of(trial)
        assert rate in (1e-2, 1e-7, 1e30)
        assert 0.0 <= dropout <= 0.5
        assert isinstance(heads, int)
        assert 1 <= heads <= 2


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
            assert num_variants == 3, "a factor each"

        def phase(self, name):
            raise AssertionError("a sweep has no phases")

        def planned(self, num_runs, num_reused, notes):
            self.planned_runs = (num_runs, num_reused)

        def note(self, text):
            raise AssertionError("a sweep without a GPU measures none")

        def repeated(self, run, record):
            raise AssertionError("nothing is lost here")

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


FEW = """
[spaces.test]
kind = "joint"
factors.train.learning_rate = {choices = [1e30, 1e-2]}
factors.model.dropout = {choices = [0.0, 0.2, 0.3, 0.4]}
"""


@pytest.fixture(scope="module")
def few(run_sweep, new_results):
    """Seven trials of eight points: those that failed are proposed again, and the good ones."""
    results = new_results()
    return run_sweep(FEW, executor="local", num_trials=7, results=results, name="s"), results


def test_a_known_point_is_not_run_again_and_does_not_count(few):
    result, results = few
    told = trials(results, "s")
    points = [tuple(trial.params.values()) for trial in told]
    assert len(told) > 7, "no point came twice: choose another seed"
    assert len(set(points)) == 7
    assert len(result.records) == 2 * 7
    assert TrialState.RUNNING not in {trial.state for trial in told}


def test_a_known_point_is_told_the_same_again(few):
    _, results = few
    ends = {}
    for trial in trials(results, "s"):
        ends.setdefault(tuple(trial.params.values()), set()).add((trial.state, trial.value))
    assert all(len(end) == 1 for end in ends.values())


def test_known_points_do_not_count_when_a_sweep_goes_on(few, run_sweep):
    """What failed is made up for, and nothing else is run."""
    result, results = few
    failed = {record.run_id for record in result.failed}
    again = run_sweep(FEW, executor="local", num_trials=7, results=results, name="s")
    assert again.num_reused == 2 * 7 - len(failed)


def search_of(tmp_path, study, name="s"):
    return Search(study, tmp_path / f"{name}.journal")


def end(search, trial, value, state="finished"):
    search.tell(trial, {"state": state}, [value])


DROPOUT = "model.dropout = {choices = [0.0, 0.2, 0.3, 0.4]}"
RATE = "train.learning_rate = {low = 1e-4, high = 1e-1, log = true}"
LAYERS = "model.num_layers = {choices = [1, 2, 3]}"


def asked(search, value=lambda point: 0.5, times=30):
    """The points of a search to its end, each worth what ``value`` says."""
    points = []
    for _ in range(min(times, search.num_left)):
        proposal = search.ask()
        if proposal is None:
            break
        trial, point = proposal
        points.append(point)
        end(search, trial, value(point))
    return points


@pytest.mark.parametrize("sampler", ["tpe", "random", pytest.param("gp", marks=pytest.mark.slow)])
def test_every_sampler_finds_every_point_before_its_budget_is_spent(tmp_path, make_study, sampler):
    """12 points, 11 trials: none is spent on a point that is known."""
    study = make_study(DROPOUT, LAYERS, kind="joint", num_trials=11, sampler=sampler)
    points = asked(search_of(tmp_path, study), lambda point: point["model.dropout"])
    assert len({tuple(point.items()) for point in points}) == 11


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_base_is_tried_first_where_the_space_has_it(tmp_path, make_study, sampler):
    drops = "model.dropout = {choices = [0.1, 0.5, 0.6]}"
    study = make_study(drops, RATE, kind="joint", num_trials=3, sampler=sampler)
    own = {"model.dropout": study.base.settings.dropout}
    own["train.learning_rate"] = study.base.train.learning_rate
    assert asked(search_of(tmp_path, study), times=1) == [own]
    rest = asked(search_of(tmp_path, study))
    assert len(rest) == 2
    assert own not in rest, "a search that goes on does not begin anew"


def test_a_base_outside_the_space_is_not_tried(tmp_path, make_study):
    above = "train.learning_rate = {low = 0.5, high = 0.9}"
    study = make_study(DROPOUT, above, kind="joint", num_trials=3)
    assert base_point(study) is None
    assert all(point["train.learning_rate"] >= 0.5 for point in asked(search_of(tmp_path, study)))


def test_equal_computations_are_one_point(tmp_path, make_study, monkeypatch):
    """A setting that others switch off makes no new run, so it makes no new point."""
    study = make_study(DROPOUT, LAYERS, kind="joint", num_trials=11)
    settings = type(study.base.settings)
    monkeypatch.setattr(settings, "canonical", lambda own: replace(own, dropout=0.0))
    points = asked(search_of(tmp_path, study))
    assert sorted(point["model.num_layers"] for point in points) == [1, 2, 3]


def test_a_point_that_is_being_tried_is_not_tried_beside(tmp_path, make_study):
    """Several workers ask before any has told."""
    study = make_study(DROPOUT, LAYERS, kind="joint", num_trials=11)
    search = search_of(tmp_path, study)
    proposals = [search.ask() for _ in range(11)]
    assert len({tuple(point.items()) for _, point in proposals}) == 11
    for trial, point in proposals:
        end(search, trial, point["model.dropout"])
    history = open_study(tmp_path / "s.journal", "test", seed=0)
    told = history.get_trials()
    assert {trial.state for trial in told} == {TrialState.COMPLETE}
    assert all(trial.value == trial.params["model.dropout"] for trial in told)


def test_a_pruned_point_that_comes_again_is_pruned_again(tmp_path, make_study):
    study = make_study(DROPOUT, LAYERS, kind="joint", num_trials=11)
    search = search_of(tmp_path, study)
    for _ in range(11):
        trial, _point = search.ask()
        search.report(trial, 0.25, 6)
        search.tell(trial, {"state": "stopped"})
    told = open_study(tmp_path / "s.journal", "test", seed=0).get_trials()
    assert {trial.state for trial in told} == {TrialState.PRUNED}
    assert {(*trial.intermediate_values.items(),) for trial in told} == {((6, 0.25),)}
    assert search_of(tmp_path, study).num_left == 0


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp", "cmaes"])
def test_draws_are_repeatable_and_go_on(tmp_path, make_study, sampler):
    """The same seed draws the same; a search that is opened again draws on."""
    study = make_study(RATE, DROPOUT, kind="joint", num_trials=6, sampler=sampler)
    worth = lambda point: -abs(point["train.learning_rate"] - 0.01)  # noqa: E731
    one, other = (asked(search_of(tmp_path, study, name), worth) for name in ("a", "b"))
    assert one == other
    assert len(one) == 6
    longer = replace(study, num_trials=9)
    more = asked(search_of(tmp_path, longer, "a"), worth)
    assert len(more) == 3
    assert not [point for point in more if point in one]


@pytest.mark.slow
def test_samplers_draw_differently(tmp_path, make_study):
    worth = lambda point: -abs(point["train.learning_rate"] - 0.01)  # noqa: E731
    drawn = [
        asked(
            search_of(
                tmp_path,
                make_study(RATE, DROPOUT, kind="joint", num_trials=14, sampler=sampler),
                sampler,
            ),
            worth,
        )
        for sampler in ("tpe", "random", "gp", "cmaes")
    ]
    assert all(one != other for one, other in itertools.combinations(drawn, 2))


def test_a_search_for_two_things_tells_both(tmp_path, make_study):
    study = make_study(RATE, kind="joint", num_trials=4, objectives=("ndcg", "parameters"))
    search = search_of(tmp_path, study)
    for value in (0.1, 0.2, 0.3):
        trial, _ = search.ask()
        search.report(trial, 0.1, 1)  # Optuna knows no epochs of several objectives
        search.tell(trial, {"state": "finished"}, [value, 100 * value])
    history = open_study(tmp_path / "s.journal", "test", seed=0, objectives=("ndcg", "parameters"))
    assert [direction.name for direction in history.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert [trial.values for trial in history.get_trials()] == [[0.1, 10], [0.2, 20], [0.3, 30]]
    assert len(history.best_trials) == 3, "each is better in one of the two"


def test_a_grid_runs_all_points_in_order_whatever_the_budget(make_study):
    study = make_study(DROPOUT, LAYERS, kind="joint", num_trials=2, sampler="grid")
    assert study.sampled is None
    assert len(study.listed()) == 12
    assert study.plan() == replace(study, num_trials=100, sampler="tpe").plan()


def test_sampler_and_objectives_are_part_of_the_plan(make_study):
    """And what is as it always was is not: sweeps of before keep their names."""
    study = make_study(RATE, kind="joint")
    keys = {"base", "kind", "factors", "seeds", "trials", "scheduler", "data", "code"}
    assert set(study.plan()) == keys
    assert replace(study, sampler="gp").plan() == {**study.plan(), "sampler": "gp"}
    two = replace(study, objectives=("ndcg", "seconds"))
    assert two.plan() == {**study.plan(), "objectives": ["ndcg", "seconds"]}


def test_a_name_is_not_taken_by_a_sweep_with_another_sampler(make_study, tmp_path):
    study = make_study(RATE, kind="joint")
    claim(replace(study, sampler="random"), tmp_path)
    with pytest.raises(ConfigError, match="is a sweep with other sampler"):
        claim(study, tmp_path)


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
@pytest.mark.parametrize("scheduler", ["asha", "median"])
def test_schedulers_through_ray_tell_optuna_what_became_of_each_trial(
    run_sweep, new_results, small, scheduler
):
    """Ray's own class would tell a trial ended early as complete, and leave a NaN one running."""
    results = new_results()
    arguments = {
        "executor": "ray",
        "num_trials": 8,
        "scheduler": scheduler,
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


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["ray", "local"])
def test_a_search_for_two_things_leaves_a_front(run_sweep, new_results, small, executor):
    """Both executors: the journal has both values of every trial, table and figure the front."""
    space = """
    [spaces.test]
    kind = "joint"
    factors.model.dim = {low = 2, high = 16}
    factors.train.learning_rate = {low = 1e-3, high = 1e-1, log = true}
    factors.model.dropout = {low = 0.0, high = 0.5}
    """
    results = new_results()
    overrides = {k: v for k, v in small.items() if k != "model.dim"} | {"model.num_heads": 1}
    result = run_sweep(
        space,
        executor=executor,
        num_trials=6,
        num_seeds=1,
        objectives="ndcg,parameters",
        overrides=overrides,
        results=results,
        name="s",
    )
    told = {trial.params["train.learning_rate"]: trial for trial in trials(results, "s")}
    assert len(result.records) == len(told) == 6
    for record in result.records:
        trial = told[record.config["train"]["learning_rate"]]
        assert trial.values == [record.metrics["val/ndcg@10"], record.num_parameters]
    assert 0 < result.table["is_best"].sum() <= 6
    assert [path.name for path in result.figures if "front" in path.name] == [
        f"sasrec-test-front.{suffix}" for suffix in ("pdf", "png", "csv")
    ]
