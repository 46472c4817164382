"""Which job runs are accepted, and which are refused."""

from __future__ import annotations

import pytest
from databricks.sdk.errors import InvalidParameterValue, NotFound
from databricks.sdk.service import compute, jobs

from ml_assets_tests.emulator.compute import DEFAULT_RUNTIME
from ml_assets_tests.emulator.fixtures import CLUSTER
from ml_assets_tests.emulator.helpers import submit, upload_code, wait_for_end

WHEEL = jobs.PythonWheelTask(package_name="p", entry_point="e")
ENVIRONMENT = jobs.JobEnvironment(
    environment_key="default", spec=compute.Environment(environment_version="4")
)


def task(**changes):
    values = {"task_key": "main", "environment_key": "default", "python_wheel_task": WHEEL}
    return jobs.SubmitTask(**{**values, **changes})


def cluster(**changes):
    values = {"spark_version": DEFAULT_RUNTIME, "node_type_id": "i3.xlarge", "num_workers": 1}
    return task(environment_key=None, new_cluster=compute.ClusterSpec(**{**values, **changes}))


def refused(client, says, error=InvalidParameterValue, **body):
    body = {"tasks": [task()], "environments": [ENVIRONMENT], **body}
    with pytest.raises(error, match=says):
        client.jobs.submit(**body)


def test_a_token_starts_one_run_however_often_it_is_sent(client, emulator) -> None:
    wheel = upload_code(emulator, "def main(): pass")
    first = submit(client, wheel, idempotency_token="a" * 64)
    assert submit(client, wheel, idempotency_token="a" * 64) == first
    wait_for_end(client, first)
    assert submit(client, wheel, idempotency_token="a" * 64) == first
    other = submit(client, wheel, idempotency_token="b")
    assert other != first
    wait_for_end(client, other)
    client.jobs.delete_run(first)
    with pytest.raises(InvalidParameterValue, match="was deleted"):
        submit(client, wheel, idempotency_token="a" * 64)


@pytest.mark.parametrize(
    ("says", "body"),
    [
        ("at most 64", {"idempotency_token": "a" * 65}),
        ("At least one task", {"tasks": []}),
        ("'other' is not defined", {"tasks": [task(environment_key="other")]}),
        ("environment must be provided", {"tasks": [task(environment_key=None)]}),
        ("not supported for serverless", {"tasks": [task(libraries=[compute.Library(whl="/x")])]}),
        ("Only one of", {"tasks": [task(existing_cluster_id="c")]}),
        ("Cluster c does not", {"tasks": [task(environment_key=None, existing_cluster_id="c")]}),
        ("letters, digits", {"tasks": [task(task_key="a b")]}),
        ("exactly one task type", {"tasks": [task(python_wheel_task=None)]}),
        (
            "cannot exceed",
            {
                "tasks": [
                    task(
                        python_wheel_task=jobs.PythonWheelTask(
                            package_name="p", entry_point="e", parameters=["x" * 10_000]
                        )
                    )
                ]
            },
        ),
        (
            "environment_version is required",
            {
                "environments": [
                    jobs.JobEnvironment(environment_key="default", spec=compute.Environment())
                ]
            },
        ),
        ("not unique", {"environments": [ENVIRONMENT, ENVIRONMENT]}),
        ("Invalid spark version", {"tasks": [cluster(spark_version="1")]}),
        (
            "not a PyPI package",
            {
                "tasks": [
                    task(
                        environment_key=None,
                        existing_cluster_id=CLUSTER,
                        libraries=[compute.Library(pypi=compute.PythonPyPiLibrary("/x.whl"))],
                    )
                ]
            },
        ),
        ("Node type m9", {"tasks": [cluster(node_type_id="m9")]}),
        ("Either instance_pool_id", {"tasks": [cluster(node_type_id=None)]}),
        ("Missing required field", {"tasks": [cluster(num_workers=None)]}),
    ],
)
def test_what_databricks_refuses_is_refused(client, emulator, says, body) -> None:
    refused(client, says, **body)
    assert emulator.jobs.runs == {}


def test_policies_and_pools_have_to_exist(client, emulator) -> None:
    refused(client, "policy p", NotFound, tasks=[cluster(policy_id="p")])
    pool = cluster(instance_pool_id="q", node_type_id=None)
    refused(client, "pool q", NotFound, tasks=[pool])
    emulator.compute.create_pool("q")
    refused(client, "cannot be supplied", tasks=[cluster(instance_pool_id="q")])


@pytest.mark.parametrize(
    "body",
    [
        {"tasks": [task(python_wheel_task=None, notebook_task=jobs.NotebookTask("/x"))]},
        {"tasks": [task(), task(task_key="second")]},
        {"tasks": [cluster()], "git_source": jobs.GitSource("u", jobs.GitProvider.GIT_HUB)},
    ],
)
def test_what_is_not_emulated_is_refused_and_fails_the_test(client, emulator, body) -> None:
    refused(client, "not emulated", **body)
    assert len(emulator.problems) == 1
    assert emulator.jobs.runs == {}
    emulator.problems.clear()
