"""A study by hand, and its page as a reader's program sees it."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pandas as pd
import pytest

from orchestrator.reporting.page import Evidence, page_of, render
from orchestrator.reporting.report import Report
from orchestrator.reporting.style import new_figure, save
from orchestrator.tracking import SweepInfo
from orchestrator.tracking.reading import RunState, SweepState

VOID = {"meta", "img", "br", "link", "hr", "input"}


@dataclass
class Seen:
    """Elements in their order, with their attributes and the text inside them."""

    elements: list = field(default_factory=list)

    def all(self, *tags):
        return [element for element in self.elements if element[0] in tags]

    def texts(self, tag):
        return [text for name, _, text in self.elements if name == tag]


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = Seen()
        self._open = []

    def handle_starttag(self, tag, attrs):
        element = [tag, dict(attrs), ""]
        self.seen.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag, "elements are closed in their order"

    def handle_data(self, data):
        for element in self._open:
            element[2] += data

    def close(self):
        super().close()
        assert not self._open, "every element is closed"


@pytest.fixture(scope="session")
def read():
    """Parses a page; one that is not well-formed fails."""

    def parse(html):
        reader = Reader()
        reader.feed(html)
        reader.close()
        return reader.seen

    return parse


INFO = SweepInfo(
    name="heads-1",
    kind="one-factor",
    model="tame",
    dataset="toys",
    data_hash="d" * 16,
    space="heads",
    description="Attention heads.",
    factors={"model.text_heads": (1, 2)},
    base={"model.text_heads": 2, "eval.cutoffs": (5, 10), "data.mean": (), "model.gate": True},
    seeds=(0, 1),
    synthetic=True,
)
ORIGIN = {"code": "c0de", "commit": "abc", "device": "cpu", "version.torch": "2.13"}


@pytest.fixture
def info():
    return INFO


@pytest.fixture
def make_run():
    def make(name="base seed=0", **changes):
        given = {
            "run_id": "a1b2c3d4e5f6",
            "name": name,
            "condition": "finished",
            "reason": "",
            "seed": 0,
            "variant": "",
            "phase": "",
            "epoch": 3,
            "value": 0.25,
            "seconds": 40.0,
            "cpu_seconds": 70.0,
            "origin": ORIGIN,
        }
        return RunState(**{**given, **changes})

    return make


@pytest.fixture
def make_state():
    def make(info=INFO, runs=(), **changes):
        given = {
            "info": info,
            "condition": "finished",
            "reason": "",
            "started": datetime(2026, 11, 22, 9, tzinfo=UTC),
            "host": "here",
            "pid": "1",
            "num_planned": 4,
            "command": "orch sweep tame --space heads",
            "cwd": "/somewhere",
            "runs": pd.DataFrame(),
            "conditions": tuple(run.condition for run in runs),
            "identity": "x",
        }
        return SweepState(**{**given, **changes})

    return make


@pytest.fixture
def report(tmp_path):
    """A report with a figure, its numbers, and a table in LaTeX."""
    png = save(new_figure(2.0, 1.0), tmp_path / "tame-heads.png")
    (tmp_path / "tame-heads.csv").write_text("x,y\n1,0.123456789\n2,<b>\n")
    (tmp_path / "other.tex").write_text("\\table")
    markdown = "**heads-1**\n\n|  | heads | NDCG |\n| ---: | ---: | ---: |\n| \\* | 2 | 0.3 |\n"
    return Report(
        table=pd.DataFrame(),
        text="",
        markdown=markdown,
        files=(
            tmp_path / "tame-heads.pdf",
            png,
            tmp_path / "tame-heads.csv",
            tmp_path / "other.tex",
        ),
        verdicts=("Best: `heads` = 2.",),
    )


@pytest.fixture
def evidence(report, make_run, make_state):
    runs = (make_run(), make_run("base seed=1", seed=1))
    return Evidence(state=make_state(runs=runs), runs=runs, report=report)


@pytest.fixture
def shown(evidence, read):
    """The page of the study by hand, with what is changed of it, parsed."""

    def show(**changes):
        return read(render(page_of(replace(evidence, **changes))))

    return show
