"""The tiny shop after a second model was trained, which lost or won; made once, copied for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ml_assets_tests.steps.conftest import Shop
from ml_assets_tests.steps.serving.promotions import BETTER, GENEROUS, LOOSE, WORSE, again, copied

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def lost(finished: Shop, tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Shop:
    """After a worse model came second: version 2, refused. Not to be changed by a test."""
    shop = copied(finished, tmp_path_factory.mktemp("lost") / "home", spark)
    outcomes = again(shop, shop.handles, "predictions", estimator=WORSE, gates=LOOSE)
    return Shop(shop.platform, {**shop.outcomes, **outcomes})


@pytest.fixture(scope="session")
def won(finished: Shop, tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Shop:
    """After a better model came second: version 2, champion. Not to be changed by a test."""
    shop = copied(finished, tmp_path_factory.mktemp("won") / "home", spark)
    outcomes = again(shop, shop.handles, estimator=BETTER, promotion=GENEROUS)
    return Shop(shop.platform, {**shop.outcomes, **outcomes})


@pytest.fixture
def refused(lost: Shop, home: Path, spark: SparkSession) -> Shop:
    """A copy of ``lost``."""
    return copied(lost, home, spark)


@pytest.fixture
def promoted(won: Shop, home: Path, spark: SparkSession) -> Shop:
    """A copy of ``won``."""
    return copied(won, home, spark)
