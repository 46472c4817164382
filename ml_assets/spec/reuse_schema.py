"""What editors are told of parts that another model makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_assets.spec.base import Declared
from ml_assets.spec.reuse import ReusedSource, ReusedTable
from ml_assets.spec.tables import FeatureTable, Source


def allow_reuse(schema: dict[str, Any]) -> dict[str, Any]:
    """Add to the JSON schema of a model that tables and sources may be another model's."""
    definitions = schema["$defs"]
    for own, reused in ((FeatureTable, ReusedTable), (Source, ReusedSource)):
        definitions[reused.__name__] = reused.model_json_schema()
        for field in ("reuse", "owner_hash"):
            definitions[own.__name__]["properties"].pop(field, None)
    tables = schema["properties"]["feature_tables"]
    tables["items"] = _either(tables["items"], ReusedTable)
    sources = schema["properties"]["sources"]
    by_pattern = sources.get("patternProperties")
    if by_pattern:
        sources["patternProperties"] = {
            pattern: _either(value, ReusedSource) for pattern, value in by_pattern.items()
        }
    else:
        sources["additionalProperties"] = _either(sources["additionalProperties"], ReusedSource)
    return schema


def _either(own: Mapping[str, Any], reused: type[Declared]) -> dict[str, Any]:
    return {
        "if": {"type": "object", "required": ["reuse"]},
        "then": {"$ref": f"#/$defs/{reused.__name__}"},
        "else": dict(own),
    }
