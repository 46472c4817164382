"""The field ``compute`` of ``ml_assets.yaml``: where job runs compute, and what that may cost.

The names are those of ``orchestration.databricks.compute``, which the settings are handed to; a test
holds the two together. What is unset here has the default that is written there.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ml_assets.spec.base import Count, Declared, Frozen
from ml_assets.spec.findings import Place
from ml_assets.spec.wording import refusal, refuse


def _text(value: Any) -> Any:
    """Take a bare number as the text that it stands for: ids may be all digits."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Id = Annotated[str, BeforeValidator(_text)]
Spot = Literal["on_demand", "spot", "spot_with_fallback"]


class Serverless(Declared):
    """Serverless compute: nothing to start, billed by the second."""

    environment_version: Id | None = Field(default=None, examples=["4"])
    """Version of the serverless base environment."""
    dependencies: tuple[str, ...] | None = Field(default=None, examples=[["mlflow>=3.1,<4"]])
    """Requirements of pip beside the project's wheel; replaces the default list."""
    budget_policy_id: Id | None = Field(default=None, examples=["e8f1c9a0-budget"])
    """Budget policy that the cost is attributed to."""


class ExistingCluster(Declared):
    """A cluster that exists; a job run starts it when it is stopped, and never stops it."""

    cluster_id: Id = Field(examples=["0923-164208-meows279"])
    """Its id; it needs a Databricks ML runtime."""
    dependencies: tuple[str, ...] | None = Field(default=None, examples=[["skops>=0.16"]])
    """Requirements of pip that are installed on it; replaces the default list."""


class Autoscale(Declared):
    """A number of workers that follows the load."""

    min_workers: Count = Field(default=1, ge=1)
    """Fewest workers."""
    max_workers: Count = Field(ge=1, le=100, examples=[4])
    """Most workers: the limit of the cost."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.max_workers < self.min_workers:
            problem = refusal(
                f"max_workers {self.max_workers} below min_workers {self.min_workers}",
                expected="max_workers not below min_workers",
                fix=f"write max_workers: {self.min_workers} or more",
            )
            refuse(type(self).__name__, [(("max_workers",), problem)])
        return self


class NewCluster(Declared):
    """A cluster for one job run; it ends with the run."""

    spark_version: Id = Field(examples=["17.3.x-cpu-ml-scala2.13"])
    """A Databricks ML runtime."""
    node_type_id: Id | None = Field(default=None, examples=["i3.xlarge"])
    """Type of every machine; not with a pool."""
    instance_pool_id: Id | None = Field(default=None, examples=["0727-104344-pool"])
    """Pool that the machines are taken from; not with node_type_id."""
    policy_id: Id | None = Field(default=None, examples=["D2C0B4A5F1E3"])
    """Cluster policy that limits it."""
    num_workers: Count | None = Field(default=None, ge=0, le=100)
    """Workers; 0 is one machine. Not with autoscale."""
    autoscale: Autoscale | None = None
    """Workers between two bounds."""
    spot: Spot | None = None
    """Whether workers are spot machines; the driver never is one."""
    custom_tags: Frozen[str, Id] | None = Field(default=None, examples=[{"team": "ml"}])
    """Tags of the machines, for cost reports."""
    data_security_mode: Literal["SINGLE_USER", "USER_ISOLATION"] | None = None
    """Access mode; ML runtimes and MLflow with Unity Catalog need SINGLE_USER."""
    single_user_name: str | None = Field(default=None, examples=["ml-jobs@example.com"])
    """Who may use it in SINGLE_USER mode; unset: who runs the job."""
    spark_conf: Frozen[str, Id] | None = Field(
        default=None, examples=[{"spark.sql.shuffle.partitions": "auto"}]
    )
    """Spark settings. No secrets: they are stored in clear."""
    dependencies: tuple[str, ...] | None = Field(default=None, examples=[["skops>=0.16"]])
    """Requirements of pip that are installed on it; replaces the default list."""

    @model_validator(mode="after")
    def _is_one_cluster(self) -> Self:
        found: list[tuple[Place, Any]] = []
        if bool(self.node_type_id) == bool(self.instance_pool_id):
            both = (
                "node_type_id beside instance_pool_id" if self.node_type_id else "neither of them"
            )
            problem = refusal(
                both,
                expected="node_type_id or instance_pool_id",
                fix="name a machine type, or the pool that machines are taken from",
            )
            found.append((("node_type_id",), problem))
        if self.autoscale and self.num_workers is not None:
            problem = refusal(
                "num_workers beside autoscale",
                expected="one of them",
                fix="remove num_workers",
            )
            found.append((("num_workers",), problem))
        refuse(type(self).__name__, found)
        return self


class Compute(Declared):
    """At most one of three; nothing means serverless with its defaults."""

    serverless: Serverless | None = None
    """Serverless compute."""
    existing_cluster: ExistingCluster | None = None
    """A cluster that exists."""
    new_cluster: NewCluster | None = None
    """A cluster for each job run."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        named = [name for name in type(self).model_fields if getattr(self, name)]
        if len(named) > 1:
            problem = refusal(
                " and ".join(named),
                expected="one of them, or nothing for serverless",
                fix="keep the one to compute on",
            )
            refuse(type(self).__name__, [((named[1],), problem)])
        return self

    @property
    def kind(self) -> str:
        """Which of the three it is.

        >>> Compute().kind
        'serverless'
        """
        named = (name for name in type(self).model_fields if getattr(self, name))
        return next(named, "serverless")
