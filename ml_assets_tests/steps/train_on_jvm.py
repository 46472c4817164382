"""A process of its own with a classic Spark session on the JVM: runs the train step in it.

Reads tasks as JSON from standard input, writes what came of them as JSON to the file in the first
argument. Tables are read as Parquet: there are no Delta jars. MLflow and packaging are those of the
embedded platform.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltalake import DeltaTable
from pyspark.sql.classic.dataframe import DataFrame

from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.rules.registry import judge
from ml_assets.spec.errors import MlAssetsError
from ml_assets.spec.model import ModelSpec
from ml_assets.steps.execution import Inputs, execute
from ml_assets.steps.handles import TableHandle
from ml_assets.steps.train_model import build
from ml_assets_tests.jvm import classic_session
from ml_assets_tests.steps.helpers import TRACE

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from ml_assets.platform.protocol import Registry, Tracking

#: Rows that came to this process, for each frame that was collected.
COLLECTED: list[int] = []


@dataclass
class JvmTables:
    """The stored tables, read by classic Spark."""

    embedded: EmbeddedPlatform
    spark: SparkSession

    def read(self, name: str, version: int | None = None) -> DataFrame:
        table = DeltaTable(self.embedded.tables.path(name), version=version)
        return self.spark.read.parquet(*table.file_uris())

    def info(self, name: str) -> Any:
        return self.embedded.tables.info(name)


@dataclass
class JvmPlatform:
    """The embedded platform with another Spark."""

    embedded: EmbeddedPlatform
    spark: SparkSession
    tables: JvmTables = field(init=False)

    def __post_init__(self) -> None:
        self.tables = JvmTables(self.embedded, self.spark)

    @property
    def features(self) -> Any:
        return self.embedded.features

    @property
    def tracking(self) -> Tracking:
        return self.embedded.tracking

    @property
    def registry(self) -> Registry:
        return self.embedded.registry


def count_collected_rows() -> None:
    for name in ("collect", "toPandas"):
        plain = getattr(DataFrame, name)

        def counted(self: DataFrame, plain: Any = plain) -> Any:
            rows = plain(self)
            COLLECTED.append(len(rows))
            return rows

        setattr(DataFrame, name, counted)


def train(platform: Any, task: dict[str, Any]) -> dict[str, Any]:
    spec = ModelSpec.model_validate(task["spec"])
    handle = TableHandle.from_metadata(task["training_set"])
    COLLECTED.clear()
    inputs = Inputs("trained_model", {"training_set": handle}, TRACE)
    try:
        outcome = execute(build, judge, spec, platform, inputs)
    except MlAssetsError as error:
        return {"error": str(error)}
    red = [v.message for v in outcome.verdicts if not v.passed]
    handle_values = outcome.handle.to_metadata() if outcome.handle else None
    return {"handle": handle_values, "red": red, "collected": list(COLLECTED)}


def main() -> None:
    tasks = json.load(sys.stdin)
    spark = classic_session()
    count_collected_rows()
    platform = JvmPlatform(EmbeddedPlatform(home=Path(tasks["home"]), spark=spark), spark)
    done = [train(platform, task) for task in tasks["tasks"]]
    Path(sys.argv[1]).write_text(json.dumps(done), encoding="utf-8")
    spark.stop()


if __name__ == "__main__":
    main()
