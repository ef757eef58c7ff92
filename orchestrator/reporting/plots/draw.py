"""From studies and a kind to a figure, the frame behind it, and their files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
from matplotlib.figure import Figure

from orchestrator.errors import ConfigError, DataError, StoreError
from orchestrator.reporting.parts import Part, caption, compose
from orchestrator.reporting.plots.curves import together
from orchestrator.reporting.plots.kind import Asked, CannotDrawError, Kind, finished
from orchestrator.reporting.plots.kinds import KINDS
from orchestrator.reporting.style import for_paper
from orchestrator.tracking.runs import SweepInfo
from orchestrator.tracking.stored import StoredStudy


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a figure is to be laid out."""

    preset: str | None = None
    """A name of :data:`orchestrator.reporting.style.PRESETS`."""
    is_bare: bool = False
    """Without title and notes, which are for the caption."""
    together: bool = False
    """All studies in one panel."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A figure, and what it was made of."""

    figure: Figure
    frame: pd.DataFrame
    """The numbers behind it; ``study``, ``model`` and ``dataset`` say what each is of."""
    caption: str


def possible(study: StoredStudy) -> tuple[str, ...]:
    """The kinds that a study can give, as far as is seen without computing."""
    has_runs = not finished(study.runs).empty
    kinds = {name: kind for name, kind in KINDS.items() if has_runs or not kind.needs_runs}
    return tuple(name for name, kind in kinds.items() if kind.why_not(study) is None)


def listed(study: StoredStudy) -> dict[str, str]:
    """The kinds that a study can give by itself, and what each shows.

    Raises:
        StoreError: none, as no run of it has finished.
    """
    found = possible(study)
    if not found:
        raise StoreError(_nothing_finished(study))
    return {name: KINDS[name].about for name in found if KINDS[name].is_alone(study)}


def draw(name: str, studies: Sequence[StoredStudy], asked: Asked, look: Look) -> Drawn:
    """A figure of one study, or of several with the panels of each.

    Args:
        name: one of :data:`KINDS`.
        studies: one or more.
        asked: what is to be shown.
        look: how.

    Raises:
        ConfigError: an option that means nothing to the kind, or a study that cannot give it.
        StoreError: a study without a finished run, or without a metric that is asked for.
        DataError: studies whose data differ in one panel, or under one name.
    """
    kind = KINDS[name]
    _check_options(name, kind, asked, look, len(studies))
    for study in studies:
        _check_study(name, kind, study)
    _check_names_of_data([study.info for study in studies])
    if look.together:
        _check_one_data([study.info for study in studies])
        found = [(studies[0].info, together(studies, asked))]
    else:
        found = [pair for study in studies for pair in _parts(name, kind, study, asked)]
    parts = [_headed(part, info, studies) for info, part in found]
    title = _title(kind, asked, [study.info for study in studies])
    with for_paper(look.preset, is_bare=look.is_bare):
        figure = compose(parts, title=title)
    frame = _frame(found, is_mixed=look.together)
    return Drawn(figure=figure, frame=frame, caption=caption(parts, title=title))


def _parts(name: str, kind: Kind, study: StoredStudy, asked: Asked) -> list[tuple[SweepInfo, Part]]:
    try:
        return [(study.info, part) for part in kind.parts(study, asked)]
    except CannotDrawError as reason:
        raise ConfigError(_refusal(name, study, str(reason))) from None


_OPTIONS = {"metric": "--metric", "factor": "--factor", "against": "--against"}


def _check_options(name: str, kind: Kind, asked: Asked, look: Look, num: int) -> None:
    given = {"metric": asked.metrics, "factor": asked.factors, "against": asked.against}
    for what, option in _OPTIONS.items():
        if given[what] and what not in kind.takes:
            takers = ", ".join(other for other, one in KINDS.items() if what in one.takes)
            raise ConfigError(f"{option}: `{name}` has no use for it. These have: {takers}.")
    most = kind.most_metrics
    if most is not None and len(asked.metrics) > most:
        raise ConfigError(
            f"--metric: `{name}` shows {most} at most, and {len(asked.metrics)} are named."
        )
    if look.together and ("together" not in kind.takes or num < 2):
        raise ConfigError(
            "--together puts the convergence of two studies or more into one panel: "
            f"`{name}` of {num} cannot be."
        )


