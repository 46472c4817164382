"""Who may ask, and what for."""

from __future__ import annotations

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound, PermissionDenied, Unauthenticated


def test_the_token_is_checked(emulator, client) -> None:
    assert client.current_user.me().user_name == "someone@example.com"
    with pytest.raises(PermissionDenied):
        WorkspaceClient(host=emulator.host, token="dapi-another").current_user.me()


def test_an_expired_token_is_refused_and_the_new_one_works(emulator, client) -> None:
    emulator.identity.expire()
    with pytest.raises(Unauthenticated):
        client.current_user.me()
    assert emulator.client().current_user.me().active


def test_a_service_principal_gets_tokens_and_renews_them(emulator) -> None:
    emulator.identity.token_seconds = 1.0
    known = emulator.identity
    principal = WorkspaceClient(
        host=emulator.host, client_id=known.client_id, client_secret=known.client_secret
    )
    assert principal.config.auth_type == "oauth-m2m"
    for _ in range(2):
        # The SDK takes a token that ends within a minute for one that has ended.
        assert principal.current_user.me().user_name == known.user
    assert emulator.requests.count("POST /oidc/v1/token") >= 2


def test_a_wrong_client_secret_is_refused(emulator) -> None:
    with pytest.raises(ValueError, match="invalid_client"):
        WorkspaceClient(
            host=emulator.host, client_id=emulator.identity.client_id, client_secret="no"
        ).current_user.me()


def test_what_is_not_emulated_is_written_down_for_the_test_to_fail(emulator, client) -> None:
    with pytest.raises(NotFound, match="No API found"):
        list(client.clusters.list())
    with pytest.raises(NotFound, match="No API found"):
        client.volumes.delete("main.ml_assets.jobs")
    assert emulator.problems == [
        "unknown endpoint: GET /api/2.1/clusters/list",
        "unknown endpoint: DELETE /api/2.1/unity-catalog/volumes/main.ml_assets.jobs",
    ]
    # Without this line the fixture would fail this test.
    emulator.problems.clear()


def test_every_request_is_recorded(emulator, client) -> None:
    client.current_user.me()
    with pytest.raises(NotFound):
        client.warehouses.get("none")
    me, warehouse = emulator.requests.all
    assert (me.method, me.path, me.status) == ("GET", "/api/2.0/preview/scim/v2/Me", 200)
    assert (warehouse.path, warehouse.status) == ("/api/2.0/sql/warehouses/none", 404)
    assert me.at <= warehouse.at
    assert 0 < me.seconds < 5
    assert emulator.requests.count("sql/warehouses") == 1
    assert emulator.requests.by_endpoint()["GET /api/2.0/sql/warehouses/none"] == 1
