"""Run the steps that are plain Spark on one engine, and write down what came out.

As a program (``python -m ml_assets_tests.spark_parity.run_on classic|connect <given> <out>``) on
Apache Spark; the tests call ``run`` with their Sail session. There is no Delta on this JVM: tables
are Parquet files, which hold the same rows.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from pyspark.sql import functions as F

from ml_assets.spec.catalog import TableInfo
from ml_assets.spec.loader import load_spec
from ml_assets.steps import (
    clean_features,
    label_table,
    predict,
    training_set,
)
from ml_assets.steps.execution import Inputs
from ml_assets.steps.graph import steps_of
from ml_assets.steps.handles import TableHandle
from ml_assets.steps.measuring import measured_predictions
from ml_assets.steps.measuring.key_counts import key_floor, repeated_keys
from ml_assets.steps.measuring.measure import column_types
from ml_assets.steps.measuring.sampling import collect_sample, key_hash
from ml_assets.steps.training.training_rows import HOLDOUT, read_training_set
from ml_assets_tests import jvm, tiny
from ml_assets_tests.spark_parity import odd
from ml_assets_tests.steps.test_label_types import tier_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame, SparkSession

    from ml_assets.spec.catalog import TableLayout
    from ml_assets.spec.model import ModelSpec

#: Keys of the odd table of every kind, alone and together, unique and repeated.
KEYS = (
    ("k", "known_at"),
    ("known_at",),
    ("n_bigint", "known_at"),
    ("n_tinyint", "n_int", "n_smallint"),
    ("n_decimal", "n_boolean", "n_double"),
    ("n_float", "n_string"),
)
FLIGHTS = Path(__file__).parents[2] / "ml_assets" / "defs" / "flight_ops" / "arrival_delay"


def specs() -> dict[str, ModelSpec]:
    """The models whose steps are compared, by a name for the files."""
    return {
        "flights": load_spec(FLIGHTS),
        "shop": tiny.spec(),
        "numbers": tiny.regression(),
        "odd_classes": odd.spec("binary_classification", threshold=0),
        "odd_numbers": odd.spec("regression"),
        "tiers": tier_spec(model="tiers"),
    }


@dataclass
class Staged:
    """Rows that were written to a file."""

    frame: DataFrame

    def discard(self) -> None:
        """Keep the file: it is what is compared."""


@dataclass
class Files:
    """Tables as Parquet files: ``given`` are those that steps read, ``out`` those that they write."""

    spark: SparkSession
    given: Path
    out: Path

    @property
    def tables(self) -> Files:
        """This is also the platform: steps that are plain Spark ask it for tables alone."""
        return self

    @property
    def registry(self) -> Files:
        """There is no champion."""
        return self

    def version_of(self, name: str, alias: str) -> None:  # noqa: ARG002
        return None

    def commits(self, name: str, most: int = 1) -> tuple[Any, ...]:  # noqa: ARG002
        return ()

    def info(self, name: str) -> TableInfo:
        return TableInfo(name, exists=True, version=1)

    def read(self, name: str, version: int | None = None) -> DataFrame:  # noqa: ARG002
        return self.spark.read.parquet(str(self.given / f"{name}.parquet"))

    def stage(
        self, frame: DataFrame, layout: TableLayout, audit_columns: Sequence[str] = ()
    ) -> Staged:
        assert set(audit_columns) <= set(frame.columns)
        return Staged(self.stored(frame, layout.name))

    def stored(self, frame: DataFrame, name: str) -> DataFrame:
        """Write a frame with its Spark schema, and read it back."""
        path = self.out / f"{name}.parquet"
        pq.write_table(frame.toArrow(), path)
        schema = [(f.name, f.dataType.simpleString()) for f in frame.schema.fields]
        path.with_suffix(".schema").write_text(json.dumps(schema), encoding="utf-8")
        return self.spark.read.parquet(str(path))


def run(spark: SparkSession, given: Path, out: Path) -> None:
    """Build every table of every model, and measure what was built and what was given."""
    for name, spec in specs().items():
        folder = out / name
        folder.mkdir(parents=True)
        files: Any = Files(spark, given, folder)
        facts = {**built(spec, files), **measured(spec, files)}
        text = json.dumps(facts, default=str, indent=1, sort_keys=True)
        (folder / "facts.json").write_text(text, encoding="utf-8")


def built(spec: ModelSpec, files: Any) -> dict[str, Any]:
    """Transforms, cleaning, labels and scoring keys, each with its facts."""
    facts: dict[str, Any] = {}
    for step in steps_of(spec):
        if step.build in {clean_features.build, label_table.build}:
            prepared = step.build(spec, files, Inputs(step.asset, {}, {}))
            facts[step.asset] = plain(prepared.facts)
            facts[f"{step.asset} details"] = dict(prepared.details())
            if step.asset == "features/typed":
                facts["counted keys"] = counted_keys(prepared.staged.frame)
    keys, _ = predict.scoring_keys(spec, files)
    facts["keys"] = predicted(spec, files, files.stored(keys, "scoring_keys"))
    return facts


def counted_keys(frame: DataFrame) -> dict[str, list[int]]:
    """How many rows there are, how many keys at least, and how many rows repeat a key."""
    types = column_types(frame)
    return {
        ", ".join(keys): [*key_floor(frame, types, keys).collect()[0], repeated_keys(frame, types, keys)]
        for keys in KEYS
    }  # fmt: skip


def predicted(spec: ModelSpec, files: Any, keys: DataFrame) -> dict[str, Any]:
    """Measure invented predictions of the keys, one of each seven missing."""
    hashed = key_hash(spec.label_keys)
    value = hashed % 2 if spec.predicted_classes else hashed / 3
    chosen = F.when(hashed % 7 != 0, value)
    frame = keys.withColumns({"prediction": chosen, measured_predictions.VERSION_COLUMN: F.lit(3)})
    if spec.label.classes:
        first, other = spec.label.classes[:2]
        frame = frame.withColumn("predicted_class", F.when(value == 0, first).otherwise(other))
    facts = measured_predictions.measure_frame(
        files.stored(frame, "predictions"),
        spec,
        files.info(spec.scoring.table),
        keys=keys,
        experiment="",
        champion=3,
        staged=False,
    )
    return plain(facts)


def measured(spec: ModelSpec, files: Any) -> dict[str, Any]:
    """Measure a training set that was given, and bring its holdout into memory as training does."""
    if not (files.given / f"{spec.training_set}.parquet").exists():
        return {}
    facts = training_set.measure(spec, files, Inputs("training_set", {}, {}))
    rows = read_training_set(spec, files, TableHandle(spec.training_set, 1, "", 0))
    collected = rows.collected(rows.part(HOLDOUT))
    collected.to_pickle(files.out / "holdout.pickle")
    return {"training_set": plain(facts), "sampled": sampled(spec, rows.frame)}


def sampled(spec: ModelSpec, frame: DataFrame) -> list[str]:
    """The keys of a sample of a hundred rows, in its order."""
    keys = spec.label_keys
    text = {"keys": F.concat_ws("|", *(F.col(k).cast("string") for k in keys))}
    found = collect_sample(frame, keys, text, rows=frame.count(), most=100)
    return [str(k) for k in found["keys"]]


def plain(facts: Any) -> dict[str, Any]:
    """Facts as plain values, without the time of the measurement.

    Of the examples only for which check there are any, not which rows.
    """
    values = asdict(facts)
    values.pop("measured_at", None)
    if values.get("data_end") == "the time of the build":
        del values["data_until"]
    values["examples"] = sorted(values.get("examples", ()))
    return values


def main() -> None:
    engine, given, out = sys.argv[1:]
    spark = {"classic": jvm.classic_session, "connect": jvm.connect_session}[engine]()
    Path(out).mkdir()
    run(spark, Path(given), Path(out))
    (Path(out) / "version").write_text(f"{engine} {spark.version}", encoding="utf-8")


if __name__ == "__main__":
    main()
