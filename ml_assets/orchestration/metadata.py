"""Plain values as the metadata that Dagster's pages know how to show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml_assets.steps.handles import Handle, RunHandle, TableHandle, VersionHandle

if TYPE_CHECKING:
    from ml_assets.spec.catalog import ColumnInfo, TableInfo

_TABLE_TYPES: dict[type, str] = {bool: "bool", int: "int", float: "float", str: "string"}


def to_value(name: str, value: Any) -> dg.MetadataValue[Any]:
    """Choose how a plain value is shown.

    Numbers are plotted over time, rows are shown as a table, an address as a link, long text as
    Markdown. A number that JSON cannot hold (NaN, Inf) is shown as text.

    >>> to_value("roc_auc", 0.8)
    FloatMetadataValue(value=0.8)
    >>> to_value("gap", float("nan"))
    TextMetadataValue(text='nan')
    """
    if value is None:
        return dg.MetadataValue.null()
    if isinstance(value, (bool, int, float)):
        return _number(value)
    if isinstance(value, Mapping):
        return dg.MetadataValue.json(dict(value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _table(value) if _is_table(value) else dg.MetadataValue.json(list(value))
    return _text(name, str(value))


def _number(value: float) -> dg.MetadataValue[Any]:
    if isinstance(value, bool):
        return dg.MetadataValue.bool(value)
    if isinstance(value, int):
        return dg.MetadataValue.int(value)
    finite = math.isfinite(value)
    return dg.MetadataValue.float(value) if finite else dg.MetadataValue.text(str(value))


def _text(name: str, value: str) -> dg.MetadataValue[Any]:
    if name.endswith("url") and value.startswith(("http://", "https://")):
        return dg.MetadataValue.url(value)
    if "\n" in value:
        return dg.MetadataValue.md(f"```\n{value}\n```")
    return dg.MetadataValue.text(value)


def _is_table(value: Sequence[Any]) -> bool:
    return bool(value) and all(isinstance(row, Mapping) for row in value)


def _table(rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue[Any]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [dg.TableColumn(name, type=_column_type(name, rows)) for name in names]
    records = [dg.TableRecord({n: _cell(row.get(n)) for n in names}) for row in rows]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))


def _column_type(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    types = {type(row[name]) for row in rows if row.get(name) is not None}
    return _TABLE_TYPES.get(types.pop(), "string") if len(types) == 1 else "string"


def _cell(value: Any) -> str | int | float | bool:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, (str, int, float)) else "" if value is None else str(value)


def handle_metadata(handle: Handle) -> dict[str, dg.MetadataValue[Any]]:
    """Metadata from which the handle can be rebuilt."""
    return {name: to_value(name, value) for name, value in handle.to_metadata().items()}


def details_metadata(details: Mapping[str, Any]) -> dict[str, dg.MetadataValue[Any]]:
    """What a step shows beyond its handle; a mapping of numbers becomes one plotted entry each."""
    flat: dict[str, Any] = {}
    for name, value in details.items():
        if isinstance(value, Mapping) and value and all(_is_number(v) for v in value.values()):
            flat |= {f"{name}/{inner}": number for inner, number in value.items()}
        else:
            flat[name] = value
    return {name: to_value(name, value) for name, value in flat.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def table_metadata(
    handle: Mapping[str, Any], info: TableInfo | None
) -> dict[str, dg.MetadataValue[Any]]:
    """Dagster's own entries for a stored table: name, uri, rows, columns with constraints.

    ``handle`` are the values of a table's handle; ``info`` is None for what is no table.
    """
    if info is None:
        return {}
    return {
        "dagster/table_name": dg.MetadataValue.text(handle["table"]),
        "dagster/uri": dg.MetadataValue.text(handle["uri"]),
        "dagster/row_count": dg.MetadataValue.int(handle["rows"]),
        "dagster/column_schema": dg.MetadataValue.table_schema(_schema(info)),
    }


def _schema(info: TableInfo) -> dg.TableSchema:
    keys = [*info.primary_keys, *([info.event_time] if info.event_time else [])]
    other = [f"primary key {', '.join(info.primary_keys)}"] if info.primary_keys else []
    other += [f"event time {info.event_time}"] if info.event_time else []
    return dg.TableSchema(
        [_column(column, keys) for column in info.columns],
        constraints=dg.TableConstraints(other) if other else None,
    )


def _column(column: ColumnInfo, keys: list[str]) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(
        nullable=column.nullable,
        unique=keys == [column.name],
        other=["key"] if column.name in keys else None,
    )
    comment = column.comment or None
    return dg.TableColumn(column.name, column.type, description=comment, constraints=constraints)


def data_version(handle: Handle) -> dg.DataVersion | None:
    """What changes when the stored thing changes: the Delta version, the run, the model version."""
    if isinstance(handle, TableHandle):
        return dg.DataVersion(str(handle.delta_version))
    if isinstance(handle, VersionHandle):
        return dg.DataVersion(str(handle.model_version))
    if isinstance(handle, RunHandle):
        return dg.DataVersion(handle.run_id)
    return None


def measured(handle: Handle | None) -> dict[str, Any]:
    """What a verdict speaks of: the published thing, or what was prepared and then dropped."""
    if handle is None:
        return {"measured": "what was prepared; it was not published"}
    if isinstance(handle, TableHandle):
        return {"table": handle.table, "delta_version": handle.delta_version}
    if isinstance(handle, VersionHandle):
        return {"model_version": handle.model_version, "run_id": handle.run_id}
    if isinstance(handle, RunHandle):
        return {"run_id": handle.run_id, "model_uri": handle.model_uri}
    return {}
