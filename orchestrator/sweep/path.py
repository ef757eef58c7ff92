"""The path from a search's base to its best point, one setting at a time, by real runs.

At each step every setting that still differs is changed alone, with all seeds, and the one with
the highest mean validation NDCG@10 stays changed. So a step tells what its setting adds to those
before it, and the order tells what to tune first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from orchestrator.config import JSON, MONITOR, TrialConfig, override
from orchestrator.digest import code_digest
from orchestrator.errors import ConfigError
from orchestrator.sweep.events import Listener, Sink
from orchestrator.sweep.options import Options
from orchestrator.sweep.run import Execute, StudyOutcome, joined, run_study
from orchestrator.sweep.study import ListedStudy, Trial
from orchestrator.tracking.path import next_step
from orchestrator.tracking.runs import BASE

Changed = frozenset[str]


@dataclass(frozen=True, kw_only=True)
class AblationPath:
    """A checked plan: both ends can be run."""

    name: str
    search: str
    """The sweep whose best point it leads to."""
    base: TrialConfig
    target: Mapping[str, Any]
    """Settings in which the best point differs -> their values there."""
    seeds: tuple[int, ...]
    data_hash: str

    def trial(self, changed: Changed) -> Trial:
        """The base with some of the settings changed.

        Raises:
            ConfigError: no config has these values together.
        """
        values = {key: value for key, value in self.target.items() if key in changed}
        name = "+".join(map(self._short, values)) or BASE
        config = override(self.base, values, where=self.name)
        return Trial(label=name, config=config, changed=values, variant=name)

    def _short(self, key: str) -> str:
        """A setting without its section, unless another section has one of that name."""
        last = key.split(".", 1)[1]
        return last if sum(one.split(".", 1)[1] == last for one in self.target) == 1 else key

    def candidates(self, done: Changed) -> list[Changed]:
        """What may be changed next: one setting more, or all where no config allows one alone."""
        single = [done | {key} for key in self.target if key not in done]
        allowed = [changed for changed in single if self._is_allowed(changed)]
        return allowed or [frozenset(self.target)][: len(single)]

    def _is_allowed(self, changed: Changed) -> bool:
        try:
            self.trial(changed)
        except ConfigError:
            return False
        return True

    def study(self, every: list[Changed]) -> ListedStudy:
        """The runs of a step."""
        return ListedStudy.of(self, map(self.trial, every))

    def plan(self) -> JSON:
        """What decides its results; two paths of one name must agree in it."""
        return {
            "kind": "path",
            "search": self.search,
            "base": self.base.to_json(),
            "target": dict(self.target),
            "seeds": list(self.seeds),
            "data": self.data_hash,
            "code": code_digest(self.base.model),
        }


def run_path(
    path: AblationPath, *, sink: Sink, options: Options, execute: Execute, listener: Listener
) -> StudyOutcome:
    """Walk a path; runs that were done before, in whichever sweep, are taken.

    It ends early where no setting that is left could be changed without a run failing.

    Args:
        path: the checked plan.
        sink: where runs are recorded.
        options: where and how to run.
        execute: what :func:`orchestrator.sweep.run.open_executor` gave.
        listener: told of everything, in this process.

    Raises:
        StoreError: the results folder or Ray cannot be used.
    """
    outcomes: list[StudyOutcome] = []

    def run(phase: str, every: list[Changed]) -> dict[Changed, float]:
        if any(outcome.stop_reason or outcome.num_left for outcome in outcomes):
            return {}
        listener.phase(phase)
        place = replace(options, folder=options.folder / f"step-{len(outcomes)}")
        study = path.study(every)
        done = run_study(study, sink=sink, options=place, execute=execute, listener=listener)
        outcomes.append(done)
        found = {changed: _worth(path, changed, done) for changed in every}
        return {changed: mean for changed, mean in found.items() if mean is not None}

    step: Changed | None = frozenset()
    run("base", [frozenset()])
    while step is not None and (every := path.candidates(step)):
        step = next_step(step, run(f"step {len(outcomes)}", every))
    return joined(outcomes)


def _worth(path: AblationPath, changed: Changed, done: StudyOutcome) -> float | None:
    """Mean validation NDCG@10 over all seeds; None where one did not finish."""
    name = path.trial(changed).variant
    values = [
        record.metrics[MONITOR]
        for run, record in done.ended
        if run.variant == name and record.status == "finished"
    ]
    return fmean(values) if len(values) == len(path.seeds) else None
