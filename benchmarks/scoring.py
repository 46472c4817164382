"""Batch scoring against its parts: one scan, one prediction in memory, one write."""
# ruff: noqa: S608 - the queries name files of our own

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import data
from benchmarks.harness import Figure, Side, empty_folder, stopwatch

if TYPE_CHECKING:
    from pathlib import Path

    from ml_assets.platform.embedded import EmbeddedPlatform

FIGURES = (
    Figure(
        name="batch_scoring",
        title="5 M rows x 20 features, looked up and scored : scan + inplace_predict + write",
        ours="scoring:ours",
        other="scoring:parts",
        target=1.5,
        rounds=7,
        beside={"mlflow.pyfunc.spark_udf on Sail": "scoring:spark_udf"},
    ),
    Figure(
        name="batch_scoring_memory",
        title="20 M rows x 20 features scored, with ML_ASSETS_MEMORY=1.5GB",
        ours="scoring:ours_large",
        other=None,
        target=3000.0,
        kind="peak MB",
        rounds=1,
        env={"ML_ASSETS_MEMORY": "1.5GB"},
    ),
)
#: Rows of the larger figure, in units of the smaller one.
_LARGE = 4


def ours(scale: float) -> Side:
    """Look the features of all keys up as of their times, score them, write the predictions."""
    from ml_assets.spec.catalog import TableLayout

    rows = int(data.ROWS * scale)
    platform = data.platform_of(rows)
    uri, layout = _model_uri(platform), TableLayout(data.PREDICTIONS)
    keys = platform.tables.read(data.KEY_TABLE).select("k", "asked_at")
    # Loading libraries and starting engines is no work on rows: the other side does not time it
    # either. One key starts everything.
    score = partial(platform.features.stage_scores, data.spec(), model_uri=uri, layout=layout)
    score(keys=keys.limit(1), constants={"model_version": 1}).discard()
    with stopwatch() as timer:
        staged = score(keys=keys, constants={"model_version": 1})
    answer = _answer(staged.folder, rows)
    staged.discard()
    return Side(timer.seconds, rows, detail=answer)


def ours_large(scale: float) -> Side:
    """Score four times as many rows."""
    return ours(scale * _LARGE)


def parts(scale: float) -> Side:
    """Read the features once, predict them in memory, write as many predictions: no lookup.

    Laying the columns out as the matrix that ``inplace_predict`` takes is not counted.
    """
    import duckdb
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = int(data.ROWS * scale)
    platform = data.platform_of(rows)
    booster = _booster(platform)
    files = list(platform.tables.files(data.FEATURE_TABLE))
    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    with stopwatch() as scan:
        scanned = connection.sql(f"SELECT * FROM read_parquet({files})").to_arrow_table()
    matrix = np.empty((rows, len(data.FEATURES)), order="F")
    for i, name in enumerate(data.FEATURES):
        matrix[:, i] = scanned[name].to_numpy()
    with stopwatch() as predict:
        predicted = booster.inplace_predict(matrix)
    with empty_folder() as target, stopwatch() as write:
        prediction = (predicted > 0.5).astype("int64")  # as the classifier does
        columns = {"k": scanned["k"], "asked_at": scanned["known_at"], "prediction": prediction}
        version = pa.repeat(pa.scalar(1), rows)
        pq.write_table(
            pa.table({**columns, "model_version": version, "as_of": scanned["known_at"]}),
            target / "all.parquet",
            use_dictionary=["prediction", "model_version"],
        )
    seconds = scan.seconds + predict.seconds + write.seconds
    each = f"scan {scan.seconds:.2f}, predict {predict.seconds:.2f}, write {write.seconds:.2f}"
    return Side(seconds, rows, detail=each)


def spark_udf(scale: float) -> Side:
    """Score the stored features with MLflow's UDF on Sail: no lookup either."""
    import mlflow.pyfunc
    from pyspark.sql import functions as F

    rows = int(data.ROWS * scale)
    platform = data.platform_of(rows)
    uri = _model_uri(platform)
    raw = _package(platform, uri) / "data" / "feature_store" / "raw_model"
    features = platform.tables.read(data.FEATURE_TABLE)
    features.limit(1).toArrow()
    with empty_folder() as target:
        with stopwatch() as timer:
            predict = mlflow.pyfunc.spark_udf(
                platform.spark, str(raw), result_type="long", env_manager="local"
            )
            inputs = F.struct(*data.FEATURES)
            scored = features.select("k", "known_at", predict(inputs).alias("prediction"))
            scored.write.parquet(str(target / "out"))
        return Side(timer.seconds, rows, detail=_answer(target / "out", rows))


def _booster(platform: EmbeddedPlatform) -> object:
    from ml_assets.platform.raw_models import load_model

    return load_model(_package(platform, _model_uri(platform))).model.get_booster()


def _package(platform: EmbeddedPlatform, uri: str) -> Path:
    from ml_assets.platform.embedded.packages import package_folder

    return package_folder(platform.tracking.store.client, uri)


def _model_uri(platform: EmbeddedPlatform) -> str:
    """Fit and package the default estimator once."""
    stored = platform.home / "model_uri"
    if not stored.exists():
        stored.write_text(_package_model(platform), encoding="utf-8")
    return stored.read_text(encoding="utf-8")


def _package_model(platform: EmbeddedPlatform) -> str:
    import numpy as np
    import pandas as pd
    from xgboost import XGBClassifier

    rng = np.random.default_rng(data.SEED)
    features = pd.DataFrame({name: rng.standard_normal(200_000) for name in data.FEATURES})
    noise = rng.standard_normal(len(features))
    late = features["x0"] + features["x1"] * features["x2"] + noise > 0
    model = XGBClassifier(n_estimators=100, max_depth=6, learning_rate=0.1)
    model.fit(features, late.astype("int64"))
    with platform.tracking.run("/Shared/bench", name="bench", tags={}) as run:
        return platform.features.log_model(
            data.spec(), model, run_id=run.run_id, input_example=features.head(5)
        )


def _answer(folder: Path, rows: int) -> str:
    import duckdb

    found = duckdb.sql(
        f"SELECT count(*), count(prediction), round(avg(prediction), 3) FROM '{folder}/*.parquet'"
    ).fetchall()[0]
    assert found[:2] == (rows, rows)
    return f"share of ones {found[2]}"
