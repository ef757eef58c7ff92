"""Ray Tune's searcher and scheduler of a study."""

from pathlib import Path
from typing import Any

from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from orchestrator.config import MONITOR
from orchestrator.sweep.budget import LEFT
from orchestrator.sweep.options import Options
from orchestrator.sweep.sampling import num_told, open_study, suggest, tell
from orchestrator.sweep.study import SpaceStudy, Study

ASHA_GRACE = 5
"""Epochs before ASHA may end a trial."""


def scheduler(study: Study) -> TrialScheduler | None:
    """What ends poor trials early; None where nothing does."""
    if study.scheduler == "none":
        return None
    most = 10 * study.base.train.max_epochs
    return ASHAScheduler(grace_period=min(ASHA_GRACE, most), max_t=most, reduction_factor=3)


class Sampler(OptunaSearch):
    """Ray's Optuna search, telling Optuna what really became of each trial.

    Ray's own class tells a trial that was ended early as complete, with its early value, and
    leaves one without a value running for ever.
    """

    def __init__(self, study: SpaceStudy, options: Options) -> None:
        self._journal = options.journal
        self._deadline = options.deadline
        self._history = open_study(options.journal, study.name, seed=study.base.seed)
        self.num_left = max(0, study.num_trials - num_told(self._history))
        super().__init__(
            space=lambda trial: suggest(trial, study.space) and None,
            metric=MONITOR,
            mode="max",
            storage=self._history._storage,
            sampler=self._history.sampler,
            study_name=study.name,
        )

    def save(self, checkpoint_path: str) -> None:
        """Leave a note: the history is in the journal, of which Ray needs no copy."""
        Path(checkpoint_path).write_text(f"see {self._journal}\n")

    def suggest(self, trial_id: str) -> Any:  # noqa: ANN401 - Ray's own type lacks FINISHED
        """The next point; none after the deadline."""
        return self.FINISHED if self._deadline.is_over() else super().suggest(trial_id)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """A report: epochs are intermediate values, the last report is not."""
        if "state" not in result:
            super().on_trial_result(trial_id, result)

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,
        error: bool = False,
    ) -> None:
        """The end of a trial: finished, ended early by the scheduler, or failed."""
        if trial_id in self._completed_trials:
            return
        if result and not error:
            self.on_trial_result(trial_id, result)  # Ray leaves out the report that it ends at
        self._completed_trials.add(trial_id)
        if result and result.get("state") == LEFT:
            return  # untold, so the point is in line again when the sweep goes on
        end = None if error or not result else {"state": "stopped", **result}
        tell(self._history, self._ot_trials[trial_id], end)
