"""Bad input: a clear error or a red check with the numbers, and everything stays as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import functions as F

from ml_assets.spec.errors import DataError, MlAssetsError, SpecError, TrainingError
from ml_assets.steps.predict import champion_version
from ml_assets_tests import tiny
from ml_assets_tests.steps.helpers import red, run_steps

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from ml_assets.platform.embedded import EmbeddedPlatform
    from ml_assets.platform.protocol import RunInfo
    from ml_assets.spec.model import ModelSpec
    from ml_assets_tests.steps.conftest import Shop

TABLES = (
    "shop.features.activity",
    "shop.labels.spender",
    "shop.training.spender",
    "shop.predictions.spender",
)


def duplicate_keys(visits: DataFrame) -> DataFrame:
    frame = tiny.activity(visits)
    return frame.unionByName(frame.limit(3))


def null_keys(visits: DataFrame) -> DataFrame:
    return tiny.activity(visits).withColumn(
        "customer", F.when(F.col("customer") != "c01", F.col("customer"))
    )


def wrong_keys(visits: DataFrame) -> DataFrame:
    return tiny.activity(visits).withColumnRenamed("customer", "custmer")


def text_time(visits: DataFrame) -> DataFrame:
    return tiny.activity(visits).withColumn("known_at", F.col("known_at").cast("string"))


def no_rows(visits: DataFrame) -> DataFrame:
    return tiny.activity(visits).where("1 = 0")


def missing_column(visits: DataFrame) -> DataFrame:
    return tiny.activity(visits).drop("city")


def not_a_frame(visits: DataFrame) -> Any:
    return visits.count()


def nan_column(visits: DataFrame) -> DataFrame:
    return tiny.activity(visits).withColumn("amount", F.lit(float("nan")))


def all_late(visits: DataFrame) -> DataFrame:
    return tiny.outcomes(visits).withColumn("spent", F.lit(99.0))


def strange_labels(visits: DataFrame) -> DataFrame:
    return tiny.outcomes(visits).withColumn("spent", (F.col("spent") % 3).cast("bigint"))


def with_outcome(visits: DataFrame) -> DataFrame:
    known_at = F.col("day") + F.expr("interval 20 hours")
    return visits.select("customer", known_at.alias("known_at"), "spent")


def empty_source() -> Any:
    return tiny.visits_data().head(0)


def feature(transform: str, **columns: Any) -> dict[str, Any]:
    mapping = tiny.mapping()
    table = mapping["feature_tables"][0]
    table["transform"] = f".steps.test_bad_input.{transform}"
    if columns:
        table["columns"] = columns
    return {"feature_tables": mapping["feature_tables"]}


def label(**changes: Any) -> dict[str, Any]:
    return {"label": {**tiny.mapping()["label"], **changes}}


def state(platform: EmbeddedPlatform, spec: ModelSpec) -> dict[str, Any]:
    """What must not change: every table's version and rows, the registry and its champion."""
    tables = {t: (platform.tables.info(t).version, platform.tables.read(t).count()) for t in TABLES}
    registry = platform.registry
    return {
        **tables,
        "versions": registry.versions(spec.registered_model),
        "champion": registry.version_of(spec.registered_model, "champion"),
        "files": sorted(
            p.parent.name for t in TABLES for p in platform.tables.path(t).rglob("*.parquet")
        ),
    }


