"""ml_assets.yaml: what is read, what is refused, with file, line and field."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ml_assets.orchestration.databricks import compute as resource_compute
from ml_assets.orchestration.databricks.resource import DatabricksResource
from ml_assets.orchestration.settings import compute as settings_compute
from ml_assets.orchestration.settings import (
    databricks_resource,
    databricks_settings,
    load_settings,
    settings_file,
    workspace_client,
)
from ml_assets.orchestration.settings.fields import Compute, DatabricksSettings, Settings
from ml_assets.spec.errors import DeclarationError, MlAssetsError, SpecError

if TYPE_CHECKING:
    from pydantic import BaseModel

ROOT = Path(__file__).resolve().parents[2]
SMALLEST = "databricks:\n  catalog: main\n  schema: ml\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "settings.yaml"
    monkeypatch.setenv("ML_ASSETS_CONFIG", str(path))
    return path


def read(file: Path, text: str) -> DatabricksSettings:
    file.write_text(text)
    return databricks_settings()


def problems(file: Path, text: str) -> dict[str, SpecError]:
    """Problems by where they are, without the folder."""
    file.write_text(text)
    with pytest.raises(DeclarationError) as caught:
        load_settings()
    return {p.where.replace(f"{file}:", ""): p for p in caught.value.problems}


def test_three_words_are_enough(file: Path) -> None:
    found = read(file, SMALLEST)
    assert found.volume_path == "/Volumes/main/ml/jobs"
    assert found.compute == Compute()
    assert found.compute.kind == "serverless"
    assert found.warehouse_id is None
    assert found.observe_every == timedelta(minutes=15)
    assert found.sharing == "per_model"
    assert found.timeout == timedelta(hours=4)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "databricks:\n", "{}\n"])
def test_what_is_not_said_is_unset(file: Path, text: str) -> None:
    file.write_text(text)
    assert load_settings() == Settings(databricks=None)


def test_a_volume_may_be_a_full_path(file: Path) -> None:
    found = read(file, f"{SMALLEST}  volume: /Volumes/other/ml/exchange/\n")
    assert found.volume_path == "/Volumes/other/ml/exchange"


def test_variables_are_filled_in_and_empty_ones_are_as_if_unset(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """databricks:
  catalog: "{{ env.CATALOG_OF_TEST }}"
  schema: "{{ env('SCHEMA_OF_TEST', 'ml') }}"
  volume: "{{ env('VOLUME_OF_TEST', '') }}"
  warehouse_id: "{{ env('WAREHOUSE_OF_TEST', '') }}"
"""
    monkeypatch.setenv("CATALOG_OF_TEST", "staging")
    found = read(file, text)
    assert found.volume_path == "/Volumes/staging/ml/jobs"
    assert found.warehouse_id is None
    monkeypatch.setenv("WAREHOUSE_OF_TEST", "1234567890")
    assert read(file, text).warehouse_id == "1234567890"


def test_ids_of_nothing_but_digits_need_no_quotes(file: Path) -> None:
    assert read(file, f"{SMALLEST}  warehouse_id: 1234567890\n").warehouse_id == "1234567890"


def test_a_variable_that_is_not_set_is_named(file: Path) -> None:
    (where, problem), *others = problems(
        file, 'databricks:\n  catalog: "{{ env.NOT_SET_IN_TESTS }}"\n  schema: ml\n'
    ).items()
    assert not others
    assert where == "2: databricks.catalog"
    assert "NOT_SET_IN_TESTS is not set" in problem.found


def test_everything_wrong_is_said_at_once_with_its_line(file: Path) -> None:
    found = problems(
        file,
        """databricks:
  catalog: main
  schma: ml
  sharing: per_modl
  timeout: 3h
  compute:
    serverles: {}
