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


def resume(name: str, **how: Unpack[How]) -> SweepResult:
    """Go on with a sweep, an ablation, a comparison, a path or a diagnosis: its call, made again.

    Args:
        name: its name.
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
    result: SweepResult = again(find_command(name, results), functions, {**how, "results": results})
    return result