def _check_study(name: str, kind: Kind, study: StoredStudy) -> None:
    if kind.needs_runs and finished(study.runs).empty:
        raise StoreError(_nothing_finished(study))
    reason = kind.why_not(study)
    if reason:
        raise ConfigError(_refusal(name, study, reason))


def _nothing_finished(study: StoredStudy) -> str:
    num = len(study.runs)
    if not num:
        return f"{study.info.name}: it has no run yet. Type its command again to go on with it."
    told = pd.Series(study.state.conditions).value_counts(sort=False)
    counts = ", ".join(f"{count} {condition}" for condition, count in told.items())
    return (
        f"{study.info.name}: none of its {num} runs has finished ({counts}), so there is nothing "
        f"to draw. `orch status {study.info.name}` tells why."
    )


def _refusal(name: str, study: StoredStudy, reason: str) -> str:
    others = [other for other in possible(study) if other != name]
    can = f"It can give: {', '.join(others)}." if others else "It can give no other kind."
    return f"{study.info.name}: `{name}` cannot be drawn of it: {reason}. {can}"


def _check_names_of_data(infos: Sequence[SweepInfo]) -> None:
    """One name of a data set must mean one thing in a figure."""
    first: dict[str, SweepInfo] = {}
    for info in infos:
        other = first.setdefault(info.dataset, info)
        if other.data_hash != info.data_hash:
            raise DataError(
                f"{other.name} and {info.name} are of different data that are both called "
                f"`{info.dataset}` ({other.data_hash[:8]} and {info.data_hash[:8]}): no figure can "
                "have both. Draw them one by one."
            )


def _check_one_data(infos: Sequence[SweepInfo]) -> None:
    """A panel shows one data set."""
    for info in infos[1:]:
        if info.data_hash != infos[0].data_hash:
            raise DataError(
                f"{infos[0].name} is of `{infos[0].dataset}` and {info.name} of `{info.dataset}`: "
                "one panel cannot mix data sets. Leave out --together for a panel each."
            )


def _headed(part: Part, info: SweepInfo, studies: Sequence[StoredStudy]) -> Part:
    """With what tells a study from the others above its own heading."""
    own = study_heading(info, [study.info for study in studies]) if len(studies) > 1 else ""
    return replace(part, heading=": ".join(filter(None, [own, part.heading])))


def study_heading(info: SweepInfo, infos: Sequence[SweepInfo]) -> str:
    """What tells a study from others: its data set, its model, its space, or else its name."""
    told = _told(info)
    differing = [key for key in told if len({_told(other)[key] for other in infos}) > 1]
    same = [o for o in infos if _told(o) == told]
    if len(same) > 1:
        return info.name
    return ", ".join(told[key] for key in differing)


def _told(info: SweepInfo) -> dict[str, str]:
    return {"model": info.shown_model, "space": info.space, "dataset": data_text(info)}


def data_text(info: SweepInfo) -> str:
    """A data set as a figure names it."""
    return f"{info.dataset} (synthetic data)" if info.synthetic else info.dataset


def _title(kind: Kind, asked: Asked, infos: Sequence[SweepInfo]) -> str:
    models = ", ".join(dict.fromkeys(info.shown_model for info in infos))
    *first, last = dict.fromkeys(map(data_text, infos))
    data = f"{', '.join(first)} and {last}" if first else last
    what = f"{kind.what} over {asked.against.info.shown_model}" if asked.against else kind.what
    spaces = {info.space for info in infos if not info.has_variants}
    space = f"{spaces.pop()}, " if len(spaces) == 1 else ""
    return f"{models}, {space}{what}, on {data}"


def _frame(found: Sequence[tuple[SweepInfo, Part]], *, is_mixed: bool) -> pd.DataFrame:
    """All numbers, with what they are of in front."""
    frames = []
    for info, part in found:
        frame = part.frame.copy()
        names = {"dataset": info.dataset}
        if not is_mixed:
            names = {"study": info.name, "model": info.shown_model, **names}
        for place, (name, value) in enumerate(names.items()):
            frame.insert(place, name if name not in frame else f"of_{name}", value)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def as_csv(frame: pd.DataFrame) -> bytes:
    """A frame as a file's bytes; several values of a cell stand side by side."""
    plain = frame.map(lambda cell: " ".join(map(str, cell)) if isinstance(cell, tuple) else cell)
    return plain.to_csv(index=False, lineterminator="\n").encode()


def abouts() -> Mapping[str, str]:
    """Kind -> what it shows."""
    return {name: kind.about for name, kind in KINDS.items()}
