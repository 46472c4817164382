"""The doctor in a workspace: what it finds when one thing after the other is wrong."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from databricks.sdk.service.compute import ListNodeTypesResponse, NodeType
from databricks.sdk.service.iam import ComplexValue, User

from ml_assets.orchestration.doctor import catalog, compute, machine
from ml_assets.orchestration.doctor.workspace import Workspace
from ml_assets.orchestration.settings import databricks_settings
from ml_assets.orchestration.settings.compute import NewCluster
from ml_assets_tests.emulator.fixtures import CLUSTER, VOLUME, WAREHOUSE

if TYPE_CHECKING:
    from pathlib import Path

    from ml_assets_tests.emulator.server import Emulator
    from ml_assets_tests.orchestration.doctor.conftest import Clinic

USER = "someone@example.com"


def test_a_workspace_in_order_is_fine(on_databricks: Clinic) -> None:
    code, printed = on_databricks.printed()
    assert code == 0, printed
    assert "Nothing to fix." in printed
    assert "✗" not in printed
    results = on_databricks.results()
    assert results["identity"].found == f"Someone ({USER}), by pat"
    assert results["volume, a file"].found.startswith("written to /Volumes/main/ml_assets/jobs")
    assert results["may write main.shop"].state == "fine"
    assert results["SQL warehouse"].found.startswith(f"{WAREHOUSE}: RUNNING")
    assert results["compute"].found.startswith(f"cluster {CLUSTER}: RUNNING")
    # Only looked at: where the sources stand, nothing is written.
    assert "may write main.raw" in results


def test_the_probe_leaves_nothing_and_nothing_is_run(
    on_databricks: Clinic, workspace: Emulator
) -> None:
    on_databricks.results()
    assert list(workspace.unity.volumes_root.joinpath(*VOLUME.split(".")).iterdir()) == []
    assert workspace.sql.executed == []


def test_no_secret_is_printed(on_databricks: Clinic, workspace: Emulator) -> None:
    assert workspace.token not in on_databricks.printed()[1]
    workspace.identity.expire()
    code, printed = on_databricks.printed()
    assert code == 1
    assert workspace.token not in printed


def test_an_expired_token_is_told_apart_from_a_workspace_that_is_gone(
    on_databricks: Clinic, workspace: Emulator
) -> None:
    workspace.identity.expire()
    results = on_databricks.results()
    assert results["workspace"].state == "fine"
    assert results["identity"].state == "broken"
    assert "expired" in results["identity"].found
    assert "not looked at before" in results["everything else"].found
    assert "volume, a file" not in results


def test_a_host_that_does_not_answer(
    on_databricks: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_assets.orchestration.settings.RETRY_SECONDS", 1)
    monkeypatch.setenv("DATABRICKS_HOST", "http://127.0.0.1:9")
    results = on_databricks.results()
    assert results["workspace"].state == "broken"
    assert "http://127.0.0.1:9 does not answer" in results["workspace"].found
    assert "DATABRICKS_HOST" in results["workspace"].fix


def test_no_host_at_all(on_databricks: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABRICKS_HOST")
    found = on_databricks.results()["workspace"]
    assert found.state == "broken"
    assert "DATABRICKS_HOST" in found.fix


def test_what_a_browser_shows_of_a_page_is_an_address_too(
    on_databricks: Clinic, workspace: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", f" {workspace.host}/browse/?o=123#job/7")
    assert on_databricks.results()["workspace"].found == f"{workspace.host} answers"


def test_a_host_without_its_scheme_is_asked_by_https(
    on_databricks: Clinic, workspace: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_assets.orchestration.settings.RETRY_SECONDS", 1)
    monkeypatch.setenv("DATABRICKS_HOST", workspace.host.removeprefix("http://"))
    found = on_databricks.results()["workspace"]
    assert found.state == "broken", "the emulator speaks no TLS"
    assert found.found.startswith(f"https://{workspace.host.removeprefix('http://')}")


def test_a_profile_that_does_not_exist(
    on_databricks: Clinic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "databrickscfg"
    file.write_text("[other]\nhost = https://example.com\n")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(file))
    on_databricks.section["profile"] = "mine"
    found = on_databricks.results()["workspace"]
    assert found.state == "broken"
    assert f"{file} has no mine profile configured" in found.found
    assert "databricks auth login" in found.fix


@pytest.mark.parametrize("runtime", ["15.4.x-cpu-ml-scala2.12", "16.4.x-gpu-ml-scala2.13"])
def test_a_new_cluster_of_an_old_runtime_is_refused_before_anything_is_asked(
    on_databricks: Clinic, runtime: str
) -> None:
    cluster = {"spark_version": runtime, "node_type_id": "i3.xlarge"}
    on_databricks.section["compute"] = {"new_cluster": cluster}
    results = on_databricks.results()
    assert results["settings"].state == "broken"
    assert f"runtime {runtime} is older than 17.3" in results["settings"].found
    assert "workspace" not in results


def test_settings_that_are_wrong_stop_it_there(on_databricks: Clinic) -> None:
    del on_databricks.section["schema"]
    results = on_databricks.results()
    assert results["settings"].state == "broken"
    assert f"{on_databricks.file}:1: databricks.schema" in results["settings"].found
    assert "workspace" not in results


@pytest.mark.parametrize(
    ("field", "value", "title", "fix"),
    [
        ("catalog", "nowhere", "catalog nowhere", "CREATE CATALOG `nowhere`"),
        ("schema", "nowhere", "schema main.nowhere", "CREATE SCHEMA `main`.`nowhere`"),
        ("volume", "nowhere", "volume main.ml_assets.nowhere", "CREATE VOLUME `main`.`ml_assets`"),
    ],
)
def test_what_does_not_exist_comes_with_the_statement_that_makes_it(
    on_databricks: Clinic, field: str, value: str, title: str, fix: str
) -> None:
    on_databricks.section[field] = value
    results = on_databricks.results()
    assert results[title].found == "does not exist"
    assert results[title].fix.startswith(fix)
    assert results["volume, a file"].state == "broken"


def test_a_schema_that_a_model_writes_to_is_missing(
    on_databricks: Clinic, workspace: Emulator
) -> None:
    del workspace.unity.found["schemas"]["main.shop"]
    assert on_databricks.results()["schema main.shop"].state == "broken"


def test_a_volume_that_may_only_be_read(on_databricks: Clinic, workspace: Emulator) -> None:
    workspace.unity.revoke_all("catalog", "main")
    workspace.unity.grant("catalog", "main", "USE_CATALOG", "USE_SCHEMA", "READ_VOLUME")
    found = on_databricks.results()["volume, a file"]
    assert "WRITE_VOLUME" in found.found
    assert found.fix == f"GRANT READ VOLUME, WRITE VOLUME ON VOLUME {VOLUME} TO `{USER}`"


def test_a_permission_that_is_missing_comes_with_the_grant(
    on_databricks: Clinic, workspace: Emulator
) -> None:
    _give_away(workspace, "main.shop")
    workspace.unity.revoke_all("catalog", "main")
    held = ("USE_CATALOG", "USE_SCHEMA", "SELECT", "READ_VOLUME", "WRITE_VOLUME", "CREATE_TABLE")
    workspace.unity.grant("catalog", "main", *held)
    found = on_databricks.results()["may write main.shop"]
    assert found.state == "broken"
    assert found.found == f"CREATE MODEL, MODIFY not granted to {USER}"
    assert found.fix == f"GRANT CREATE MODEL, MODIFY ON SCHEMA `main`.`shop` TO `{USER}`"


def test_who_owns_a_schema_may_write_it_when_the_catalog_is_open(
    on_databricks: Clinic, workspace: Emulator
) -> None:
    workspace.unity.revoke_all("catalog", "main")
    workspace.unity.grant("catalog", "main", "USE_CATALOG", "USE_SCHEMA")
    assert on_databricks.results()["may write main.shop"].state == "fine"


def test_what_everybody_may_do_is_enough(on_databricks: Clinic, workspace: Emulator) -> None:
    _give_away(workspace, "main.shop")
    workspace.unity.revoke_all("catalog", "main")
    workspace.unity.grant("catalog", "main", "USE_CATALOG", "USE_SCHEMA")
    workspace.unity.grant("schema", "main.shop", "ALL_PRIVILEGES", to="account users")
    assert on_databricks.results()["may write main.shop"].state == "fine"


def test_who_is_in_a_group_may_hold_it_through_another_group(
    on_databricks: Clinic, workspace: Emulator
) -> None:
    _give_away(workspace, "main.shop")
    workspace.unity.revoke_all("catalog", "main")
    workspace.unity.grant("catalog", "main", "USE_CATALOG", "USE_SCHEMA")
    on_databricks.results()
    here = Workspace(databricks_settings())
    me = User(user_name=USER, groups=[ComplexValue(display="analysts")])
    here.__dict__["me"] = me
    found = catalog.may_write(here, "main.shop")
    assert found.state == "unknown"
    assert "nor directly to its groups analysts" in found.found


def test_databricks_own_tables_are_to_be_read_and_not_to_be_written(
    on_databricks: Clinic, workspace: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A seed of theirs is for laptops; who may create nothing beside them is in order."""
    names = ["main.shop.churn", "system.billing.usage"]
    monkeypatch.setattr(machine, "written_names", lambda _: names)
    missing = on_databricks.results()["schema system.billing"]
    assert missing.state == "broken"
    assert "account admin" in missing.fix
    workspace.unity.create_schema("system.billing")
    _give_away(workspace, "system.billing")
    workspace.unity.found["catalogs"]["system"]["owner"] = "System user"
    workspace.unity.revoke_all("catalog", "system")
    workspace.unity.grant("catalog", "system", "USE_CATALOG")
    workspace.unity.grant("schema", "system.billing", "USE_SCHEMA")
    found = on_databricks.results()
    assert "may write system.billing" not in found
    assert found["may read system.billing"].fix == (
        f"GRANT SELECT ON SCHEMA `system`.`billing` TO `{USER}`"
    )
    workspace.unity.grant("schema", "system.billing", "SELECT")
    assert on_databricks.results()["may read system.billing"].state == "fine"


