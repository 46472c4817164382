"""What exists in Unity Catalog, and who may do what."""

from __future__ import annotations

import pytest
from databricks.sdk.errors import NotFound, PermissionDenied
from databricks.sdk.service.catalog import Privilege, SecurableType

from ml_assets_tests.emulator.fixtures import CLUSTER, VOLUME


def test_what_was_created_is_found_with_what_it_stands_in(client, emulator, root) -> None:
    assert client.catalogs.get("main").owner == "someone@example.com"
    assert client.schemas.get("main.ml_assets").catalog_name == "main"
    volume = client.volumes.read(VOLUME)
    assert (volume.full_name, volume.storage_location) == (VOLUME, root)
    assert [s.name for s in client.schemas.list("main")] == ["ml_assets"]
    assert [v.name for v in client.volumes.list("main", "ml_assets")] == ["jobs"]
    assert [c.name for c in client.catalogs.list()] == ["main"]


def test_what_was_not_created_is_not_found(client) -> None:
    for ask in (
        lambda: client.catalogs.get("other"),
        lambda: client.schemas.get("main.other"),
        lambda: client.volumes.read("main.ml_assets.other"),
        lambda: client.tables.get("main.ml_assets.other"),
        lambda: client.registered_models.get("main.ml_assets.other"),
    ):
        with pytest.raises(NotFound, match="does not exist"):
            ask()
    assert client.tables.exists("main.ml_assets.other").table_exists is False


def test_tables_of_a_warehouse_folder_exist_by_being_there(client, emulator, tmp_path) -> None:
    emulator.unity.warehouse = tmp_path / "warehouse"
    (tmp_path / "warehouse/shop/raw/visits/_delta_log").mkdir(parents=True)
    assert client.tables.exists("shop.raw.visits").table_exists is True
    table = client.tables.get("shop.raw.visits")
    assert table.storage_location == str(tmp_path / "warehouse/shop/raw/visits")
    assert [t.full_name for t in client.tables.list("shop", "raw")] == ["shop.raw.visits"]


def test_a_model_is_found_by_its_alias(client, emulator) -> None:
    emulator.unity.create_model("shop.models.spender", {"champion": 3})
    assert client.registered_models.get("shop.models.spender").name == "spender"
    assert client.model_versions.get_by_alias("shop.models.spender", "champion").version == 3
    with pytest.raises(NotFound):
        client.model_versions.get_by_alias("shop.models.spender", "challenger")


def test_privileges_are_inherited_and_say_from_where(client, emulator) -> None:
    emulator.unity.revoke_all("catalog", "main")
    emulator.unity.grant("schema", "main.ml_assets", "WRITE_VOLUME", to="robots")
    emulator.unity.grant("volume", VOLUME, "READ_VOLUME", to="robots")
    [own] = client.grants.get(SecurableType.VOLUME.value, VOLUME).privilege_assignments
    assert (own.principal, own.privileges) == ("robots", [Privilege.READ_VOLUME])
    [held] = client.grants.get_effective("volume", VOLUME, principal="robots").privilege_assignments
    found = {p.privilege: p.inherited_from_name for p in held.privileges}
    assert found == {Privilege.READ_VOLUME: None, Privilege.WRITE_VOLUME: "main.ml_assets"}
    nobody = client.grants.get_effective("volume", VOLUME, principal="me").privilege_assignments
    assert not nobody
    with pytest.raises(PermissionDenied):
        client.catalogs.get("main")


def test_clusters_policies_and_pools_exist_when_they_were_created(client, emulator) -> None:
    emulator.compute.create_policy("p1", definition="{}")
    emulator.compute.create_pool("pool1")
    assert client.clusters.get(CLUSTER).state.value == "RUNNING"
    types = {node.node_type_id for node in client.clusters.list_node_types().node_types}
    assert "i3.xlarge" in types
    assert client.cluster_policies.get("p1").definition == "{}"
    assert client.instance_pools.get("pool1").instance_pool_name == "pool1"
    for ask in (
        lambda: client.clusters.get("none"),
        lambda: client.cluster_policies.get("none"),
        lambda: client.instance_pools.get("none"),
    ):
        with pytest.raises(NotFound):
            ask()
