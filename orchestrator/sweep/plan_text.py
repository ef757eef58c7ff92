"""A plan in a few lines, for the command line."""

from orchestrator.sweep.forecast import Epochs
from orchestrator.sweep.plan import Plan, Span, Tally

_UNITS = ((3600.0, "h"), (60.0, "min"), (1.0, "s"))
_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def plan_text(plan: Plan) -> str:
    """What would be run, and its price."""
    lines = {
        "points": _points(plan.tally),
        "seeds": _seeds(plan),
        "runs": _runs(plan.tally),
        "epochs": "; ".join(
            f"{model} {_epochs(stages)}".strip() for model, stages in plan.epochs.items()
        ),
        "timed": ", ".join(
            f"{name} {cost.epoch:.3g} s per epoch" for name, cost in plan.timed.items()
        ),
        "time": _time(plan),
        "disk": f"{_between(plan.kept, _SIZES)} kept in the results folder, "
        f"and up to {_sized(plan.running, _SIZES)} of checkpoints while runs go on",
    }
    head = f"{plan.name}: nothing is started, as --plan only tells."
    told = [f"{name:<8}{text}." for name, text in lines.items() if text]
    return "\n".join([head, "", *told, *(f"Note: {note}" for note in plan.notes)])


def _points(tally: Tally) -> str:
    removed = {
        "the base, which factors share": tally.shared,
        "the same computation as another": tally.equal,
        "left out by --max-trials": tally.over,
    }
    told = [f"{num} {what}" for what, num in removed.items() if num]
    return f"{tally.points}" + (f" ({tally.listed} less {', '.join(told)})" if told else "")


def _seeds(plan: Plan) -> str:
    if plan.tally.at_least < plan.tally.left:
        return f"3 to {plan.num_seeds} each, until resolved"
    return f"{plan.num_seeds} each"


def _runs(tally: Tally) -> str:
    begun = f", {tally.begun} of them from a checkpoint" if tally.begun else ""
    left = f"{tally.left}"
    if tally.at_least < tally.left:
        left = f"{tally.at_least} to {tally.left}"
    return f"{tally.runs}: {tally.reused} done before and reused, {left} left{begun}"


def _epochs(stages: tuple[Epochs, ...]) -> str:
    total = Span(
        low=sum(stage.low for stage in stages),
        expected=sum(stage.expected for stage in stages),
        high=sum(stage.high for stage in stages),
    )
    low, high = f"{total.low:.0f}", f"{total.high:.0f}"
    told = f"{low if low == high else f'{low} to {high}'} per run"
    num = min(stage.num_runs for stage in stages)
    if not num:
        return f"{told}, from patience and max_epochs alone: no finished run tells more"
    return f"{told} on average, from {num} finished runs of the model on this data set"


def _time(plan: Plan) -> str:
    cpu = f"{_between(plan.cpu, ((3600.0, 'CPU hours'),))}"
    told = f"{_between(plan.wall, _UNITS)} with {plan.workers} at once; {cpu}"
    if plan.max_time is not None and plan.wall.high > plan.max_time:
        told += f"; --max-time ends it after {_sized(plan.max_time, _UNITS)} at the latest"
    return told


def _between(span: Span, units: tuple[tuple[float, str], ...]) -> str:
    size, unit = _unit(span.expected, units)
    low, high, middle = (f"{v / size:.2g}" for v in (span.low, span.high, span.expected))
    if low == high:
        return f"{middle} {unit}"
    return f"{_plain(low)} to {_plain(high)} {unit} (about {_plain(middle)})"


def _plain(number: str) -> str:
    """Without an exponent."""
    return f"{float(number):.0f}" if "e" in number else number


def _sized(value: float, units: tuple[tuple[float, str], ...]) -> str:
    size, unit = _unit(value, units)
    return f"{_plain(f'{value / size:.2g}')} {unit}"


def _unit(value: float, units: tuple[tuple[float, str], ...]) -> tuple[float, str]:
    return next((own for own in units if value >= own[0]), units[-1])
