"""The reference of all fields for the documentation, made from the declared models.

``python -m ml_assets.spec.reference`` prints it; with a file as argument it is put between that
file's markers; with ``--json-schema`` the JSON schema of a ``defs.yaml`` is printed for editors.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_assets.spec.base import TYPE_NAME
from ml_assets.spec.grants import Grant
from ml_assets.spec.label import Label, Scoring
from ml_assets.spec.loader import COMPONENT
from ml_assets.spec.model import ModelSpec
from ml_assets.spec.promotion import Gate, Promotion
from ml_assets.spec.reuse import ReusedSource, ReusedTable
from ml_assets.spec.reuse_schema import allow_reuse
from ml_assets.spec.tables import Column, FeatureTable, Source
from ml_assets.spec.thresholds import Thresholds
from ml_assets.spec.training import Distributed, Estimator, Split
from ml_assets.spec.wording import CHECK, DERIVED, SET_BY_LOADER, inline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_assets.spec.base import Declared

BEGIN, END = "<!-- fields:begin -->", "<!-- fields:end -->"

#: In the order of a reader: the whole, then its parts as they stand in the file.
_SECTIONS: tuple[tuple[str, type[Declared]], ...] = (
    ("attributes", ModelSpec),
    ("sources", Source),
    ("sources that are reused", ReusedSource),
    ("feature_tables", FeatureTable),
    ("feature_tables that are reused", ReusedTable),
    ("columns", Column),
    ("label", Label),
    ("split", Split),
    ("estimator", Estimator),
    ("distributed", Distributed),
    ("gates", Gate),
    ("scoring", Scoring),
    ("thresholds", Thresholds),
    ("promotion", Promotion),
    ("grants", Grant),
)
#: ``package`` is set by the loader, never by the author of a file.
_HIDDEN = frozenset({"package"})
_PLAIN = {
    "string": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "true or false",
}


def markdown() -> str:
    """Write one section for each part of a declaration, with one row for each field."""
    return "\n\n".join("\n".join(_section(title, model)) for title, model in _SECTIONS)


def fill(text: str) -> str:
    r"""Put the reference between the markers of a document.

    >>> fill("a\n<!-- fields:begin -->\nstale\n<!-- fields:end -->\nb").count("stale")
    0
    """
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{markdown()}\n{END}{rest.split(END)[1]}"


def limits_of(check: str) -> list[tuple[str, str]]:
    """List the fields that a check is limited by, each with its default; those without are left out.

    >>> limits_of("ml03_lookup_coverage")
    [('feature_tables.min_coverage', '0.95')]
    """
    found = []
    for title, model in _SECTIONS:
        for name, field in model.model_json_schema()["properties"].items():
            default = _default(field).strip("`")
            is_limit = default and "$ref" not in field and DERIVED not in field
            if field.get(CHECK) == check and is_limit:
                found.append((name if model is ModelSpec else f"{title}.{name}", default))
    return found


def json_schema() -> dict[str, Any]:
    """Describe a whole ``defs.yaml`` to editors."""
    schema = allow_reuse(ModelSpec.model_json_schema())
    definitions = schema.pop("$defs")
    del schema["properties"]["package"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A declared model",
        "type": "object",
        "properties": {
            "type": {"const": COMPONENT},
            "attributes": schema,
            "template_vars_module": {"type": "string"},
            "requirements": {"type": "object"},
            "post_processing": {"type": "object"},
        },
        "required": ["type", "attributes"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _section(title: str, model: type[Declared]) -> Iterator[str]:
    schema = model.model_json_schema()
    required = schema.get("required", ())
    yield f"### `{title}`"
    yield ""
    yield schema["description"]
    yield ""
    yield "| field | type | default | meaning | check |"
    yield "|---|---|---|---|---|"
    for name, field in schema["properties"].items():
        if name not in _HIDDEN and SET_BY_LOADER not in field:
            cells = (
                f"`{name}`",
                _type(field),
                "**required**" if name in required else _default(field),
                field["description"].replace("``", "`"),
                f"`{field[CHECK]}`" if CHECK in field else "",
            )
            yield f"| {' | '.join(' '.join(cell.split()) for cell in cells)} |"


def _type(schema: dict[str, Any]) -> str:
    """Say a type in words: ``list of column names`` rather than an array of patterns."""
    if TYPE_NAME in schema:
        return str(schema[TYPE_NAME])
    if "$ref" in schema:
        return f"mapping, see {_link(schema['$ref'])}"
    if "anyOf" in schema:
        kinds = [_type(part) for part in schema["anyOf"] if part.get("type") != "null"]
        return kinds[0] if len(kinds) == 1 else "true or false, number or text"
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{word}`" for word in schema.get("enum", [schema.get("const")]))
    return _collection(schema) or _PLAIN[schema["type"]]


def _collection(schema: dict[str, Any]) -> str:
    if schema["type"] == "array":
        return f"list of {_each(schema['items'])}"
    if schema["type"] == "object":
        # Names with a pattern make pydantic write patternProperties instead of the other.
        by_pattern = list(schema.get("patternProperties", {}).values())
        values = by_pattern[0] if by_pattern else schema["additionalProperties"]
        return f"mapping of name to {_each(values) if isinstance(values, dict) else 'plain value'}"
    return ""


def _each(schema: dict[str, Any]) -> str:
    kind = _link(schema["$ref"]) if "$ref" in schema else _type(schema)
    return f"{kind}s" if kind.endswith("name") else kind


def _link(reference: str) -> str:
    name = reference.rpartition("/")[2]
    title = next(title for title, model in _SECTIONS if model.__name__ == name)
    return f"[`{title}`](#{title})"


def _default(schema: dict[str, Any]) -> str:
    if DERIVED in schema:
        return str(schema[DERIVED])
    value = schema.get("default")
    if value is None or value in ("", [], {}):
        return ""
    if "$ref" in schema:
        return "its own defaults"
    return f"`{inline(value)}`"


def main(arguments: Sequence[str]) -> None:
    """Print the reference or the JSON schema, or refresh a document."""
    if not arguments:
        sys.stdout.write(markdown() + "\n")
    elif arguments[0] == "--json-schema":
        sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
    else:
        document = Path(arguments[0])
        document.write_text(fill(document.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