""",
    )
    assert found["3: databricks.schma"].fix == "write 'schema' (did you mean that?)"
    assert found["1: databricks.schema"].found == "nothing: the field is missing"
    assert found["4: databricks.sharing"].fix == "write 'per_model' (did you mean that?)"
    assert found["5: databricks.timeout"].fix == "write 3 hours"
    assert found["7: databricks.compute.serverles"].fix == "write 'serverless' (did you mean that?)"
    assert len(found) == 5


@pytest.mark.parametrize("name", ["token", "client_secret", "password"])
def test_credentials_are_refused_and_never_repeated(file: Path, name: str) -> None:
    file.write_text(f"{SMALLEST}  {name}: dapi0123456789abcdef\n")
    with pytest.raises(DeclarationError) as caught:
        load_settings()
    assert caught.value.where == f"{file}:4: databricks.{name}"
    assert "environment variable DATABRICKS_" in caught.value.fix
    assert "dapi0123" not in str(caught.value)


@pytest.mark.parametrize(
    ("compute", "field"),
    [
        ("{existing_cluster: {}}", "existing_cluster.cluster_id"),
        ("{new_cluster: {node_type_id: i3.xlarge}}", "new_cluster.spark_version"),
        ("{new_cluster: {spark_version: 17}}", "new_cluster.node_type_id"),
        (
            "{new_cluster: {spark_version: 17, node_type_id: a, instance_pool_id: b}}",
            "new_cluster.node_type_id",
        ),
        (
            "{new_cluster: {spark_version: 17, node_type_id: a, num_workers: 2, autoscale: {max_workers: 4}}}",
            "new_cluster.num_workers",
        ),
        (
            "{new_cluster: {spark_version: 17, node_type_id: a, autoscale: {min_workers: 4, max_workers: 2}}}",
            "new_cluster.autoscale.max_workers",
        ),
        ("{serverless: {}, existing_cluster: {cluster_id: 1-2-c}}", "existing_cluster"),
    ],
)
def test_compute_that_cannot_be_is_refused(file: Path, compute: str, field: str) -> None:
    found = problems(file, f"{SMALLEST}  compute: {compute}\n")
    assert list(found) == [f"4: databricks.compute.{field}"]


@pytest.mark.parametrize("field", ["timeout", "observe_every", "poll_interval"])
def test_nothing_may_take_no_time_at_all(file: Path, field: str) -> None:
    (problem,) = problems(file, f"{SMALLEST}  {field}: 0 seconds\n").values()
    assert problem.expected == "a duration above zero"


def test_a_section_that_does_not_exist_is_refused(file: Path) -> None:
    found = problems(file, "databrics:\n  catalog: main\n")
    assert found["1: databrics"].fix == "write 'databricks' (did you mean that?)"


def test_two_documents_are_refused_in_the_words_of_this_file(file: Path) -> None:
    (problem,) = problems(file, f"{SMALLEST}---\n{SMALLEST}").values()
    assert problem.expected == "one document with a section databricks:"


def test_a_missing_file_is_fine_until_databricks_is_asked_for(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ML_ASSETS_CONFIG")
    monkeypatch.setattr("ml_assets.orchestration.settings.FILE_NAME", "there_is_no_such_file.yaml")
    assert settings_file() is None
    assert load_settings() == Settings()
    with pytest.raises(DeclarationError, match=r"no file there_is_no_such_file\.yaml") as caught:
        databricks_settings()
    assert "ML_ASSETS_CONFIG" in caught.value.fix


def test_a_file_that_the_variable_names_must_be_there(file: Path) -> None:
    with pytest.raises(DeclarationError, match="No such file") as caught:
        load_settings()
    assert caught.value.where == str(file)


def test_databricks_without_its_section_is_refused(file: Path) -> None:
    file.write_text("# nothing\n")
    with pytest.raises(DeclarationError, match="no section databricks:"):
        databricks_settings()


def test_the_file_is_found_from_a_folder_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ML_ASSETS_CONFIG", raising=False)
    (tmp_path / "ml_assets.yaml").write_text(SMALLEST)
    (below := tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(below)
    assert settings_file() == tmp_path / "ml_assets.yaml"


def test_from_anywhere_else_the_project_s_own_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ML_ASSETS_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert settings_file() == ROOT / "ml_assets.yaml"


def test_the_shipped_file_is_complete_with_nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CATALOG", "SCHEMA", "VOLUME", "WAREHOUSE_ID"):
        monkeypatch.delenv(f"ML_ASSETS_{name}", raising=False)
    found = load_settings(ROOT / "ml_assets.yaml").databricks
    assert found is not None
    assert found.volume_path == "/Volumes/flight_ops/ml_assets/jobs"
    assert found.compute.kind == "serverless"


def test_a_client_without_credentials_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HOST", "TOKEN", "CLIENT_ID", "CLIENT_SECRET", "CONFIG_PROFILE"):
        monkeypatch.delenv(f"DATABRICKS_{name}", raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "no.cfg"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DATABRICKS_HOST", "https://example.invalid")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "a-secret-of-this-test")
    with pytest.raises(MlAssetsError, match="DATABRICKS_CLIENT_ID") as caught:
        workspace_client(DatabricksSettings(catalog="main", schema="ml"))
    assert "a-secret-of-this-test" not in str(caught.value)


FULL = """databricks:
  catalog: main
  schema: ml
  volume: exchange
  warehouse_id: w1
  sharing: per_asset
  timeout: 1 hour
  pending_deadline: 10 minutes
  retry_deadline: 2 minutes
  poll_interval: 0.5 seconds
  message_interval: 2 seconds
  http_timeout: 20 seconds
  wheel: dist/x.whl
  dependencies: [holidays]
  permissions: [{principal: ml-team, level: CAN_MANAGE_RUN}]
  notify_on_failure: [ml@example.com]
  host: https://example.cloud.databricks.com
  profile: STAGING
  token_variable: STAGING_TOKEN
  compute:
    new_cluster:
      spark_version: 17.3.x-cpu-ml-scala2.13
      instance_pool_id: pool1
      policy_id: 12345
      autoscale: {max_workers: 4}
      spot: on_demand
      custom_tags: {team: ml, cost_center: 7}
      spark_conf: {spark.sql.shuffle.partitions: 8}