def _give_away(workspace: Emulator, schema: str) -> None:
    workspace.unity.found["schemas"][schema]["owner"] = "somebody else"


def test_no_warehouse_is_no_fault(on_databricks: Clinic) -> None:
    del on_databricks.section["warehouse_id"]
    assert on_databricks.results()["SQL warehouse"].state == "unknown"
    assert on_databricks.printed()[0] == 0


def test_a_warehouse_that_does_not_exist(on_databricks: Clinic) -> None:
    on_databricks.section["warehouse_id"] = "gone"
    found = on_databricks.results()["SQL warehouse"]
    assert found.state == "broken"
    assert "databricks.warehouse_id" in found.fix


def test_a_warehouse_that_is_being_deleted(on_databricks: Clinic, workspace: Emulator) -> None:
    workspace.sql.create_warehouse(WAREHOUSE, state="DELETING")
    assert on_databricks.results()["SQL warehouse"].state == "broken"


def test_run_asks_the_warehouse(on_databricks: Clinic, workspace: Emulator) -> None:
    on_databricks.results()
    found = compute.warehouse(Workspace(databricks_settings()), run=True)
    assert found.state == "fine"
    assert workspace.sql.executed == ["SELECT 1 AS one"]


def test_serverless_cannot_be_looked_at(on_databricks: Clinic) -> None:
    del on_databricks.section["compute"]
    found = on_databricks.results()["compute"]
    assert found.state == "unknown"
    assert "--run" in found.found


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        ({"spark_version": "17.3.x-scala2.13"}, "is not an ML runtime"),
        ({"spark_version": "13.3.x-cpu-ml-scala2.12"}, "is older than 17.3"),
        ({"data_security_mode": "USER_ISOLATION"}, "needs a dedicated one"),
    ],
)
def test_a_cluster_that_does_not_do(
    on_databricks: Clinic, workspace: Emulator, cluster: dict[str, str], words: str
) -> None:
    workspace.compute.create_cluster(CLUSTER, **cluster)
    found = on_databricks.results()["compute"]
    assert found.state == "broken"
    assert words in found.found


