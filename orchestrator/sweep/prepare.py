"""From what a user asks for to a checked study; whatever can be refused is refused here."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import torch

from orchestrator.config import TrialConfig, flatten, override
from orchestrator.data import Dataset
from orchestrator.errors import ConfigError
from orchestrator.sweep.conditions import settled
from orchestrator.sweep.options import Executor, Gpus, Options
from orchestrator.sweep.prepare_search import check_search
from orchestrator.sweep.space import NAME_LETTERS, Space, check
from orchestrator.sweep.study import Sampler, Scheduler, SpaceStudy, default_name
from orchestrator.tracking.runs import Objective
from orchestrator.training.loop import build_model, pick_device

Number = TypeVar("Number", int, float)


def prepare(
    space: Space,
    base: TrialConfig,
    dataset: Dataset,
    *,
    overrides: Mapping[str, Any],
    num_seeds: int,
    num_trials: int,
    scheduler: Scheduler,
    name: str | None,
    sampler: Sampler = "tpe",
    objectives: tuple[Objective, ...] = ("ndcg",),
) -> SpaceStudy:
    """A checked study of a space on a data set.

    Args:
        space: the search space.
        base: the model's default settings.
        dataset: the open data set; the base model is built on it once, so that an input that the
            data set lacks is found now and not in a worker.
        overrides: dotted key -> value, set on top of the space's base.
        num_seeds: seeds 0, 1, ... of every point.
        num_trials: points to sample where the space is larger.
        scheduler: ends poor trials early; joint spaces only.
        name: the sweep's name; None takes one that follows from the content.
        sampler: proposes the points of a joint space.
        objectives: what a joint space is searched for.

    Raises:
        ConfigError: any of it cannot be, or nothing that is swept has an effect on this data set.
    """
    _refuse_swept(space, overrides)
    checked = override(check(space, base), overrides, where="--set")
    check(replace(space, base={}), checked)
    inert = build_model(checked, dataset).inert_settings()
    space, notes = _without_inert(space, inert, checked)
    searched = check_search(
        space,
        sampler=sampler,
        scheduler=scheduler,
        objectives=objectives,
        num_trials=num_trials,
    )
    study = SpaceStudy(
        name=checked_name(name or "unnamed"),
        space=space,
        base=checked,
        seeds=tuple(range(num_seeds)),
        num_trials=num_trials,
        scheduler=scheduler,
        sampler=sampler,
        objectives=objectives,
        data_hash=dataset.data_hash,
        notes=(*notes, *searched),
    )
    return study if name else replace(study, name=default_name(space.name, checked, study.plan()))


def _without_inert(
    space: Space, inert: Mapping[str, str], base: TrialConfig
) -> tuple[Space, tuple[str, ...]]:
    """The space of what has an effect on this data set, and a sentence for each that has none.

    Raises:
        ConfigError: nothing has.
    """
    why = {key: inert.get(key.removeprefix("model.")) for key in space.factors}
    notes = tuple(
        f"`{key}` is not swept: it changes nothing on this data set: {reason}."
        for key, reason in why.items()
        if reason
    )
    kept = settled(space.factors, {k: v for k, v in flatten(base).items() if why.get(k)})
    notes += tuple(
        f"`{key}` is not swept: what it needs is not swept."
        for key in space.factors
        if key not in kept and not why[key]
    )
    if not kept:
        raise ConfigError(f"--space {space.name}: there is nothing to sweep. {' '.join(notes)}")
    return replace(space, factors=kept), notes


def at_least_one(option: str, value: int) -> int:
    """A count from the command line.

    Raises:
        ConfigError: it is below 1.
    """
    return at_least(option, value, 1)


def at_least(option: str, value: Number, least: int) -> Number:
    """A number from the command line.

    Raises:
        ConfigError: it is below the least, or none.
    """
    if not value >= least:
        raise ConfigError(f"{option} cannot be {value:g}: it must be at least {least}.")
    return value


def check_devices(options: Options) -> None:
    """See that this machine has what the runs are to run on; otherwise Ray waits for ever.

    Raises:
        ConfigError: there is no such device, or there are not so many GPUs.
    """
    pick_device(options.device)
    check_gpus(options.gpus, torch.cuda.device_count(), "here")


def check_gpus(wanted: Gpus | None, found: int, where: str) -> None:
    """See that as many GPUs as a run is to have are there.

    Args:
        wanted: GPUs per run.
        found: how many there are.
        where: of which machines, in words.

    Raises:
        ConfigError: there are not so many.
    """
    if wanted is None:
        return
    if wanted == "auto":
        if not found:
            raise ConfigError(f"--gpus-per-trial cannot be auto: there is no GPU {where}.")
        return
    if not 0 <= wanted <= found:
        raise ConfigError(
            f"--gpus-per-trial cannot be {wanted:g}: it must be between 0 and the {found} that "
            f"are {where}."
        )
    if wanted > 1 and wanted != int(wanted):
        raise ConfigError(
            f"--gpus-per-trial cannot be {wanted:g}: above 1 it must be a whole number."
        )


def check_cluster(options: Options, executor: Executor) -> None:
    """See that what is said of a cluster goes together.

    Raises:
        ConfigError: it does not.
    """
    if options.storage is not None and (options.address is None or executor == "local"):
        raise ConfigError(
            "--storage: is for a cluster (--address); on one machine all files are in --results. "
            "Leave it out."
        )
    if options.address is not None and options.address.startswith("ray://"):
        raise ConfigError(
            f"--address cannot be {options.address}: that is a port of Ray's client. Type the "
            "command on a machine of the cluster, with its HOST:PORT (6379 unless chosen) or auto."
        )


def _refuse_swept(space: Space, overrides: Mapping[str, Any]) -> None:
    """Where every factor varies at once, setting one of them would have no effect."""
    both = sorted(set(space.factors) & set(overrides))
    if both and space.kind != "one-factor":
        raise ConfigError(f"--set: `{both[0]}` is swept by space {space.name}. Leave it out.")


def checked_name(name: str) -> str:
    """A sweep's or an ablation's name.

    Raises:
        ConfigError: it cannot name a folder.
    """
    if set(name) - NAME_LETTERS or name.startswith("."):
        raise ConfigError(
            f"--name cannot be {name!r}: it names a folder. Use letters, digits, `-`, `_`, `.`."
        )
    return name
