"""Names of tables, as every platform takes them."""

from __future__ import annotations

from ml_assets.spec.base import check_table_name
from ml_assets.spec.errors import DataError


def checked_name(name: str) -> str:
    """Return a three-level name.

    Raises
    ------
    DataError
        When it is none.
    """
    try:
        return check_table_name(name)
    except ValueError as error:
        raise DataError(
            f"table {name!r}",
            found=str(error),
            expected="catalog.schema.name",
            fix="use letters, digits and underscores only",
            rule="ml01_table_registered",
        ) from error
