"""A small real model through Dagster: real steps, rules, tables and registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from ml_assets.orchestration.model_defs import build_model_defs
from ml_assets.orchestration.names import asset_key
from ml_assets.orchestration.resources import default_resources
from ml_assets.rules.registry import RULES
from ml_assets_tests import tiny
from ml_assets_tests.orchestration.fakes import failed_checks, failure_text, materialized

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

SPEC = tiny.spec()


class Shop:
    """The tiny model on a home and an instance of its own."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.home, self.instance = home, instance
        resources = dg.Definitions(resources=default_resources())
        self.definitions = dg.Definitions.merge(build_model_defs(SPEC), resources)

    def run(self, *assets: str) -> dg.ExecuteInProcessResult:
        return self.select([asset_key(SPEC, a) for a in assets], [])

    def check(self, asset: str, *names: str) -> dg.ExecuteInProcessResult:
        key = asset_key(SPEC, asset)
        names = names or tuple(r.check for r in RULES if r.asset == asset.split("/", maxsplit=1)[0])
        return self.select([], [dg.AssetCheckKey(key, name) for name in names])

    def select(
        self, assets: list[dg.AssetKey], checks: list[dg.AssetCheckKey]
    ) -> dg.ExecuteInProcessResult:
        job = self.definitions.resolve_job_def("shop__spender")
        if assets or checks:
            job = job.get_subset(
                asset_selection=set(assets), asset_check_selection=set(checks) if checks else None
            )
        return job.execute_in_process(instance=self.instance, raise_on_error=False)

    def folder(self, table: str) -> str:
        return str(self.home.joinpath("warehouse", *table.split(".")))

    def metadata(self, asset: str) -> dict[str, object]:
        event = self.instance.get_latest_materialization_event(asset_key(SPEC, asset))
        assert event is not None
        assert event.asset_materialization is not None
        return {k: v.value for k, v in event.asset_materialization.metadata.items()}


@pytest.fixture
def shop(home: Path, instance: dg.DagsterInstance, spark: SparkSession) -> Shop:
    return Shop(home, instance)


def test_the_whole_graph_and_what_somebody_else_does_to_a_table(shop: Shop) -> None:
    result = shop.run()
    assert result.success, failure_text(result)
    assert failed_checks(result) == set()
    assert len(materialized(result)) == 9
    activity = shop.metadata("features/activity")
    assert activity["dagster/row_count"] == tiny.CUSTOMERS * tiny.DAYS
    assert str(activity["dagster/uri"]).endswith("shop/features/activity")
    columns = activity["dagster/column_schema"].columns  # type: ignore[attr-defined]
    described = {c.name: (c.type, c.description) for c in columns}
    assert described["amount"] == ("double", "Amount spent")
    version = shop.metadata("model_version")
    assert version["model_version"] == version["champion"] == 1
    assert 0.6 < version["holdout_roc_auc"] < 1  # type: ignore[operator]

    # The commit says which run wrote it: the sensor looks there.
    commit = DeltaTable(shop.folder("shop.features.activity")).history(1)[0]
    assert commit["ml_assets.dagster_run_id"] == result.run_id
    inputs = shop.metadata("training_set")["inputs"]
    assert set(inputs) >= {"shop.features.activity", "shop.features.profile"}  # type: ignore[call-overload]

    # Somebody writes NaN into a feature table: nobody judged that, what stands on it is refused.
    folder = shop.folder("shop.features.profile")
    rows = DeltaTable(folder).to_pyarrow_table()
    ages = pa.array([float("nan")] * rows.num_rows)
    broken = rows.set_column(rows.schema.get_field_index("age"), rows.schema.field("age"), ages)
    write_deltalake(folder, broken, mode="overwrite", commit_properties=CommitProperties())
    unjudged = failure_text(shop.run("training_set"))
    assert "**shop.features.profile**: the checks judged version" in unjudged
    assert f"the stored data version is {DeltaTable(folder).version()}." in unjudged

    # Its check is red now; it is still refused.
    checked = shop.check("features/profile")
    # The others warn: one value in every row, written by nobody who recorded from what.
    warned = ("ml01_fresh", "ml03_constant_column", "ml03_repaired_share")
    found = {f"features/profile:{check}" for check in ("ml03_no_nan", *warned)}
    assert failed_checks(checked) == found
    failed = [e for e in checked.get_asset_check_evaluations() if not e.passed]
    (red,) = [e for e in failed if e.severity == dg.AssetCheckSeverity.ERROR]
    assert red.metadata["delta_version"].value == DeltaTable(folder).version()
    refused = shop.run("training_set")
    assert "training_set was not started" in failure_text(refused)
    assert "ml03_no_nan" in failure_text(refused)

    # Materialized again it is clean, and the refusal is lifted.
    assert shop.run("features/profile", "training_set").success

    # Good rows of somebody else: a run that checks them first, as the refresh job does, accepts.
    write_deltalake(folder, rows, mode="overwrite")
    assert not shop.run("training_set").success
    refresh = shop.definitions.resolve_job_def("shop__spender__refresh")
    done = refresh.execute_in_process(instance=shop.instance, raise_on_error=False)
    assert done.success, failure_text(done)


def test_checks_of_every_asset_can_be_executed_alone(shop: Shop) -> None:
    assert shop.run().success
    for rule_asset in ("features/activity", "labels", "training_set", "predictions"):
        result = shop.check(rule_asset)
        assert result.success, failure_text(result)
        assert materialized(result) == set()
    for asset in ("trained_model", "model_version"):
        assert shop.check(asset).success


def test_checks_of_what_does_not_exist_are_red_and_say_so(shop: Shop) -> None:
    result = shop.check("features/activity", "ml03_no_nan")
    assert not result.success
    assert failed_checks(result) == {"features/activity:ml03_no_nan"}
    (red,) = result.get_asset_check_evaluations()
    assert "shop.features.activity" in (red.description or "")
