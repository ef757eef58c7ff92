"""The same as the command line, from Python: a function per command, typed results.

::

    from orchestrator import api

    result = api.sweep("tame", "queries", dataset="scientific", num_seeds=3)
    result.table        # pandas: a row per point
    result.figures      # the files drawn
    api.frame(result.name)                          # pandas: a row per run
    api.plot("convergence", result.name).figure     # matplotlib

Every function raises :class:`orchestrator.errors.OrchError` with one clear sentence for what a
user can mend. Ray and MLflow are imported by the functions that need them, not by this package.
"""

from orchestrator.api.choosing import BestPoint, best, export_best
from orchestrator.api.comparing import compare
from orchestrator.api.diagnosing import diagnose
from orchestrator.api.doctor import Finding, doctor
from orchestrator.api.encoding import encode
from orchestrator.api.explaining import explain
from orchestrator.api.importing import import_data, make_planted
from orchestrator.api.jobs import plan
from orchestrator.api.listing import datasets, model, models, spaces
from orchestrator.api.looking import DataInfo, check_data, data_info
from orchestrator.api.obtaining import DataResult, get_data, sources
from orchestrator.api.pages import ui
from orchestrator.api.paths import path
from orchestrator.api.plotting import Plotted, frame, kinds, plot
from orchestrator.api.publishing import report
from orchestrator.api.removing import Removal, plan_removal, remove, restore
from orchestrator.api.reproducing import (
    Reproduction,
    plan_reproduction,
    reproduce,
    reproductions,
)
from orchestrator.api.results import (
    RESULTS,
    AblationResult,
    ComparisonResult,
    DiagnosisResult,
    ExplanationResult,
    ModelDescription,
    PathResult,
    SettingDescription,
    SweepResult,
)
from orchestrator.api.resuming import resume
from orchestrator.api.showing import RunView, show
from orchestrator.api.studies import ablate, sweep
from orchestrator.api.tabling import table_ablation, table_comparison, table_statistics
from orchestrator.api.training import train
from orchestrator.api.watching import Status, SweepStatus, status, status_of
from orchestrator.encoding import Encoded

__all__ = [
    "RESULTS",
    "AblationResult",
    "BestPoint",
    "ComparisonResult",
    "DataInfo",
    "DataResult",
    "DiagnosisResult",
    "Encoded",
    "ExplanationResult",
    "Finding",
    "ModelDescription",
    "PathResult",
    "Plotted",
    "Removal",
    "Reproduction",
    "RunView",
    "SettingDescription",
    "Status",
    "SweepResult",
    "SweepStatus",
    "ablate",
    "best",
    "check_data",
    "compare",
    "data_info",
    "datasets",
    "diagnose",
    "doctor",
    "encode",
    "explain",
    "export_best",
    "frame",
    "get_data",
    "import_data",
    "kinds",
    "make_planted",
    "model",
    "models",
    "path",
    "plan",
    "plan_removal",
    "plan_reproduction",
    "plot",
    "remove",
    "report",
    "reproduce",
    "reproductions",
    "restore",
    "resume",
    "show",
    "sources",
    "spaces",
    "status",
    "status_of",
    "sweep",
    "table_ablation",
    "table_comparison",
    "table_statistics",
    "train",
    "ui",
]
