"""A diagnosis's views -> files, tables for a terminal and for a page, numbers."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from orchestrator.reporting.diagnostics.drawing import COLUMNS, Drawing
from orchestrator.reporting.report import Report
from orchestrator.tracking.runs import SweepInfo


def report_diagnosis(drawings: Sequence[Drawing], info: SweepInfo, *, folder: Path) -> Report:
    """Write the views that were drawn.

    Args:
        drawings: in the order to tell them.
        info: the diagnosis.
        folder: where the files go, ``<model>-<view>-<data set>``.

    Raises:
        StoreError: the folder cannot be written.
    """
    stems = {one.view: folder / f"{info.shown_model}-{one.view}-{info.dataset}" for one in drawings}
    empty = pd.DataFrame(columns=list(COLUMNS))
    tables = [one.table() for one in drawings]
    return Report(
        table=pd.concat(tables, ignore_index=True) if tables else empty,
        text="\n\n".join([info.name, *(one.text() for one in drawings)]),
        markdown="\n\n".join(one.markdown() for one in drawings),
        verdicts=tuple(told for one in drawings for told in one.verdicts()),
        files=tuple(path for one in drawings for path in one.write(stems[one.view])),
    )
