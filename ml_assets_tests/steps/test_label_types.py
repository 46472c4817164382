"""Labels of every model type, as they are stored and measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from ml_assets.rules.registry import judge
from ml_assets.spec.catalog import TableInfo, TableLayout
from ml_assets.spec.errors import DataError
from ml_assets.steps import label_table
from ml_assets.steps.execution import Inputs, Outcome, execute
from ml_assets.steps.label_table import with_label
from ml_assets.steps.measuring.label_context import DataEnd
from ml_assets.steps.measuring.label_facts import measure_frame
from ml_assets.steps.measuring.split import part_of, split_cuts
from ml_assets_tests import tiny
from ml_assets_tests.rules.test_labels_of_types import anomalies
from ml_assets_tests.spec.test_label import multiclass
from ml_assets_tests.steps.helpers import TRACE, red
from ml_assets_tests.steps.passes import counted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from ml_assets.platform.embedded import EmbeddedPlatform
    from ml_assets.rules.facts import LabelFacts
    from ml_assets.spec.model import ModelSpec
    from ml_assets_tests.steps.conftest import Shop

INFO = TableInfo("shop.labels.spender", exists=True)
START = datetime(2024, 1, 1, tzinfo=UTC)
TIERS = ["bronze", "silver", "gold"]


def tiers(visits: DataFrame) -> DataFrame:
    """How much a customer spends, in words."""
    tier = F.when(F.col("spent") > 25, "gold").when(F.col("spent") > 10, "silver")
    rows = tiny.outcomes(visits)
    return rows.withColumn("tier", tier.otherwise("bronze")).drop("spent")


def tier_spec(
    classes: list[Any] | None = None, *, model: str = "spender", **label: Any
) -> ModelSpec:
    own = {"transform": ".steps.test_label_types.tiers", "table": "shop.labels.tiers"}
    declared = multiclass(**{**own, "classes": classes or TIERS, **label})
    return tiny.spec(**{**declared, "model": model, "split": {"holdout": 0.3, "embargo": "1 hour"}})


def build(spec: ModelSpec, platform: EmbeddedPlatform) -> Outcome:
    return execute(label_table.build, judge, spec, platform, Inputs("labels", {}, TRACE))


def alone(spec: ModelSpec, platform: EmbeddedPlatform) -> LabelFacts:
    return label_table.measure(spec, platform, Inputs("labels", {}, TRACE))


def frame_of(spark: SparkSession, labels: pa.Array, minutes: int = 1) -> DataFrame:
    """Label rows of the shop, one every few minutes."""
    times = [START + timedelta(minutes=minutes * i) for i in range(len(labels))]
    columns = {"customer": [f"c{i}" for i in range(len(labels))], "asked_at": times}
    return spark.createDataFrame(pa.table({**columns, "spends": labels}))


def stored(spec: ModelSpec, frame: DataFrame) -> list[Any]:
    return [row[spec.label.name] for row in with_label(frame, spec).orderBy("customer").collect()]


def raw(spark: SparkSession, name: str, values: pa.Array) -> DataFrame:
    return frame_of(spark, values).withColumnRenamed("spends", name)


def test_text_classes_become_their_places(finished: Shop) -> None:
    spec, platform = tier_spec(), finished.platform
    outcome = build(spec, platform)
    rows = platform.tables.read(spec.label.table).toPandas()
    assert list(rows.columns) == ["customer", "asked_at", "spends"]
    assert set(rows["spends"]) == {0, 1, 2}
    assert red(outcome.verdicts) == []
    facts = alone(spec, platform)
    assert facts.values == {str(k): n for k, n in rows["spends"].value_counts().items()}
    (column,) = (c for c in facts.table.columns if c.name == "spends")
    assert column.comment == "label: place of tier among bronze, silver, gold, from 0"


def test_a_value_that_is_no_class_is_named_and_nothing_is_stored(finished: Shop) -> None:
    spec = tier_spec(["bronze", "platinum"], table="shop.labels.refused")
    with pytest.raises(DataError, match="'silver' in ") as refused:
        build(spec, finished.platform)
    assert refused.value.rule == "ml05_binary_labels"
    assert "'gold' in" in str(refused.value)
    assert "only label.classes: 'bronze', 'platinum'" in str(refused.value)
    assert not finished.platform.tables.info("shop.labels.refused").exists


@pytest.mark.parametrize(
    ("classes", "values", "places"),
    [
        ([3, 1, 2], pa.array([1, 2, 3, None], pa.int32()), [1, 2, 0, None]),
        ([0.5, 1], pa.array([1.0, 0.5, None], pa.float64()), [1, 0, None]),
        ([1, 2], pa.array([2.0, 1.0], pa.float64()), [1, 0]),
        ([True, False], pa.array([False, True, None]), [1, 0, None]),
        (["a", "A"], pa.array(["A", "a", None]), [1, 0, None]),
    ],
)
def test_classes_of_every_type_are_found(
    spark: SparkSession, classes: list[Any], values: pa.Array, places: list[int | None]
) -> None:
    assert stored(tier_spec(classes), raw(spark, "tier", values)) == places


@pytest.mark.parametrize("values", [pa.array([1, 2]), pa.array([True]), pa.array([START])])
def test_classes_of_another_type_than_the_column_are_refused(
    spark: SparkSession, values: pa.Array
) -> None:
    with pytest.raises(DataError, match=r"with label\.classes 'bronze', 'silver', 'gold'"):
        with_label(raw(spark, "tier", values), tier_spec())


def test_an_anomaly_is_above_the_threshold(spark: SparkSession) -> None:
    frame = raw(spark, "spent", pa.array([5.0, 10.0, 10.5, None, float("nan")], from_pandas=False))
    assert stored(anomalies(), frame) == [1, 1, -1, None, None]
    facts = measure_frame(with_label(frame, anomalies()), anomalies(), INFO, staged=True)
    assert (facts.type, facts.nulls, facts.values) == ("bigint", 2, {"1": 2, "-1": 1})
    assert "ml05_binary_labels" not in red(judge(anomalies(), "labels", facts))


def test_a_million_values_do_not_come_back(spark: SparkSession) -> None:
    """A label column of names: few rows travel, and the totals are right all the same."""
    many = spark.range(1_000_000).selectExpr(
        "cast(id as string) as customer",
        "timestamp_seconds(1700000000 + id % 1000) as asked_at",
        "case when id < 7 then 'often' when id < 10 then '1' else concat('value ', id) end as spends",
    )
    with counted() as passes:
        facts = measure_frame(many, tiny.spec(), INFO, staged=False)
    assert (facts.rows, facts.type) == (1_000_000, "string")
    assert len(facts.values) == 21
    assert (facts.values["often"], facts.values["1"]) == (7, 3)
    assert sum(facts.values.values()) + facts.unlisted_rows == 1_000_000
    assert len(passes.plans) == 2
    assert "ml05_binary_labels" in red(judge(tiny.spec(), "labels", facts))


def test_a_thousand_classes_are_all_counted(spark: SparkSession) -> None:
    classes = [f"c{i}" for i in range(1000)]
    frame = raw(spark, "tier", pa.array(classes * 3))
    spec = tier_spec(classes)
    facts = measure_frame(with_label(frame, spec).drop("__unknown_class"), spec, INFO, staged=True)
    assert facts.values == {str(i): 3 for i in range(1000)}
    (found,) = (v for v in judge(spec, "labels", facts) if v.check == "ml05_not_single_class")
    assert "declared classes missing from train" not in found.message


def test_the_parts_are_those_of_the_split(spark: SparkSession) -> None:
    """The cut is found inside the one pass, and is the one that the training set is split at."""
    labels = pa.array([i % 3 % 2 for i in range(400)] + [1] * 50)
    spec = tiny.spec(split={"holdout": 0.3, "embargo": "2 hours"})
    frame = frame_of(spark, labels, 7).unionByName(frame_of(spark, labels.slice(300), 7))
    frame = frame.unionByName(frame.limit(1).withColumn("asked_at", F.lit(None).cast("timestamp")))
    facts = measure_frame(frame, spec, INFO, staged=False)
    cuts = split_cuts(frame, "asked_at", spec.split)
    counted_rows = frame.groupBy(part_of("asked_at", cuts).alias("part"), "spends").count()
    expected = {(r["part"], str(r["spends"])): r["count"] for r in counted_rows.collect()}
    assert facts.train_values == {v: n for (p, v), n in expected.items() if p == "train"}
    assert facts.holdout_values == {v: n for (p, v), n in expected.items() if p == "holdout"}
    assert facts.key_nulls == {"customer": 0, "asked_at": 1}
    assert facts.rows == frame.count() > sum(facts.train_values.values())


@pytest.mark.parametrize(("late", "open_rows"), [(0, 0), (1, 2), (100, 10)])
def test_outcomes_after_the_end_are_counted_and_shown(
    spark: SparkSession, late: int, open_rows: int
) -> None:
    """Ten rows, one a minute; an hour of horizon; the outcome at the very end is known."""
    label = {**tiny.mapping()["label"], "horizon": "1 hour"}
    spec = tiny.spec(label=label)
    until = START + timedelta(hours=1, minutes=9) - timedelta(minutes=late, microseconds=bool(late))
    frame = frame_of(spark, pa.array([0, 1] * 5))
    facts = measure_frame(frame, spec, INFO, staged=True, end=DataEnd(until, "visits.day"))
    assert facts.open_rows == open_rows
    assert bool(facts.examples) is bool(open_rows)
    assert (facts.data_until, facts.data_end) == (until, "visits.day")
    assert ("ml05_label_horizon_closed" in red(judge(spec, "labels", facts))) is bool(open_rows)


def ended(platform: EmbeddedPlatform, event_time: str = "day", **label: Any) -> ModelSpec:
    """The shop with a source that says until when its data goes; labels in a table of their own."""
    sources = tiny.mapping()["sources"]
    sources["visits"]["event_time"] = event_time
    assert platform.tables.info("shop.raw.visits").exists
    label = {**tiny.mapping()["label"], "table": "shop.labels.ended", **label}
    return tiny.spec(sources=sources, label=label)


def test_the_data_ends_with_the_labels_sources_and_open_outcomes_are_refused(
    finished: Shop,
) -> None:
    spec = ended(finished.platform)
    outcome = build(spec, finished.platform)
    assert outcome.handle is None
    assert "ml05_label_horizon_closed" in red(outcome.verdicts)
    last = finished.platform.tables.read("shop.raw.visits").agg(F.max("day")).collect()[0][0]
    (found,) = (v for v in outcome.verdicts if v.check == "ml05_label_horizon_closed")
    assert f"{last:%Y-%m-%d} 00:00:00 UTC (visits.day)" in found.message
    assert "first keys: customer=" in found.fix


def test_without_an_event_time_the_data_ends_with_the_build(shop: Shop) -> None:
    """A check that is executed later does not take what happened since for known."""
    before = datetime.now(UTC)
    build(tiny.spec(), shop.platform)
    facts = alone(tiny.spec(), shop.platform)
    assert facts.data_end == "the time of the build"
    assert facts.data_until is not None
    assert before <= facts.data_until <= datetime.now(UTC)
    assert alone(tiny.spec(), shop.platform).data_until == facts.data_until


@pytest.mark.parametrize(
    ("column", "words"), [("dai", "no such column"), ("spent", "double in shop.raw.visits")]
)
def test_an_event_time_that_is_no_timestamp_is_refused(
    finished: Shop, column: str, words: str
) -> None:
    with pytest.raises(DataError, match=words) as refused:
        build(ended(finished.platform, column), finished.platform)
    assert refused.value.rule == "ml05_label_horizon_closed"


def test_the_champions_training_labels_are_read_from_its_run(shop: Shop) -> None:
    facts = alone(tiny.spec(), shop.platform)
    assert facts.champion is not None
    assert facts.champion.version == 1
    train = sum(facts.train_values.values())
    assert facts.champion.rows == train
    for value, share in facts.champion.shares.items():
        assert share == pytest.approx(facts.train_values[value] / train)
    assert "ml05_base_rate_shift" not in red(judge(tiny.spec(), "labels", facts))


def test_labels_that_moved_since_the_champion_warn_and_are_stored(shop: Shop) -> None:
    moved = tiny.spec(label={**tiny.mapping()["label"], "threshold": 20})
    outcome = build(moved, shop.platform)
    assert red(outcome.verdicts) == ["ml05_base_rate_shift"]
    assert outcome.handle is not None


def test_before_the_first_champion_there_is_nothing_to_compare_with(
    platform: EmbeddedPlatform,
) -> None:
    rows = frame_of(platform.spark, pa.array([0, 1] * 20))
    platform.tables.stage(rows, TableLayout("shop.labels.spender")).publish()
    assert alone(tiny.spec(sources=seeded(platform)), platform).champion is None


def seeded(platform: EmbeddedPlatform) -> dict[str, Any]:
    tiny.seed(platform)
    return tiny.mapping()["sources"]
