"""The rule book's patterns as a user writes them in a notebook, corrected, on the real client.

What is corrected: the keys are excluded (they would be features), the time key is no lookup key,
training takes ``load_df()`` of the training set, ``output_schema`` is given, scores come from
``score_batch`` with the type of the model's output, and each purpose has its own experiment.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from ml_assets_tests.conformance.platforms import databricks

#: mlflow's flavors warn of what the client leaves out.
pytestmark = pytest.mark.filterwarnings("ignore:.*An input example was not provided:UserWarning")

START = datetime(2024, 1, 1, tzinfo=UTC)
EXPERIMENTS = "/Shared/shop_ml_spender"
CUSTOMERS, DAYS = 20, 15


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    with databricks(tmp_path_factory.mktemp("book") / "home") as (_, opened):
        yield opened


def raw_rows(spark):
    """What customers spent, with NaN and Inf in it."""
    rows = [
        (f"c{c:02d}", START + timedelta(days=d), float((c * 7 + d * 5) % 23), c % 4)
        for d in range(DAYS)
        for c in range(CUSTOMERS)
    ]
    rows[3] = (*rows[3][:2], float("nan"), 1)
    rows[8] = (*rows[8][:2], float("inf"), 2)
    return spark.createDataFrame(
        rows, "customer string, known_at timestamp, amount double, visits int"
    )


@pytest.fixture(scope="module")
def notebook(workspace):
    """Cell by cell; returns what the cells left in the notebook's variables."""
    spark = workspace.spark
    raw = raw_rows(spark)

    # --- ML-01 and ML-03: a feature table in Unity Catalog, cleaned when it is made
    from databricks.feature_engineering import FeatureEngineeringClient, FeatureLookup
    from pyspark.sql import functions as F

    fe = FeatureEngineeringClient()
    finite = ~(F.isnull("amount") | F.isnan("amount") | F.col("amount").isin(float("inf")))
    clean = raw.withColumn("amount", F.when(finite, F.col("amount")).otherwise(0.0))
    clean = clean.withColumn("visits", F.coalesce(F.col("visits").cast("double"), F.lit(0.0)))
    fe.create_table(
        name="shop.features.activity",
        primary_keys=["customer", "known_at"],
        timeseries_columns=["known_at"],
        df=clean,
        description="What customers do.\n\nTechnical: one row per customer and day.",
        tags={"domain": "shop", "model": "spender"},
    )

    # --- ML-05: a label of 0 and 1
    labels = raw.where(finite).select(
        "customer",
        (F.col("known_at") + F.expr("interval 12 hours")).alias("asked_at"),
        (F.col("amount") > 10).cast("long").alias("spends"),
    )

    # --- the training set; ML-06: the label and the keys are no features
    training_set = fe.create_training_set(
        df=labels,
        feature_lookups=[
            FeatureLookup(
                table_name="shop.features.activity",
                feature_names=["amount", "visits"],
                lookup_key=["customer"],
                timestamp_lookup_key="asked_at",
            )
        ],
        label="spends",
        exclude_columns=["customer", "asked_at"],
        use_spark_native_join=True,
    )
    training = training_set.load_df().toPandas()

    # --- training, in the development experiment (ML-04), with output_schema and flavor (ML-02)
    import mlflow
    from mlflow.types import ColSpec, Schema
    from xgboost import XGBClassifier

    mlflow.set_experiment(f"{EXPERIMENTS}_development")
    with mlflow.start_run() as development:
        features = training.drop(columns=["spends"])
        model = XGBClassifier(n_estimators=10, max_depth=3).fit(features, training["spends"])
        fe.log_model(
            model=model,
            artifact_path="model",
            flavor=mlflow.xgboost,
            training_set=training_set,
            registered_model_name="shop.models.spender",
            infer_input_example=True,
            output_schema=Schema([ColSpec("long")]),
            pip_requirements=["xgboost"],
        )

    # --- evaluation, and the champion
    client = mlflow.MlflowClient()
    found = client.search_model_versions("name = 'shop.models.spender'")
    version = max(int(v.version) for v in found)
    mlflow.set_experiment(f"{EXPERIMENTS}_evaluation")
    with mlflow.start_run() as evaluation:
        accuracy = float((model.predict(features) == training["spends"]).mean())
        mlflow.log_metric("accuracy", accuracy)
    client.set_registered_model_alias("shop.models.spender", "champion", str(version))

    # --- inference
    keys = labels.select("customer", "asked_at")
    mlflow.set_experiment(f"{EXPERIMENTS}_deployment")
    with mlflow.start_run() as deployment:
        predictions = fe.score_batch(
            model_uri="models:/shop.models.spender@champion",
            df=keys,
            result_type="long",
            env_manager="local",
            use_spark_native_join=True,
        )
        predictions.write.format("delta").mode("overwrite").saveAsTable("shop.predictions.spender")
    return dict(locals())


def test_the_table_is_clean_and_documented(workspace, notebook):
    stored = workspace.spark.table("shop.features.activity").toPandas()
    assert stored["amount"].abs().max() < 1000
    assert stored.notna().all().all()
    table = workspace.unity.table("shop.features.activity")
    assert (table.primary_key, table.timeseries) == (["customer", "known_at"], "known_at")
    assert table.tags == {"domain": "shop", "model": "spender"}
    assert table.comment.startswith("What customers do.")


def test_the_model_is_trained_on_the_features_alone(notebook):
    assert list(notebook["training"].columns) == ["amount", "visits", "spends"]
    assert list(notebook["features"].columns) == ["amount", "visits"]
    assert len(notebook["training"]) == CUSTOMERS * DAYS - 2


def test_the_stored_signature_has_inputs_and_the_declared_output(notebook):
    import mlflow

    signature = mlflow.models.get_model_info("models:/shop.models.spender@champion").signature
    assert signature.outputs.input_types()[0].name == "long"
    assert [c.name for c in signature.inputs.inputs] == ["customer", "amount", "visits"]


def test_each_purpose_has_its_run_in_its_experiment(notebook):
    client = notebook["client"]
    for purpose in ("development", "evaluation", "deployment"):
        run = client.get_run(notebook[purpose].info.run_id)
        experiment = client.get_experiment(run.info.experiment_id)
        assert (experiment.name, run.info.status) == (f"{EXPERIMENTS}_{purpose}", "FINISHED")


def test_predictions_are_what_the_model_gives_for_the_training_rows(workspace, notebook):
    stored = workspace.spark.table("shop.predictions.spender").toPandas()
    assert list(stored.columns) == ["customer", "asked_at", "amount", "visits", "prediction"]
    assert str(stored["prediction"].dtype) == "int64"
    assert len(stored) == CUSTOMERS * DAYS - 2
    again = notebook["model"].predict(stored[["amount", "visits"]])
    assert pd.Series(again).tolist() == stored["prediction"].tolist()
    assert notebook["accuracy"] > 0.95
