"""Which one-time runs are accepted (``POST /api/2.2/jobs/runs/submit``), and what they install."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ml_assets_tests.emulator.compute import NODE_TYPES
from ml_assets_tests.emulator.web import NotEmulatedError, invalid

if TYPE_CHECKING:
    from collections.abc import Collection

    from ml_assets_tests.emulator.compute import Compute

TOKEN_LENGTH = 64
PARAMETER_BYTES = 10_000
EMULATED_TYPES = {"python_wheel_task", "spark_python_task"}
PLACES = ("environment_key", "existing_cluster_id", "new_cluster")
# Accepted and without effect here: they change who is told and who pays, not what runs.
QUIET = {
    "access_control_list",
    "budget_policy_id",
    "email_notifications",
    "health",
    "notification_settings",
    "queue",
    "run_as",
    "webhook_notifications",
}
RUN_FIELDS = {"environments", "idempotency_token", "run_name", "tasks", "timeout_seconds"} | QUIET
TASK_FIELDS = {"task_key", "description", "libraries", "timeout_seconds"} | QUIET
TASK_FIELDS |= EMULATED_TYPES | set(PLACES) | {"disable_auto_optimization", "max_retries"}
# "Serverless auto-optimization (may include at most 3 retries)": on, unless a task says otherwise.
AUTO_RETRIES = 3


def check(body: dict[str, Any], compute: Compute, runtimes: Collection[str]) -> None:
    """Refuse what Databricks refuses, and what this emulator does not do.

    Raises
    ------
    ApiError
        With the reason.
    """
    if unknown := set(body) - RUN_FIELDS:
        raise NotEmulatedError(f"fields of a run: {sorted(unknown)}")
    if len(body.get("idempotency_token") or "") > TOKEN_LENGTH:
        raise invalid(f"idempotency_token must have at most {TOKEN_LENGTH} characters")
    tasks = body.get("tasks") or []
    if not tasks:
        raise invalid("At least one task must be specified.")
    if len(tasks) > 1:
        raise NotEmulatedError("several tasks in one run")
    environments = _environments(body)
    _task(tasks[0], environments, compute, runtimes)


def dependencies(body: dict[str, Any]) -> list[str]:
    """Give the libraries of the run's task, as they were submitted."""
    [task] = body["tasks"]
    if key := task.get("environment_key"):
        return list(_environments(body)[key].get("dependencies") or [])
    libraries = task.get("libraries") or []
    return [library.get("whl") or library["pypi"]["package"] for library in libraries]


def retries(task: dict[str, Any]) -> int:
    """How often a task that failed is started once more, without anybody asking for it."""
    automatic = bool(task.get("environment_key")) and not task.get("disable_auto_optimization")
    return max(int(task.get("max_retries") or 0), AUTO_RETRIES if automatic else 0)


def _environments(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for entry in body.get("environments") or []:
        key, spec = entry.get("environment_key"), entry.get("spec") or {}
        if not key or key in found:
            raise invalid(f"environment_key {key!r} is missing or not unique")
        if not (spec.get("environment_version") or spec.get("client")):
            raise invalid(f"Environment {key!r}: environment_version is required")
        if any(line.startswith("-") for line in spec.get("dependencies") or []):
            raise NotEmulatedError(f"options among the dependencies: {spec['dependencies']}")
        found[key] = spec
    return found


def _task(
    task: dict[str, Any],
    environments: Collection[str],
    compute: Compute,
    runtimes: Collection[str],
) -> None:
    if unknown := set(task) - TASK_FIELDS:
        raise NotEmulatedError(f"types or fields of a task: {sorted(unknown)}")
    if not re.fullmatch(r"[\w-]{1,100}", task.get("task_key") or ""):
        raise invalid(f"task_key {task.get('task_key')!r}: letters, digits, - and _ only")
    kinds = EMULATED_TYPES & set(task)
    if len(kinds) != 1:
        raise invalid(f"Task {task['task_key']} must have exactly one task type")
    _parameters(task)
    places = [place for place in PLACES if task.get(place)]
    if not places:
        raise invalid("A task environment must be provided for serverless Python tasks.")
    if len(places) > 1:
        raise invalid(f"Only one of {', '.join(places)} may be given.")
    _place(places[0], task, environments, compute, runtimes)


def _parameters(task: dict[str, Any]) -> None:
    if wheel := task.get("python_wheel_task"):
        if not (wheel.get("package_name") and wheel.get("entry_point")):
            raise invalid("python_wheel_task needs package_name and entry_point")
        if wheel.get("named_parameters"):
            raise NotEmulatedError("named_parameters")
    elif not (task["spark_python_task"] or {}).get("python_file"):
        raise invalid("spark_python_task needs python_file")
    given = (wheel or task["spark_python_task"]).get("parameters") or []
    if len(json.dumps(given)) > PARAMETER_BYTES:
        raise invalid(f"The JSON of the parameters cannot exceed {PARAMETER_BYTES} bytes.")


def _place(
    place: str,
    task: dict[str, Any],
    environments: Collection[str],
    compute: Compute,
    runtimes: Collection[str],
) -> None:
    if place == "environment_key":
        if task["environment_key"] not in environments:
            raise invalid(f"Environment key '{task['environment_key']}' is not defined.")
        if task.get("libraries"):
            text = "Libraries field is not supported for serverless task, please specify libraries in environment."
            raise invalid(text)
        return
    for library in task.get("libraries") or []:
        if set(library) - {"whl", "pypi"}:
            raise NotEmulatedError(f"library {library}")
        if (library.get("pypi") or {}).get("package", "").startswith("/"):
            raise invalid(f"{library['pypi']['package']} is not a PyPI package")
    if place == "existing_cluster_id":
        compute.cluster(task["existing_cluster_id"])
    else:
        _new_cluster(task["new_cluster"], compute, runtimes)


def _new_cluster(cluster: dict[str, Any], compute: Compute, runtimes: Collection[str]) -> None:
    if cluster.get("spark_version") not in runtimes:
        raise invalid(f"Invalid spark version {cluster.get('spark_version')}.")
    if policy := cluster.get("policy_id"):
        compute.policy(policy)
    if pool := cluster.get("instance_pool_id"):
        compute.pool(pool)
    elif not (cluster.get("node_type_id") or policy):
        raise invalid("Either instance_pool_id or node_type_id must be specified.")
    if (node := cluster.get("node_type_id")) and node not in NODE_TYPES:
        raise invalid(f"Node type {node} is not supported.")
    if pool and node:
        raise invalid(
            "The field 'node_type_id' cannot be supplied when an instance pool ID is provided."
        )
    if "num_workers" not in cluster and "autoscale" not in cluster and not policy:
        raise invalid("Missing required field: size (num_workers or autoscale)")
