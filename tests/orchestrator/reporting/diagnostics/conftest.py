"""Records and a diagnosis, made by hand."""

import pytest

from orchestrator.config import MONITOR
from orchestrator.results import Epoch, Provenance, Record
from orchestrator.tracking import SweepInfo


@pytest.fixture
def info():
    return SweepInfo(
        name="decorec-diagnosis-1",
        kind="diagnosis",
        model="decorec",
        dataset="scientific",
        data_hash="d" * 16,
        space="diagnosis",
        factors={},
        base={},
        seeds=(0, 1, 2),
        synthetic=False,
    )


@pytest.fixture
def make_record():
    """A finished run by its validation curve or its test metrics."""

    def make(curve=(0.1,), **metrics):
        epochs = tuple(
            Epoch(step=step, stage="joint", loss={}, valid={MONITOR: value}, seconds=1.0)
            for step, value in enumerate(curve, start=1)
        )
        return Record(
            run_id="r",
            status="finished",
            config={},
            provenance=Provenance(code="c", commit="", data="d", device="cpu", versions={}),
            epochs=epochs,
            best_step=1 + curve.index(max(curve)),
            metrics=metrics,
        )

    return make


@pytest.fixture
def told():
    """The numbers of a drawing: row and column -> mean, low, high, as many as there are."""

    def numbers(drawing):
        return {
            (one.name, one.figure): (one.mean, one.low, one.high, one.num) for one in drawing.told
        }

    return numbers


@pytest.fixture
def texts():
    """Every text that a figure shows, its legend's included."""

    def read(figure):
        from matplotlib.text import Text

        return [t.get_text() for t in figure.findobj(Text) if t.get_visible() and t.get_text()]

    return read
