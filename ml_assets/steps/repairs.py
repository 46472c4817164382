"""What a feature table's transform returned, with null, NaN and Inf replaced by declared defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.spec.errors import DataError
from ml_assets.steps.measuring.measure import FLOATS, REPAIRED_PREFIX, column_types

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from ml_assets.spec.tables import FeatureTable, Scalar

INTEGERS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}


def clean(frame: DataFrame, table: FeatureTable) -> tuple[DataFrame, list[str]]:
    """Replace null, NaN and Inf by the declared defaults, in one select, keeping every type.

    Floats: null, NaN, +Inf and -Inf; integers, decimals, strings and booleans: null. Columns
    without a default and keys pass unchanged.

    Returns
    -------
    The cleaned frame, with one boolean audit column per column that has a default, and the names
    of those audit columns.

    Raises
    ------
    DataError
        When a default cannot be held by its column's type.
    """
    from pyspark.sql import functions as F

    types = column_types(frame)
    selected, audit = [F.col(f"`{k}`") for k in table.keys], []
    for name, column in table.columns.items():
        if column.default is None:
            selected.append(F.col(f"`{name}`"))
            continue
        check_default(table, name, types[name], column.default)
        broken = _broken(name, types[name])
        default = F.lit(column.default).cast(types[name])
        selected.append(F.when(broken, default).otherwise(F.col(f"`{name}`")).alias(name))
        audit.append(broken.alias(REPAIRED_PREFIX + name))
    return frame.select(*selected, *audit), [
        REPAIRED_PREFIX + n for n, c in table.columns.items() if c.default is not None
    ]


def check_default(table: FeatureTable, name: str, kind: str, default: Scalar) -> None:
    """Refuse a default that the column's type cannot hold exactly.

    Raises
    ------
    DataError
        Naming the column, its type and the default.
    """
    number = isinstance(default, int | float) and not isinstance(default, bool)
    fits = (
        (kind in FLOATS and number)
        or (kind.startswith("decimal") and number)
        or (kind in INTEGERS and number and _whole(default, INTEGERS[kind]))
        or (kind == "string" and isinstance(default, str))
        or (kind == "boolean" and isinstance(default, bool))
    )
    if not fits:
        raise DataError(
            f"feature_tables.{table.name}.columns.{name}.default",
            found=f"{default!r} for a column of type {kind}",
            expected=f"a default that {kind} can hold exactly (none for dates and timestamps)",
            fix="declare a default of the column's type, or cast the column in the transform",
            rule="ml03_no_null",
        )


def _whole(value: Scalar, bits: int) -> bool:
    return float(value).is_integer() and -(2 ** (bits - 1)) <= int(value) < 2 ** (bits - 1)


def _broken(name: str, kind: str) -> Column:
    from pyspark.sql import functions as F

    column = F.col(f"`{name}`")
    if kind not in FLOATS:
        return column.isNull()
    return column.isNull() | F.isnan(column) | (F.abs(column) == float("inf"))
