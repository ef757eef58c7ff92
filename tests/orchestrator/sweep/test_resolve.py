"""Seeds are added one by one, and only where validation leaves a question open."""

from dataclasses import replace

import pytest

from orchestrator.config import MONITOR
from orchestrator.errors import ConfigError
from orchestrator.sweep.budget import OUT_OF_TIME, Deadline
from orchestrator.sweep.events import Silent
from orchestrator.sweep.objective import failure
from orchestrator.sweep.options import Options
from orchestrator.sweep.resolve import check_resolvable, run_resolved
from orchestrator.sweep.settle import Rule
from orchestrator.sweep.study import ListedStudy, Trial

NOISE = [0.0, 0.004, -0.004, 0.002, -0.002, 0.001, -0.001, 0.003]
"""By seed: enough to leave a question open."""


class Book:
    """Notes which runs there were."""

    def __init__(self):
        self.runs = []

    def start_run(self, run):
        self.runs.append((run.name, run.seed))

    def log_epoch(self, key, epoch):
        pass

    def finish_run(self, key, record):
        pass

    stop_run = finish_run


def value(run):
    """Below by far, the same, or nobody knows; test figures that would say otherwise."""
    own = {"worse": -0.05, "same": 0.0, "open": NOISE[run.config.seed]}
    return 0.1 + own.get(run.variant, 0.0) + 1e-5 * run.config.seed


def execute(study, todo, events, options):
    for run in todo:
        if options.deadline.is_over():
            return
        metrics = {MONITOR: value(run), "test/ndcg@10": 0.5 - value(run)}
        record = failure(run.config, "d" * 16, reason="")
        status = "failed" if run.variant == "broken" else "finished"
        told = replace(record, status=status, metrics=metrics, run_id=run.run_id)
        events.finished(run, told)


@pytest.fixture
def make_listed(base):
    """A study of a base and variants, as an ablation's, each of its own dropout."""

    def make(*variants, num_seeds=8):
        trials = [
            Trial(
                label=name,
                config=replace(base, settings=replace(base.settings, dropout=place / 10)),
                changed={} if name == "base" else {"model.dropout": place / 10},
                variant=name,
            )
            for place, name in enumerate(("base", *variants))
        ]
        return ListedStudy(
            name="t",
            base=base,
            seeds=tuple(range(num_seeds)),
            data_hash="d" * 16,
            trials=tuple(trials),
        )

    return make


@pytest.fixture
def run(tmp_path):
    def run_study(study, **options):
        book = Book()
        given = {"rule": Rule(num_seeds=len(study.seeds), bound=0.02), **options}
        outcome = run_resolved(
            study,
            sink=book,
            options=Options(results=tmp_path, data_dir=tmp_path, folder=tmp_path, **given),
            execute=execute,
            listener=Silent(),
        )
        return outcome, book

    return run_study


def seeds_of(outcome):
    found = {}
    for run, _ in outcome.ended:
        found.setdefault(run.label, []).append(run.config.seed)
    return found


def test_what_is_settled_gets_no_more_seeds(run, make_listed):
    outcome, book = run(make_listed("worse", "same", "open"))
    assert seeds_of(outcome) == {
        "base": list(range(8)),
        "worse": [0, 1, 2],
        "same": [0, 1, 2],
        "open": list(range(8)),
    }
    assert len(book.runs) == 22
    head, settled, unresolved, runs = outcome.notes
    assert "6 looks at most, after 3 to 8 seeds, each at 99.17 % (5 % shared" in head
    assert settled.startswith("Settled after 3 seeds: worse below the base (-50.0 ± 0.0 %); ")
    assert "same within the bound (+0.0 ± 0.0 %)" in settled
    assert unresolved.startswith("Unresolved after 8 seeds: open (+0.4 ± ")
    assert "these seeds would have shown " in unresolved
    assert runs == "Runs: 22 of the 32 that all seeds would have been."


def test_where_all_is_settled_the_base_gets_no_more_either(run, make_listed):
    outcome, _ = run(make_listed("worse"))
    assert seeds_of(outcome) == {"base": [0, 1, 2], "worse": [0, 1, 2]}


def test_runs_that_failed_settle_nothing(run, make_listed):
    outcome, _ = run(make_listed("broken", "worse", num_seeds=4))
    assert seeds_of(outcome)["broken"] == [0, 1, 2, 3]
    assert "Unresolved after 0 seeds: broken (too few seeds finished)." in outcome.notes


def test_a_sweeps_points_are_compared_with_the_base_though_no_factor_has_it(run, make_study):
    study = make_study("model.num_heads = {choices = [1, 4]}", seeds=tuple(range(5)))
    outcome, _ = run(study)
    assert seeds_of(outcome) == {name: [0, 1, 2] for name in ("base", "num_heads=1", "num_heads=4")}


def test_without_a_rule_all_seeds_are_run(run, make_listed):
    outcome, _ = run(make_listed("worse"), rule=None)
    assert seeds_of(outcome)["worse"] == list(range(8))
    assert outcome.notes == ()


def test_a_deadline_ends_the_looks(run, make_listed):
    outcome, _ = run(make_listed("worse", "open"), deadline=Deadline(at=0.0))
    assert (outcome.ended, outcome.num_left) == ((), 9)
    assert not any(note.startswith("Runs: ") for note in outcome.notes)
    assert OUT_OF_TIME not in outcome.notes


def test_points_that_are_left_out_are_not_asked_about(run, make_listed):
    outcome, _ = run(make_listed("worse", "open"), max_trials=2)
    assert set(seeds_of(outcome)) == {"base", "worse"}
    assert outcome.notes[-1] == "1 of 3 points are left, as --max-trials allows 2."


def test_a_joint_space_has_no_base_to_compare_with(make_study):
    study = make_study("model.dropout = {low = 0.0, high = 0.5}", kind="joint")
    with pytest.raises(ConfigError, match=r"^--until-resolved cannot be used with space test: "):
        check_resolvable(study)
