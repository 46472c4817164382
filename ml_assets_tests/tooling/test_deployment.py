"""Deployment files: they load, they agree with the code and with each other, they hold no secret."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
import sqlalchemy
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.ref import InstanceRef
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config
from databricks.sdk.config import Config
from databricks.sdk.service.catalog import Privilege

from ml_assets.orchestration import instance as laptop
from ml_assets.orchestration.settings import load_settings
from ml_assets.platform.databricks.catalog import is_system_table
from ml_assets.spec.loader import load_spec
from ml_assets.spec.templates import render

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
FLIGHTS = ROOT / "ml_assets" / "defs" / "flight_ops" / "arrival_delay" / "defs.yaml"
ENVIRONMENTS = ["dev", "staging", "prod"]
POSTGRES = {
    "DAGSTER_POSTGRES_HOST": "postgres",
    "DAGSTER_POSTGRES_DB": "dagster",
    "DAGSTER_POSTGRES_USER": "dagster",
    "DAGSTER_POSTGRES_PASSWORD": "p/w",
}
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


BUNDLE = load(ROOT / "databricks.yml")
COMPOSE = load(DEPLOY / "docker-compose.yaml")
HELM = load(DEPLOY / "helm-values.yaml")
[USER_CODE] = HELM["dagster-user-deployments"]["deployments"]
WORKFLOW_TEXT = (ROOT / ".github" / "workflows" / "deploy.yml").read_text()
WORKFLOW = yaml.safe_load(WORKFLOW_TEXT)
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CATALOG", "SCHEMA", "VOLUME", "WAREHOUSE_ID", "WHEEL", "CONFIG", "PLATFORM"):
        monkeypatch.delenv(f"ML_ASSETS_{name}", raising=False)


def names_in_flights() -> list[str]:
    spec = load_spec(FLIGHTS)
    label = spec.label
    tables = [*(s.table for s in spec.sources.values()), *(t.table for t in spec.feature_tables)]
    return [*tables, label.table, spec.training_set, spec.scoring.table, spec.registered_model]


# --- A catalog for each environment ----------------------------------------------------------


def test_one_variable_moves_the_flights_to_another_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    before = names_in_flights()
    assert {name.split(".")[0] for name in before} == {"flight_ops"}
    monkeypatch.setenv("ML_ASSETS_CATALOG", "flight_ops_dev")
    assert names_in_flights() == [f"flight_ops_dev{n.removeprefix('flight_ops')}" for n in before]
    settings = load_settings(ROOT / "ml_assets.yaml").databricks
    assert settings.volume_path == "/Volumes/flight_ops_dev/ml_assets/jobs"


def test_it_moves_every_model_that_is_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the schemas of one bundle are enough; only Databricks' own tables stay where they are."""
    monkeypatch.setenv("ML_ASSETS_CATALOG", "one_for_all")
    assert {name.split(".")[0] for name in names_in_all_models()} == {"one_for_all", "system"}


def names_in_all_models() -> set[str]:
    """Every three-level name that a declaration holds, as it is rendered."""
    found: set[str] = set()
    for file in (ROOT / "ml_assets" / "defs").rglob("defs.yaml"):
        rendered, unset = render(load(file))
        assert not unset
        found |= set(three_level_names(rendered))
    return found


def three_level_names(value: Any, field: str = "") -> Iterator[str]:
    parts = list(value.items()) if isinstance(value, dict) else []
    parts += [(field, part) for part in value] if isinstance(value, list) else []
    for name, part in parts:
        yield from three_level_names(part, name)
    if isinstance(value, str) and field in {"table", "training_set", "registered_model"}:
        yield value


# --- databricks.yml --------------------------------------------------------------------------


def test_the_bundle_makes_every_schema_that_is_written_to() -> None:
    made = {entry["name"] for entry in BUNDLE["resources"]["schemas"].values()}
    named = {n.split(".")[1] for n in names_in_all_models() if not is_system_table(n)}
    assert made - {"${var.schema}"} == named
    catalogs = {entry["catalog_name"] for entry in BUNDLE["resources"]["schemas"].values()}
    assert catalogs == {"${var.catalog}"}


def test_the_bundle_s_names_are_the_defaults_of_the_settings() -> None:
    settings = load_settings(ROOT / "ml_assets.yaml").databricks
    variables = {name: entry.get("default") for name, entry in BUNDLE["variables"].items()}
    assert (variables["schema"], variables["volume"]) == (settings.schema_, settings.volume)
    catalogs = {name: target["variables"]["catalog"] for name, target in BUNDLE["targets"].items()}
    assert list(catalogs) == ENVIRONMENTS
    assert len(set(catalogs.values())) == len(catalogs)
    assert catalogs["prod"] == settings.catalog
    [default] = [name for name, target in BUNDLE["targets"].items() if target.get("default")]
    assert default == "dev"


