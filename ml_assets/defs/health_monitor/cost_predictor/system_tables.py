"""Rows in the columns and types of Databricks' billing system tables.

As documented under "Billable usage system table reference" and "Pricing system table reference".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ml_assets.defs.health_monitor.cost_predictor.usage_generator import Sku

ACCOUNT = "0f1e2d3c-0000-4000-8000-00000000ac01"
CLOUD = "AWS"
HOUR = 3_600_000_000
#: By product: which field of ``usage_metadata`` names what was used.
METADATA = {
    "ALL_PURPOSE": "cluster_id",
    "JOBS": "job_id",
    "SQL": "warehouse_id",
    "DLT": "dlt_pipeline_id",
    "MODEL_SERVING": "endpoint_id",
}
FIELDS = (
    "cluster_id", "instance_pool_id", "node_type", "job_id", "job_run_id", "job_name",
    "notebook_id", "notebook_path", "warehouse_id", "dlt_pipeline_id", "dlt_update_id",
    "dlt_maintenance_id", "endpoint_id", "endpoint_name", "run_name", "budget_policy_id",
)  # fmt: skip
TEAMS = ("finance", "marketing", "platform", "research")


def usage_frame(
    rows: Mapping[str, NDArray[Any]],
    skus: Sequence[Sku],
    *,
    first_day: pd.Timestamp,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Give records the columns of ``system.billing.usage``.

    Parameters
    ----------
    rows
        ``workspace`` and ``sku`` (numbers), ``hour`` (since the first day, of the usage),
        ``quantity``, ``type`` and ``ingested`` (day since the first one).
    skus
        What the SKU numbers stand for.
    first_day
        Midnight, UTC.
    rng
        Draws the record ids.
    """
    import pyarrow as pa

    size = len(rows["hour"])
    start = int(first_day.value // 1000) + rows["hour"].astype("int64") * HOUR
    first_date = int(first_day.value // 1000 // (24 * HOUR))
    product = _chosen([s.product for s in skus], rows["sku"])
    ids = pa.array([f"{value:032x}" for value in _ids(size, rng)], pa.string())
    utc = pa.timestamp("us", "UTC")
    columns = {
        "record_id": ids,
        "account_id": pa.repeat(pa.scalar(ACCOUNT), size),
        "workspace_id": pa.array([f"{7_405_600_000_000_000 + w:d}" for w in rows["workspace"]]),
        "sku_name": _chosen([s.name for s in skus], rows["sku"]),
        "cloud": pa.repeat(pa.scalar(CLOUD), size),
        "usage_start_time": pa.array(start, utc),
        "usage_end_time": pa.array(start + HOUR, utc),
        "usage_date": _dates(first_date + rows["hour"] // 24),
        "custom_tags": _tags(rows["workspace"]),
        "usage_unit": _chosen([s.unit for s in skus], rows["sku"]),
        "usage_quantity": _decimals(rows["quantity"]),
        "usage_metadata": _metadata(rows, product),
        "identity_metadata": _identity(rows["workspace"]),
        "record_type": pa.array(rows["type"], pa.string()),
        "ingestion_date": _dates(first_date + rows["ingested"]),
        "billing_origin_product": product,
        "product_features": _features(product),
        "usage_type": _chosen([s.usage_type for s in skus], rows["sku"]),
    }
    return _frame(columns)


def prices_frame(
    rows: Sequence[tuple[Sku, float, pd.Timestamp, pd.Timestamp | None]],
) -> pd.DataFrame:
    """Give SKUs, prices and the times when they were listed the columns of ``list_prices``."""
    import pyarrow as pa

    price = _decimals(np.array([round(price, 6) for _, price, _, _ in rows]))
    listed = pa.StructArray.from_arrays([price], ["default"])
    none = pa.StructArray.from_arrays(
        [pa.nulls(len(rows), price.type)], ["default"], mask=pa.array([True] * len(rows))
    )
    utc = pa.timestamp("us", "UTC")
    return _frame(
        {
            "price_start_time": pa.array([first for _, _, first, _ in rows], utc),
            "price_end_time": pa.array([last for _, _, _, last in rows], utc),
            "account_id": pa.repeat(pa.scalar(ACCOUNT), len(rows)),
            "sku_name": pa.array([sku.name for sku, *_ in rows]),
            "cloud": pa.repeat(pa.scalar(CLOUD), len(rows)),
            "currency_code": pa.repeat(pa.scalar("USD"), len(rows)),
            "usage_unit": pa.array([sku.unit for sku, *_ in rows]),
            "pricing": pa.StructArray.from_arrays(
                [price, none, listed], ["default", "promotional", "effective_list"]
            ),
        }
    )


def _frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    """Keep the types: pandas has none of its own for structs, maps, decimals and dates."""
    return pd.DataFrame(
        {name: pd.Series(pd.arrays.ArrowExtensionArray(a)) for name, a in columns.items()}
    )


def _chosen(values: Sequence[str], numbers: NDArray[Any]) -> Any:
    import pyarrow as pa

    return pa.array(values, pa.string()).take(pa.array(numbers))


def _ids(size: int, rng: np.random.Generator) -> list[int]:
    high, low = rng.integers(0, 2**63, size), rng.integers(0, 2**63, size)
    return [(int(a) << 64) + int(b) for a, b in zip(high, low, strict=True)]


def _dates(days: NDArray[Any]) -> Any:
    import pyarrow as pa

    return pa.array(days.astype("int32"), pa.int32()).cast(pa.date32())


def _decimals(values: NDArray[np.float64]) -> Any:
    import pyarrow as pa

    # Six digits first: a float cast to 18 digits shows the noise of its binary form.
    return pa.array(values).cast(pa.decimal128(38, 6)).cast(pa.decimal128(38, 18))


def _tags(workspaces: NDArray[Any]) -> Any:
    import pyarrow as pa

    kind = pa.map_(pa.string(), pa.string())
    choices: list[list[tuple[str, str]]] = [
        [("team", team), ("env", "production" if i % 3 else "staging")]
        for i, team in enumerate(TEAMS)
    ]
    return pa.array([choices[w % len(TEAMS)] for w in workspaces], kind)


def _metadata(rows: Mapping[str, NDArray[Any]], product: Any) -> Any:
    """Name what was used, in the field of its product; the other fields are null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    used = pa.array(
        [f"{s:02d}{w:04d}-used" for s, w in zip(rows["sku"], rows["workspace"], strict=True)]
    )
    null = pa.scalar(None, pa.string())
    named = {
        name: pc.if_else(pc.equal(product, owner), used, null) for owner, name in METADATA.items()
    }
    nothing = pa.nulls(len(used), pa.string())
    return pa.StructArray.from_arrays([named.get(name, nothing) for name in FIELDS], list(FIELDS))


def _identity(workspaces: NDArray[Any]) -> Any:
    import pyarrow as pa

    who = pa.array([f"{TEAMS[w % len(TEAMS)]}@example.com" for w in workspaces])
    nobody = pa.nulls(len(who), pa.string())
    return pa.StructArray.from_arrays([who, nobody, nobody], ["run_as", "owned_by", "created_by"])


def _features(product: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    null = pa.scalar(None, pa.string())
    jobs = pc.if_else(pc.equal(product, "JOBS"), "CLASSIC", null)
    sql = pc.if_else(pc.equal(product, "SQL"), "PRO", null)
    dlt = pc.if_else(pc.equal(product, "DLT"), "CORE", null)
    serverless = pc.is_in(product, pa.array(["SQL", "MODEL_SERVING"]))
    names = ["jobs_tier", "sql_tier", "dlt_tier", "is_serverless", "is_photon"]
    return pa.StructArray.from_arrays([jobs, sql, dlt, serverless, serverless], names)
