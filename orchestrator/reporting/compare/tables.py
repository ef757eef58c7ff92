"""A comparison's frames as tables: the papers' form, and what stands behind it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

from orchestrator.config import MONITOR
from orchestrator.evaluation.significance import Finding
from orchestrator.reporting.blocks import Block, Cells, Mark, Marked, Section
from orchestrator.reporting.compare.frame import GROUPS, TURNED, Gain
from orchestrator.reporting.numbers import NONE, model_text, number, p_value, with_half
from orchestrator.reporting.points import metric_text
from orchestrator.reporting.published import comparison_source
from orchestrator.tracking.runs import SweepInfo

SIGN = "†"
"""After a gain that both tests resolve."""
FINDINGS: Mapping[Finding, str] = {
    "above": "better",
    "below": "worse",
    "within": "equal",
    "unresolved": "unresolved",
}
_GROUPS = {
    "cold": "cold users",
    "warm": "warm users",
    "rare": "rare targets",
    "frequent": "frequent targets",
}
_PLACES: Mapping[int, Mark] = {1: "best", 2: "second"}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """All that is told of a comparison on one data set."""

    info: SweepInfo
    frame: pd.DataFrame
    """What :func:`~orchestrator.reporting.compare.frame.comparison_frame` gave."""
    pairs: pd.DataFrame
    costs: pd.DataFrame
    gains: Mapping[str, Gain]
    """Metric -> what the leading model gains."""
    origin: str = ""
    """Where the runs are from, in a sentence, where they are not of one comparison."""

    @property
    def models(self) -> list[str]:
        """In the order to show them."""
        return [variant.name for variant in self.info.variants]

    @property
    def metrics(self) -> list[str]:
        """In the order to show them."""
        return self.frame["metric"].drop_duplicates().tolist()

    @property
    def headline(self) -> str:
        """The metric of which more is told than its means."""
        named = [metric for metric in self.metrics if metric.endswith("ndcg@10")]
        return (named or self.metrics)[0]

    def cells(self, metric: str, *, group: str = "", has_intervals: bool = True) -> dict[str, str]:
        """Model -> its figure, best and second marked."""
        own = self.frame[(self.frame["metric"] == metric) & (self.frame["group"] == group)]
        return {
            str(row.model): _figure(row, has_intervals=has_intervals) for row in own.itertuples()
        }

    def published(self, metric: str) -> dict[str, float]:
        """Model -> what a paper prints of it."""
        own = self.frame[(self.frame["metric"] == metric) & (self.frame["group"] == "")]
        known = own.dropna(subset=["published"])
        return dict(zip(known["model"], known["published"], strict=True))


def _figure(row: Any, *, has_intervals: bool) -> str:  # noqa: ANN401 - a row of the frame
    half = (row.high - row.low) / 2 if has_intervals else math.nan
    return marked(with_half(row.mean, half, ".4f"), row.place)


def marked(text: str, place: float) -> str:
    """The text, marked if it is the best or the second."""
    mark = None if math.isnan(place) else _PLACES.get(int(place))
    return Marked(text, mark) if mark else text


def gain_text(gain: Gain | None) -> str:
    """A gain in percent, with a sign where both tests resolve it."""
    if gain is None:
        return NONE
    return number(gain.percent, "+.1f") + (SIGN if gain.finding == "above" else "")


def gain_name(info: SweepInfo) -> str:
    """What the improvement is of."""
    return f"{model_text(info.ours)} over the best other" if info.ours else "best over second"


def model_block(of: Compared) -> Block:
    """A row per model, a column per metric; the gain and the paper's numbers below."""
    columns = [of.cells(metric) for metric in of.metrics]
    rows = tuple((model_text(model), *(column[model] for column in columns)) for model in of.models)
    gains = tuple(gain_text(of.gains.get(metric)) for metric in of.metrics)
    sections = [Section(rows=rows), Section(rows=((f"{gain_name(of.info)} %", *gains),))]
    sections += _published_rows(of)
    header = (of.info.dataset, *map(metric_text, of.metrics))
    return Block(header=header, sections=tuple(sections))


def _published_rows(of: Compared) -> list[Section]:
    """The models as a paper has them; none where it has none of them."""
    columns = [of.published(metric) for metric in of.metrics]
    rows = tuple(
        (model_text(model), *(number(own.get(model, math.nan), ".4f") for own in columns))
        for model in of.models
        if any(model in own for own in columns)
    )
    return [Section(title=comparison_source(of.info.dataset), rows=rows)] if rows else []


