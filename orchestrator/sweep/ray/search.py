"""Ray Tune's searcher and scheduler of a study."""

from pathlib import Path
from typing import Any

import numpy as np
from ray.tune.schedulers import ASHAScheduler, MedianStoppingRule, TrialScheduler
from ray.tune.search import Searcher

from orchestrator.config import MONITOR
from orchestrator.results import record_from_json
from orchestrator.sweep.budget import LEFT
from orchestrator.sweep.local import values_of
from orchestrator.sweep.options import Options
from orchestrator.sweep.sampling import Search
from orchestrator.sweep.study import SpaceStudy, Study

GRACE = 5
"""Epochs before a scheduler may end a trial."""
BRACKETS = 3
"""Of Hyperband: the grace of the first is ASHA's, that of each other three times the last one's."""


def scheduler(study: Study) -> TrialScheduler | None:
    """What ends poor trials early; None where nothing does."""
    if study.scheduler == "none":
        return None
    if study.scheduler == "median":
        never: Any = float(
            "inf"
        )  # a trial that is paused begins again: Ray has no checkpoint of it
        return MedianStoppingRule(
            time_attr="training_iteration", grace_period=GRACE, min_time_slice=never
        )
    most = 10 * study.base.train.max_epochs
    rungs: dict[str, Any] = {"grace_period": min(GRACE, most), "max_t": most, "reduction_factor": 3}
    if study.scheduler == "asha":
        return ASHAScheduler(**rungs)
    return Hyperband(brackets=BRACKETS, seed=study.base.seed, **rungs)


class Hyperband(ASHAScheduler):
    """Hyperband without waiting: successive halving in brackets of different grace.

    Ray's synchronous class pauses trials until a bracket is full, which a search that proposes as
    many at once as there are workers never fills. The bracket of a trial is drawn repeatably.
    """

    def __init__(self, *, seed: int, **options: Any) -> None:  # noqa: ANN401 - Ray's own
        super().__init__(**options)
        self._seed = seed
        self._num_added = 0

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401
        """Draw the trial's bracket."""
        before = np.random.get_state()  # noqa: NPY002 - what Ray draws from
        np.random.seed(self._seed + self._num_added)  # noqa: NPY002
        self._num_added += 1
        try:
            super().on_trial_add(tune_controller, trial)
        finally:
            np.random.set_state(before)  # noqa: NPY002


class Sampler(Searcher):
    """A study's search as Ray asks for it, told what really became of each trial.

    Ray's own class for Optuna tells a trial that was ended early as complete, with its early
    value, leaves one without a value running for ever, and runs a point again that is known.
    """

    def __init__(self, study: SpaceStudy, options: Options) -> None:
        super().__init__(metric=MONITOR, mode="max")
        self._study = study
        self._journal = options.journal
        self._deadline = options.deadline
        self._search = Search(study, options.journal)
        self._trials: dict[str, Any] = {}
        self.num_left = self._search.num_left

    def save(self, checkpoint_path: str) -> None:
        """Leave a note: the history is in the journal, of which Ray needs no copy."""
        Path(checkpoint_path).write_text(f"see {self._journal}\n")

    def restore(self, checkpoint_path: str) -> None:
        """Never asked for: a sweep that goes on opens its journal."""
        raise NotImplementedError

    def suggest(self, trial_id: str) -> Any:  # noqa: ANN401 - a point, or Ray's word for the end
        """The next point; none after the deadline."""
        asked = None if self._deadline.is_over() else self._search.ask()
        if asked is None:
            return Searcher.FINISHED
        self._trials[trial_id], point = asked
        return point

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """A report: epochs are intermediate values, the last report is not."""
        if "state" not in result:
            trial, step = self._trials[trial_id], result["training_iteration"]
            self._search.report(trial, result[MONITOR], step)

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,
        error: bool = False,
    ) -> None:
        """The end of a trial: finished, ended early by the scheduler, or failed."""
        if trial_id not in self._trials:
            return
        if result and not error:
            self.on_trial_result(trial_id, result)  # Ray leaves out the report that it ends at
        if result and result.get("state") == LEFT:
            return  # untold, so the point is in line again when the sweep goes on
        end = None if error or not result else {"state": "stopped", **result}
        records = [record_from_json(plain) for plain in (end or {}).get("records", ())]
        values = values_of(records, self._study.objectives)
        self._search.tell(self._trials.pop(trial_id), end, values)
