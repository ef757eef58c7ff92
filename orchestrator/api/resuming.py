"""Going on with a sweep, an ablation or a diagnosis by its name alone."""

from collections.abc import Callable
from pathlib import Path

from orchestrator.api.command import again, find_command
from orchestrator.api.diagnosing import diagnose
from orchestrator.api.paths import path
from orchestrator.api.results import RESULTS, SweepResult
from orchestrator.api.studies import ablate, sweep
from orchestrator.sweep.events import Listener
from orchestrator.sweep.options import Executor


def resume(
    name: str,
    *,
    num_workers: int | None = None,
    executor: Executor | None = None,
    address: str | None = None,
    storage: str | None = None,
    device: str | None = None,
    trial_time: str | None = None,
    stop_after: int | None = None,
    max_time: str | None = None,
    results: Path = RESULTS,
    data_dir: Path | None = None,
    tracking_uri: str | None = None,
    listener: Listener | None = None,
    on_problem: Callable[[str], None] | None = None,
) -> SweepResult:
    """Go on with a sweep, an ablation or a diagnosis: the call that began it, made again.

    Args:
        name: its name.
        num_workers: as the following ones, where not as before: see :func:`sweep`.
        executor: ``ray`` or ``local``.
        address: a Ray cluster to join.
        storage: of a cluster: URL where runs' files are kept.
        device: ``auto``, ``cpu``, ``cuda``.
        trial_time: how long a run may take.
        stop_after: failures of one kind in a row that stop it all.
        max_time: of a sweep or an ablation: how long runs may go on from now.
        results: the folder where it is.
        data_dir: folder of data sets.
        tracking_uri: an MLflow store.
        listener: told of progress.
        on_problem: told of what does not stop the runs.

    Raises:
        OrchError: there is no such sweep, or what the call itself would raise.
    """
    changes = {key: value for key, value in locals().items() if key != "name"}
    functions: dict[str, Callable[..., SweepResult]] = {
        "sweep": sweep,
        "ablate": ablate,
        "diagnose": diagnose,
        "path": path,
    }
    result: SweepResult = again(find_command(name, results), functions, changes)
    return result
