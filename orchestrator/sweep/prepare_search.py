"""What can be refused of a search: its sampler, its scheduler, what it is for."""

from typing import cast, get_args

from orchestrator.errors import ConfigError, unknown
from orchestrator.sweep.factors import Range
from orchestrator.sweep.options import Executor
from orchestrator.sweep.space import Space
from orchestrator.sweep.study import Sampler, Scheduler
from orchestrator.tracking.runs import Objective


def read_objectives(text: str) -> tuple[Objective, ...]:
    """What a search is for, from words between commas.

    Raises:
        ConfigError: an unknown word, or not one of the combinations that there are.
    """
    words = tuple(word.strip() for word in text.split(","))
    known = get_args(Objective)
    for word in words:
        if word not in known:
            raise ConfigError(f"--objectives: {unknown('objective', word, known)}")
    if words[0] != "ndcg" or len(words) > 2 or len(set(words)) < len(words):
        raise ConfigError(
            f"--objectives cannot be {text}: it must be `ndcg`, `ndcg,parameters` or "
            "`ndcg,seconds`."
        )
    return cast("tuple[Objective, ...]", words)


def check_scheduler(space: Space, scheduler: Scheduler, num_trials: int) -> None:
    """Refuse a scheduler where ending runs early would leave gaps.

    Raises:
        ConfigError: all points of the space are run.
    """
    if scheduler == "none":
        return
    if space.kind != "joint":
        raise ConfigError(
            f"--scheduler cannot be {scheduler} with space {space.name}: ending runs early leaves "
            f"gaps in a {space.kind} space. Use it with a joint one."
        )
    if space.size() <= num_trials:
        raise ConfigError(
            f"--scheduler cannot be {scheduler}: all {space.size():.0f} points of space "
            f"{space.name} are run, being no more than --trials. Leave it out, or lower --trials."
        )


def check_executor(executor: Executor, scheduler: Scheduler) -> None:
    """Refuse a scheduler without Ray.

    Raises:
        ConfigError: both are asked for.
    """
    if executor == "local" and scheduler != "none":
        raise ConfigError(
            f"--scheduler cannot be {scheduler} with --executor local: schedulers are Ray Tune's. "
            "Use --executor ray, or leave it out."
        )


def check_search(
    space: Space,
    *,
    sampler: Sampler,
    scheduler: Scheduler,
    objectives: tuple[Objective, ...],
    num_trials: int,
) -> tuple[str, ...]:
    """Refuse a search that cannot be.

    Returns:
        Sentences on what the sampler does otherwise than its name says.

    Raises:
        ConfigError: sampler, scheduler and objectives do not fit the space or each other.
    """
    if space.kind != "joint" and (sampler != "tpe" or len(objectives) > 1):
        option = f"--sampler cannot be {sampler}" if sampler != "tpe" else "--objectives"
        raise ConfigError(
            f"{option} with space {space.name}: nothing is searched in a {space.kind} space, all "
            "its points are run. Use it with a joint one."
        )
    if len(objectives) > 1 and scheduler != "none":
        raise ConfigError(
            f"--scheduler cannot be {scheduler} with --objectives {','.join(objectives)}: runs are "
            "ended early by validation NDCG@10 alone. Leave one of them out."
        )
    if sampler == "grid":
        return _grid(space, scheduler)
    check_scheduler(space, scheduler, num_trials)
    if space.kind == "joint" and space.size() <= num_trials:
        return _whole(space, sampler)
    return _cmaes(space, objectives) if sampler == "cmaes" else _gp(space, sampler)


def _grid(space: Space, scheduler: Scheduler) -> tuple[str, ...]:
    ranges = [key for key, factor in space.factors.items() if isinstance(factor, Range)]
    if ranges:
        raise ConfigError(
            f"--sampler cannot be grid with space {space.name}: `{ranges[0]}` is a range, which "
            "has no list of values. Give it `choices`, or use another sampler."
        )
    if scheduler != "none":
        raise ConfigError(
            f"--scheduler cannot be {scheduler} with --sampler grid: ending runs early leaves gaps "
            "in a grid. Leave one of them out."
        )
    return (f"all {space.size():.0f} points of the space are run, whatever --trials says.",)


def _whole(space: Space, sampler: Sampler) -> tuple[str, ...]:
    if sampler == "tpe":
        return ()
    return (
        f"all {space.size():.0f} points of the space are run, being no more than --trials: "
        f"{sampler} has nothing to choose.",
    )


def _cmaes(space: Space, objectives: tuple[Objective, ...]) -> tuple[str, ...]:
    if len(objectives) > 1:
        raise ConfigError(
            "--sampler cannot be cmaes with several --objectives: it searches for one. "
            "Use tpe, gp or random."
        )
    searched = [k for k, f in space.factors.items() if isinstance(f, Range) and not f.when]
    if not searched:
        raise ConfigError(
            f"--sampler cannot be cmaes with space {space.name}: it searches ranges, and no factor "
            "there is one that always exists. Use tpe, gp or random."
        )
    return _at_random([key for key in space.factors if key not in searched], "CMA-ES")


def _gp(space: Space, sampler: Sampler) -> tuple[str, ...]:
    if sampler != "gp":
        return ()
    return _at_random([key for key, factor in space.factors.items() if factor.when], "GP")


def _at_random(keys: list[str], sampler: str) -> tuple[str, ...]:
    if not keys:
        return ()
    what = "ranges that always exist" if sampler == "CMA-ES" else "factors that always exist"
    named = ", ".join(f"`{key}`" for key in keys)
    return (f"{named}: drawn at random, as {sampler} searches {what} alone.",)
