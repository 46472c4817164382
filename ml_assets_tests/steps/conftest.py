"""The tiny shop after one whole run, copied for each test that only changes something afterwards."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets_tests import tiny
from ml_assets_tests.steps.helpers import run_steps

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from ml_assets.steps.execution import Outcome
    from ml_assets.steps.handles import Handle


@dataclass(frozen=True)
class Shop:
    """A platform on which every step of the tiny shop ran once."""

    platform: EmbeddedPlatform
    outcomes: dict[str, Outcome]

    @property
    def handles(self) -> dict[str, Handle]:
        return {a: o.handle for a, o in self.outcomes.items() if o.handle is not None}


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Shop:
    """Run once; not to be changed by a test."""
    platform = EmbeddedPlatform(home=tmp_path_factory.mktemp("shop"), spark=spark)
    return Shop(platform, run_steps(tiny.spec(), platform))


@pytest.fixture
def shop(finished: Shop, home: Path, spark: SparkSession) -> Shop:
    """Copy the finished shop; MLflow's artifacts are only added to and stay where they are."""
    source = finished.platform.home
    shutil.copytree(source, home, ignore=shutil.ignore_patterns("mlartifacts"))
    return Shop(EmbeddedPlatform(home=home, spark=spark), finished.outcomes)


@pytest.fixture
def built(shop: Shop) -> EmbeddedPlatform:
    """The platform of the copied shop."""
    return shop.platform
