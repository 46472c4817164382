"""What a run of the assets leaves in Dagster: materializations, verdicts, skips, refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest

from ml_assets.orchestration.names import asset_key
from ml_assets.rules.facts import ReplayFacts, VersionFacts
from ml_assets.spec.errors import DataError, StorageError
from ml_assets.steps.handles import RunHandle, TableHandle
from ml_assets_tests.orchestration.fakes import (
    MakeBench,
    World,
    failed_checks,
    failure_text,
    make_spec,
    materialized,
)

if TYPE_CHECKING:
    from ml_assets.orchestration.resources import Sharing

ALL = {
    "sources/visits",
    "features/activity",
    "features/profile",
    "labels",
    "training_set",
    "trained_model",
    "model_version",
    "predictions",
}


@pytest.fixture(params=[None, "per_model", "per_asset"], ids=["here", "per_model", "per_asset"])
def sharing(request: pytest.FixtureRequest) -> Sharing | None:
    """The same holds wherever the steps run, and however they share job runs."""
    found: Sharing | None = request.param
    return found


def test_the_definitions_are_loadable(make_bench: MakeBench) -> None:
    dg.Definitions.validate_loadable(make_bench().definitions())


def test_a_green_run_materializes_everything_in_graph_order(make_bench: MakeBench) -> None:
    bench = make_bench()
    result = bench.run()
    assert result.success
    assert materialized(result) == ALL
    assert failed_checks(result) == set()
    assert len(result.get_asset_check_evaluations()) == 10
    order = bench.world.built
    assert order.index("training_set") > max(map(order.index, ["labels", "features/profile"]))
    assert order[-1] == "predictions"


def test_a_step_is_told_the_handles_of_its_inputs_and_where_it_runs(make_bench: MakeBench) -> None:
    bench = make_bench()
    run_id = bench.run().run_id
    inputs = bench.world.inputs["training_set"]
    assert set(inputs.handles) == {"features/activity", "features/profile", "labels"}
    assert inputs.handles["labels"] == TableHandle(
        "main.shop.labels",
        0,
        "/warehouse/main.shop.labels",
        10,
        {"main.shop.activity": 0, "main.shop.profile": 0},
    )
    assert isinstance(bench.world.inputs["model_version"].handles["trained_model"], RunHandle)
    assert inputs.trace["dagster_run_id"] == run_id
    assert inputs.trace["spec_hash"] == bench.spec.hash


def test_an_external_source_has_no_handle_and_is_not_asked_for_one(make_bench: MakeBench) -> None:
    bench = make_bench()
    assert bench.run("sources/visits", "features/profile").success
    assert bench.world.inputs["features/profile"].handles == {}


def test_metadata_says_what_was_stored(make_bench: MakeBench) -> None:
    world = World()
    world.details["features/activity"] = {"repaired_values": {"visits_7d": 3}, "note": "as of noon"}
    bench = make_bench(world)
    bench.run()
    table = bench.metadata("features/activity")
    assert table["dagster/table_name"].value == "main.shop.activity"
    assert table["dagster/row_count"].value == 10
    assert table["dagster/uri"].value == "/warehouse/main.shop.activity"
    assert table["delta_version"].value == 0
    assert table["repaired_values/visits_7d"].value == 3
    assert table["note"].value == "as of noon"
    assert table["spec_hash"].value == bench.spec.hash
    columns = table["dagster/column_schema"].schema.columns
    assert [(c.name, c.type, c.description, c.constraints.nullable) for c in columns] == [
        ("person", "string", None, False),
        ("x", "double", "An x", True),
    ]
    assert columns[0].constraints.unique
    model = bench.metadata("trained_model")
    assert model["run_url"] == dg.MetadataValue.url("http://x/1")


def test_the_data_version_is_the_stored_version(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.run()
    bench.run()
    tags = {}
    for asset in ("labels", "trained_model", "model_version"):
        event = bench.instance.get_latest_materialization_event(asset_key(bench.spec, asset))
        assert event is not None
        assert event.asset_materialization is not None
        tags[asset] = (event.asset_materialization.tags or {})["dagster/data_version"]
    assert tags == {"labels": "1", "trained_model": "run1", "model_version": "1"}


def test_a_blocking_failure_publishes_nothing_and_stops_what_is_downstream(
    make_bench: MakeBench,
) -> None:
    bench = make_bench(World(red={"keys_unique"}))
    result = bench.run()
    assert not result.success
    assert materialized(result) == {"sources/visits", "labels"}
    assert failed_checks(result) == {
        "features/activity:keys_unique",
        "features/profile:keys_unique",
    }
    assert "training_set" not in bench.world.built
    assert set(bench.world.discarded) == {"features/activity", "features/profile"}
    text = failure_text(result)
    assert "1 blocking check of features/profile failed; nothing was published" in text
    assert "keys_unique**: keys_unique: 3 of 10.\nFix: repair keys_unique" in text


def test_a_warning_stops_nothing(make_bench: MakeBench) -> None:
    bench = make_bench(World(red={"mostly_defaults"}))
    result = bench.run()
    assert result.success
    assert materialized(result) == ALL
    evaluations = [e for e in result.get_asset_check_evaluations() if not e.passed]
    assert {e.severity for e in evaluations} == {dg.AssetCheckSeverity.WARN}


def test_a_refused_step_that_keeps_its_evidence_is_materialized_but_stops_the_rest(
    make_bench: MakeBench,
) -> None:
    bench = make_bench(World(red={"gates"}, keeps_refused={"model_version"}))
    result = bench.run()
    assert not result.success
    assert materialized(result) == ALL - {"predictions"}
    assert failed_checks(result) == {"model_version:gates"}
    assert "nothing downstream may run" in failure_text(result)


def test_a_single_class_label_skips_training_and_the_run_stays_green(make_bench: MakeBench) -> None:
    bench = make_bench(World(red={"not_single_class"}))
    result = bench.run()
    assert result.success
    assert failed_checks(result) == {"labels:not_single_class"}
    assert materialized(result) == {"sources/visits", "features/activity", "features/profile"}
    assert bench.world.built[-1] == "labels"


def test_a_single_class_label_fails_the_run_when_the_declaration_says_so(
    make_bench: MakeBench,
) -> None:
    bench = make_bench(World(red={"not_single_class"}), make_spec(on_single_class="fail"))
    result = bench.run()
    assert not result.success
    assert failed_checks(result) == {"labels:not_single_class"}


def test_a_downstream_only_run_reads_the_handles_of_earlier_runs(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.run()
    bench.world.inputs.clear()
    result = bench.run("trained_model")
    assert result.success
    assert materialized(result) == {"trained_model"}
    assert bench.world.inputs["trained_model"].handles["training_set"].delta_version == 0


def test_a_missing_upstream_names_the_asset_to_materialize_first(make_bench: MakeBench) -> None:
    bench = make_bench()
    result = bench.run("trained_model")
    assert not result.success
    text = failure_text(result)
    assert "shop/churn/training_set was never materialized" in text
    assert "Materialize shop/churn/training_set first" in text
    assert bench.world.built == []


def test_a_materialization_reported_by_hand_is_no_handle(make_bench: MakeBench) -> None:
    bench = make_bench()
    key = asset_key(bench.spec, "training_set")
    bench.instance.report_runless_asset_event(dg.AssetMaterialization(key))
    text = failure_text(bench.run("trained_model"))
    assert "was materialized by something else than ml_assets" in text
    assert "Materialize shop/churn/training_set first" in text


def test_an_error_that_names_a_rule_turns_that_check_red_and_fails_the_step(
    make_bench: MakeBench,
) -> None:
    error = DataError(
        "feature_tables.activity",
        found="2 rows for person 7",
        expected="one row per key",
        fix="drop duplicates",
        rule="keys_unique",
    )
    bench = make_bench(World(errors={"features/activity": error}))
    result = bench.run()
    assert failed_checks(result) == {"features/activity:keys_unique"}
    (evaluation,) = [e for e in result.get_asset_check_evaluations() if not e.passed]
    assert evaluation.description == (
        "feature_tables.activity: found 2 rows for person 7; expected one row per key."
        "\n\n**Fix:** drop duplicates"
    )
    assert str(error) in failure_text(result)
    assert "features/activity" not in materialized(result)


def test_other_errors_reach_the_user_untouched_and_judge_nothing(make_bench: MakeBench) -> None:
    error = StorageError("disk", found="full", expected="space", fix="free some")
    bench = make_bench(World(errors={"labels": error}))
    result = bench.run()
    assert failed_checks(result) == set()
    assert "StorageError: disk\n  found:    full" in failure_text(result)


def test_an_unexpected_error_keeps_its_traceback(make_bench: MakeBench) -> None:
    bench = make_bench(World(errors={"labels": ZeroDivisionError("by me")}))
    text = failure_text(bench.run())
    assert "ZeroDivisionError: by me" in text
    assert "in build\n" in text


def test_a_step_is_never_retried(make_bench: MakeBench) -> None:
    bench = make_bench(World(red={"binary"}))
    bench.run("sources/visits", "labels")
    assert bench.world.built.count("labels") == 1


class TestChecksAlone:
    def test_they_measure_what_is_stored_and_build_nothing(self, make_bench: MakeBench) -> None:
        bench = make_bench()
        result = bench.check("features/activity")
        assert result.success
        assert bench.world.built == []
        assert bench.world.measured == ["features/activity"]
        assert len(result.get_asset_check_evaluations()) == 2
        assert materialized(result) == set()

    def test_only_the_selected_ones_are_reported(self, make_bench: MakeBench) -> None:
        bench = make_bench(World(red={"keys_unique", "mostly_defaults"}))
        result = bench.check("features/activity", "mostly_defaults")
        assert result.success
        assert failed_checks(result) == {"features/activity:mostly_defaults"}

    def test_they_need_no_handle_of_an_input(self, make_bench: MakeBench) -> None:
        bench = make_bench()
        assert bench.check("training_set").success
        assert bench.world.inputs["training_set"].handles == {}

    def test_they_are_told_the_asset_s_own_handle(self, make_bench: MakeBench) -> None:
        bench = make_bench()
        bench.run()
        bench.check("trained_model")
        handles = bench.world.inputs["trained_model"].handles
        assert list(handles) == ["trained_model"]
        assert handles["trained_model"].run_id == "run1"

    def test_what_was_never_made_cannot_be_measured(self, make_bench: MakeBench) -> None:
        bench = make_bench()
        result = bench.check("trained_model")
        assert not result.success
        assert failed_checks(result) == {"trained_model:has_signature"}
        assert "shop/churn/trained_model was never materialized" in failure_text(result)
        assert bench.world.measured == []

    def test_a_red_blocking_check_fails_the_run_with_the_reason(
        self, make_bench: MakeBench
    ) -> None:
        bench = make_bench(World(red={"keys_unique"}))
        result = bench.check("features/activity")
        assert not result.success
        assert "keys_unique: 3 of 10.\nFix: repair keys_unique" in failure_text(result)

    def test_a_red_check_of_another_name_does_not_fail_the_selected_one(
        self, make_bench: MakeBench
    ) -> None:
        bench = make_bench(World(red={"keys_unique"}))
        assert bench.check("features/activity", "mostly_defaults").success

    def test_what_could_not_be_measured_is_red_and_keeps_the_error(
        self, make_bench: MakeBench
    ) -> None:
        bench = make_bench(World(measure_errors={"features/activity": OSError("disk is gone")}))
        result = bench.check("features/activity")
        assert not result.success
        evaluations = result.get_asset_check_evaluations()
        assert len(evaluations) == 2
        for evaluation in evaluations:
            assert not evaluation.passed
            assert evaluation.severity == dg.AssetCheckSeverity.ERROR
            assert "Could not be measured" in (evaluation.description or "")
            assert "OSError: disk is gone" in str(evaluation.metadata["error"].value)
        assert "OSError: disk is gone" in failure_text(result)

    def test_the_version_that_was_measured_is_shown(self, make_bench: MakeBench) -> None:
        (evaluation,) = make_bench().check("labels", "binary").get_asset_check_evaluations()
        assert evaluation.metadata["delta_version"].value == 41
        assert evaluation.metadata["table"].value == "labels"

    def test_the_model_version_that_was_measured_is_shown_and_not_the_latest(
        self, make_bench: MakeBench
    ) -> None:
        """The champion is version 7; the one that was registered last is version 1."""
        replay = ReplayFacts(1, 0, 0, 0, 0.0)
        champion = VersionFacts("main.shop.churn", 7, "its run", "ev", {}, {}, replay, 7)
        bench = make_bench(World(facts={"model_version": champion}))
        bench.run()
        (verdict,) = bench.check("model_version").get_asset_check_evaluations()
        assert verdict.metadata["model_version"].value == 7
        assert verdict.metadata["run_id"].value == "its run"

    def test_they_run_before_a_selected_downstream_asset_and_stop_it(
        self, make_bench: MakeBench
    ) -> None:
        bench = make_bench()
        bench.run()
        bench.world.built.clear()
        bench.world.red.add("keys_unique")
        downstream = dg.AssetSelection.assets(asset_key(bench.spec, "training_set"))
        check = dg.AssetCheckKey(asset_key(bench.spec, "features/activity"), "keys_unique")
        result = bench.select(downstream | dg.AssetSelection.checks(check))
        assert not result.success
        assert bench.world.built == []


class TestCheckResult:
    @pytest.fixture
    def failed(self, make_bench: MakeBench) -> dg.AssetCheckEvaluation:
        result = make_bench(World(red={"binary"})).run("sources/visits", "labels")
        return next(e for e in result.get_asset_check_evaluations() if not e.passed)

    def test_text_is_message_and_fix(self, failed: dg.AssetCheckEvaluation) -> None:
        assert failed.description == "binary: 3 of 10.\n\n**Fix:** repair binary"

    def test_numbers_keep_their_types(self, failed: dg.AssetCheckEvaluation) -> None:
        assert failed.metadata["rows"] == dg.MetadataValue.int(10)
        assert failed.metadata["share"] == dg.MetadataValue.float(0.3)
        assert failed.metadata["exact"] == dg.MetadataValue.bool(True)
        assert failed.metadata["nothing"] == dg.MetadataValue.null()
        assert failed.metadata["rule"].value == "ML-00"

    def test_rows_are_a_table(self, failed: dg.AssetCheckEvaluation) -> None:
        table = failed.metadata["details"]
        assert isinstance(table, dg.TableMetadataValue)
        assert [dict(r.data) for r in table.records] == [
            {"key": "a", "n": 1},
            {"key": "b", "n": ""},
        ]
        assert [(c.name, c.type) for c in table.schema.columns] == [("key", "string"), ("n", "int")]

    def test_what_was_refused_is_said(self, failed: dg.AssetCheckEvaluation) -> None:
        assert failed.metadata["measured"].value == "what was prepared; it was not published"

    def test_a_passed_check_has_no_fix(self, make_bench: MakeBench) -> None:
        result = make_bench().run("sources/visits", "labels")
        for evaluation in result.get_asset_check_evaluations():
            assert evaluation.passed
            assert "Fix" not in (evaluation.description or "")
            assert evaluation.metadata["delta_version"].value == 0
