"""The flights model without ml_assets: the same joins, training, logging, registering, scoring.

A bare script with DuckDB, XGBoost and MLflow: no orchestration, no checks, no Delta. It is the other
side of the demo's figure: ``python benchmarks/bare_flights.py FOLDER``, where FOLDER holds the raw
tables as ``flights.parquet``, ``weather.parquet``, ``planes.parquet``; everything is written there.
"""
# ruff: noqa: S608 - the queries name files of our own

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd  # noqa: TC002 - a script, read as it runs
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from sklearn import metrics
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from xgboost import XGBClassifier

MODEL = "bare.flights.arrival_delay"
REQUIREMENTS = ["mlflow", "scikit-learn", "skops", "xgboost"]
TRUSTED = ["xgboost.core.Booster", "xgboost.sklearn.XGBClassifier"]
STRINGS = ("operated_by", "departs_from", "flies_to", "plane_manufacturer", "plane_engine_type")
SCHEDULE = {
    "operated_by": "coalesce(carrier, 'unknown')",
    "departs_from": "coalesce(origin, 'unknown')",
    "flies_to": "coalesce(dest, 'unknown')",
    "distance_miles": "coalesce(distance, 0)",
    "departure_hour": "coalesce(hour, 12)",
    "departure_minute": "coalesce(minute, 0)",
    "departure_weekday": "dayofweek(scheduled_departure) + 1",
}
WEATHER = {
    "temp": 55.0,
    "dewp": 41.0,
    "humid": 62.0,
    "wind_dir": 0.0,
    "wind_speed": 10.0,
    "wind_gust": 0.0,
    "precip": 0.0,
    "pressure": 1017.9,
    "visib": 10.0,
}
PLANES = {
    "plane_year": "coalesce(year, 0)",
    "plane_engines": "coalesce(engines, 2)",
    "plane_seats": "coalesce(seats, 0)",
    "plane_manufacturer": "coalesce(manufacturer, 'unknown')",
    "plane_engine_type": "coalesce(engine, 'unknown')",
}
HISTORY = tuple(
    f"route_{what}_{days}d" for days in (7, 30) for what in ("flights", "mean_delay", "late_share")
)
FEATURES = (*SCHEDULE, *WEATHER, *PLANES, *HISTORY)


def main(folder: Path) -> None:
    """Do everything once."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    store_features(connection, folder)
    labels = """SELECT * FROM flights WHERE arr_delay IS NOT NULL AND NOT isnan(arr_delay)
      AND scheduled_departure + INTERVAL 2 DAYS <= (SELECT max(time_hour) FROM flights)"""
    lookup(connection, labels, folder, "training_set")
    model, scores = train(connection, folder)
    version = log(model, scores, folder)
    rows = score(connection, folder, version)
    print(f"version {version}, {rows} predictions, roc_auc {scores['roc_auc']:.4f}")


def store_features(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Compute the feature tables and store them."""
    connection.execute(
        f"""CREATE TEMP VIEW flights AS
        SELECT *, time_hour + to_minutes(CAST(minute AS BIGINT)) AS scheduled_departure,
          concat_ws('-', strftime(time_hour, '%Y%m%d%H'), carrier, flight, origin) AS flight_id
        FROM '{folder}/flights.parquet'"""
    )
    schedule = ", ".join(f"{sql} AS {name}" for name, sql in SCHEDULE.items())
    write(connection, f"SELECT flight_id, {schedule} FROM flights", folder / "schedule.parquet")
    weather = ", ".join(
        f"if({c} IS NULL OR NOT isfinite({c}), {d}, {c}) AS {c}" for c, d in WEATHER.items()
    )
    write(
        connection,
        f"SELECT origin, time_hour + INTERVAL 1 HOUR AS observed_at, {weather} FROM '{folder}/weather.parquet'",
        folder / "weather_hourly.parquet",
    )
    planes = ", ".join(f"{sql} AS {name}" for name, sql in PLANES.items())
    write(
        connection,
        f"SELECT tailnum, {planes} FROM '{folder}/planes.parquet'",
        folder / "planes_clean.parquet",
    )
    write(connection, HISTORY_SQL, folder / "history.parquet")


def _window(days: int) -> str:
    return f"""
      sum(n) OVER w{days} AS route_flights_{days}d,
      sum(delay) OVER w{days} / sum(n) OVER w{days} AS route_mean_delay_{days}d,
      sum(late) OVER w{days} / sum(n) OVER w{days} AS route_late_share_{days}d"""


def _frame(days: int) -> str:
    return f"""w{days} AS (PARTITION BY carrier, origin, dest ORDER BY known_at
      RANGE BETWEEN INTERVAL {days} DAYS PRECEDING AND CURRENT ROW)"""


HISTORY_SQL = f"""
    WITH moments AS (
      SELECT carrier, origin, dest, count(*) AS n, sum(arr_delay) AS delay,
        sum(CAST(arr_delay > 15 AS DOUBLE)) AS late,
        make_timestamptz(epoch_us(scheduled_departure)
          + CAST((dep_delay + air_time + 240) * 60000000 AS BIGINT)) AS known_at
      FROM flights
      WHERE arr_delay IS NOT NULL AND NOT isnan(arr_delay)
        AND air_time IS NOT NULL AND NOT isnan(air_time)
      GROUP BY ALL)
    SELECT carrier, origin, dest, known_at, {_window(7)}, {_window(30)}
    FROM moments WINDOW {_frame(7)}, {_frame(30)}"""


