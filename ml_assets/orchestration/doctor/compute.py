"""What computes on Databricks: the SQL warehouse, and what job runs run on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ml_assets.orchestration.databricks.compute import runtime_problem
from ml_assets.orchestration.doctor.result import Result, broken, fine, said, unknown
from ml_assets.orchestration.statements import Statements

if TYPE_CHECKING:
    from ml_assets.orchestration.doctor.workspace import Workspace
    from ml_assets.orchestration.settings.compute import NewCluster

_START = timedelta(minutes=10)


def warehouse(workspace: Workspace, *, run: bool) -> Result:
    """The SQL warehouse exists and can be used; ``run`` asks it something, which starts it."""
    from databricks.sdk.errors import InvalidParameterValue, NotFound, PermissionDenied

    title, wanted = "SQL warehouse", workspace.settings.warehouse_id
    if not wanted:
        text = "not configured: sensors and observed sources will not know of new data"
        return unknown(title, text, "set databricks.warehouse_id when they shall")
    try:
        found = workspace.client.warehouses.get(wanted)
    except (NotFound, InvalidParameterValue, PermissionDenied) as error:
        fix = "correct databricks.warehouse_id, or ask for CAN USE on it"
        return broken(title, f"{wanted}: {said(error)}", fix)
    state = found.state.value if found.state else "no state"
    size = f"{found.cluster_size or 'unknown size'}, stops after {found.auto_stop_mins} minutes"
    text = f"{found.name or wanted}: {state}, {size}"
    if state in {"DELETED", "DELETING"}:
        return broken(title, text, "correct databricks.warehouse_id")
    if not run:
        return fine(title, f"{text} (--run asks it something)")
    answer = Statements(workspace.client, wanted, _START).rows("SELECT 1 AS one")
    if [list(row.values()) for row in answer] != [["1"]]:
        return broken(title, f"{text}; SELECT 1 gave {answer}", "ask who administers it")
    return fine(title, f"{text}; SELECT 1 answered")


def compute(workspace: Workspace) -> Result:
    """What job runs compute on exists; nothing is started."""
    chosen = workspace.settings.compute
    if chosen.existing_cluster:
        return _cluster(workspace, chosen.existing_cluster.cluster_id)
    if chosen.new_cluster:
        return _new_cluster(workspace, chosen.new_cluster)
    version = chosen.serverless.environment_version if chosen.serverless else None
    text = f"serverless, environment {version or 'as ml_assets has it'}"
    return unknown("compute", f"{text}: only a job run can tell (--run submits one)")


def _cluster(workspace: Workspace, cluster_id: str) -> Result:
    from databricks.sdk.errors import InvalidParameterValue, NotFound, PermissionDenied

    try:
        found = workspace.client.clusters.get(cluster_id)
    except (NotFound, InvalidParameterValue, PermissionDenied) as error:
        fix = "correct databricks.compute.existing_cluster.cluster_id, or ask for CAN RESTART on it"
        return broken("compute", f"cluster {cluster_id}: {said(error)}", fix)
    state = found.state.value if found.state else "no state"
    mode = found.data_security_mode.value if found.data_security_mode else "no access mode"
    text = f"cluster {found.cluster_name or cluster_id}: {state}, {found.spark_version}, {mode}"
    if problem := runtime_problem(found.spark_version or ""):
        return broken("compute", f"{text}\n{problem}", "choose a current ML runtime (LTS)")
    if mode not in {"SINGLE_USER", "DATA_SECURITY_MODE_DEDICATED"}:
        fix = "set its access mode to dedicated (single user)"
        return broken("compute", f"{text}: ML with Unity Catalog needs a dedicated one", fix)
    return fine("compute", text)


def _new_cluster(workspace: Workspace, wanted: NewCluster) -> Result:
    from databricks.sdk.errors import InvalidParameterValue, NotFound, PermissionDenied

    client, names = workspace.client, [wanted.spark_version]
    if problem := runtime_problem(wanted.spark_version):
        return broken("compute", problem, "choose a current ML runtime (LTS)")
    try:
        if wanted.policy_id:
            names.append(f"policy {client.cluster_policies.get(wanted.policy_id).name}")
        if wanted.instance_pool_id:
            pool = client.instance_pools.get(wanted.instance_pool_id)
            names.append(f"pool {pool.instance_pool_name}")
    except (NotFound, InvalidParameterValue, PermissionDenied) as error:
        fix = "correct policy_id and instance_pool_id below databricks.compute.new_cluster"
        return broken("compute", said(error), fix)
    if wanted.node_type_id:
        known = {n.node_type_id for n in client.clusters.list_node_types().node_types or []}
        if wanted.node_type_id not in known:
            from ml_assets.spec.errors import did_you_mean

            near = did_you_mean(wanted.node_type_id, [n for n in known if n])
            fix = "choose a machine type of this workspace's cloud"
            return broken("compute", f"no machine type {wanted.node_type_id} here{near}", fix)
        names.append(wanted.node_type_id)
    return fine("compute", f"new cluster: {', '.join(names)}")
