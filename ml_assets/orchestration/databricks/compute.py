"""What a job run computes on: serverless, a cluster that runs already, or one of its own."""

import re
from typing import TYPE_CHECKING, Any, Literal, Self

import dagster as dg
from pydantic import Field, model_validator

from ml_assets.spec.errors import SpecError

if TYPE_CHECKING:
    from databricks.sdk.service.compute import ClusterSpec, Environment, Library

#: What a Databricks ML runtime brings and serverless does not. The extra `databricks` of
#: pyproject.toml is the same list (a test compares them): it is what the steps import in a job.
SERVERLESS_DEPENDENCIES = (
    "databricks-feature-engineering>=0.12,<0.19",
    "mlflow>=3.17,<4",
    "pandas>=2.3,<3",
    "scikit-learn>=1.9,<1.10",
    "skops>=0.16",
    "xgboost>=3.2,<4",
)
#: What ML runtimes carry too old for the steps, or not at all (skops; 17.3 has MLflow 3.0): it is
#: installed for each job run on a cluster. Spark, the client, XGBoost and pandas are the runtime's.
CLUSTER_DEPENDENCIES = tuple(
    line for line in SERVERLESS_DEPENDENCIES if line.startswith(("mlflow", "scikit-learn", "skops"))
)
_OF_A_CLUSTER = (
    "pip requirements beside the project's wheel, installed on the cluster. Replaces the default: what "
    "an ML runtime has too old, or not at all."
)
#: The oldest LTS runtime that carries a supported client (0.12.1) and Spark 4.
OLDEST_RUNTIME = (17, 3)
#: The key by which a task names its environment.
ENVIRONMENT = "ml_assets"
Spot = Literal["on_demand", "spot", "spot_with_fallback"]


class Serverless(dg.Config):
    """Serverless compute: nothing to start, billed by the second."""

    environment_version: str = Field(
        default="4",
        description="Version of the serverless base environment, a whole number (4: Python 3.12).",
    )
    dependencies: list[str] = Field(
        default=list(SERVERLESS_DEPENDENCIES),
        description="pip requirements beside the project's wheel: what the steps import and the "
        "base environment lacks. Replaces the default, which is what an ML runtime brings.",
    )
    budget_policy_id: str = Field(
        default="", description="Budget policy that the cost is attributed to; empty: none."
    )


class ExistingCluster(dg.Config):
    """A cluster that exists; it is started when it is stopped, and never stopped by a job run."""

    cluster_id: str = Field(description="Id of the cluster; it needs a Databricks ML runtime.")
    dependencies: list[str] = Field(default=list(CLUSTER_DEPENDENCIES), description=_OF_A_CLUSTER)


class Autoscale(dg.Config):
    """A number of workers that follows the load."""

    min_workers: int = Field(default=1, ge=1, description="Fewest workers.")
    max_workers: int = Field(ge=1, le=100, description="Most workers: the limit of the cost.")


class NewCluster(dg.Config):
    """A cluster for one job run; Databricks ends it with the run."""

    spark_version: str = Field(
        description="A Databricks ML runtime, for example 17.3.x-cpu-ml-scala2.13."
    )
    node_type_id: str = Field(
        default="", description="Type of every machine, for example i3.xlarge; not with a pool."
    )
    instance_pool_id: str = Field(
        default="", description="Pool that the machines are taken from; not with node_type_id."
    )
    policy_id: str = Field(
        default="", description="Cluster policy that limits it; its defaults apply. Empty: none."
    )
    num_workers: int = Field(
        default=0, ge=0, le=100, description="Workers; 0: one machine. Not with autoscale."
    )
    autoscale: Autoscale | None = Field(
        default=None, description="Workers between two bounds; unset: num_workers."
    )
    spot: Spot = Field(
        default="spot_with_fallback",
        description="Whether workers are spot machines; the driver is always on demand. A pool "
        "decides for itself.",
    )
    custom_tags: dict[str, str] = Field(
        default={}, description="Tags of the machines, for cost reports."
    )
    data_security_mode: Literal["SINGLE_USER", "USER_ISOLATION"] = Field(
        default="SINGLE_USER",
        description="Access mode; ML runtimes and MLflow with Unity Catalog need SINGLE_USER.",
    )
    single_user_name: str = Field(
        default="", description="Who may use it in SINGLE_USER mode; empty: who runs the job."
    )
    spark_conf: dict[str, str] = Field(
        default={},
        description="Spark settings (spark.sql.…). No secrets: they are stored in clear.",
    )
    dependencies: list[str] = Field(default=list(CLUSTER_DEPENDENCIES), description=_OF_A_CLUSTER)

    @model_validator(mode="after")
    def _has_a_runtime_that_does(self) -> Self:
        """Before machines are paid for: the job would find no client that it can work with."""
        if problem := runtime_problem(self.spark_version):
            raise SpecError(
                "databricks.compute.new_cluster.spark_version",
                found=problem,
                expected=f"a Databricks ML runtime, {'.'.join(map(str, OLDEST_RUNTIME))} or newer",
                fix="choose a current one (LTS), for example 17.3.x-cpu-ml-scala2.13",
            )
        return self

    @model_validator(mode="after")
    def _has_one_kind_of_machine(self) -> Self:
        if bool(self.node_type_id) == bool(self.instance_pool_id):
            both = "both" if self.node_type_id else "neither"
            raise SpecError(
                "databricks.compute.new_cluster",
                found=f"{both} of node_type_id and instance_pool_id",
                expected="exactly one of them",
                fix="name a machine type, or the pool that machines are taken from",
            )
        if self.autoscale and self.num_workers:
            raise SpecError(
                "databricks.compute.new_cluster",
                found="num_workers and autoscale",
                expected="one of them",
                fix="remove one of them",
            )
        return self

    def to_sdk(self, cloud: str) -> "ClusterSpec":
        """Describe the cluster to the API; ``cloud`` is ``aws``, ``azure`` or ``gcp``."""
        from databricks.sdk.service import compute as sdk

        alone = not self.num_workers and not self.autoscale
        conf, tags = dict(self.spark_conf), dict(self.custom_tags)
        if alone:  # how the API spells a cluster without workers
            conf |= {"spark.databricks.cluster.profile": "singleNode", "spark.master": "local[*]"}
            tags["ResourceClass"] = "SingleNode"
        size: dict[str, Any] = {"num_workers": self.num_workers}
        if self.autoscale:
            low, high = self.autoscale.min_workers, self.autoscale.max_workers
            size = {"autoscale": sdk.AutoScale(min_workers=low, max_workers=high)}
        return sdk.ClusterSpec(
            spark_version=self.spark_version,
            node_type_id=self.node_type_id or None,
            instance_pool_id=self.instance_pool_id or None,
            policy_id=self.policy_id or None,
            apply_policy_default_values=True if self.policy_id else None,
            custom_tags=tags or None,
            spark_conf=conf or None,
            data_security_mode=sdk.DataSecurityMode(self.data_security_mode),
            single_user_name=self.single_user_name or None,
            **size,
            **({} if self.instance_pool_id else self._availability(cloud)),
        )

    def _availability(self, cloud: str) -> dict[str, Any]:
        """Ask for the kind of machine in the cloud's own words; the first one, the driver, stays."""
        from databricks.sdk.service import compute as sdk

        word = self.spot.upper()
        if cloud == "azure":
            azure = sdk.AzureAvailability(f"{word}_AZURE")
            return {"azure_attributes": sdk.AzureAttributes(availability=azure, first_on_demand=1)}
        if cloud == "gcp":
            gcp = sdk.GcpAvailability(f"{word.replace('SPOT', 'PREEMPTIBLE')}_GCP")
            return {"gcp_attributes": sdk.GcpAttributes(availability=gcp)}
        aws = sdk.AwsAvailability(word)
        return {"aws_attributes": sdk.AwsAttributes(availability=aws, first_on_demand=1)}


