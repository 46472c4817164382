"""The demo on the real flights, as a user runs it, twice: what is stored afterwards."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from ml_assets.defs.flight_ops.arrival_delay.features import REPORTING_MINUTES
from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.spec.loader import load_spec
from ml_assets.steps.training_set import feature_columns

ROOT = Path(__file__).parents[1]
DEFS = ROOT / "ml_assets/defs/flight_ops/arrival_delay/defs.yaml"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def spec():
    return load_spec(DEFS)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two demos on one home: what the first and the second printed."""
    home = tmp_path_factory.mktemp("flights")
    environment = {**os.environ, "ML_ASSETS_HOME": str(home), "COLUMNS": "140"}
    environment.pop("DAGSTER_HOME", None)
    command = [sys.executable, "-m", "ml_assets.cli", "demo"]
    printed = []
    for _ in range(2):
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        printed.append(done.stdout)
    return home, printed


@pytest.fixture
def flights(runs, spark):
    return EmbeddedPlatform(home=runs[0], spark=spark)


def test_the_summary_shows_assets_checks_version_and_metrics(runs) -> None:
    first, second = runs[1]
    assert "✗" not in first + second
    assert re.search(r"labels +325,630 +flight_ops\.labels\.arrival_delay", first)
    assert "ml03_lookup_coverage" in first
    assert "flight_ops.models.arrival_delay version 1 (champion)" in first
    assert "flight_ops.models.arrival_delay version 2 (champion)" in second
    assert re.search(r"roc_auc +0\.7\d+ +0\.5000", second)
    assert "make ui" in second


def test_the_second_run_leaves_one_more_version_of_everything_and_no_orphans(flights, spec) -> None:
    registry = flights.registry
    assert registry.versions(spec.registered_model) == (1, 2)
    assert registry.version_of(spec.registered_model, "champion") == 2
    tables = [t.table for t in spec.feature_tables]
    tables += [spec.label.table, spec.training_set, spec.scoring.table]
    for name in tables:
        # Version by version, every Parquet file on disk belongs to the table's history.
        info, known = flights.tables.info(name), set()
        for version in range(info.version + 1):
            known |= {Path(f).name for f in flights.tables.files(name, version)}
        stored = {p.name for p in flights.tables.path(name).rglob("*.parquet")}
        assert stored == known, name
    seeded = {flights.tables.info(s.table).version for s in spec.sources.values()}
    assert len(seeded) == 1


def test_no_feature_is_from_the_future_and_none_is_an_outcome(flights, spec) -> None:
    frame = flights.tables.read(spec.training_set)
    assert feature_columns(spec, frame.columns) == list(spec.features)
    assert not set(spec.features) & set(spec.label.label_sources)
    late = "__as_of_carrier_route_history > scheduled_departure or __as_of_weather_hourly > scheduled_departure"
    assert frame.where(late).count() == 0
    old = "unix_micros(scheduled_departure) - unix_micros(__as_of_weather_hourly) > 21600000000"
    assert frame.where(old).count() == 0


def test_one_flight_s_history_is_what_had_landed_by_then(flights) -> None:
    """Recount one row by hand, in pandas, from the raw flights."""
    row = (
        flights.tables.read("flight_ops.training.arrival_delay")
        .where("carrier = 'UA' and origin = 'EWR' and dest = 'SFO'")
        .where("scheduled_departure >= timestamp'2013-07-15 12:00:00'")
        .orderBy("scheduled_departure", "flight_id")
        .limit(1)
        .toPandas()
        .iloc[0]
    )
    raw = flights.tables.read("flight_ops.raw.flights").where(
        "carrier = 'UA' and origin = 'EWR' and dest = 'SFO'"
    )
    raw = raw.toPandas().dropna(subset=["arr_delay", "air_time"])
    minutes = raw["minute"] + raw["dep_delay"] + raw["air_time"] + REPORTING_MINUTES
    known_at = raw["time_hour"] + pd.to_timedelta(minutes, unit="min")
    landed = known_at[known_at <= row["scheduled_departure"]]
    latest = landed.max()
    assert row["__as_of_carrier_route_history"] == latest
    week = raw.loc[landed[landed >= latest - pd.Timedelta(days=7)].index]
    assert row["route_flights_7d"] == len(week)
    assert row["route_mean_delay_7d"] == pytest.approx(week["arr_delay"].mean())
    assert row["route_late_share_7d"] == pytest.approx((week["arr_delay"] > 15).mean())


def test_predictions_are_those_of_the_last_month(flights, spec) -> None:
    frame = flights.tables.read(spec.scoring.table)
    assert (frame.count(), frame.select("flight_id").distinct().count()) == (28135, 28135)
    assert frame.where("model_version <> 2").count() == 0
    first, last = frame.selectExpr("min(scheduled_departure)", "max(scheduled_departure)").first()
    assert (first.month, last.year) == (12, 2014)  # the last local evening is January in UTC
