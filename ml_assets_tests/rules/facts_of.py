"""Good facts of the tiny model; tests spoil one value at a time."""

from __future__ import annotations

from datetime import UTC, datetime

from ml_assets.rules.facts import (
    ColumnFacts,
    FeatureTableFacts,
    LabelFacts,
    LookupFacts,
    ModelFacts,
    PredictionFacts,
    ReplayFacts,
    TrainingSetFacts,
    VersionFacts,
)
from ml_assets.spec.catalog import ColumnInfo, PackageInfo, TableInfo, describe

ACTIVITY = TableInfo(
    "shop.features.activity",
    exists=True,
    version=2,
    data_version=2,
    primary_keys=("customer",),
    event_time="known_at",
    description=describe("What customers do.", "One row per customer and day."),
    tags={"domain": "shop", "model": "spender"},
    columns=(
        ColumnInfo("customer", "string"),
        ColumnInfo("known_at", "timestamp"),
        ColumnInfo("amount", "double", "Amount spent"),
        ColumnInfo("visits", "bigint", "Visits"),
        ColumnInfo("city", "string", "City"),
    ),
)
COLUMNS = (
    ColumnFacts("amount", "double", repaired=3),
    ColumnFacts("visits", "bigint"),
    ColumnFacts("city", "string"),
)
FEATURES = FeatureTableFacts(
    ACTIVITY,
    rows=100,
    columns=COLUMNS,
    key_nulls={"customer": 0, "known_at": 0},
    duplicate_keys=0,
)
LABELS = LabelFacts(
    TableInfo("shop.labels.spender", exists=True),
    rows=100,
    type="bigint",
    nulls=0,
    key_nulls={"asked_at": 0},
    values={"0": 60, "1": 40},
    train_values={"0": 40, "1": 30},
    holdout_values={"0": 20, "1": 10},
    columns=("customer", "asked_at", "spends"),
)
TRAINING = TrainingSetFacts(
    TableInfo("shop.training.spender", exists=True),
    rows=100,
    columns=(*COLUMNS, ColumnFacts("age", "double")),
    split_rows={"train": 70, "holdout": 30},
    split_values={"train": {"0": 40, "1": 30}},
    last_train=datetime(2024, 1, 10, tzinfo=UTC),
    first_holdout=datetime(2024, 1, 11, tzinfo=UTC),
    lookups=(LookupFacts("activity", 100, 99, -3600.0), LookupFacts("profile", 100, 97)),
)
PACKAGE = PackageInfo(
    "runs:/1/model",
    "sklearn",
    (("amount", "double"), ("visits", "bigint"), ("city", "string"), ("age", "double")),
    ("long",),
    ("customer", "asked_at", "amount", "visits", "city", "age"),
    has_input_example=True,
    pip_requirements=("mlflow",),
)
MODEL = ModelFacts("1", "/Shared/shop_ml_spender_development", PACKAGE, "long", 30)
VERSION = VersionFacts(
    "shop.models.spender",
    1,
    "1",
    "/Shared/shop_ml_spender_evaluation",
    {"roc_auc": 0.8},
    {"roc_auc": 0.5},
    ReplayFacts(rows=30, missing=0, null_predictions=0, different=0, max_difference=0.0),
)
PREDICTIONS = PredictionFacts(
    TableInfo("shop.predictions.spender", exists=True),
    expected_rows=40,
    rows=40,
    null_predictions=0,
    type="bigint",
    values={"0": 30, "1": 10},
    versions={"3": 40},
    champion=3,
    experiment="/Shared/shop_ml_spender_deployment",
    lookups=(LookupFacts("activity", 40, 40, -60.0), LookupFacts("profile", 40, 39)),
)
GOOD = {
    "features/activity": FEATURES,
    "labels": LABELS,
    "training_set": TRAINING,
    "trained_model": MODEL,
    "model_version": VERSION,
    "predictions": PREDICTIONS,
}
