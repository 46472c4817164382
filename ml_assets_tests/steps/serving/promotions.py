"""Versions of the tiny shop's model: training another one, and looking at who serves."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.steps.serving.moves import Desk
from ml_assets_tests import tiny
from ml_assets_tests.steps.conftest import Shop
from ml_assets_tests.steps.helpers import run_steps

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from ml_assets.rules.verdict import Verdict
    from ml_assets.steps.execution import Outcome
    from ml_assets.steps.handles import Handle

NAME = "shop.models.spender"
#: So strict that nothing but an equal model passes; and a model that knows next to nothing.
STRICT = {"margin": 0.0}
WORSE = {"class": "xgboost.XGBClassifier", "params": {"n_estimators": 1, "max_depth": 1}}
BETTER = {"class": "xgboost.XGBClassifier", "params": {"n_estimators": 60, "max_depth": 3}}
LOOSE = {"roc_auc": {"min": 0.5}}
#: An interval of few rows is wide: the better one may still look a little worse.
GENEROUS = {"margin": 0.2}


def desk(platform: EmbeddedPlatform) -> Desk:
    return Desk(tiny.spec(), platform.registry, platform.tracking)


def again(
    shop: Shop, handles: dict[str, Handle], until: str = "model_version", **changes: object
) -> dict[str, Outcome]:
    """Train another model on the stored training set, and go on from there."""
    for asset in ("trained_model", "model_version", "predictions"):
        handles.pop(asset, None)
    return run_steps(tiny.spec(**changes), shop.platform, handles=handles, until=until)


def copied(shop: Shop, home: Path, spark: SparkSession) -> Shop:
    """Copy a shop; MLflow's artifacts are only added to and stay where they are."""
    shutil.copytree(shop.platform.home, home, ignore=shutil.ignore_patterns("mlartifacts"))
    return Shop(EmbeddedPlatform(home=home, spark=spark), shop.outcomes)


def verdict(outcome: Outcome, check: str) -> Verdict:
    return next(v for v in outcome.verdicts if v.check == check)


def aliases(platform: EmbeddedPlatform) -> tuple[int | None, int | None]:
    registry = platform.registry
    return registry.version_of(NAME, "champion"), registry.version_of(NAME, "challenger")
