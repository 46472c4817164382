"""Column types as Spark and Delta write them in JSON, in Spark's short words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Kind = str | Mapping[str, Any]

_SHORT = {"long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint"}


def simple_type(kind: Kind) -> str:
    """Return Spark's simple string of a type.

    >>> simple_type("long"), simple_type("decimal(10,2)")
    ('bigint', 'decimal(10,2)')
    >>> simple_type({"type": "array", "elementType": "integer", "containsNull": True})
    'array<int>'
    """
    if isinstance(kind, str):
        return _SHORT.get(kind, kind)
    if kind["type"] == "array":
        return f"array<{simple_type(kind['elementType'])}>"
    if kind["type"] == "map":
        return f"map<{simple_type(kind['keyType'])},{simple_type(kind['valueType'])}>"
    if kind["type"] == "struct":
        fields = ",".join(f"{f['name']}:{simple_type(f['type'])}" for f in kind["fields"])
        return f"struct<{fields}>"
    return str(kind["type"])


def leaf_types(kind: Kind) -> Iterator[str]:
    """Yield the simple types that a type is made of, without arrays, maps and structs.

    >>> list(leaf_types({"type": "map", "keyType": "string", "valueType": "long"}))
    ['string', 'bigint']
    """
    if isinstance(kind, str) or kind["type"] not in {"array", "map", "struct"}:
        yield simple_type(kind)
        return
    parts = [kind[part] for part in ("elementType", "keyType", "valueType") if part in kind]
    for part in [*parts, *(f["type"] for f in kind.get("fields", ()))]:
        yield from leaf_types(part)


def simple_types(struct: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List (name, simple type) of the columns of a schema."""
    return [(f["name"], simple_type(f["type"])) for f in struct["fields"]]