def lookup(connection: duckdb.DuckDBPyConnection, rows: str, folder: Path, name: str) -> None:
    """Join the features as of the scheduled departure, and store the result."""
    weather = ", ".join(f"w.{c}" for c in WEATHER)
    history = ", ".join(f"h.{c}" for c in HISTORY)
    fresh = "epoch_us(m.scheduled_departure) - epoch_us({0}) <= {1} * 3600000000"
    write(
        connection,
        f"""
        WITH m AS (
          SELECT l.*, w.observed_at, h.known_at FROM ({rows}) l
          ASOF LEFT JOIN (SELECT origin, observed_at FROM '{folder}/weather_hourly.parquet') w
            ON l.origin = w.origin AND l.scheduled_departure >= w.observed_at
          ASOF LEFT JOIN (SELECT carrier, origin, dest, known_at FROM '{folder}/history.parquet') h
            ON l.carrier = h.carrier AND l.origin = h.origin AND l.dest = h.dest
            AND l.scheduled_departure >= h.known_at)
        SELECT m.flight_id, m.carrier, m.origin, m.dest, m.tailnum, m.scheduled_departure,
          {", ".join(f"s.{c}" for c in SCHEDULE)}, {weather},
          {", ".join(f"p.{c}" for c in PLANES)}, {history},
          CAST(m.arr_delay > 15 AS BIGINT) AS is_late
        FROM m LEFT JOIN '{folder}/schedule.parquet' s USING (flight_id)
        LEFT JOIN '{folder}/weather_hourly.parquet' w
          ON m.origin = w.origin AND m.observed_at = w.observed_at
          AND {fresh.format("m.observed_at", 6)}
        LEFT JOIN '{folder}/planes_clean.parquet' p ON m.tailnum = p.tailnum
        LEFT JOIN '{folder}/history.parquet' h
          ON m.carrier = h.carrier AND m.origin = h.origin AND m.dest = h.dest
          AND m.known_at = h.known_at AND {fresh.format("m.known_at", 720)}""",
        folder / f"{name}.parquet",
    )


def write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Store the rows of a query."""
    connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")


def train(connection: duckdb.DuckDBPyConnection, folder: Path) -> tuple[Pipeline, dict[str, float]]:
    """Fit on the first 80 % by time, a day of embargo left out, and evaluate on the rest."""
    rows = connection.sql(
        f"""SELECT *, CASE WHEN scheduled_departure >= cut THEN 'holdout'
          WHEN scheduled_departure < cut - INTERVAL 1 DAY THEN 'train' END AS part
        FROM '{folder}/training_set.parquet', (SELECT quantile_disc(scheduled_departure, 0.8) AS cut
          FROM '{folder}/training_set.parquet')"""
    ).df()
    train_rows, holdout = rows[rows["part"] == "train"], rows[rows["part"] == "holdout"]
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    )
    columns = ColumnTransformer([("strings", encoder, list(STRINGS))], remainder="passthrough")
    estimator = XGBClassifier(n_estimators=100, max_depth=6, learning_rate=0.1)
    model = Pipeline([("columns", columns), ("estimator", estimator)])
    model.fit(inputs(train_rows), train_rows["is_late"])
    probability = model.predict_proba(inputs(holdout))[:, 1]
    truth = holdout["is_late"].to_numpy()
    return model, {
        "roc_auc": metrics.roc_auc_score(truth, probability),
        "pr_auc": metrics.average_precision_score(truth, probability),
        "log_loss": metrics.log_loss(truth, probability),
        "brier": metrics.brier_score_loss(truth, probability),
        "accuracy": float(np.mean((probability > 0.5) == truth)),
    }


def inputs(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the features the types that the model takes."""
    numbers = [c for c in FEATURES if c not in STRINGS]
    return rows[list(FEATURES)].astype(dict.fromkeys(numbers, "float64"))


def log(model: Pipeline, scores: dict[str, float], folder: Path) -> int:
    """Log the run and its model, register the version and let the alias point to it."""
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    if mlflow.get_experiment_by_name(MODEL) is None:
        mlflow.create_experiment(MODEL, artifact_location=(folder / "mlartifacts").as_uri())
    mlflow.set_experiment(MODEL)
    with mlflow.start_run():
        mlflow.log_params({"n_estimators": 100, "max_depth": 6, "learning_rate": 0.1})
        mlflow.log_metrics(scores)
        mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format="skops",
            skops_trusted_types=TRUSTED,
            pip_requirements=REQUIREMENTS,
            signature=ModelSignature(outputs=Schema([ColSpec("long")])),
            registered_model_name=MODEL,
        )
    client = MlflowClient()
    version = max(int(v.version) for v in client.search_model_versions(f"name = '{MODEL}'"))
    client.set_registered_model_alias(MODEL, "champion", str(version))
    return version


def score(connection: duckdb.DuckDBPyConnection, folder: Path, version: int) -> int:
    """Score the flights of the last month with the champion, and store the predictions."""
    latest = "(SELECT max(make_date(year, month, 1)) FROM flights)"
    month = f"SELECT * FROM flights WHERE make_date(year, month, 1) = {latest}"
    lookup(connection, month, folder, "to_score")
    rows = connection.sql(f"SELECT * FROM '{folder}/to_score.parquet'").df()
    model = mlflow.sklearn.load_model(f"models:/{MODEL}@champion")
    keys = rows[["flight_id", "carrier", "origin", "dest", "tailnum", "scheduled_departure"]]
    predictions = keys.assign(prediction=model.predict(inputs(rows)), model_version=version)
    predictions.to_parquet(folder / "predictions.parquet")
    return len(predictions)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
