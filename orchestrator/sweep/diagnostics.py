"""What a model's file of spaces says of its diagnostics: which variants each view runs.

::

    [diagnostics.convergence]
    variants = ["id_only", "modality_only", "naive_joint"]

    [diagnostics.gradients]                 # these variants are run with their gradients traced
    variants = ["naive_joint"]

    [diagnostics.clusters]                  # of the base's items
    without = "without_cluster_embedding"   # and, beside them, of a model that never had clusters

    [diagnostics.unimodal]
    setting = "model.scoring"               # changes no parameter: the base's weights rank with it
    alone = { text = "text_retrieval" }     # value of it -> variant trained on that modality alone

A view whose table is missing is one that the model cannot have.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from orchestrator.errors import ConfigError, unknown
from orchestrator.tracking.runs import BASE

View = Literal["convergence", "gradients", "clusters", "recall", "unimodal", "cold", "attention"]
VIEWS: tuple[View, ...] = get_args(View)
"""In the order of DeCoRec's figures; attention is TAME's."""
DECLARED: Mapping[View, frozenset[str]] = {
    "convergence": frozenset({"variants"}),
    "gradients": frozenset({"variants"}),
    "clusters": frozenset({"without"}),
    "unimodal": frozenset({"setting", "alone"}),
}
"""View that needs a table of its own -> the keys of it. The others need none."""


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """Views of one model that its file declares."""

    views: frozenset[View] = frozenset()
    convergence: tuple[str, ...] = ()
    """Variants whose validation curves are compared."""
    gradients: tuple[str, ...] = ()
    """Variants whose gradients are traced."""
    without_clusters: str = ""
    """Variant that never had clusters; empty where there is none to compare with."""
    setting: str = ""
    """Dotted key that decides which modality ranks, and changes no parameter."""
    alone: Mapping[str, str] = field(default_factory=dict)
    """Value of ``setting`` -> variant that was trained on that modality alone."""


def read_diagnostics(
    tables: Mapping[str, Mapping[str, Any]], variants: Collection[str], where: str
) -> Diagnostics:
    """Check the tables under ``diagnostics``.

    Args:
        tables: view -> its table.
        variants: names of the file's variants.
        where: the file, to begin messages with.

    Raises:
        ConfigError: a view, key or variant that is not known, or a value of the wrong form.
    """
    for view, table in tables.items():
        _check_table(view, table, f"{where}: [diagnostics.{view}]")
    place = f"{where}: [diagnostics"
    unimodal = tables.get("unimodal", {})
    return Diagnostics(
        views=frozenset(cast(View, view) for view in tables),
        convergence=_listed(tables, "convergence", variants, place),
        gradients=_listed(tables, "gradients", variants, place),
        without_clusters=_optional(tables.get("clusters", {}), variants, f"{place}.clusters]"),
        setting=_text(unimodal, "setting", f"{place}.unimodal]") if unimodal else "",
        alone=_alone(unimodal, variants, f"{place}.unimodal]") if unimodal else {},
    )


def _check_table(view: str, table: Mapping[str, Any], where: str) -> None:
    if view not in DECLARED:
        raise ConfigError(f"{where}: {unknown('view', view, DECLARED)}")
    for key in table:
        if key not in DECLARED[cast(View, view)]:
            raise ConfigError(f"{where}: {unknown('key', key, DECLARED[cast(View, view)])}")


def _listed(
    tables: Mapping[str, Mapping[str, Any]], view: str, variants: Collection[str], place: str
) -> tuple[str, ...]:
    if view not in tables:
        return ()
    where, listed = f"{place}.{view}]", tables[view].get("variants")
    if not isinstance(listed, list) or not listed:
        raise ConfigError(
            f"{where}: `variants` cannot be {listed!r}: it must list one variant or more."
        )
    return tuple(dict.fromkeys(_variant(name, variants, where) for name in listed))


def _variant(name: object, variants: Collection[str], where: str) -> str:
    if name != BASE and name not in variants:
        raise ConfigError(f"{where}: {unknown('variant', str(name), [BASE, *variants])}")
    return str(name)


def _optional(table: Mapping[str, Any], variants: Collection[str], where: str) -> str:
    return _variant(table["without"], variants, where) if "without" in table else ""


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where}: `{key}` cannot be {value!r}: it must be a text.")
    return value


def _alone(table: Mapping[str, Any], variants: Collection[str], where: str) -> dict[str, str]:
    alone = table.get("alone")
    if not isinstance(alone, dict) or not alone:
        raise ConfigError(
            f"{where}: `alone` cannot be {alone!r}: it must name a variant for a modality or more."
        )
    return {value: _variant(name, variants, where) for value, name in alone.items()}