ERRORS: list[tuple[str, dict[str, Any], type[MlAssetsError], list[str]]] = [
    ("missing column", feature("missing_column"), DataError, ["feature_tables.activity", "'city'"]),
    ("wrong keys", feature("wrong_keys"), DataError, ["'customer'", "did you mean 'custmer'"]),
    ("event time is text", feature("text_time"), DataError, ["known_at", "string", "timestamp"]),
    ("no rows", feature("no_rows"), DataError, ["feature_tables.activity", "0 rows"]),
    ("not a frame", feature("not_a_frame"), DataError, ["it returned int"]),
    ("unknown transform", feature("activty"), SpecError, ["feature_tables.activity.transform", "activty"]),
    ("estimator", {"estimator": {"class": "xgboost.Nothing"}}, SpecError, ["estimator.class", "has no 'Nothing'"]),
    ("parameter", {"estimator": {"class": "sklearn.linear_model.LogisticRegression", "params": {"cc": 1}}}, TrainingError, ["estimator.params", "'cc'"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "kind", "words"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_an_error_says_what_is_wrong_and_changes_nothing(
    built: EmbeddedPlatform, changes: dict[str, Any], kind: type[MlAssetsError], words: list[str]
) -> None:
    before = state(built, tiny.spec())
    with pytest.raises(kind) as caught:
        run_steps(tiny.spec(**changes), built)
    assert [w for w in words if w not in str(caught.value)] == []
    assert all(part in str(caught.value) for part in ("found:", "expected:", "fix:"))
    if "feature_tables" in changes:
        assert state(built, tiny.spec()) == before


RED: list[tuple[str, dict[str, Any], str, str]] = [
    ("duplicate keys", feature("duplicate_keys"), "features/activity", "ml01_primary_key_unique"),
    ("all NaN without default", feature("nan_column", amount={}, visits={"default": 0}, city={"default": "?"}), "features/activity", "ml03_no_nan"),
    ("one class", label(transform=".steps.test_bad_input.all_late"), "labels", "ml05_not_single_class"),
    ("labels 0, 1, 2", label(transform=".steps.test_bad_input.strange_labels", threshold=None), "labels", "ml05_binary_labels"),
    ("continuous label", label(threshold=None), "labels", "ml05_binary_labels"),
    ("label source as feature", feature("with_outcome", spent={"default": 0.0}), "training_set", "ml06_label_not_in_features"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "asset", "check"), [r[1:] for r in RED], ids=[r[0] for r in RED]
)
def test_a_red_check_names_the_rule_and_publishes_nothing(
    built: EmbeddedPlatform, changes: dict[str, Any], asset: str, check: str
) -> None:
    table = {"features/activity": TABLES[0], "labels": TABLES[1], "training_set": TABLES[2]}[asset]
    before = built.tables.info(table), built.tables.read(table).count()
    versions = built.registry.versions("shop.models.spender")
    outcomes = run_steps(tiny.spec(**changes), built)
    assert list(outcomes)[-1] == asset
    assert outcomes[asset].handle is None
    assert check in red(outcomes[asset].verdicts)
    assert (built.tables.info(table), built.tables.read(table).count()) == before
    assert built.registry.versions("shop.models.spender") == versions


def test_null_keys_are_refused_with_the_rule(platform: EmbeddedPlatform) -> None:
    try:
        outcome = run_steps(tiny.spec(**feature("null_keys")), platform, until="features/activity")
        assert red(outcome["features/activity"].verdicts) == ["ml01_primary_key_unique"]
    except DataError as error:
        assert error.rule == "ml01_primary_key_unique"  # noqa: PT017 - either way, the same rule
    assert not platform.tables.info(TABLES[0]).exists


def test_an_empty_source_is_named(platform: EmbeddedPlatform) -> None:
    mapping = tiny.mapping()["sources"]
    mapping["visits"]["seed"] = ".steps.test_bad_input.empty_source"
    with pytest.raises(DataError, match=r"source visits \(shop\.raw\.visits\)\n.*0 rows"):
        run_steps(tiny.spec(sources=mapping), platform)


@pytest.mark.parametrize(
    ("name", "rule"),
    [("Spends", "ml06_label_not_in_features"), ("ASKED_AT", "ml06_keys_in_features")],
)
def test_a_feature_called_like_the_label_or_a_key_is_refused_before_the_join(
    name: str, rule: str
) -> None:
    from ml_assets.steps.training_set import refuse_clashes

    with pytest.raises(DataError) as caught:
        refuse_clashes(tiny.spec(**feature("activity", **{name: {"default": 0}})))
    assert (caught.value.rule, name in str(caught.value)) == (rule, True)


def test_a_refused_version_is_registered_with_the_reasons_and_the_champion_stays(
    built: EmbeddedPlatform,
) -> None:
    outcomes = run_steps(tiny.spec(gates={"roc_auc": {"min": 0.999}}), built)
    assert list(outcomes)[-1] == "model_version"
    assert [v.check for v in outcomes["model_version"].stopped] == ["promotion_absolute"]
    registry = built.registry
    assert registry.versions("shop.models.spender") == (1, 2)
    assert registry.version_of("shop.models.spender", "champion") == 1
    assert "roc_auc" in registry.tags("shop.models.spender", 2)["ml_assets.refused"]


def test_inputs_of_an_older_declaration_are_not_trained_on(shop: Shop) -> None:
    changed, handles = tiny.spec(**label(threshold=2)), shop.handles
    for asset in ("training_set", "trained_model", "model_version", "predictions"):
        handles.pop(asset)
    with pytest.raises(DataError, match=r"labels: shop\.labels\.spender.*\n.*another declaration"):
        run_steps(changed, shop.platform, handles=handles)


def repeated_day(visits: DataFrame) -> DataFrame:
    keys = tiny.last_day(visits)
    return keys.unionByName(keys.limit(4))


def test_repeated_scoring_keys_are_refused_and_the_run_says_so(built: EmbeddedPlatform) -> None:
    scoring = {**tiny.mapping()["scoring"], "keys": ".steps.test_bad_input.repeated_day"}
    before = built.tables.info(TABLES[3])
    outcome = run_steps(tiny.spec(scoring=scoring), built)["predictions"]
    assert (red(outcome.verdicts), outcome.handle) == (["predictions_complete"], None)
    assert "4 of them repeated" in next(v.message for v in outcome.verdicts if not v.passed)
    assert built.tables.info(TABLES[3]) == before
    (run,) = (r for r in runs_of(built, "deployment") if "ml_assets.refused" in r.tags)
    assert "predictions_complete" in run.tags["ml_assets.refused"]


def test_a_champion_that_was_refused_or_belongs_to_another_model_does_not_serve(
    built: EmbeddedPlatform,
) -> None:
    name = "shop.models.spender"
    run_steps(tiny.spec(gates={"roc_auc": {"min": 0.999}}), built)
    built.registry.set_alias(name, "champion", 2)
    with pytest.raises(DataError, match=r"version 2, alias 'champion'\n.*refused"):
        champion_version(tiny.spec(), built)
    built.registry.set_alias(name, "champion", 1)
    assert champion_version(tiny.spec(), built) == 1
    built.registry.tag(name, 1, {"ml_assets.gates": ""})
    with pytest.raises(DataError, match=r"ml_assets\.gates=nothing"):
        champion_version(tiny.spec(), built)
    built.registry.tag(name, 1, {"ml_assets.gates": "passed"})
    with pytest.raises(DataError, match="a version of shop/spender"):
        champion_version(tiny.spec(model="saver"), built)


def runs_of(platform: EmbeddedPlatform, purpose: str) -> list[RunInfo]:
    client = platform.tracking.store.client
    experiment = client.get_experiment_by_name(f"/Shared/shop_ml_spender_{purpose}")
    return [
        platform.tracking.info(r.info.run_id)
        for r in client.search_runs([experiment.experiment_id])
    ]
