"""A small billing history as Spark frames, and what pandas makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_assets.defs.health_monitor.cost_predictor.usage_generator import BillingHistory
from ml_assets.platform.seed_rows import arrow_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SMALL = BillingHistory(workspaces=5, days=80, seed=11)
NEEDED = [
    "record_id", "workspace_id", "sku_name", "cloud", "usage_unit", "usage_date", "usage_end_time",
    "ingestion_date", "usage_quantity", "record_type",
]  # fmt: skip


def spark_frame(spark: SparkSession, rows: pd.DataFrame) -> DataFrame:
    """Convert as a seed does."""
    from pyspark.sql.pandas.types import from_arrow_schema

    table = arrow_table("rows", rows)
    return spark.createDataFrame(table, schema=from_arrow_schema(table.schema))


def in_pandas(usage: pd.DataFrame, prices: pd.DataFrame) -> pd.DataFrame:
    """Price each record by hand; dates as midnights, cost in dollars."""
    found = pd.DataFrame(
        {
            "workspace_id": usage["workspace_id"].astype(str),
            "sku_name": usage["sku_name"].astype(str),
            "type": usage["record_type"].astype(str),
            "used": pd.to_datetime(usage["usage_date"].astype(str)),
            "ingested": pd.to_datetime(usage["ingestion_date"].astype(str)),
            "end": pd.to_datetime(usage["usage_end_time"].astype("datetime64[ns, UTC]")),
            "quantity": usage["usage_quantity"].astype(float),
            "dbu": (usage["usage_unit"].astype(str) == "DBU"),
        }
    )
    found["price"] = 0.0
    for row in prices.itertuples():
        last = (
            row.price_end_time
            if not pd.isna(row.price_end_time)
            else pd.Timestamp.max.tz_localize("UTC")
        )
        listed = (found["sku_name"] == row.sku_name) & (found["end"] >= row.price_start_time)
        valid = listed & (found["end"] < last)
        found.loc[valid, "price"] = float(row.pricing["effective_list"]["default"])
    found["cost"] = found["quantity"] * found["price"]
    found["dbus"] = np.where(found["dbu"], found["quantity"], 0.0)
    return found
