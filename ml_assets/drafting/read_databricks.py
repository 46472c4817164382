"""Read a sample of a Unity Catalog table from a laptop: the catalog's columns, a warehouse's rows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ml_assets.drafting.read import as_numbers
from ml_assets.drafting.sample import Column, Sample
from ml_assets.orchestration.settings import databricks_settings, workspace_client
from ml_assets.orchestration.statements import Statements
from ml_assets.platform.table_names import checked_name
from ml_assets.spec.base import quoted
from ml_assets.spec.errors import DataError, SpecError, StorageError

if TYPE_CHECKING:
    import pandas as pd
    from databricks.sdk import WorkspaceClient

#: What the warehouse answers inline, in one piece, holds so many rows of a usual table.
ROWS = 5_000
_PATIENCE = timedelta(minutes=5)


def open_table(name: str) -> Sample:
    """Read a table in the workspace that is configured.

    Raises
    ------
    MlAssetsError
        As ``read_table``; and when no workspace or no warehouse is configured.
    """
    settings = databricks_settings()
    if not settings.warehouse_id:
        raise SpecError(
            "databricks.warehouse_id",
            found="no SQL warehouse",
            expected="a warehouse that may read a few rows of the table",
            fix="set it in ml_assets.yaml, or name a .csv or .parquet file",
        )
    client = workspace_client(settings)
    return read_table(name, client, Statements(client, settings.warehouse_id, _PATIENCE))


def read_table(name: str, client: WorkspaceClient, statements: Statements) -> Sample:
    """Read columns, comments and the first rows of a table.

    Raises
    ------
    DataError
        When there is no such table, or the one who asks may not see it.
    StorageError
        When the catalog or the warehouse cannot be asked.
    """
    from databricks.sdk.errors.base import DatabricksError
    from databricks.sdk.errors.platform import NotFound, PermissionDenied

    checked_name(name)
    try:
        table = client.tables.get(name)
    except (NotFound, PermissionDenied) as error:
        raise DataError(
            f"--from {name}",
            found=f"no such table, or none that you may see: {error}",
            expected="a table in Unity Catalog with SELECT for the one who asks",
            fix="correct the name, or ask its owner for USE CATALOG, USE SCHEMA and SELECT",
        ) from error
    except (DatabricksError, TimeoutError, OSError) as error:
        raise StorageError(
            f"--from {name}",
            found=f"the workspace cannot be asked: {error}",
            expected="a workspace that answers",
            fix="look at DATABRICKS_HOST and the credentials; `ml-assets doctor` looks at both",
        ) from error
    columns = tuple(
        Column(str(c.name), str(c.type_text or "").lower(), c.comment or "")
        for c in table.columns or []
    )
    found = statements.rows(f"SELECT * FROM {quoted(name)} LIMIT {ROWS}")  # noqa: S608 - quoted
    return Sample(name, columns, _frame(found, columns), description=table.comment or "")


def _frame(rows: list[Any], columns: tuple[Column, ...]) -> pd.DataFrame:
    """Turn a warehouse's answer, which is all text, into values of the columns' types."""
    import pandas as pd

    names = [c.name for c in columns]
    frame = pd.DataFrame([dict(row) for row in rows], columns=names, dtype=object)
    for column in columns:
        if column.kind == "boolean":
            frame[column.name] = frame[column.name].map({"true": True, "false": False})
        elif column.kind in {"time", "date"}:
            # What nanoseconds do not reach (9999-12-31) is as good as no time.
            frame[column.name] = pd.to_datetime(
                frame[column.name], utc=True, format="ISO8601", errors="coerce"
            )
    return as_numbers(frame, columns)
