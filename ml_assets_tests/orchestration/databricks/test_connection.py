"""Which workspace is meant, and what the client may take its time for."""

from __future__ import annotations

import time

import pytest

from ml_assets.orchestration.databricks.connection import address, connect
from ml_assets.orchestration.databricks.errors import WorkspaceError
from ml_assets.orchestration.databricks.submission import attempted_once, cloud_of

AZURE = "https://adb-5555555555555555.19.azuredatabricks.net"
GCP = "https://5555555555555555.5.gcp.databricks.com"
AWS = "https://dbc-a1b2c3d4-e5f6.cloud.databricks.com"


def client(host, retry_seconds=1):
    return connect(host, "", "MY_TOKEN", retry_seconds=retry_seconds, http_seconds=5)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    for name in ("HOST", "TOKEN", "CONFIG_PROFILE", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(f"DATABRICKS_{name}", raising=False)
    monkeypatch.setenv("MY_TOKEN", "dapi0123")


@pytest.mark.parametrize("host", [AZURE, GCP, AWS])
@pytest.mark.parametrize(
    "tail", ["", "/", "/?o=123", "/?o=123#job/7/run/8", "/browse/folders/1?o=1"]
)
def test_what_is_pasted_from_a_browser_is_understood(host, tail):
    assert client(host + tail).config.host == host
    assert address(host.removeprefix("https://") + tail) == host


@pytest.mark.parametrize(
    ("host", "cloud"),
    [
        (AZURE, "azure"),
        ("https://adb-5.1.databricks.azure.us", "azure"),
        ("https://adb-5.1.databricks.azure.cn", "azure"),
        (GCP, "gcp"),
        (AWS, "aws"),
    ],
)
def test_the_cloud_is_told_by_the_host(host, cloud):
    assert cloud_of(client(host)) == cloud


def test_a_variable_that_was_unset_in_a_template_is_no_host(monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", "None")
    with pytest.raises(WorkspaceError, match="export DATABRICKS_HOST"):
        client("")


def test_the_client_does_not_sleep_for_as_long_as_it_is_told_to():
    """``Retry-After: 3600`` would otherwise hold a step for an hour, whatever its deadline."""
    began = time.monotonic()
    client(AWS, retry_seconds=0.1).config.clock.sleep(3600)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"environment_key": "e"}, {"max_retries": 0, "disable_auto_optimization": True}),
        ({"existing_cluster_id": "c"}, {"max_retries": 0}),
    ],
)
def test_a_task_is_started_once(where, said):
    assert attempted_once(task_key="t", **where).as_dict() == {"task_key": "t", **where, **said}
