"""Two models on one feature table, with steps that only remember: here and on Databricks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from ml_assets.orchestration.demo.run import find_job, with_what_is_missing
from ml_assets.orchestration.model_defs import build_model_defs
from ml_assets.orchestration.names import asset_key
from ml_assets.orchestration.sensor import Tick
from ml_assets.orchestration.versions import EmbeddedVersions
from ml_assets.spec.loader import spec_from_mapping
from ml_assets_tests.orchestration.fakes import (
    DECLARATION,
    Launcher,
    World,
    failure_text,
    make_spec,
)

if TYPE_CHECKING:
    from ml_assets.orchestration.resources import Sharing
    from ml_assets.spec.model import ModelSpec

OWN = {"labels", "training_set", "trained_model", "model_version", "predictions"}
#: What another model makes of what the heir stands on; ``people`` is filled by somebody else.
REUSED = {"sources/visits", "features/activity", "features/profile"}
HEIR: dict[str, Any] = {
    **DECLARATION,
    "model": "heir",
    "registered_model": "main.shop.heir",
    "sources": {
        "visits": {"reuse": "shop/churn/visits"},
        "people": {"reuse": "shop/churn/people"},
    },
    "feature_tables": [{"reuse": "shop/churn/activity"}, {"reuse": "shop/churn/profile"}],
    "label": {**DECLARATION["label"], "table": "main.shop.heir_labels"},
    "training_set": "main.shop.heir_training_set",
    "scoring": {**DECLARATION["scoring"], "table": "main.shop.heir_predictions"},
}


def heir_spec(owner: ModelSpec, **changes: Any) -> ModelSpec:
    return spec_from_mapping({**HEIR, **changes}, origin="here", owners=[owner])


@dataclass
class Shop:
    """An owner and its heir on one instance."""

    instance: dg.DagsterInstance
    sharing: Sharing | None
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.owner = make_spec()
        self.heir = heir_spec(self.owner)
        self.launcher = Launcher(self.world)
        there = {"databricks": self.launcher} if self.sharing else {"platform": self.world}
        hardcoded = dg.ResourceDefinition.hardcoded_resource
        recipe = self.world.recipe()
        self.definitions = dg.Definitions.merge(
            build_model_defs(self.owner, recipe, self.sharing),
            build_model_defs(self.heir, recipe, self.sharing),
            dg.Definitions(resources={k: hardcoded(v) for k, v in there.items()}),
        )

    def run(self, job: str, *keys: dg.AssetKey) -> dg.ExecuteInProcessResult:
        self.world.built.clear()
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, raise_on_error=False, asset_selection=list(keys) or None
        )

    def key(self, asset: str) -> dg.AssetKey:
        return asset_key(self.heir, asset)


@pytest.fixture(params=[None, "per_model", "per_asset"])
def shop(instance: dg.DagsterInstance, request: pytest.FixtureRequest) -> Shop:
    return Shop(instance, request.param)


@pytest.fixture
def here(instance: dg.DagsterInstance) -> Shop:
    return Shop(instance, None)


def made(result: dg.ExecuteInProcessResult) -> set[str]:
    return {
        e.asset_key.to_user_string()
        for e in result.get_asset_materialization_events()
        if e.asset_key
    }


def test_before_the_owner_ran_the_heir_says_what_to_materialize_first(shop: Shop) -> None:
    result = shop.run("shop__heir", shop.key("training_set"))
    assert not result.success
    assert "shop/churn/features/activity was never materialized" in failure_text(result)
    assert "the job shop__heir__with_reused makes it too" in failure_text(result)
    assert shop.world.built == []


def test_the_heir_s_job_makes_its_own_and_takes_the_owner_s_handles(shop: Shop) -> None:
    assert shop.run("shop__churn").success
    result = shop.run("shop__heir")
    assert result.success, failure_text(result)
    assert made(result) == {f"shop/heir/{asset}" for asset in OWN}
    assert set(shop.world.built) == OWN
    inputs = shop.world.inputs["training_set"].handles
    assert inputs["features/activity"].table == "main.shop.activity"
    assert inputs["features/activity"].delta_version == 0
    assert "features/profile" in shop.world.inputs["predictions"].handles


def test_a_job_makes_what_is_reused_too_and_nothing_else_of_the_owner(shop: Shop) -> None:
    result = shop.run("shop__heir__with_reused")
    assert result.success, failure_text(result)
    assert made(result) == {
        *(f"shop/heir/{asset}" for asset in OWN),
        *(f"shop/churn/{asset}" for asset in REUSED),
    }
    checked = {e.asset_key.to_user_string() for e in result.get_asset_check_evaluations()}
    assert "shop/churn/features/activity" in checked


def test_a_red_check_on_the_owner_s_table_stops_the_heir(shop: Shop) -> None:
    assert shop.run("shop__churn").success
    shop.world.red.add("keys_unique")
    checks = dg.AssetSelection.checks(
        dg.AssetCheckKey(shop.key("features/activity"), "keys_unique")
    )
    resources = {"databricks": shop.launcher} if shop.sharing else {"platform": shop.world}
    dg.materialize(
        list(shop.definitions.assets or []),
        selection=checks,
        instance=shop.instance,
        resources=resources,
        raise_on_error=False,
    )
    shop.world.red.clear()
    result = shop.run("shop__heir", shop.key("training_set"))
    assert "training_set was not started" in failure_text(result)
    assert "shop/churn/features/activity" in failure_text(result)
    assert shop.world.built == []


def test_a_red_check_on_the_owner_s_table_stops_the_heir_in_the_same_run(shop: Shop) -> None:
    shop.world.red.add("keys_unique")
    result = shop.run("shop__heir__with_reused")
    assert not result.success
    assert "training_set" not in shop.world.built


def _write(home: Path, table: str) -> None:
    folder = home.joinpath("warehouse", *table.split("."))
    write_deltalake(str(folder), pa.table({"person": ["a"]}), mode="append")


def test_rows_that_nobody_judged_in_the_owner_s_table_stop_the_heir(shop: Shop, home: Path) -> None:
    assert shop.run("shop__churn").success
    assert shop.run("shop__heir", shop.key("labels")).success
    for _ in range(2):
        _write(home, "main.shop.activity")
    result = shop.run("shop__heir", shop.key("training_set"))
    assert not result.success
    assert "the checks judged version 0, the stored data version is 1" in failure_text(result)
    assert shop.world.built == []


def test_the_refresh_checks_the_owner_s_table_and_makes_none_of_it(shop: Shop) -> None:
    assert shop.run("shop__churn").success
    assert shop.run("shop__heir").success
    shop.world.measured.clear()
    result = shop.run("shop__heir__refresh")
    assert result.success, failure_text(result)
    assert set(shop.world.measured) == {"features/activity", "features/profile"}
    assert made(result) == {f"shop/heir/{asset}" for asset in OWN - {"labels"}}


def test_a_new_version_of_the_owner_s_table_starts_the_heir_s_refresh(
    here: Shop, home: Path
) -> None:
    def tick(cursor: str | None) -> dg.SensorResult:
        recipe = here.world.recipe()
        return Tick(here.heir, recipe, here.instance, EmbeddedVersions(home)).evaluate(cursor)

    _write(home, "main.shop.activity")
    first = tick(None)
    _write(home, "main.shop.activity")
    second = tick(first.cursor)
    (request,) = second.run_requests or []
    assert set(request.asset_selection or []) == {here.key(a) for a in OWN - {"labels"}}
    checks = {key.asset_key for key in request.asset_check_keys or []}
    assert here.key("features/activity") in checks
    assert here.key("features/profile") not in checks
    assert not second.asset_events  # the owner's own sensor observes its table


def test_the_demo_makes_what_is_missing_and_only_that(here: Shop) -> None:
    job = find_job(here.definitions, "shop/heir")
    assert (
        with_what_is_missing(here.definitions, job, here.instance).name == "shop__heir__with_reused"
    )
    assert here.run("shop__churn").success
    assert with_what_is_missing(here.definitions, job, here.instance).name == "shop__heir"
    owner = find_job(here.definitions, "shop/churn")
    assert with_what_is_missing(here.definitions, owner, here.instance).name == "shop__churn"


def test_the_heir_s_part_of_the_work_on_databricks_names_the_judged_versions(
    instance: dg.DagsterInstance,
) -> None:
    shop = Shop(instance, "per_model")
    assert shop.run("shop__churn").success
    assert shop.run("shop__heir").success
    work = shop.launcher.works[-1]
    assert work.spec.name == "shop/heir"
    assert {task.asset for task in work.tasks} == OWN
    assert set(work.handles) == REUSED
    assert work.judged["features/activity"] == (0,)


def test_definitions_of_both_are_loadable(shop: Shop) -> None:
    dg.Definitions.validate_loadable(shop.definitions)
