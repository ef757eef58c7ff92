"""Going on with a sweep, an ablation, a comparison, a path or a diagnosis by its name alone."""

from collections.abc import Callable
from typing import Unpack

from orchestrator.api.command import again, find_command
from orchestrator.api.comparing import compare
from orchestrator.api.diagnosing import diagnose
from orchestrator.api.paths import path
from orchestrator.api.results import RESULTS, SweepResult
from orchestrator.api.studies import ablate, sweep
from orchestrator.api.way import How


def resume(name: str, *, max_time: str | None = None, **how: Unpack[How]) -> SweepResult:
    """Go on with a sweep, an ablation, a comparison, a path or a diagnosis: its call, made again.

    Args:
        name: its name.
        max_time: of a sweep, an ablation or a comparison: how long runs may go on from now.
        how: what is to be other than before; see :class:`orchestrator.api.way.How`. ``results`` is
            where it is to be found.

    Raises:
        OrchError: there is no such sweep, or what the call itself would raise.
    """
    functions: dict[str, Callable[..., SweepResult]] = {
        "sweep": sweep,
        "ablate": ablate,
        "compare": compare,
        "path": path,
        "diagnose": diagnose,
    }
    results = how.get("results", RESULTS)
    changes = {**how, "results": results, "max_time": max_time}
    result: SweepResult = again(find_command(name, results), functions, changes)
    return result
