"""The resources of every model, for the platform that is asked for.

Embedded: the Spark session, and the platform that steps are handed. Databricks: what submits job
runs; the steps and their Spark session are there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg

from ml_assets.spec.errors import SpecError, did_you_mean

if TYPE_CHECKING:
    from dagster_pyspark import LazyPySparkResource

    from ml_assets.platform.protocol import Platform

PLATFORM_VARIABLE = "ML_ASSETS_PLATFORM"
PLATFORMS = ("embedded", "databricks")
#: How the assets of a model share Databricks job runs.
Sharing = Literal["per_model", "per_asset"]


def platform_name() -> str:
    """Read which platform is asked for; ``embedded`` when nothing is said.

    Raises
    ------
    SpecError
        When the platform does not exist.
    """
    name = os.environ.get(PLATFORM_VARIABLE) or PLATFORMS[0]
    if name not in PLATFORMS:
        raise SpecError(
            PLATFORM_VARIABLE,
            found=repr(name),
            expected=" or ".join(PLATFORMS) + did_you_mean(name, PLATFORMS),
            fix=f"unset {PLATFORM_VARIABLE}, or set it to {PLATFORMS[0]}",
        )
    return name


@dataclass(frozen=True)
class PlatformProvider:
    """Hands the platform to the steps; nothing is started before ``open`` is called."""

    spark: LazyPySparkResource

    def open(self) -> Platform:
        """Open the platform of this process on the resource's Spark session."""
        platform_name()
        from ml_assets.platform.embedded import EmbeddedPlatform

        return EmbeddedPlatform(spark=self.spark.spark_session)


@dg.resource(description="Spark session (Sail on the embedded platform), started at first use.")
def spark_resource(_: dg.InitResourceContext) -> LazyPySparkResource:
    """Build the Spark resource; dagster_pyspark is imported here, when a run starts."""
    from ml_assets.orchestration.spark import SailSessionResource

    return SailSessionResource()


@dg.resource(
    required_resource_keys={"spark"}, description="Tables, feature store, tracking and registry."
)
def platform_resource(context: dg.InitResourceContext) -> PlatformProvider:
    """Build the provider of the platform."""
    return PlatformProvider(context.resources.spark)


def default_resources() -> dict[str, Any]:
    """The resources that the models' assets need, by key; read ``platform_name`` and settings.

    Raises
    ------
    SpecError
        When the platform does not exist.
    DeclarationError
        When the settings of Databricks are missing or wrong.
    """
    if platform_name() == "databricks":
        from ml_assets.orchestration.settings import databricks_resource

        return {"databricks": databricks_resource()}
    return {"spark": spark_resource, "platform": platform_resource}


def sharing() -> Sharing | None:
    """How the assets of a model share Databricks job runs; None when steps run in this process.

    Raises
    ------
    SpecError, DeclarationError
        As ``default_resources`` does.
    """
    if platform_name() != "databricks":
        return None
    from ml_assets.orchestration.settings import databricks_settings

    return databricks_settings().sharing