def test_a_cluster_that_is_gone(on_databricks: Clinic) -> None:
    on_databricks.section["compute"] = {"existing_cluster": {"cluster_id": "gone"}}
    assert "cluster gone" in on_databricks.results()["compute"].found


RUNTIME = "17.3.x-cpu-ml-scala2.13"


def test_a_new_cluster_of_a_pool_and_a_policy(on_databricks: Clinic, workspace: Emulator) -> None:
    cluster = {"spark_version": RUNTIME, "instance_pool_id": "pool1", "policy_id": "small"}
    on_databricks.section["compute"] = {"new_cluster": cluster}
    found = on_databricks.results()["compute"]
    assert found.state == "broken"
    assert "policy_id and instance_pool_id" in found.fix
    workspace.compute.create_pool("pool1")
    workspace.compute.create_policy("small")
    found = on_databricks.results()["compute"]
    assert found.state == "fine"
    assert found.found == f"new cluster: {RUNTIME}, policy small, pool pool1"


@pytest.mark.parametrize(
    ("wanted", "state", "words"),
    [
        ("i3.xlarge", "fine", "i3.xlarge"),
        ("i3.xlarg", "broken", "did you mean 'i3.xlarge'?"),
    ],
)
def test_a_machine_type_must_exist_in_this_cloud(wanted: str, state: str, words: str) -> None:
    known = NodeType("i3.xlarge", 0, 4.0, "", "", "")
    answer = ListNodeTypesResponse(node_types=[known])
    clusters = SimpleNamespace(list_node_types=lambda: answer)
    cluster = NewCluster(spark_version=RUNTIME, node_type_id=wanted)
    settings = SimpleNamespace(
        compute=SimpleNamespace(existing_cluster=None, serverless=None, new_cluster=cluster)
    )
    here: Any = SimpleNamespace(settings=settings, client=SimpleNamespace(clusters=clusters))
    found = compute.compute(here)
    assert found.state == state
    assert words in found.found


def test_a_wheel_that_is_not_there(on_databricks: Clinic) -> None:
    on_databricks.section["wheel"] = "dist/there_is_none.whl"
    assert on_databricks.results()["wheel"].state == "broken"


def test_a_broken_model_is_said_and_the_rest_is_looked_at(on_databricks: Clinic) -> None:
    def load() -> Any:
        raise ImportError("no module named shop")

    on_databricks.load = load
    results = on_databricks.results()
    assert results["definitions"].found == "ImportError: no module named shop"
    assert results["volume, a file"].state == "fine"