"""


def test_every_field_reaches_the_resource(file: Path) -> None:
    file.write_text(FULL)
    resource = databricks_resource()
    found = {name: getattr(resource, name) for name in type(resource).model_fields}
    compute = found.pop("compute")
    [permission] = found.pop("permissions")
    assert found == {
        "catalog": "main",
        "schema_name": "ml",
        "volume": "exchange",
        "warehouse_id": "w1",
        "sharing": "per_asset",
        "timeout_seconds": 3600,
        "pending_deadline_seconds": 600,
        "retry_deadline_seconds": 120,
        "poll_interval_seconds": 0.5,
        "message_interval_seconds": 2,
        "http_timeout_seconds": 20,
        "wheel": "dist/x.whl",
        "dependencies": ["holidays"],
        "notify_on_failure": ["ml@example.com"],
        "host": "https://example.cloud.databricks.com",
        "profile": "STAGING",
        "token_variable": "STAGING_TOKEN",
    }
    assert (permission.principal, permission.kind, permission.level) == (
        "ml-team",
        "group",
        "CAN_MANAGE_RUN",
    )
    cluster = compute.new_cluster
    assert (cluster.instance_pool_id, cluster.policy_id) == ("pool1", "12345")
    assert (cluster.autoscale.min_workers, cluster.autoscale.max_workers) == (1, 4)
    assert cluster.spot == "on_demand"
    assert cluster.custom_tags == {"team": "ml", "cost_center": "7"}
    assert cluster.spark_conf == {"spark.sql.shuffle.partitions": "8"}


def test_the_smallest_settings_make_a_resource_with_the_same_folder(file: Path) -> None:
    file.write_text(SMALLEST)
    resource = databricks_resource()
    assert resource.volume_path == databricks_settings().volume_path
    assert resource.compute.task_fields("x.whl", [], "aws") == {"environment_key": "ml_assets"}


def _names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


@pytest.mark.parametrize("name", ["Serverless", "ExistingCluster", "Autoscale", "NewCluster"])
def test_compute_is_the_resource_s(name: str) -> None:
    ours, theirs = getattr(settings_compute, name), getattr(resource_compute, name)
    assert _names(ours) == _names(theirs)


def test_each_field_of_the_resource_can_be_set_in_the_file() -> None:
    renamed = {"schema": "schema_name"}
    seconds = {n for n in _names(DatabricksResource) if n.endswith("_seconds")}
    ours = {renamed.get(n, n) for n in _names(DatabricksSettings)} - {"observe_every"}
    assert ours == {
        n.removesuffix("_seconds") if n in seconds else n for n in _names(DatabricksResource)
    }
