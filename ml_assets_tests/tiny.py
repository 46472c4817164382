"""A tiny shop: will a customer spend more than 10 the next day? Small enough for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ml_assets.spec.model import ModelSpec

if TYPE_CHECKING:
    from ml_assets.platform.protocol import Platform

CUSTOMERS, DAYS = 40, 25
START = pd.Timestamp("2024-01-01", tz="UTC")


def visits_data() -> pd.DataFrame:
    """One row per customer and day; some amounts are NaN, Inf or missing."""
    rng = np.random.default_rng(7)
    rows = CUSTOMERS * DAYS
    frame = pd.DataFrame(
        {
            "customer": np.repeat([f"c{i:02d}" for i in range(CUSTOMERS)], DAYS),
            "day": np.tile(pd.date_range(START, periods=DAYS, freq="D"), CUSTOMERS),
            "amount": rng.gamma(2.0, 5.0, rows).round(2),
            "visits": rng.integers(0, 9, rows),
            "city": rng.choice(["Oslo", "Rome", None], rows),
        }
    )
    frame.loc[frame.index % 17 == 3, "amount"] = np.nan
    frame.loc[frame.index % 31 == 4, "amount"] = np.inf
    noise = rng.normal(0, 3, rows)
    level = frame["amount"].replace(np.inf, np.nan).fillna(0) + frame["visits"] - 4 + noise
    frame["spent"] = level.clip(lower=0)
    return frame


def customers_data() -> pd.DataFrame:
    """One row per customer; the last one is not registered."""
    return pd.DataFrame(
        {
            "customer": [f"c{i:02d}" for i in range(CUSTOMERS - 1)],
            "age": [float(20 + i) if i % 5 else None for i in range(CUSTOMERS - 1)],
        }
    )


def activity(visits: DataFrame) -> DataFrame:
    """What a customer did on a day, known in the evening."""
    known_at = F.col("day") + F.expr("interval 20 hours")
    return visits.select("customer", known_at.alias("known_at"), "amount", "visits", "city")


def profile(customers: DataFrame) -> DataFrame:
    """Who the customer is."""
    return customers.select("customer", "age")


def outcomes(visits: DataFrame) -> DataFrame:
    """What the customer spends, asked for at noon of the next day."""
    asked = F.col("day") + F.expr("interval 36 hours")
    return visits.select("customer", asked.alias("asked_at"), "spent")


def levels(visits: DataFrame) -> DataFrame:
    """How much the customer spends the next day, in three words."""
    spent = F.col("spent")
    level = F.when(spent < 4, "little").when(spent < 12, "some").otherwise("much")
    return outcomes(visits).withColumn("level", level)


def suspicions(visits: DataFrame) -> DataFrame:
    """What the customer spends the next day; of two thirds of the customers nobody ever looked."""
    looked_at = F.pmod(F.xxhash64("customer"), F.lit(3)) == 0
    return outcomes(visits).withColumn("spent", F.when(looked_at, F.col("spent")))


def last_day(visits: DataFrame) -> DataFrame:
    """Score every customer on the last day."""
    latest = visits.agg(F.max("day").alias("latest"))
    rows = visits.crossJoin(latest).where(F.col("day") == F.col("latest"))
    return rows.select("customer", (F.col("day") + F.expr("interval 36 hours")).alias("asked_at"))


def mapping() -> dict[str, Any]:
    """The declaration as it would stand in a defs.yaml; tests change what they need."""
    return {
        "project": "shop",
        "model": "spender",
        "package": "ml_assets_tests",
        "registered_model": "shop.models.spender",
        "owners": ["team:shop"],
        "sources": {
            "visits": {"table": "shop.raw.visits", "seed": ".tiny.visits_data"},
            "customers": {"table": "shop.raw.customers", "seed": ".tiny.customers_data"},
        },
        "feature_tables": [
            {
                "name": "activity",
                "table": "shop.features.activity",
                "transform": ".tiny.activity",
                "sources": ["visits"],
                "primary_keys": ["customer"],
                "event_time": "known_at",
                "lookback": "3 days",
                "business": "What customers do.",
                "technical": "One row per customer and day.",
                "tags": {"domain": "shop", "model": "spender"},
                "columns": {
                    "amount": {"comment": "Amount spent", "default": 0.0},
                    "visits": {"comment": "Number of visits", "default": 0},
                    "city": {"comment": "City of the visit", "default": "unknown"},
                },
            },
            {
                "name": "profile",
                "table": "shop.features.profile",
                "transform": ".tiny.profile",
                "sources": ["customers"],
                "primary_keys": ["customer"],
                "business": "Who customers are.",
                "technical": "One row per registered customer.",
                "tags": {"domain": "shop", "model": "spender"},
                "columns": {"age": {"comment": "Age in years", "default": 0.0}},
            },
        ],
        "label": {
            "table": "shop.labels.spender",
            "transform": ".tiny.outcomes",
            "sources": ["visits"],
            "keys": ["customer"],
            "event_time": "asked_at",
            "name": "spends",
            "column": "spent",
            "threshold": 10,
            "label_sources": ["spent"],
            "business": "Whether the customer spends more than 10.",
            "technical": "spent > 10.",
            "tags": {"domain": "shop", "model": "spender"},
        },
        "training_set": "shop.training.spender",
        "split": {"holdout": 0.3, "embargo": "1 day"},
        "estimator": {
            "class": "xgboost.XGBClassifier",
            "params": {"n_estimators": 20, "max_depth": 3},
        },
        "gates": {"roc_auc": {"min": 0.6, "beat_baseline": True}},
        # What was spent today says much of tomorrow: ROC AUC 0.93 alone.
        "thresholds": {"feature_power_warn": 0.95},
        "scoring": {
            "table": "shop.predictions.spender",
            "keys": ".tiny.last_day",
            "sources": ["visits"],
        },
    }


def spec(**changes: Any) -> ModelSpec:
    """Build the tiny model, with top-level fields replaced."""
    return ModelSpec(**{**mapping(), **changes})


def regression_mapping() -> dict[str, Any]:
    """The same shop asked for a number: how much will a customer spend the next day?"""
    label = mapping()["label"]
    del label["threshold"]
    return {
        **mapping(),
        "model": "spending",
        "model_type": "regression",
        "registered_model": "shop.models.spending",
        "label": {**label, "table": "shop.labels.spending", "name": "spends_amount"},
        "training_set": "shop.training.spending",
        "estimator": {"params": {"n_estimators": 20, "max_depth": 3}},
        "gates": {"rmse": {"beat_baseline": True}, "r2": {"min": 0.3}},
        "scoring": {**mapping()["scoring"], "table": "shop.predictions.spending"},
    }


def regression(**changes: Any) -> ModelSpec:
    """Build the tiny regression model, with top-level fields replaced."""
    return ModelSpec(**{**regression_mapping(), **changes})


def multiclass_mapping() -> dict[str, Any]:
    """The same shop asked for a class: little, some or much?"""
    label = mapping()["label"]
    del label["threshold"]
    return {
        **mapping(),
        "model": "level",
        "model_type": "multiclass_classification",
        "registered_model": "shop.models.level",
        "label": {
            **label,
            "table": "shop.labels.level",
            "transform": ".tiny.levels",
            "name": "spends_level",
            "column": "level",
            "classes": ["little", "some", "much"],
        },
        "training_set": "shop.training.level",
        "estimator": {"params": {"n_estimators": 20, "max_depth": 3}},
        "gates": {"log_loss": {"beat_baseline": True}, "accuracy": {"min": 0.5}},
        "scoring": {**mapping()["scoring"], "table": "shop.predictions.level"},
    }


def multiclass(**changes: Any) -> ModelSpec:
    """Build the tiny multi-class model, with top-level fields replaced."""
    return ModelSpec(**{**multiclass_mapping(), **changes})


def probability_mapping() -> dict[str, Any]:
    """The same shop asked how likely it is that a customer spends more than 10."""
    return {
        **mapping(),
        "model": "chance",
        "model_type": "probability",
        "registered_model": "shop.models.chance",
        "label": {**mapping()["label"], "table": "shop.labels.chance"},
        "training_set": "shop.training.chance",
        "gates": {"brier": {"beat_baseline": True}, "calibration_error": {"max": 0.3}},
        "scoring": {**mapping()["scoring"], "table": "shop.predictions.chance"},
    }


def probability(**changes: Any) -> ModelSpec:
    """Build the tiny probability model, with top-level fields replaced."""
    return ModelSpec(**{**probability_mapping(), **changes})


def anomaly_mapping() -> dict[str, Any]:
    """The same shop asked which days are odd; few of the outcomes are known."""
    return {
        **mapping(),
        "model": "oddity",
        "model_type": "anomaly_detection",
        "registered_model": "shop.models.oddity",
        "label": {
            **mapping()["label"],
            "table": "shop.labels.oddity",
            "transform": ".tiny.suspicions",
            "name": "odd",
            "threshold": 25,
        },
        "training_set": "shop.training.oddity",
        "estimator": {"params": {"n_estimators": 30, "contamination": 0.1, "random_state": 0}},
        "gates": {"anomaly_share": {"max": 0.5}},
        "scoring": {**mapping()["scoring"], "table": "shop.predictions.oddity"},
    }


def anomaly(**changes: Any) -> ModelSpec:
    """Build the tiny anomaly detector, with top-level fields replaced."""
    return ModelSpec(**{**anomaly_mapping(), **changes})


def seed(platform: Platform) -> None:
    """Create both source tables."""
    platform.tables.seed("shop.raw.visits", visits_data)
    platform.tables.seed("shop.raw.customers", customers_data)