def paper_block(every: Sequence[Compared], *, has_intervals: bool = False) -> Block:
    """The papers' form: a section per data set, a row per metric, a column per model, the gain.

    Args:
        every: comparisons of the same models.
        has_intervals: show half of each interval too.
    """
    first = every[0]
    sections = []
    for of in every:
        title = of.info.dataset if len(every) > 1 else ""
        rows = tuple(_paper_row(of, m, has_intervals=has_intervals) for m in of.metrics)
        sections.append(Section(title=title, rows=rows))
        printed = tuple(row for m in of.metrics if (row := _printed_row(of, m)))
        if printed:
            source = comparison_source(of.info.dataset)
            sections.append(Section(title=f"{title}: {source}".lstrip(": "), rows=printed))
    names = tuple(map(model_text, first.models))
    what = "data set" if len(every) > 1 else first.info.dataset
    return Block(header=(what, *names, "improvement %"), sections=tuple(sections))


def _paper_row(of: Compared, metric: str, *, has_intervals: bool) -> Cells:
    cells = of.cells(metric, has_intervals=has_intervals)
    own = (cells[model] for model in of.models)
    return (metric_text(metric), *own, gain_text(of.gains.get(metric)))


def _printed_row(of: Compared, metric: str) -> Cells | None:
    paper = of.published(metric)
    own = (number(paper.get(model, math.nan), ".4f") for model in of.models)
    return (metric_text(metric), *own, NONE) if paper else None


def pair_block(of: Compared) -> Block | None:
    """The leading model of the headline metric against each other; None where none leads."""
    gain = of.gains.get(of.headline)
    if gain is None:
        return None
    rows = of.pairs[of.pairs["metric"] == of.headline]
    cells = tuple(
        _pair_cells(row, gain.leader)
        for row in cast("list[dict[str, Any]]", rows.to_dict("records"))
        if gain.leader in (row["model"], row["against"])
    )
    head = f"{metric_text(of.headline)}: {model_text(gain.leader)} against"
    header = (head, "difference %", "p seeds", "p users", "smallest %", "it is")
    caption = f"{model_text(gain.leader)} against each other model, by {metric_text(of.headline)}"
    return Block(header=header, sections=(Section(rows=cells),), is_main=False, caption=caption)


def _pair_cells(row: Mapping[str, Any], leader: str) -> Cells:
    """A pair, read from the leading model, in % of the other's mean."""
    is_turned = row["against"] == leader
    sign = -1 if is_turned else 1
    base = row["base"] + (row["difference"] if is_turned else 0.0)
    half = (row["difference_high"] - row["difference_low"]) / 2
    scale = 100 / base if base else math.nan
    return (
        model_text(row["model"] if is_turned else row["against"]),
        with_half(sign * row["difference"] * scale, half * scale, "+.1f"),
        p_value(row["p_seeds_holm"]),
        p_value(row["p_users_holm"]),
        number(row["detectable"] * scale, ".1f"),
        FINDINGS[TURNED.get(row["finding"], row["finding"]) if is_turned else row["finding"]],
    )


def group_block(of: Compared) -> Block | None:
    """The headline metric of groups of users; None where no group is known."""
    own = of.frame[of.frame["metric"] == of.headline]
    known = [group for group in GROUPS if (own["group"] == group).any()]
    if not known:
        return None
    columns = [of.cells(of.headline, group=group) for group in known]
    rows = tuple((model_text(model), *(column[model] for column in columns)) for model in of.models)
    header = (metric_text(of.headline), *(_GROUPS[group] for group in known))
    caption = f"{header[0]} by activity of users and popularity of targets"
    return Block(header=header, sections=(Section(rows=rows),), is_main=False, caption=caption)


def cost_block(of: Compared) -> Block:
    """What each model's runs took."""
    header = ("cost", "parameters", "epochs", "s per epoch", "s per run", "peak MB")
    searched = ("searched",) if of.info.num_tuned else ()
    rows = []
    for row in of.costs.to_dict("records"):
        points = (str(row["searched"]),) if searched else ()
        cells = (
            model_text(row["model"]),
            number(row["num_parameters"], ",.0f"),
            number(row["epochs"], ".1f"),
            number(row["seconds_per_epoch"], ".2f"),
            number(row["seconds"], ".1f"),
            number(row["peak_memory"] / 2**20, ",.0f"),
            *points,
            number(row[MONITOR], ".4f"),
        )
        rows.append(cells)
    whole = (*header, *searched, f"val {metric_text(MONITOR)}")
    sections = (Section(rows=tuple(rows)),)
    return Block(header=whole, sections=sections, is_main=False, caption="What the runs cost")
