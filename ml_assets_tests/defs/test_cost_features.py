"""Features and labels of the cost predictor: nothing counts before it was ingested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_assets.defs.health_monitor.cost_predictor import features as cost
from ml_assets.defs.health_monitor.usage_anomaly.features import ANOMALY, NORMAL, jumps
from ml_assets_tests.defs.billing import NEEDED, SMALL, in_pandas, spark_frame

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FIRST = pd.Timestamp("2024-07-01")
DAY = pd.Timedelta(days=1)
LAST = FIRST + (SMALL.days - 1) * DAY


@pytest.fixture(scope="module")
def usage() -> pd.DataFrame:
    return SMALL.usage()[NEEDED]


@pytest.fixture(scope="module")
def prices(spark: SparkSession) -> DataFrame:
    return spark_frame(spark, SMALL.list_prices()).cache()


@pytest.fixture(scope="module")
def records(usage: pd.DataFrame) -> pd.DataFrame:
    return in_pandas(usage, SMALL.list_prices())


@pytest.fixture(scope="module")
def rows(spark: SparkSession, usage: pd.DataFrame, prices: DataFrame) -> pd.DataFrame:
    return features_of(spark, usage, prices)


@pytest.fixture(scope="module")
def labels(spark: SparkSession, usage: pd.DataFrame, prices: DataFrame) -> pd.DataFrame:
    return labels_of(spark, usage, prices)


def _indexed(frame: DataFrame) -> pd.DataFrame:
    return frame.toPandas().set_index(["workspace_id", "date"]).sort_index()


def features_of(spark: SparkSession, usage: pd.DataFrame, prices: DataFrame) -> pd.DataFrame:
    return _indexed(cost.cost_prediction_features(spark_frame(spark, usage), prices))


def labels_of(spark: SparkSession, usage: pd.DataFrame, prices: DataFrame) -> pd.DataFrame:
    return _indexed(cost.outcomes(spark_frame(spark, usage), prices))


def changed(usage: pd.DataFrame, first: pd.Timestamp, seed: int = 0) -> pd.DataFrame:
    """Change all records that were ingested on a day or later, and add some that never were."""
    ingested = pd.to_datetime(usage["ingestion_date"].astype(str)) >= first
    before, after = usage[~ingested], usage[ingested]
    rng = np.random.default_rng(seed)
    after = after[rng.random(len(after)) < 0.6]
    quantity = after["usage_quantity"].astype(float) * rng.uniform(-9, 9, len(after))
    decimals = pa.array(np.round(quantity, 6)).cast(pa.decimal128(38, 6))
    after = after.assign(
        usage_quantity=pd.Series(
            pd.arrays.ArrowExtensionArray(decimals.cast(pa.decimal128(38, 18))), index=after.index
        )
    )
    old = before.sample(200, random_state=seed)  # late corrections of what is long over
    late = old.assign(
        ingestion_date=after["ingestion_date"].sample(200, replace=True, random_state=seed).array
    )
    return pd.concat([before, after, late], ignore_index=True)


def near(a: pd.DataFrame, b: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(a, b, check_exact=False, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("day", [12, 41, 66])
def test_what_is_ingested_later_changes_no_feature_row(
    spark: SparkSession, usage: pd.DataFrame, prices: DataFrame, rows: pd.DataFrame, day: int
) -> None:
    """Not one value, of any workspace, of any date up to the as-of time."""
    asked = FIRST + day * DAY
    other = features_of(spark, changed(usage, asked, seed=day), prices)
    until = rows.index.get_level_values("date") <= asked
    known = other.index.get_level_values("date") <= asked
    near(other[known], rows[until])
    assert rows[until].groupby("workspace_id").size().max() >= day
    assert not np.allclose(other[~known]["cost_30d"].mean(), rows[~until]["cost_30d"].mean())


def test_what_is_ingested_the_day_before_counts(
    spark: SparkSession, usage: pd.DataFrame, prices: DataFrame, rows: pd.DataFrame
) -> None:
    """Without it the test above would pass for features that look at nothing."""
    asked = FIRST + 41 * DAY
    other = features_of(spark, changed(usage, asked - DAY), prices).xs(asked, level="date")
    mine = rows.xs(asked, level="date")
    for name in ("cost_1d", "cost_7d", "cost_30d", "dbus_7d"):
        assert not np.isclose(other[name], mine[name].loc[other.index]).all(), name


@pytest.mark.parametrize("day", [20, 50])
def test_what_is_ingested_after_the_horizon_changes_no_label(
    spark: SparkSession, usage: pd.DataFrame, prices: DataFrame, labels: pd.DataFrame, day: int
) -> None:
    asked = FIRST + day * DAY
    settled = asked + cost.SETTLED_DAYS * DAY
    other = labels_of(spark, changed(usage, settled, seed=day), prices)
    until = labels.index.get_level_values("date") <= asked
    near(other[other.index.get_level_values("date") <= asked], labels[until])


@pytest.mark.parametrize(("late", "counts"), [(2, True), (3, False)])
def test_a_correction_counts_until_the_day_is_settled(
    spark: SparkSession,
    usage: pd.DataFrame,
    prices: DataFrame,
    labels: pd.DataFrame,
    late: int,
    counts: bool,
) -> None:
    asked = FIRST + 50 * DAY
    day = usage[pd.to_datetime(usage["usage_date"].astype(str)) == asked].head(1)
    again = day.assign(
        ingestion_date=pd.Series(
            pd.arrays.ArrowExtensionArray(pa.array([(asked + late * DAY).date()], pa.date32())),
            index=day.index,
        )
    )
    other = labels_of(spark, pd.concat([usage, again], ignore_index=True), prices)
    moved = (other["next_day_cost"] - labels["next_day_cost"]).abs() > 1e-6
    key = (str(day["workspace_id"].iloc[0]), asked)
    assert moved[moved].index.tolist() == ([key] if counts else [])


def by_hand(records: pd.DataFrame, workspace: str, date: pd.Timestamp) -> dict[str, float]:
    """One feature row, straight from its definition."""
    known = records[(records["workspace_id"] == workspace) & (records["ingested"] < date)]
    age = (date - known["used"]).dt.days

    def total(name: str, first: int, last: int) -> float:
        return float(known.loc[age.between(first, last), name].sum())

    week = known[age.between(1, 7)]
    return {
        "weekday": (date.dayofweek + 1) % 7 + 1,
        "cost_1d": total("cost", 1, 1),
        "cost_2d_ago": total("cost", 2, 2),
        "cost_week_ago": total("cost", 7, 7),
        "cost_7d": total("cost", 1, 7),
        "cost_30d": total("cost", 1, 30),
        "dbus_7d": total("dbus", 1, 7),
        "dbus_30d": total("dbus", 1, 30),
        "cost_7d_vs_30d": (total("cost", 1, 7) / 7) / (total("cost", 1, 30) / 30),
        "days_used_7d": week["used"].nunique(),
        "skus_7d": week["sku_name"].nunique(),
        "days_since_last_use": age.min(),
    }


@pytest.mark.parametrize("day", [9, 33, 60, 79])
def test_a_row_is_what_the_definition_says(
    records: pd.DataFrame, rows: pd.DataFrame, day: int
) -> None:
    date = FIRST + day * DAY
    for workspace, row in rows.xs(date, level="date").iterrows():
        assert {k: float(row[k]) for k in by_hand(records, str(workspace), date)} == pytest.approx(
            by_hand(records, str(workspace), date)
        )


def test_there_is_a_row_for_every_day_since_the_first_record(rows: pd.DataFrame) -> None:
    """Also for days on which nobody used anything."""
    for _, own in rows.groupby("workspace_id"):
        dates = own.index.get_level_values("date")
        assert list(dates) == list(pd.date_range(dates.min(), LAST))
    assert (rows["days_since_last_use"] > 2).any()
    assert rows["days_since_last_use"].min() >= 1


def test_a_label_is_the_growth_from_one_settled_day_to_the_next(
    records: pd.DataFrame, labels: pd.DataFrame
) -> None:
    def settled(workspace: str, day: pd.Timestamp, asked: pd.Timestamp) -> float:
        own = (records["workspace_id"] == workspace) & (records["used"] == day)
        known = records["ingested"] < asked + cost.SETTLED_DAYS * DAY
        return float(records.loc[own & known, "cost"].sum())

    for (workspace, date), row in labels.sample(40, random_state=1).iterrows():
        today, before = settled(workspace, date, date), settled(workspace, date - DAY, date)
        assert before >= cost.LEAST_COST
        assert row["next_day_cost"] == pytest.approx(today)
        assert row["cost_growth_rate"] == pytest.approx(today / before - 1, abs=1e-9)


def test_labels_are_finite_and_end_before_the_data_does(labels: pd.DataFrame) -> None:
    assert np.isfinite(labels["cost_growth_rate"]).all()
    assert (labels["cost_growth_rate"] == -1).any()  # a day without usage after one with usage
    last = labels.index.get_level_values("date").max()
    assert last + cost.SETTLED_DAYS * DAY <= LAST
    assert last + (cost.SETTLED_DAYS + 2) * DAY > LAST
    share = (labels["cost_growth_rate"] > 0.10).mean()
    assert 0.15 < share < 0.5


def test_keys_to_score_are_the_last_four_weeks_and_find_their_features(
    spark: SparkSession, usage: pd.DataFrame, prices: DataFrame, rows: pd.DataFrame
) -> None:
    keys = _indexed(cost.latest_days(spark_frame(spark, usage), prices))
    days = set(keys.index.get_level_values("date"))
    assert (min(days), max(days), len(days)) == (LAST - 27 * DAY, LAST, cost.SCORED_DAYS)
    assert keys.index.is_unique
    assert set(keys.index) <= set(rows.index)
    recent = rows[rows.index.get_level_values("date") > LAST - cost.SCORED_DAYS * DAY]
    used_the_day_before = recent[recent["days_since_last_use"] == 1]
    assert set(keys.index) == set(used_the_day_before.index)
    assert len(recent) > len(keys)


def test_a_record_without_a_list_price_counts_as_usage_and_costs_nothing(
    spark: SparkSession, usage: pd.DataFrame, prices: DataFrame
) -> None:
    new = usage[usage["usage_unit"] == "DBU"].head(1).assign(sku_name="BRAND_NEW", workspace_id="w")
    daily = cost.costs(spark_frame(spark, new), prices).toPandas()
    assert daily[["cost", "dbus"]].iloc[0].tolist() == [
        0.0,
        pytest.approx(float(new["usage_quantity"].iloc[0])),
    ]


def test_all_records_together_cost_what_pandas_says(
    spark: SparkSession, usage: pd.DataFrame, records: pd.DataFrame, prices: DataFrame
) -> None:
    total = cost.costs(spark_frame(spark, usage), prices).toPandas()["cost"].sum()
    assert total == pytest.approx(records["cost"].sum())


def test_a_price_change_holds_from_its_first_moment_on(
    spark: SparkSession, usage: pd.DataFrame, prices: DataFrame
) -> None:
    """A record that ends in that moment has the new price, one before the old, and none has two."""
    listed = SMALL.list_prices()
    listed = listed[listed["sku_name"] == "ENTERPRISE_JOBS_COMPUTE"]
    moment = listed["price_end_time"].dropna().iloc[0]
    record = usage[usage["sku_name"] == "ENTERPRISE_JOBS_COMPUTE"].head(1)
    quantity = float(record["usage_quantity"].iloc[0])
    found = []
    for end in (moment - pd.Timedelta(microseconds=1), moment):
        one = record.assign(usage_end_time=end)
        found.append(
            cost.costs(spark_frame(spark, one), prices).toPandas()["cost"].sum() / quantity
        )
    assert found == pytest.approx([0.20, 0.22])


def test_an_anomaly_is_known_on_either_side_of_a_band(
    spark: SparkSession, usage: pd.DataFrame, prices: DataFrame, labels: pd.DataFrame
) -> None:
    found = _indexed(jumps(spark_frame(spark, usage), prices))["cost_jump"]
    known = found.dropna()
    assert ((known <= NORMAL) | (known >= ANOMALY)).all()
    assert found.isna().any()
    assert (known >= ANOMALY).any()
    costs = labels["next_day_cost"]
    for (workspace, date), jump in known.sample(20, random_state=2).items():
        own = costs.loc[workspace]
        day = date - DAY
        usual = own[(own.index < day) & (own.index >= day - 28 * DAY)]
        assert len(usual) >= 14
        assert jump == pytest.approx(own[day] / usual.median())


def test_what_no_workspace_used_is_no_workspace_s_cost(
    spark: SparkSession, usage: pd.DataFrame, prices: DataFrame, rows: pd.DataFrame
) -> None:
    """The account's own records have no workspace: a null key would stop every table."""
    own = usage.head(50).assign(
        workspace_id=pd.Series([None] * 50, dtype=usage.dtypes["workspace_id"])
    )
    near(features_of(spark, pd.concat([usage, own], ignore_index=True), prices), rows)
