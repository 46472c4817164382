"""The invented billing history: the same every time, and shaped like a real one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_assets.defs.health_monitor.cost_predictor.usage_generator import SKUS, BillingHistory
from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.platform.seed_rows import arrow_table
from ml_assets_tests.defs.billing import SMALL, in_pandas

HISTORY = BillingHistory(workspaces=24, days=200, seed=5)
DOCUMENTED = {
    "record_id": "string", "account_id": "string", "workspace_id": "string", "sku_name": "string",
    "cloud": "string", "usage_start_time": "timestamp[us, tz=UTC]",
    "usage_end_time": "timestamp[us, tz=UTC]", "usage_date": "date32[day]",
    "custom_tags": "map<string, string>", "usage_unit": "string",
    "usage_quantity": "decimal128(38, 18)", "usage_metadata": "struct", "identity_metadata": "struct",
    "record_type": "string", "ingestion_date": "date32[day]", "billing_origin_product": "string",
    "product_features": "struct", "usage_type": "string",
}  # fmt: skip
PRICES = {
    "price_start_time": "timestamp[us, tz=UTC]", "price_end_time": "timestamp[us, tz=UTC]",
    "account_id": "string", "sku_name": "string", "cloud": "string", "currency_code": "string",
    "usage_unit": "string", "pricing": "struct",
}  # fmt: skip


@pytest.fixture(scope="module")
def usage() -> pd.DataFrame:
    return HISTORY.usage()


@pytest.fixture(scope="module")
def costs(usage: pd.DataFrame) -> pd.DataFrame:
    return in_pandas(usage, HISTORY.list_prices())


def _types(frame: pd.DataFrame) -> dict[str, str]:
    schema = arrow_table("t", frame).schema
    return {f.name: "struct" if pa.types.is_struct(f.type) else str(f.type) for f in schema}


def test_columns_and_types_are_the_documented_ones(usage: pd.DataFrame) -> None:
    assert _types(usage) == DOCUMENTED
    assert _types(HISTORY.list_prices()) == PRICES


def test_the_same_seed_gives_the_same_rows_and_another_one_others() -> None:
    first, again = SMALL.usage(), BillingHistory(workspaces=5, days=80, seed=11).usage()
    pd.testing.assert_frame_equal(first, again)
    other = BillingHistory(workspaces=5, days=80, seed=12).usage()
    assert first["usage_quantity"].tolist()[:50] != other["usage_quantity"].tolist()[:50]


def test_record_ids_are_unique_and_nothing_is_missing(usage: pd.DataFrame) -> None:
    assert usage["record_id"].is_unique
    assert not usage.isna().any().any()


def test_no_record_is_from_the_future(usage: pd.DataFrame) -> None:
    last = pd.Timestamp("2024-07-01") + pd.Timedelta(days=HISTORY.days - 1)
    ingested = pd.to_datetime(usage["ingestion_date"].astype(str))
    used = pd.to_datetime(usage["usage_date"].astype(str))
    assert ingested.max() == last
    assert (used <= ingested).all()
    start, end = (
        usage[f"usage_{edge}_time"].astype("datetime64[ns, UTC]") for edge in ("start", "end")
    )
    assert ((end - start) == pd.Timedelta(hours=1)).all()
    assert (start.dt.tz_localize(None).dt.normalize() == used).all()


def test_originals_arrive_within_a_day_and_corrections_later(costs: pd.DataFrame) -> None:
    delay = (costs["ingested"] - costs["used"]).dt.days
    assert set(delay[costs["type"] == "ORIGINAL"]) == {0, 1}
    assert 0.1 < (delay[costs["type"] == "ORIGINAL"] == 1).mean() < 0.5
    late = delay[costs["type"] != "ORIGINAL"]
    assert late.min() >= 2
    assert late.max() <= 26


def test_every_retraction_takes_back_one_original(usage: pd.DataFrame, costs: pd.DataFrame) -> None:
    """And no hour of a SKU comes out negative, at whatever date one looks."""
    slot = ["workspace_id", "sku_name", "end"]
    originals = costs[costs["type"] == "ORIGINAL"].set_index(slot)["quantity"]
    taken = costs[costs["type"] == "RETRACTION"].set_index(slot)["quantity"]
    assert originals.index.is_unique
    assert taken.index.is_unique
    assert np.allclose(-taken, originals.loc[taken.index])
    known = costs.sort_values("ingested", kind="stable").groupby(slot)["quantity"].cumsum()
    assert known.min() > -1e-9


def test_corrections_are_as_many_as_it_says(costs: pd.DataFrame) -> None:
    counts = costs["type"].value_counts()
    assert 0.011 < counts["RETRACTION"] / counts["ORIGINAL"] < 0.018
    assert 0.7 < counts["RESTATEMENT"] / counts["RETRACTION"] < 0.9
    restated = costs[costs["type"] == "RESTATEMENT"].set_index(["workspace_id", "sku_name", "end"])
    retracted = costs[costs["type"] == "RETRACTION"].set_index(["workspace_id", "sku_name", "end"])
    assert (restated["ingested"] == retracted.loc[restated.index, "ingested"]).all()


def test_there_are_gaps_a_weekly_rhythm_growth_and_spikes() -> None:
    history = BillingHistory()
    costs = in_pandas(history.usage(), history.list_prices())
    daily = costs.pivot_table("cost", index="used", columns="workspace_id", aggfunc="sum")
    daily = daily.reindex(pd.date_range("2024-07-01", periods=history.days))
    assert daily.shape[1] == history.workspaces
    opened = daily.notna().cummax()
    gaps = (daily.isna() & opened).sum().sum() / opened.sum().sum()
    assert 0.03 < gaps < 0.25
    weekend = daily.index.dayofweek >= 5
    assert daily[weekend].mean().mean() < 0.7 * daily[~weekend].mean().mean()
    account = daily.sum(axis=1)
    assert account.iloc[-100:].mean() > 1.2 * account.iloc[:100].mean()
    jumps = daily / daily.rolling(28, min_periods=14).median()
    assert 0.005 < (jumps > 2.5).sum().sum() / daily.notna().sum().sum() < 0.05


def test_every_record_has_exactly_one_list_price(usage: pd.DataFrame) -> None:
    prices = HISTORY.list_prices()
    assert set(usage["sku_name"]) <= set(prices["sku_name"]) == {sku.name for sku in SKUS}
    merged = usage[["record_id", "sku_name", "usage_end_time"]].merge(prices, on="sku_name")
    last = merged["price_end_time"].isna() | (merged["usage_end_time"] < merged["price_end_time"])
    listed = merged[(merged["usage_end_time"] >= merged["price_start_time"]) & last]
    assert sorted(listed["record_id"]) == sorted(usage["record_id"])


def test_a_platform_stores_it_with_its_nested_types(platform: EmbeddedPlatform) -> None:
    platform.tables.seed("system.billing.usage", SMALL.usage, "What the account used.")
    frame = platform.tables.read("system.billing.usage")
    assert frame.schema["custom_tags"].dataType.simpleString() == "map<string,string>"
    row = frame.where("billing_origin_product = 'JOBS'").selectExpr(
        "usage_metadata.job_id", "usage_metadata.cluster_id", "custom_tags['env'] as env"
    )
    first = row.first()
    assert first.job_id
    assert first.cluster_id is None
    assert first.env in {"production", "staging"}
    assert frame.schema["usage_quantity"].dataType.simpleString() == "decimal(38,18)"
