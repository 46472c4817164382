"""The databricks platform in a workspace of its own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ml_assets.platform.databricks import DatabricksPlatform
from ml_assets_tests.conformance.shim.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The schemas of the declarations that the tests use; on Databricks somebody makes them before.
SCHEMAS = (
    *("shop.raw", "shop.features", "shop.labels", "shop.training", "shop.models"),
    *("shop.predictions", "main.flights", "main.models"),
)


@contextlib.contextmanager
def databricks(home: Path) -> Iterator[tuple[DatabricksPlatform, Workspace]]:
    """Open a workspace and the platform in it, as a job on Databricks finds them."""
    with open_workspace(home) as workspace:
        for schema in SCHEMAS:
            workspace.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}").collect()
        yield DatabricksPlatform(), workspace
