"""What the platform takes for granted of the client, so that a version that changes it is noticed."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml
from databricks.feature_engineering import FeatureEngineeringClient, FeatureLookup
from mlflow.types import ColSpec, Schema
from packaging.version import Version
from sklearn.linear_model import LinearRegression

from ml_assets.platform.databricks import client
from ml_assets_tests.conformance.platforms import databricks

#: mlflow's flavors warn of what the client leaves out.
pytestmark = pytest.mark.filterwarnings("ignore:.*An input example was not provided:UserWarning")

NOON = datetime(2024, 2, 1, 12, tzinfo=UTC)
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
FEATURES = "k bigint, ts timestamp, x double, s string"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with databricks(tmp_path_factory.mktemp("facts") / "home") as (platform, workspace):
        yield platform, workspace


@pytest.fixture
def spark(opened):
    return opened[1].spark


@pytest.fixture(scope="module")
def fe(opened):
    return FeatureEngineeringClient()


@pytest.fixture
def name():
    return f"shop.features.facts_{next(_numbers)}"


@pytest.fixture
def table(fe, spark, name):
    """Two rows of one key, an hour apart; the later one holds a null."""
    rows = [(1, NOON - HOUR, 1.5, "a"), (1, NOON, None, "b")]
    fe.create_table(
        name=name,
        primary_keys=["k", "ts"],
        timeseries_columns=["ts"],
        df=spark.createDataFrame(rows, FEATURES),
    )
    return name


def lookup(table, **more):
    return FeatureLookup(table_name=table, lookup_key=["k"], timestamp_lookup_key="at", **more)


def join(fe, spark, table, moments, *, key="bigint", **more):
    """Look up x and s for key 1 (or 2 where the moment is None) and return the rows."""
    rows = [(2, NOON, i) if m is None else (1, m, i) for i, m in enumerate(moments)]
    labels = spark.createDataFrame(rows, f"k {key}, at timestamp, y int")
    training_set = fe.create_training_set(
        df=labels,
        feature_lookups=[lookup(table, **more)],
        label="y",
        exclude_columns=["k", "at"],
        use_spark_native_join=True,
    )
    found = training_set.load_df().toArrow().to_pylist()
    return [(r["x"], r["s"]) for r in sorted(found, key=lambda r: r["y"])]


def test_a_table_that_exists_is_returned_and_the_rows_are_ignored(fe, spark, table):
    more = spark.createDataFrame([(9, NOON, 9.0, "z")], FEATURES)
    fe.create_table(name=table, primary_keys=["k", "ts"], timeseries_columns=["ts"], df=more)
    assert spark.table(table).count() == 2


def test_keys_time_description_and_tags_are_read_back(fe, spark, name):
    fe.create_table(
        name=name,
        primary_keys=["k", "ts"],
        timeseries_columns=["ts"],
        df=spark.createDataFrame([(1, NOON, 1.0, "a")], FEATURES),
        description="It's\n\nTechnical: hourly",
        tags={"domain": "shop"},
    )
    found = fe.get_table(name=name)
    assert (found.primary_keys, found.timestamp_keys) == (["k", "ts"], ["ts"])
    assert found.description == "It's\n\nTechnical: hourly"
    assert found.tags == {"domain": "shop"}


def test_repeated_keys_are_refused(fe, spark, name):
    rows = spark.createDataFrame([(1, NOON, 1.0, "a")] * 2, FEATURES)
    with pytest.raises(ValueError, match="Non-unique rows detected"):
        fe.create_table(name=name, primary_keys=["k", "ts"], timeseries_columns=["ts"], df=rows)


def test_writing_merges_by_key(fe, spark, table):
    rows = spark.createDataFrame([(1, NOON, 7.0, "c"), (3, NOON, 8.0, "d")], FEATURES)
    fe.write_table(name=table, df=rows, mode="merge")
    stored = {(r.k, r.x, r.s) for r in spark.table(table).collect()}
    assert stored == {(1, 1.5, "a"), (1, 7.0, "c"), (3, 8.0, "d")}
    with pytest.raises(ValueError, match="overwrite"):
        fe.write_table(name=table, df=rows, mode="overwrite")


def test_a_time_series_is_written_with_all_its_columns(fe, spark, table):
    rows = spark.createDataFrame([(1, NOON, 7.0)], "k bigint, ts timestamp, x double")
    with pytest.raises(ValueError, match="must contain all the feature columns"):
        fe.write_table(name=table, df=rows, mode="merge")


def test_the_latest_row_is_taken_whole_and_a_tie_matches(fe, spark, table):
    moments = [NOON - HOUR - TICK, NOON - HOUR, NOON - TICK, NOON, NOON + HOUR, None]
    nothing, first, latest = (None, None), (1.5, "a"), (None, "b")
    assert join(fe, spark, table, moments) == [nothing, first, first, latest, latest, nothing]


def test_the_lookback_window_is_inclusive_and_counts_whole_seconds(fe, spark, table):
    found, nothing, second = (None, "b"), (None, None), timedelta(seconds=1)
    late = [NOON + HOUR, NOON + HOUR + second - TICK, NOON + HOUR + second]
    assert join(fe, spark, table, late, lookback_window=HOUR) == [found, found, nothing]
    exact = join(fe, spark, table, [NOON, NOON + second], lookback_window=timedelta(0))
    assert exact == [found, nothing]


def test_equal_label_rows_are_kept(fe, spark, table):
    assert join(fe, spark, table, [NOON - HOUR] * 3) == [(1.5, "a")] * 3


def test_default_values_stand_for_every_null(fe, spark, table):
    """Not only where nothing was found: so they would hide a null that is stored."""
    defaults = {"x": 0.0, "s": "none"}
    found = join(fe, spark, table, [NOON - HOUR, NOON, None], default_values=defaults)
    assert found == [(1.5, "a"), (0.0, "b"), (0.0, "none")]


def test_the_time_key_is_no_lookup_key(fe, spark, table):
    wrong = FeatureLookup(table_name=table, lookup_key=["k", "at"], timestamp_lookup_key="at")
    labels = spark.createDataFrame([(1, NOON, 1)], "k bigint, at timestamp, y int")
    for refused in (wrong, FeatureLookup(table_name=table, lookup_key=["k"])):
        with pytest.raises(ValueError, match=r"(?i)lookup key"):
            fe.create_training_set(df=labels, feature_lookups=[refused], label="y").load_df()


def test_key_types_must_be_equal(fe, spark, table):
    with pytest.raises(ValueError, match="type"):
        join(fe, spark, table, [NOON], key="int")


def test_a_table_without_a_primary_key_cannot_be_looked_up(fe, spark, name):
    spark.createDataFrame([(1, 1.0)], "k bigint, x double").write.saveAsTable(name)
    labels = spark.createDataFrame([(1, 1)], "k bigint, y int")
    with pytest.raises(ValueError, match="no primary key constraint"):
        fe.create_training_set(
            df=labels, feature_lookups=[FeatureLookup(table_name=name, lookup_key="k")], label="y"
        )


def test_the_model_receives_what_is_not_excluded_and_the_label_comes_last(fe, spark, table):
    labels = spark.createDataFrame([(1, 5, NOON, 4.0)], "k bigint, y int, at timestamp, own double")

    def columns(excluded):
        lookups = [lookup(table, feature_names=["s"]), lookup(table, feature_names=["x"])]
        return (
            fe.create_training_set(
                df=labels,
                feature_lookups=lookups,
                label="y",
                exclude_columns=excluded,
                use_spark_native_join=True,
            )
            .load_df()
            .columns
        )

    assert columns([]) == ["k", "at", "own", "s", "x", "y"]
    assert columns(["k", "at"]) == ["own", "s", "x", "y"]


def log(fe, spark, table, **more):
    """Package a model of x alone with its lookup; return what log_model returned, and the URI."""
    labels = spark.createDataFrame([(1, NOON, 1.0)], "k bigint, at timestamp, y double")
    training_set = fe.create_training_set(
        df=labels,
        feature_lookups=[lookup(table, feature_names=["x"], **more)],
        label="y",
        exclude_columns=["k", "at"],
        use_spark_native_join=True,
    )
    model = LinearRegression().fit(pd.DataFrame({"x": [0.0, 1.0]}), [0.0, 2.0])
    mlflow.set_experiment("/Shared/facts")
    with mlflow.start_run() as run:
        returned = fe.log_model(
            model=model,
            artifact_path="model",
            flavor=mlflow.sklearn,
            training_set=training_set,
            output_schema=Schema([ColSpec("double")]),
            pip_requirements=["scikit-learn"],
        )
    outputs = mlflow.MlflowClient().get_run(run.info.run_id).outputs.model_outputs
    return returned, f"models:/{outputs[0].model_id}"


@pytest.fixture
def logged(fe, spark, table):
    return log(fe, spark, table)


def test_what_log_model_returns_depends_on_the_version(logged):
    returned, uri = logged
    if Version(client.installed()) < Version("0.14"):
        assert returned is None
    else:
        assert returned.model_uri == uri


def test_an_excluded_time_key_is_not_in_the_package(logged):
    """So the outer package cannot predict by itself, while score_batch can."""
    folder = mlflow.artifacts.download_artifacts(logged[1])
    stored = Path(folder, "data/feature_store/feature_spec.yaml").read_text(encoding="utf-8")
    columns = [name for entry in yaml.safe_load(stored)["input_columns"] for name in entry]
    assert columns == ["k", "x"]


def score(fe, spark, uri, rows, schema, **more):
    keys = spark.createDataFrame(rows, schema)
    return fe.score_batch(
        model_uri=uri, df=keys, env_manager="local", use_spark_native_join=True, **more
    )


def test_scores_are_double_unless_asked_otherwise_and_other_columns_are_kept(fe, spark, logged):
    rows, schema = [(1, NOON - HOUR, "kept")], "k bigint, at timestamp, note string"
    found = score(fe, spark, logged[1], rows, schema)
    assert found.dtypes[-1] == ("prediction", "double")
    assert found.first().asDict()["note"] == "kept"
    assert found.first().prediction == pytest.approx(3.0)
    asked = score(fe, spark, logged[1], rows, schema, result_type="float")
    assert asked.dtypes[-1] == ("prediction", "float")


def test_a_feature_that_comes_with_the_keys_replaces_the_lookup(fe, spark, logged):
    rows, schema = [(1, NOON - HOUR, 10.0)], "k bigint, at timestamp, x double"
    assert score(fe, spark, logged[1], rows, schema).first().prediction == pytest.approx(20.0)


def test_default_values_are_packaged_and_used_in_scoring_too(fe, spark, table):
    """As far as the client goes: what the package says of them is written by the server."""
    _, uri = log(fe, spark, table, default_values={"x": 7.0})
    rows, schema = [(1, NOON, 1), (1, NOON - HOUR, 2)], "k bigint, at timestamp, note int"
    keys = spark.createDataFrame(rows, schema)
    scored = fe.score_batch(model_uri=uri, df=keys, env_manager="local", use_spark_native_join=True)
    assert {r.note: r.x for r in scored.select("note", "x").collect()} == {1: 7.0, 2: 1.5}


def test_a_column_called_prediction_is_refused(fe, spark, logged):
    rows, schema = [(1, NOON, 1.0)], "k bigint, at timestamp, prediction double"
    with pytest.raises(ValueError, match="prediction"):
        score(fe, spark, logged[1], rows, schema)
