"""Clusters, cluster policies, pools, machine types: only that they exist, and in which state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ml_assets_tests.emulator.web import Call, invalid, missing, route

if TYPE_CHECKING:
    from starlette.routing import Route

DEFAULT_RUNTIME = "17.3.x-cpu-ml-scala2.13"
NODE_TYPES = ("i3.xlarge", "i3.2xlarge", "m5d.xlarge")


@dataclass
class Compute:
    """What tests put here exists, by id."""

    clusters: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    pools: dict[str, dict[str, Any]] = field(default_factory=dict)

    def create_cluster(
        self, cluster_id: str, spark_version: str = DEFAULT_RUNTIME, **values: Any
    ) -> None:
        """Create a cluster that is RUNNING unless ``state`` says otherwise."""
        self.clusters[cluster_id] = {
            "cluster_id": cluster_id,
            "cluster_name": cluster_id,
            "spark_version": spark_version,
            "state": "RUNNING",
            "data_security_mode": "SINGLE_USER",
            **values,
        }

    def create_policy(self, policy_id: str, **values: Any) -> None:
        """Create a cluster policy."""
        self.policies[policy_id] = {"policy_id": policy_id, "name": policy_id, **values}

    def create_pool(self, pool_id: str, **values: Any) -> None:
        """Create an instance pool."""
        self.pools[pool_id] = {
            "instance_pool_id": pool_id,
            "instance_pool_name": pool_id,
            "state": "ACTIVE",
            **values,
        }

    def cluster(self, cluster_id: str) -> dict[str, Any]:
        """Find a cluster.

        Raises
        ------
        ApiError
            400, as Databricks answers, when there is none.
        """
        if cluster_id not in self.clusters:
            raise invalid(f"Cluster {cluster_id} does not exist")
        return self.clusters[cluster_id]

    def policy(self, policy_id: str) -> dict[str, Any]:
        """Find a cluster policy."""
        if policy_id not in self.policies:
            raise missing(f"Cluster policy {policy_id} does not exist.")
        return self.policies[policy_id]

    def pool(self, pool_id: str) -> dict[str, Any]:
        """Find an instance pool."""
        if pool_id not in self.pools:
            raise missing(f"Instance pool {pool_id} does not exist.")
        return self.pools[pool_id]

    def routes(self) -> list[Route]:
        """Serve the three kinds, one by one."""

        def cluster(call: Call) -> dict[str, Any]:
            return self.cluster(call.required("cluster_id"))

        def node_types(_: Call) -> dict[str, Any]:
            return {"node_types": [{"node_type_id": name} for name in NODE_TYPES]}

        def policy(call: Call) -> dict[str, Any]:
            return self.policy(call.required("policy_id"))

        def pool(call: Call) -> dict[str, Any]:
            return self.pool(call.required("instance_pool_id"))

        return [
            route("GET", "/api/2.1/clusters/get", cluster),
            route("GET", "/api/2.1/clusters/list-node-types", node_types),
            route("GET", "/api/2.0/policies/clusters/get", policy),
            route("GET", "/api/2.0/instance-pools/get", pool),
        ]
