"""All kinds of figures, by name."""

from orchestrator.reporting.plots import curves, sweeps, variants, views
from orchestrator.reporting.plots.kind import Kind, kind_is

_METRIC = frozenset({"metric"})
_FACTOR = frozenset({"factor"})

KINDS: dict[str, Kind] = {
    "sensitivity": Kind(
        about="what each factor does to one or two metrics",
        what="sensitivity",
        why_not=kind_is("one-factor", "joint", "grid"),
        parts=sweeps.sensitivity,
        takes=_METRIC | _FACTOR,
        most_metrics=2,
    ),
    "convergence": Kind(
        about="validation, or another figure, over epochs",
        what="convergence",
        why_not=lambda study: None if study.curve_names else "no run of it has logged an epoch",
        parts=curves.convergence,
        takes=_METRIC | _FACTOR | {"together"},
        most_metrics=1,
    ),
    "gradients": Kind(
        about="whether a model's id part and modality part pull alike",
        what="gradients of the id part and the modality part",
        why_not=views.why_no_view("gradients"),
        parts=views.of_view("gradients"),
    ),
    "bars": Kind(
        about="means of variants with intervals",
        what="means",
        why_not=variants.why_no_variants,
        parts=variants.bars,
        takes=_METRIC,
    ),
    "forest": Kind(
        about="differences of variants to the base with intervals",
        what="differences to the base",
        why_not=variants.why_no_base,
        parts=variants.forest,
        takes=_METRIC,
    ),
    "interactions": Kind(
        about="what two variants at once do beyond their sum",
        what="interactions of pairs",
        why_not=variants.why_no_pairs,
        parts=variants.interactions,
        takes=_METRIC,
    ),
    "tsne": Kind(
        about="items in the plane without and with their cluster's embedding",
        what="items and their clusters",
        why_not=views.why_no_view("clusters"),
        parts=views.tsne,
    ),
    "cold": Kind(
        about="gains over another model for cold and warm users",
        what="gains",
        why_not=views.why_no_cold,
        parts=views.cold,
        is_alone=views.has_other_model,
        takes=_METRIC | {"against"},
    ),
    "importance": Kind(
        about="how much each factor of a search matters",
        what="importance",
        why_not=sweeps.why_no_search,
        parts=sweeps.importance,
    ),
    "slice": Kind(
        about="what trials are worth against each factor alone",
        what="slices",
        why_not=sweeps.why_no_search,
        parts=sweeps.slices,
        takes=_FACTOR,
    ),
    "contour": Kind(
        about="what trials are worth over pairs of factors",
        what="pairs of factors",
        why_not=sweeps.why_no_search,
        parts=sweeps.contours,
        takes=_FACTOR,
    ),
    "front": Kind(
        about="validation against what it costs",
        what="trade-off",
        why_not=kind_is("one-factor", "joint", "grid"),
        parts=sweeps.front,
        takes=_METRIC,
        most_metrics=1,
    ),
    "history": Kind(
        about="a search's trials in their order",
        what="history",
        why_not=sweeps.why_no_search,
        parts=sweeps.history,
    ),
    "path": Kind(
        about="the steps from a search's base to its best point",
        what="path from the base to the best point",
        why_not=kind_is("path"),
        parts=sweeps.steps,
    ),
    "recall": Kind(
        about="what items of a history recall",
        what="recall by history",
        why_not=views.why_no_view("recall"),
        needs_runs=False,
        parts=views.of_view("recall"),
    ),
    "unimodal": Kind(
        about="one modality ranks, trained alone and with the others",
        what="one modality ranks",
        why_not=views.why_no_view("unimodal"),
        parts=views.of_view("unimodal"),
    ),
    "attention": Kind(
        about="attention on the tokens that tell, before and after training",
        what="attention on the marked tokens",
        why_not=views.why_no_view("attention"),
        parts=views.of_view("attention"),
    ),
}
