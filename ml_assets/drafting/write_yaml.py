"""The text of a ``defs.yaml``: short enough to be read at a glance, with marks to fill in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ml_assets.drafting.names import plain
from ml_assets.spec.base import duration_text
from ml_assets.spec.loader import COMPONENT
from ml_assets.spec.marks import mark
from ml_assets.spec.wording import inline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_assets.drafting.draft import Draft

#: What a version must at least reach, by model type.
_GATES: dict[str, dict[str, Any]] = {
    "binary_classification": {"roc_auc": {"beat_baseline": True}},
    "multiclass_classification": {"accuracy": {"beat_baseline": True}},
    "probability": {"log_loss": {"beat_baseline": True}},
    "regression": {"rmse": {"beat_baseline": True}},
    "anomaly_detection": {"anomaly_share": {"max": 0.5}},
}


def yaml_text(draft: Draft) -> str:
    """Write the declaration of a draft; every text that only a person can give is a mark."""
    name = f"{draft.catalog}.{{}}.{draft.model}"
    lines = [
        f"type: {COMPONENT}",
        "attributes:",
        f"  project: {inline(draft.project)}",
        f"  model: {inline(draft.model)}",
        f"  description: {inline(mark('what is predicted, and what is done with it'))}",
        f"  model_type: {draft.label.model_type}  # {_said(draft.label.column.name)}: {draft.label.why}",
        f"  registered_model: {name.format('models')}",
        f"  training_set: {name.format('training')}",
        "  sources:",
        f"    {inline(draft.source)}: {inline(_source(draft))}",
        "  feature_tables:",
        *_flow("    - ", _feature_table(draft, name), close=", columns: {"),
        *_columns(draft),
        *_flow("  label: ", _label(draft, name)),
        *_split(draft),
        f"  gates: {inline(_GATES[draft.label.model_type])}",
        f"  scoring: {inline(_scoring(draft, name))}",
    ]
    return "\n".join(lines) + "\n"


def _source(draft: Draft) -> dict[str, Any]:
    seed = {"seed": f".sources.{draft.source}"} if draft.sample.file else {}
    about = _said(draft.sample.description) or mark("what the table holds, and who fills it")
    return {"table": draft.sample.table, **seed, "description": about}


def _feature_table(draft: Draft, name: str) -> list[dict[str, Any]]:
    known = f"when every one of these columns is known ({draft.time.column.name}?), and how"
    if draft.is_series:
        known = "how the rows come about, and when they are complete"
    return [
        {
            "name": draft.source,
            "table": name.format("features"),
            "transform": ".features.known",
            "sources": [draft.source],
        },
        {
            "primary_keys": list(draft.keys.values()),
            "event_time": draft.known_at,
            "tags": _tags(draft),
        },
        {"business": mark("what these columns mean to the people who use them")},
        {"technical": mark(known)},
    ]


def _columns(draft: Draft) -> list[str]:
    lines = []
    for source, name in draft.features.items():
        comment = _said(draft.comment(source)) or mark("meaning and unit")
        if source in draft.leaks:
            comment = mark(f"known before? {draft.leaks[source].reason}")
        lines.append(
            f"         {inline(name)}: {inline({'comment': comment, 'default': draft.default(source)})}"
        )
    return [*(f"{line}," for line in lines[:-1]), f"{lines[-1]}}}}}"]


def _label(draft: Draft, name: str) -> list[dict[str, Any]]:
    label = draft.label
    how: dict[str, Any] = {}
    if label.threshold is not None:
        how["threshold"] = int(label.threshold) if label.threshold % 1 == 0 else label.threshold
    if label.classes:
        how["classes"] = list(label.classes)
    asked = "what this number means, and when it is known"
    if label.positive is not None:
        asked = f"what 1 means ({label.column.name} is {label.positive!r})"
    elif label.classes:
        asked = "what the classes mean, and when one is known"
    elif label.model_type != "regression":
        asked = "what 1 means, and when it is known"
    return [
        {
            "table": name.format("labels"),
            "transform": ".features.outcomes",
            "sources": [draft.source],
            "tags": _tags(draft),
        },
        {"keys": list(draft.keys.values()), "event_time": draft.asked_at}
        | {"name": draft.label_name, "column": draft.label_name}
        | how
        | {"label_sources": plain(draft.label_sources)},
        {
            "business": mark(asked),
            "technical": f"{_said(label.column.name)} of {draft.sample.table}.",
        },
    ]


def _split(draft: Draft) -> list[str]:
    if draft.embargo is None:
        return []
    text = duration_text(draft.embargo) if draft.embargo else "0 seconds"
    return [f"  split: {inline({'embargo': text})}"]


def _scoring(draft: Draft, name: str) -> dict[str, Any]:
    return {
        "table": name.format("predictions"),
        "keys": ".features.to_score",
        "sources": [draft.source],
        "business": mark("who reads the predictions"),
    }


def _said(text: str) -> str:
    """What the catalog says, on one line, and nothing in it a template of a declaration.

    >>> _said("Net  of {{ env.TAX }}")
    'Net of { { env.TAX }}'
    """
    return re.sub(r"\{(?=[{%])", "{ ", " ".join(text.split()))


def _tags(draft: Draft) -> dict[str, str]:
    return {"domain": draft.project, "model": draft.model}


def _flow(start: str, groups: Sequence[dict[str, Any]], close: str = "}") -> list[str]:
    """Write a mapping on several lines, one for each group of its fields."""
    inner = [inline(group)[1:-1] for group in groups]
    indent = " " * (len(start) + 1)
    first, *rest = inner
    lines = [f"{start}{{{first}", *(f"{indent}{text}" for text in rest)]
    return [*(f"{line}," for line in lines[:-1]), f"{lines[-1]}{close}"]
