"""Runs a listed study seed by seed, and gives no more seeds to what is settled."""

from collections.abc import Hashable, Iterable
from dataclasses import replace

from orchestrator.config import MONITOR
from orchestrator.errors import ConfigError
from orchestrator.evaluation.significance import Finding
from orchestrator.sweep.budget import left_out
from orchestrator.sweep.events import Listener, Sink
from orchestrator.sweep.options import Options
from orchestrator.sweep.run import Execute, StudyOutcome, run_study
from orchestrator.sweep.settle import FIRST_LOOK, Answer, Rule
from orchestrator.sweep.study import ListedStudy, SpaceStudy, Study, Trial
from orchestrator.tracking.runs import BASE

_WORDS: dict[Finding, str] = {
    "below": "below the base",
    "above": "above the base",
    "within": "within the bound",
    "unresolved": "unresolved",
}


def check_resolvable(study: SpaceStudy) -> None:
    """See that a sweep has points to compare with its base.

    Raises:
        ConfigError: its points are not listed.
    """
    if study.space.kind == "joint":
        raise ConfigError(
            f"--until-resolved cannot be used with space {study.space.name}: it compares points "
            "with the base, and a joint space searches. Name a one-factor or grid space."
        )


def run_resolved(
    study: Study, *, sink: Sink, options: Options, execute: Execute, listener: Listener
) -> StudyOutcome:
    """As :func:`orchestrator.sweep.run.run_study`, seed by seed where ``options`` has a rule.

    The base gets a seed as long as one comparison with it is open.
    """
    rule = options.rule
    if rule is None or study.sampled is not None:
        return run_study(study, sink=sink, options=options, execute=execute, listener=listener)
    trials = study.listed()[: options.max_trials]
    base = _base_of(study, trials)
    if base is None:  # no run of its search finished: there is nothing to compare with
        return run_study(study, sink=sink, options=options, execute=execute, listener=listener)
    others = [trial for trial in trials if trial is not base]
    found = _Found(study, rule, base)
    for seeds in (study.seeds[:FIRST_LOOK], *((seed,) for seed in study.seeds[FIRST_LOOK:])):
        still = [trial for trial in others if _key(trial) not in found.settled]
        if not still:
            break
        listener.phase(_phase(base, seeds, num_open=len(still)))
        part = found.part([base, *still], seeds)
        whole = replace(options, max_trials=None)
        outcome = run_study(part, sink=sink, options=whole, execute=execute, listener=listener)
        found.add(outcome, still)
        if outcome.num_left:
            break
    return found.whole(others, left_out(study.listed(), trials))


def _phase(base: Trial, seeds: tuple[int, ...], *, num_open: int) -> str:
    told = f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
    own = "retuned, " if base.phase == "retuned" else ""
    return f"{own}{told}, {num_open} open"


def _key(trial: Trial) -> Hashable:
    return trial.variant, tuple(sorted(trial.changed.items()))


def _base_of(study: Study, trials: tuple[Trial, ...]) -> Trial | None:
    """The trial that changes nothing; a sweep whose factors leave it out has it run too."""
    for trial in trials:
        if trial.variant == BASE or not (trial.variant or trial.changed):
            return trial
    return study.trial({}) if isinstance(study, SpaceStudy) else None


class _Found:
    """The outcomes of a study's looks so far."""

    def __init__(self, study: Study, rule: Rule, base: Trial) -> None:
        self.settled: dict[Hashable, Answer] = {}
        self._outcomes: list[StudyOutcome] = []
        self._study = study
        self._rule = rule
        self._base = base

    def part(self, trials: Iterable[Trial], seeds: tuple[int, ...]) -> ListedStudy:
        """What is run before the next look; the study's notes are told once."""
        return ListedStudy(
            name=self._study.name,
            base=self._study.base,
            seeds=seeds,
            data_hash=self._study.data_hash,
            notes=() if self._outcomes else self._study.notes,
            trials=tuple(trials),
        )

    def add(self, outcome: StudyOutcome, trials: Iterable[Trial]) -> None:
        """Look at the open trials, after runs that a deadline did not cut."""
        self._outcomes.append(outcome)
        if not outcome.num_left:
            answers = self._answers(trials)
            self.settled |= {key: answer for key, answer in answers.items() if answer.is_settled}

    def _answers(self, trials: Iterable[Trial]) -> dict[Hashable, Answer]:
        """What the seeds so far say of each trial but the base."""
        values: dict[Hashable, dict[int, float]] = {}
        for outcome in self._outcomes:
            for run, record in outcome.ended:
                if record.status == "finished":
                    values.setdefault(_key(run), {})[run.config.seed] = record.metrics[MONITOR]
        base = values.get(_key(self._base), {})
        return {
            _key(trial): self._rule.judge(values.get(_key(trial), {}), base) for trial in trials
        }

    def whole(self, trials: list[Trial], left: tuple[str, ...]) -> StudyOutcome:
        """All looks as one outcome, with what was settled when."""
        answers = {**self._answers(trials), **self.settled}
        return StudyOutcome(
            ended=tuple(pair for outcome in self._outcomes for pair in outcome.ended),
            num_reused=sum(outcome.num_reused for outcome in self._outcomes),
            num_left=sum(outcome.num_left for outcome in self._outcomes),
            notes=(self._head(), *_told(trials, answers), *self._saved(len(trials) + 1), *left),
        )

    def _head(self) -> str:
        rule = self._rule
        return (
            f"Seeds were added until validation NDCG@10 settled each difference to the base: "
            f"{rule.looks} looks at most, after {FIRST_LOOK} to {rule.num_seeds} seeds, each at "
            f"{100 * rule.confidence:.4g} % (5 % shared by the looks, Bonferroni); bound "
            f"±{100 * rule.bound:g} % of the base's mean."
        )

    def _saved(self, num_trials: int) -> tuple[str, ...]:
        most = num_trials * self._rule.num_seeds
        run = sum(len(outcome.ended) for outcome in self._outcomes)
        left = sum(outcome.num_left for outcome in self._outcomes)
        return () if left else (f"Runs: {run} of the {most} that all seeds would have been.",)


def _told(trials: list[Trial], answers: dict[Hashable, Answer]) -> list[str]:
    """A sentence for each number of seeds, those that settled nothing last."""
    by_seeds: dict[tuple[bool, int], list[str]] = {}
    for trial in trials:
        answer = answers[_key(trial)]
        own = by_seeds.setdefault((not answer.is_settled, answer.num_seeds), [])
        own.append(_entry(trial, answer))
    return [
        f"{'Unresolved' if is_open else 'Settled'} after {seeds} seeds: {'; '.join(entries)}."
        for (is_open, seeds), entries in sorted(by_seeds.items())
    ]


def _entry(trial: Trial, answer: Answer) -> str:
    name = trial.variant or trial.label
    if answer.mean != answer.mean:  # NaN: too few seeds to say anything
        return f"{name} (too few seeds finished)"
    told = f"{100 * answer.mean:+.1f} ± {100 * answer.half:.1f} %"
    if answer.is_settled:
        return f"{name} {_WORDS[answer.finding]} ({told})"
    return f"{name} ({told}; these seeds would have shown {100 * answer.detectable:.1f} %)"