def test_what_the_bundle_refers_to_exists() -> None:
    text = (ROOT / "databricks.yml").read_text()
    assert set(re.findall(r"\$\{var\.(\w+)\}", text)) <= set(BUNDLE["variables"])
    for path in re.findall(r"\$\{resources\.([\w.]+)\}", text):
        node = BUNDLE["resources"]
        for step in path.split("."):
            node = node[step]
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    task = BUNDLE["resources"]["jobs"]["installed"]["tasks"][0]
    assert task["python_wheel_task"]["entry_point"] in scripts
    keys = {e["environment_key"] for e in BUNDLE["resources"]["jobs"]["installed"]["environments"]}
    assert task["environment_key"] in keys


def test_grants_are_privileges_and_nothing_is_granted_to_a_person() -> None:
    resources = [*BUNDLE["resources"]["schemas"].values(), *BUNDLE["resources"]["volumes"].values()]
    known = {privilege.value for privilege in Privilege}
    for entry in resources:
        assert entry["lifecycle"] == {"prevent_destroy": True}
        for grant in entry["grants"]:
            assert set(grant["privileges"]) <= known
            assert grant["principal"] in {"${var.jobs_principal}", "${var.readers}"}


# --- deploy/dagster.yaml ---------------------------------------------------------------------


@pytest.fixture
def reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InstanceRef:
    """The settings as Dagster reads them; it refuses unknown fields."""
    for name, value in POSTGRES.items():
        monkeypatch.setenv(name, value)
    text = (DEPLOY / "dagster.yaml").read_text()
    (tmp_path / "dagster.yaml").write_text(text)
    return InstanceRef.from_dir(str(tmp_path))


def test_dagster_accepts_the_settings(reference: InstanceRef) -> None:
    assert reference.storage_data.class_name == "DagsterPostgresStorage"
    wanted = resolve_to_config_type(DagsterPostgresStorage.config_type())
    given = yaml.safe_load(reference.storage_data.config_yaml)
    processed = process_config(wanted, given)
    assert processed.success, processed.errors
    # Imports the driver, and connects to nothing.
    engine = sqlalchemy.create_engine(pg_url_from_config(processed.value))
    assert engine.url.render_as_string(hide_password=False) == (
        "postgresql+psycopg2://dagster:p%2Fw@postgres:5432/dagster"
    )
    assert reference.settings["telemetry"] == {"enabled": False}


def test_runs_of_one_model_wait_for_each_other_everywhere(reference: InstanceRef) -> None:
    here = yaml.safe_load(laptop.SETTINGS)["concurrency"]["runs"]["tag_concurrency_limits"]
    assert reference.settings["concurrency"]["runs"]["tag_concurrency_limits"] == here
    assert HELM["concurrency"]["runs"]["tagConcurrencyLimits"] == here


def test_no_run_is_ended_before_its_job_run_may_be(reference: InstanceRef) -> None:
    settings = load_settings(ROOT / "ml_assets.yaml").databricks
    longest = (settings.timeout + settings.pending_deadline).total_seconds()
    monitoring = HELM["dagsterDaemon"]["runMonitoring"]
    assert reference.settings["run_monitoring"]["max_runtime_seconds"] > longest
    assert monitoring["maxRuntimeSeconds"] > longest


