"""Optuna: which point to try next, and what became of those tried; the only file that imports it.

The history lies in a journal file beside the sweep, so a sweep that goes on knows it. A trial that
a scheduler ended early is told as pruned, one that failed as failed, and one whose process died
without a word is put in line again when the sweep goes on.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from orchestrator.sweep.space import Choice, Space

optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_study(path: Path, name: str, *, seed: int) -> optuna.Study:
    """A sweep's study, with its history where the sweep was begun before.

    Points of trials that were cut are tried first. What is drawn at random does not begin anew:
    the first points would come again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(path))),
            study_name=name,
            direction="maximize",
            load_if_exists=True,
        )
        num_before = len(study.get_trials(deepcopy=False))
        study.sampler = optuna.samplers.TPESampler(seed=seed + num_before)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    return study


def num_told(study: optuna.Study) -> int:
    """Trials that count against the budget: done or ended early, but not failed."""
    return len(told_points(study))


def told_points(study: optuna.Study) -> tuple[dict[str, Any], ...]:
    """The points of those trials."""
    told = (TrialState.COMPLETE, TrialState.PRUNED)
    return tuple(trial.params for trial in study.get_trials(deepcopy=False, states=told))


def num_told_before(path: Path, name: str) -> int:
    """As :func:`num_told`, of a study that is only looked at; 0 where it was never begun."""
    if not path.exists():
        return 0
    storage = JournalStorage(JournalFileBackend(str(path)))
    names = [study.study_name for study in storage.get_all_studies()]
    return num_told(optuna.load_study(study_name=name, storage=storage)) if name in names else 0


def suggest(trial: Any, space: Space) -> dict[str, Any]:  # noqa: ANN401 - Ray's has no base class
    """One value per factor, of Optuna's trial or Ray's stand-in for one."""
    return {key: _suggest(trial, space, key) for key in space.factors}


def _suggest(trial: Any, space: Space, key: str) -> Any:  # noqa: ANN401
    factor = space.factors[key]
    if isinstance(factor, Choice):
        return trial.suggest_categorical(key, factor.choices)
    if factor.is_whole:
        return trial.suggest_int(key, int(factor.low), int(factor.high), log=factor.log)
    return trial.suggest_float(key, factor.low, factor.high, log=factor.log)


def tell(study: optuna.Study, trial: Trial, outcome: Mapping[str, Any] | None) -> None:
    """Tell what became of a trial.

    Args:
        study: the sweep's study.
        trial: the trial.
        outcome: ``state`` ("finished", "stopped", "failed") and ``value``, the mean validation
            NDCG@10; None where the trial's process died.
    """
    state = outcome["state"] if outcome else "failed"
    if state == "finished":
        assert outcome is not None
        study.tell(trial, outcome["value"])
    elif state == "stopped":
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, state=TrialState.FAIL)
