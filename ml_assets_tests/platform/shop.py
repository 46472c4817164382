"""A small shop on any platform (embedded: stored without Spark), for tests of what reads its tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml_assets.platform.protocol import SplitCuts
from ml_assets.spec.catalog import TableLayout, feature_layout
from ml_assets.spec.model import ModelSpec
from ml_assets_tests import tiny

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from pyspark.sql import DataFrame

    from ml_assets.platform.protocol import Platform

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, CUSTOMERS = 20, 12
CUTS = SplitCuts(START + timedelta(days=12), START + timedelta(days=14))


@dataclass(frozen=True)
class Shop:
    """A platform with the tables of ``spec`` stored in it."""

    platform: Platform
    spec: ModelSpec

    def training_set(self) -> pd.DataFrame:
        """Join, publish and read back."""
        layout = TableLayout(self.spec.training_set)
        self.platform.features.stage_training_set(self.spec, layout, CUTS, {}).publish()
        return self.platform.tables.read(layout.name).toArrow().to_pandas()

    def log(self, model: Any, example: pd.DataFrame) -> str:
        """Package a model in a run of its own."""
        with self.platform.tracking.run("/Shared/shop", name="test", tags={}) as run:
            return self.platform.features.log_model(
                self.spec, model, run_id=run.run_id, input_example=example
            )

    def keys(self, rows: pd.DataFrame) -> DataFrame:
        """Hand rows to Spark, with UTC times."""
        return self.platform.spark.createDataFrame(rows)


def make_shop(platform: Platform, *, strings: bool) -> Shop:
    """Store feature tables and labels; with ``strings`` one of the features is a text."""
    spec = tiny.spec() if strings else tiny.spec(feature_tables=_numeric(tiny.mapping()))
    rng = np.random.default_rng(3)
    rows = [(f"c{c:02d}", START + timedelta(days=d)) for d in range(DAYS) for c in range(CUSTOMERS)]
    customer, day = (list(column) for column in zip(*rows, strict=True))
    amount = rng.gamma(2.0, 5.0, len(rows))
    visits = rng.integers(0, 9, len(rows))
    activity = pa.table(
        {
            "customer": customer,
            "known_at": pa.array([d + timedelta(hours=20) for d in day], pa.timestamp("us", "UTC")),
            "amount": amount,
            "visits": visits,
            "city": rng.choice(["Oslo", "Rome", "it's"], len(rows)),
        }
    )
    profile = pa.table(
        {
            "customer": [f"c{c:02d}" for c in range(CUSTOMERS - 1)],  # the last one is unknown
            "age": [20.0 + c for c in range(CUSTOMERS - 1)],
        }
    )
    labels = pa.table(
        {
            "customer": customer,
            "asked_at": pa.array([d + timedelta(hours=36) for d in day], pa.timestamp("us", "UTC")),
            "spends": (amount + visits > 14).astype("int64"),
        }
    )
    first, second = spec.feature_tables
    store(platform, feature_layout(first), activity.select([*first.keys, *first.columns]))
    store(platform, feature_layout(second), profile)
    store(platform, TableLayout(spec.label.table, spec.label.keys, spec.label.event_time), labels)
    return Shop(platform, spec)


def store(platform: Platform, layout: TableLayout, rows: pa.Table) -> None:
    """Publish rows as a table."""
    if not hasattr(platform.tables, "stage_arrow"):
        platform.tables.stage(platform.spark.createDataFrame(rows), layout).publish()
        return

    def write(folder: Path) -> None:
        pq.write_table(rows, folder / "rows.parquet")

    platform.tables.stage_arrow(rows.schema, layout, write).publish()


def _numeric(mapping: dict[str, Any]) -> list[dict[str, Any]]:
    first, second = mapping["feature_tables"]
    columns = {name: c for name, c in first["columns"].items() if name != "city"}
    return [{**first, "columns": columns}, second]
