"""Good facts of the tiny model; tests spoil one value at a time."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from ml_assets.rules.facts import (
    BeforeFacts,
    ColumnDrift,
    ColumnFacts,
    ComparisonFacts,
    DriftFacts,
    FeatureAlone,
    FeatureTableFacts,
    LabelFacts,
    LeakageFacts,
    LookupFacts,
    MetricDifference,
    ModelFacts,
    PredictionFacts,
    ReplayFacts,
    SourceFacts,
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
    ColumnFacts("visits", "bigint", repaired=0),
    ColumnFacts("city", "string", repaired=0),
)
FEATURES = FeatureTableFacts(
    ACTIVITY,
    rows=100,
    columns=COLUMNS,
    key_nulls={"customer": 0, "known_at": 0},
    duplicate_keys=0,
    before=BeforeFacts(1, 90, {c.name: c.type for c in ACTIVITY.columns}),
    sources=(SourceFacts("shop.raw.visits", used=4, version=5, data_version=4),),
    latest_event=datetime(2024, 1, 12, 20, tzinfo=UTC),
    measured_at=datetime(2024, 1, 13, tzinfo=UTC),
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
    data_until=datetime(2024, 1, 13, tzinfo=UTC),
    data_end="visits.day",
)
LEAKAGE = LeakageFacts(
    rows=70,
    of_rows=70,
    metric="roc_auc",
    features=(
        FeatureAlone("amount", "double", 0.8, "rank"),
        FeatureAlone("visits", "bigint", 0.6, "rank"),
        FeatureAlone("city", "string", 0.55, "levels"),
        FeatureAlone("age", "double", 0.52, "bins"),
    ),
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
    leakage=LEAKAGE,
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
#: Of every model type, beside each other: a rule looks only for its own.
METRICS = {
    "holdout_roc_auc": 0.8,
    "holdout_roc_auc_ovr": 0.8,
    "holdout_r2": 0.6,
    "control_roc_auc": 0.5,
    "control_roc_auc_ovr": 0.5,
    "control_r2": -0.1,
    "control_standard_error": 0.01,
}


def run_tags(*tables: str) -> dict[str, str]:
    """What a traceable run says of itself."""
    versions = dict.fromkeys(("shop.features.activity", "shop.features.profile", *tables), 2)
    return {
        "ml_assets.git_commit": "c0ffee",
        "ml_assets.spec_hash": "0123456789ab",
        "ml_assets.dagster_run_id": "run-1",
        "ml_assets.input_versions": json.dumps(versions),
    }


MODEL = ModelFacts(
    "1",
    "/Shared/shop_ml_spender_development",
    PACKAGE,
    "long",
    30,
    metrics=METRICS,
    run_tags=run_tags("shop.training.spender", "shop.labels.spender"),
)
VERSION = VersionFacts(
    "shop.models.spender",
    1,
    "1",
    "/Shared/shop_ml_spender_evaluation",
    {"roc_auc": 0.8},
    {"roc_auc": 0.5},
    ReplayFacts(rows=30, missing=0, null_predictions=0, different=0, max_difference=0.0),
    run_tags=run_tags("shop.training.spender"),
)
#: A candidate that is as good as the champion, version 3.
COMPARISON = ComparisonFacts(
    champion=3,
    holdout_rows=30,
    rows=30,
    seen_rows=0,
    entities=10,
    differences={"roc_auc": MetricDifference(0.8, 0.8, 0.0, -0.01, 0.01, 1000)},
)
DRIFT = DriftFacts(
    rows=40,
    reference_rows=70,
    columns=(
        ColumnDrift("amount", 0.1, 0.7, 0.2, "up to 5: 10.0% before, 15.0% now"),
        ColumnDrift("prediction", 0.02, 0.3, 0.01, "'0': 70.0% before, 72.5% now"),
    ),
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
    drift=DRIFT,
    run_tags=run_tags("shop.raw.visits"),
)
GOOD = {
    "features/activity": FEATURES,
    "labels": LABELS,
    "training_set": TRAINING,
    "trained_model": MODEL,
    "model_version": VERSION,
    "predictions": PREDICTIONS,
}
