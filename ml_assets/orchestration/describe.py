"""What a person reads on an asset's page: Markdown, derived from the declaration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.spec.base import duration_text
from ml_assets.spec.reuse import owner_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ml_assets.spec.model import ModelSpec
    from ml_assets.spec.tables import Documented


def describe_asset(spec: ModelSpec, asset: str) -> str:
    """Say what an asset holds, where it is stored, by which keys, and what it means."""
    kind, _, name = asset.partition("/")
    if kind == "sources":
        return _source(spec, name)
    if kind == "features":
        return _features(spec, name)
    return _WRITERS[kind](spec)


def _source(spec: ModelSpec, name: str) -> str:
    source = spec.sources[name]
    origin = "seeded on a laptop when it does not exist" if source.seed else "filled by its owner"
    return _page(
        source.description or f"Source table `{name}`.",
        ("Table", _code(source.table)),
        ("Origin", origin),
    )


def _features(spec: ModelSpec, name: str) -> str:
    table = spec.feature_table(name)
    age = f", at most {duration_text(table.lookback)} old" if table.lookback is not None else ""
    time = f"{_code(table.event_time)}{age}" if table.event_time else "none: a static table"
    return _page(
        _business(table, f"Feature table `{name}`."),
        ("Table", _code(table.table)),
        ("Primary keys", _codes(table.primary_keys)),
        ("Event time", time),
        ("Features", f"{len(table.columns)} ({_codes(table.columns)})"),
        ("Computed", table.technical),
        ("Transform", _code(table.transform)),
        ("Tags", _codes(f"{k}={v}" for k, v in table.tags.items())),
    )


def _labels(spec: ModelSpec) -> str:
    label = spec.label
    rule = (
        f"`{label.name}` = 1 where `{label.column}` > {label.threshold:g}"
        if label.threshold is not None
        else f"`{label.name}` = `{label.column}`"
    )
    return _page(
        _business(label, "Keys, event time and label."),
        ("Table", _code(label.table)),
        ("Keys", _codes(label.keys)),
        ("Event time", f"{_code(label.event_time)}, the as-of time"),
        ("Label", rule),
        ("Label sources, never features", _codes(label.label_sources)),
        ("Computed", label.technical),
    )


def _training_set(spec: ModelSpec) -> str:
    tables = ", ".join(
        _code(f"features/{t.name}") + (f" of {owner_of(t.reuse)}" if t.reuse else "")
        for t in spec.feature_tables
    )
    return _page(
        "Labels joined point in time with the features: for each label row the latest feature row "
        "that was known at its event time.",
        ("Table", _code(spec.training_set)),
        ("Joined", tables),
        ("Features", f"{len(spec.features)}"),
        (
            "Split",
            f"the last {spec.split.holdout:.0%} by time are held out, after an embargo of {duration_text(spec.split.embargo)}",
        ),
    )


def _trained_model(spec: ModelSpec) -> str:
    params = ", ".join(f"{k}={v}" for k, v in spec.estimator.params.items())
    return _page(
        f"One MLflow run: `{spec.estimator_class}` fitted on the training rows, packaged with its "
        "feature lookups, measured on the holdout.",
        ("Type", spec.model_type),
        ("Output", f"`{spec.output_type}`"),
        ("Parameters", _code(params)),
        ("Experiment", _code(spec.experiment("development"))),
    )


def _model_version(spec: ModelSpec) -> str:
    return _page(
        "A registered version. The alias `champion` moves to it only when every gate passed.",
        ("Registered model", _code(spec.registered_model)),
        ("Gates", _codes(spec.gates)),
        ("Experiment", _code(spec.experiment("evaluation"))),
    )


def _predictions(spec: ModelSpec) -> str:
    return _page(
        spec.scoring.business or "Batch scores of the keys to score, by the champion.",
        ("Table", _code(spec.scoring.table)),
        ("Model", _code(f"models:/{spec.registered_model}@champion")),
        ("Keys", f"{_codes(spec.label.keys)} as of {_code(spec.label.event_time)}"),
        ("Experiment", _code(spec.experiment("deployment"))),
    )


_WRITERS = {
    "labels": _labels,
    "training_set": _training_set,
    "trained_model": _trained_model,
    "model_version": _model_version,
    "predictions": _predictions,
}


def _business(table: Documented, otherwise: str) -> str:
    return table.business.strip() or otherwise


def _page(summary: str, *facts: tuple[str, str]) -> str:
    lines = [f"- **{name}:** {' '.join(text.split())}" for name, text in facts if text.strip()]
    return "\n".join([summary.strip(), "", *lines])


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