class Compute(dg.Config):
    """At most one of three; nothing means serverless with its defaults."""

    serverless: Serverless | None = Field(default=None, description="Serverless compute.")
    existing_cluster: ExistingCluster | None = Field(
        default=None, description="A cluster that exists."
    )
    new_cluster: NewCluster | None = Field(
        default=None, description="A cluster for each job run, of the size given here."
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        named = [name for name in Compute.model_fields if getattr(self, name)]
        if len(named) > 1:
            raise SpecError(
                "databricks.compute",
                found=" and ".join(named),
                expected="one of them, or nothing for serverless",
                fix="keep the one to compute on",
            )
        return self

    def environment(self, wheel: str, extra: list[str]) -> "Environment | None":
        """The serverless environment with the wheel in it; None on clusters."""
        from databricks.sdk.service.compute import Environment

        if self.existing_cluster or self.new_cluster:
            return None
        chosen = self.serverless or Serverless()
        return Environment(
            environment_version=chosen.environment_version,
            dependencies=[wheel, *chosen.dependencies, *extra],
        )

    def task_fields(self, wheel: str, extra: list[str], cloud: str) -> dict[str, Any]:
        """The fields of a submitted task that say where it runs and with which libraries."""
        if self.existing_cluster:
            where: dict[str, Any] = {"existing_cluster_id": self.existing_cluster.cluster_id}
        elif self.new_cluster:
            where = {"new_cluster": self.new_cluster.to_sdk(cloud)}
        else:
            return {"environment_key": ENVIRONMENT}
        cluster = self.existing_cluster or self.new_cluster
        own = cluster.dependencies if cluster else []
        return {**where, "libraries": _libraries(wheel, [*own, *extra])}


def runtime_problem(spark_version: str) -> str:
    """Say why a runtime does not do; empty when it does.

    >>> runtime_problem("17.3.x-cpu-ml-scala2.13"), runtime_problem("custom:something")
    ('', '')
    >>> runtime_problem("17.3.x-scala2.13")
    'runtime 17.3.x-scala2.13 is not an ML runtime'
    >>> runtime_problem("14.3.x-cpu-ml-scala2.12")
    'runtime 14.3.x-cpu-ml-scala2.12 is older than 17.3'
    """
    match = re.match(r"(\d+)\.(\d+)\.x-", spark_version)
    if match is None:
        return ""
    if "-ml-" not in spark_version:
        return f"runtime {spark_version} is not an ML runtime"
    if (int(match[1]), int(match[2])) < OLDEST_RUNTIME:
        return f"runtime {spark_version} is older than {'.'.join(map(str, OLDEST_RUNTIME))}"
    return ""


def _libraries(wheel: str, extra: list[str]) -> "list[Library]":
    from databricks.sdk.service.compute import Library, PythonPyPiLibrary

    def library(name: str) -> Library:
        if name.endswith(".whl"):
            return Library(whl=name)
        return Library(pypi=PythonPyPiLibrary(package=name))

    return [library(name) for name in (wheel, *extra)]
