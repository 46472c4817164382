"""What a declaration may leave out, because it follows from the rest of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from ml_assets.spec.base import Duration, check_table_name, duration_text
from ml_assets.spec.frozen import FrozenDict
from ml_assets.spec.training import Split

_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)
_EMBARGO = Split().embargo


def with_derived(declared: Mapping[str, Any]) -> dict[str, Any]:
    """Add what is left out and follows; what is written stays, right or wrong.

    Where the part that something follows from is missing or wrong, nothing is added: the field is
    then reported as missing.

    >>> found = with_derived({"registered_model": "main.models.churn", "label": {"horizon": "3 days"}})
    >>> found["training_set"], found["label"]["table"], found["split"]
    ('main.training.churn', 'main.labels.churn', {'embargo': '3 days'})
    """
    parts: dict[str, Mapping[str, Any]] = {
        "label": {**_table(declared, "labels"), **_all_sources(declared), **_looked_up(declared)},
        "scoring": {**_table(declared, "predictions"), **_all_sources(declared)},
        "split": _embargo(declared.get("label")),
    }
    filled = dict(declared)
    for name, values in parts.items():
        part = declared.get(name, {} if name == "split" else None)
        if isinstance(part, Mapping) and values:
            filled[name] = {**values, **part}
    if (
        isinstance(split := declared.get("split"), Split)
        and "embargo" not in split.model_fields_set
    ):
        filled["split"] = Split.model_validate({**split.model_dump(), **parts["split"]})
    if isinstance(label := declared.get("label"), BaseModel):
        filled["label"] = _with_tags(label, parts["label"])
    training = _table(declared, "training")
    return {"training_set": training["table"], **filled} if training else filled


def _table(declared: Mapping[str, Any], schema: str) -> dict[str, Any]:
    """A table in the catalog of the registered model, and called like it."""
    try:
        catalog, _, name = check_table_name(declared.get("registered_model")).split(".")
    except ValueError:
        return {}
    return {"table": f"{catalog}.{schema}.{name}"}


def _all_sources(declared: Mapping[str, Any]) -> dict[str, Any]:
    sources = declared.get("sources")
    return {"sources": [str(name) for name in sources]} if isinstance(sources, Mapping) else {}


def _looked_up(declared: Mapping[str, Any]) -> dict[str, Any]:
    """What a label needs so that each feature table can be looked up; and the tags of the first."""
    tables = declared.get("feature_tables")
    if not isinstance(tables, list | tuple) or not tables:
        return {}
    keys = [key for table in tables for key in _listed(_get(table, "primary_keys"))]
    timed = [table for table in tables if _get(table, "event_time")]
    times = {str(_get(table, "event_time")) for table in timed}
    tags = _get(tables[0], "tags")
    domain = tags.get("domain") if isinstance(tags, Mapping) else None
    found: dict[str, Any] = {"keys": list(dict.fromkeys(keys))} if keys else {}
    # One's own table is known at a time, and asked for at another: that is to be thought about.
    if len(times) == 1 and all(_get(table, "reuse") for table in timed):
        found["event_time"] = times.pop()
    if isinstance(domain, str) and isinstance(declared.get("model"), str):
        found["tags"] = {"domain": domain, "model": declared["model"]}
    return found


def _with_tags(label: BaseModel, values: Mapping[str, Any]) -> BaseModel:
    """A label that was built in Python has all its fields, but perhaps no tags."""
    if "tags" in label.model_fields_set or "tags" not in values:
        return label
    return label.model_copy(update={"tags": FrozenDict(values["tags"])})


def _embargo(label: Any) -> dict[str, Any]:
    """No shorter than the horizon: outcomes of training rows end before the holdout begins."""
    try:
        horizon = _DURATION.validate_python(_get(label, "horizon"))
    except ValidationError:
        return {}
    return {"embargo": duration_text(horizon)} if horizon > _EMBARGO else {}


def _get(part: Any, field: str) -> Any:
    """A field of a part that may be a mapping, or built already."""
    if isinstance(part, Mapping):
        return part.get(field)
    return getattr(part, field, None) if isinstance(part, BaseModel) else None


def _listed(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list | tuple) else []