def test_the_code_location_is_called_by_one_name_and_found_where_it_serves() -> None:
    [server] = [entry["grpc_server"] for entry in load(DEPLOY / "workspace.yaml")["load_from"]]
    command = re.search(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[1]
    arguments = yaml.safe_load(command)
    options = dict(zip(arguments[3::2], arguments[4::2], strict=True))
    assert server["host"] in COMPOSE["services"]
    assert str(server["port"]) == options["--port"]
    assert server["location_name"] == options["--location-name"] == "ml_assets"
    assert options["--module-name"] == laptop.DEFINITIONS
    given = USER_CODE["dagsterApiGrpcArgs"]
    assert {*given} <= {*arguments}


# --- Variables -------------------------------------------------------------------------------


def variables_that_are_read() -> set[str]:
    """Every environment variable that the code, its settings or the SDK read."""
    sources = [*(ROOT / "ml_assets").rglob("*.py"), FLIGHTS, ROOT / "ml_assets.yaml"]
    text = "\n".join(path.read_text() for path in sources)
    ours = set(re.findall(r"\bML_ASSETS_[A-Z_]+\b", text))
    sdk = {attribute.env for attribute in Config.attributes() if attribute.env}
    dagster = set(re.findall(r"env: (\w+)", (DEPLOY / "dagster.yaml").read_text()))
    return ours | sdk | dagster | {"DAGSTER_HOME"}


def environment_of(service: str) -> dict[str, str]:
    return COMPOSE["services"][service]["environment"]


def test_every_variable_that_is_set_is_read_by_somebody() -> None:
    read = variables_that_are_read()
    image = dict(re.findall(r"(\w+)=(\S+)", re.search(r"ENV ((?:.*\\\n)*.*)", DOCKERFILE)[1]))
    of_python = {n for n in image if n.startswith(("PIP_", "PYTHON"))}
    helm = {entry["name"] for entry in USER_CODE["env"]}
    deployed = WORKFLOW["jobs"]["deploy"]["env"]
    for names in (environment_of("code"), set(image) - of_python, helm, deployed):
        assert set(names) <= read, names


def test_only_the_code_location_knows_databricks() -> None:
    for service in ("webserver", "daemon"):
        assert set(environment_of(service)) == set(POSTGRES)
    assert {"DATABRICKS_HOST", "DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET"} <= set(
        environment_of("code")
    )


def test_no_file_holds_a_secret() -> None:
    for service in COMPOSE["services"].values():
        for name, value in service["environment"].items():
            assert not SECRET.search(name) or re.fullmatch(r"\$\{\w+:\?.*\}", str(value)), name
    for line in (DEPLOY / "env.example").read_text().splitlines():
        name, _, value = line.partition("=")
        assert not SECRET.search(name) or not value, line
    assert not [entry["name"] for entry in USER_CODE["env"] if SECRET.search(entry["name"])]
    assert [entry["name"] for entry in USER_CODE["envSecrets"]] == ["ml-assets-databricks"]
    for name, value in WORKFLOW["jobs"]["deploy"]["env"].items():
        assert not SECRET.search(name) or value == f"${{{{ secrets.{name} }}}}", name


def test_the_example_names_every_value_that_compose_asks_for() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (DEPLOY / "docker-compose.yaml").read_text()))
    shown = {
        line.partition("=")[0]
        for line in (DEPLOY / "env.example").read_text().splitlines()
        if line and not line.startswith("#")
    }
    assert shown <= asked
    required = set(re.findall(r"\$\{(\w+):\?", (DEPLOY / "docker-compose.yaml").read_text()))
    assert required <= shown
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


# --- The image and the workflow --------------------------------------------------------------


def test_what_the_image_copies_exists_and_is_let_through() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    allowed = [line.removeprefix("!") for line in lines if line.startswith("!")]
    assert "*" in lines
    copied = [
        source
        for arguments in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE)
        for source in arguments.split()[:-1]
    ]
    assert len(copied) > 5
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) for pattern in allowed), source


def test_the_image_holds_what_a_wheel_is_built_from() -> None:
    from ml_assets.orchestration.databricks import wheel

    for name in (*wheel._BESIDE, wheel.PROJECT):
        assert re.search(rf"^COPY .*\b{re.escape(name)}\b", DOCKERFILE, re.MULTILINE), name


def test_compose_builds_from_the_project_s_root() -> None:
    build = COMPOSE["services"]["code"]["build"]
    context = (DEPLOY / build["context"]).resolve()
    assert context == ROOT
    assert (context / build["dockerfile"]).is_file()
    for service in COMPOSE["services"].values():
        assert set(service.get("depends_on", ())) <= set(COMPOSE["services"])
        for volume in service["volumes"]:
            assert volume.split(":")[0] in COMPOSE["volumes"]
    # The UI has no login of its own.
    assert COMPOSE["services"]["webserver"]["ports"] == ["127.0.0.1:3000:3000"]


def test_the_workflow_deploys_to_the_bundle_s_targets_after_the_tests() -> None:
    triggers = WORKFLOW[True]  # YAML reads the key "on" as true
    assert triggers["workflow_dispatch"]["inputs"]["environment"]["options"] == ENVIRONMENTS
    assert WORKFLOW["jobs"]["deploy"]["needs"] == "test"
    assert (ROOT / ".ci" / "run").is_file()
    assert "bash .ci/run" in [s.get("run") for s in WORKFLOW["jobs"]["test"]["steps"]]
    for name in re.findall(r"--var \"(\w+)=", WORKFLOW_TEXT):
        assert name in BUNDLE["variables"]


def test_the_values_that_the_workflow_sets_are_where_it_sets_them() -> None:
    places = dict(re.findall(r"env\[(\d)\]\.value=\$(\w+)", WORKFLOW_TEXT))
    assert {USER_CODE["env"][int(n)]["name"]: v for n, v in places.items()} == {
        "ML_ASSETS_CATALOG": "ML_ASSETS_CATALOG",
        "ML_ASSETS_WAREHOUSE_ID": "ML_ASSETS_WAREHOUSE_ID",
    }
    assert f"--version {dg.__version__}" in WORKFLOW_TEXT
