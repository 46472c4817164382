"""Batch scoring by the client: keys in, staged predictions out, by the lookups that the package states."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_assets.platform.databricks.client import native_join, scoring_uri
from ml_assets.platform.databricks.failures import words
from ml_assets.platform.databricks.point_in_time import Lookup, with_matches
from ml_assets.platform.databricks.repeats import check_count, repeats_explained
from ml_assets.platform.databricks.sql import column
from ml_assets.platform.databricks.staging import scratch
from ml_assets.platform.package_layout import read_feature_spec
from ml_assets.platform.protocol import PREDICTED_CLASS, PREDICTION
from ml_assets.platform.scoring_checks import (
    checked_keys,
    declared_classes,
    declared_type,
    packaged_lookups,
)
from ml_assets.spec.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pandas as pd
    from pyspark.sql import Column, DataFrame

    from ml_assets.platform.databricks import DatabricksPlatform
    from ml_assets.platform.databricks.staged import DatabricksStaged
    from ml_assets.platform.package_layout import FeatureSpec
    from ml_assets.platform.scoring_checks import PackagedLookup
    from ml_assets.spec.catalog import TableLayout

#: The client's result type for the type that a package declares.
_RESULT_TYPES = {"int64": "long", "float64": "double"}


@dataclass(frozen=True)
class Scoring:
    """One model version applied to keys.

    ``uri`` names the version and ``package`` is its folder here; ``names`` are the short names of
    the feature tables by table, ``key_columns`` the keys and, last, the as-of time; ``constants``
    become columns of every row; rows are kept beside the table ``beside`` meanwhile.
    """

    platform: DatabricksPlatform
    uri: str
    package: Path
    names: Mapping[str, str]
    key_columns: tuple[str, ...]
    beside: str
    constants: Mapping[str, str | int]

    def stage(self, keys: DataFrame, layout: TableLayout) -> DatabricksStaged:
        """Score ``keys`` into a table beside the table."""
        lookups = self._lookups(read_feature_spec(self.package))
        with self._scored(keys, lookups, matches=True) as (rows, scored):
            staged = self.platform.tables.stage(self._result(scored, lookups), layout)
            try:
                check_count(self.platform.tables, lookups, rows.count(), staged.frame.count())
            except BaseException:
                staged.discard()
                raise
        return staged

    def look_up(self, keys: DataFrame) -> pd.DataFrame:
        """Give the keys and the model's inputs (numbers as float64), in memory.

        The as-of time is UTC without a zone.
        """
        from pyspark.sql import functions as F

        packaged = read_feature_spec(self.package)
        lookups = self._lookups(packaged)
        inputs = [
            F.col(column(c.name))
            if c.type == "string"
            else F.col(column(c.name)).cast("double").alias(c.name)
            for c in packaged.inputs
        ]
        with self._scored(keys, lookups, matches=False) as (rows, scored):
            frame: pd.DataFrame = scored.select(*self._keys(), *inputs).toPandas()
            check_count(self.platform.tables, lookups, rows.count(), len(frame))
        time = self.key_columns[-1]
        return frame.assign(**{time: frame[time].astype("datetime64[ns]")})

    @contextlib.contextmanager
    def _scored(
        self, keys: DataFrame, lookups: list[Lookup], *, matches: bool
    ) -> Iterator[tuple[DataFrame, DataFrame]]:
        """Store the keys (with when each table matched), and let the client score them, lazily."""
        tables = self.platform.tables
        read = [(x, tables.read(x.table)) for x in lookups]
        types = self._key_types(keys)
        for lookup, table in read:
            lookup.check("the keys to score", types, dict(table.dtypes))
        rows = keys.select(*(column(k) for k in types))
        if matches:
            rows = with_matches(rows, read)
        with contextlib.ExitStack() as stack:
            with repeats_explained(tables, lookups):
                stored = stack.enter_context(scratch(rows, self.beside))
            mlflow = stack.enter_context(self.platform.store.active())
            stack.enter_context(_explained())
            score = self.platform.client.score_batch
            yield (
                stored,
                score(
                    model_uri=scoring_uri(self.uri, mlflow),
                    df=stored,
                    result_type=_RESULT_TYPES[declared_type(self.package)],
                    env_manager="local",
                    **native_join(score),
                ),
            )

    def _result(self, scored: DataFrame, lookups: list[Lookup]) -> DataFrame:
        """Order the columns: keys, prediction (and its class), constants, when each table matched."""
        from pyspark.sql import functions as F

        constants = [
            F.lit(value).cast("bigint" if isinstance(value, int) else "string").alias(name)
            for name, value in self.constants.items()
        ]
        matches = [F.col(column(x.match_column)) for x in lookups]
        predicted = [self._prediction(), *self._predicted_class()]
        return scored.select(*self._keys(), *predicted, *constants, *matches)

    def _prediction(self) -> Column:
        from pyspark.sql import functions as F

        value = F.col(PREDICTION)
        if declared_type(self.package) == "int64":
            return value.cast("bigint").alias(PREDICTION)
        return F.when(~F.isnan(value), value).cast("double").alias(PREDICTION)  # NaN is none: null

    def _predicted_class(self) -> list[Column]:
        """Name the class of each code, when the package does; a code that is none has no name."""
        from pyspark.sql import functions as F

        if not (classes := declared_classes(self.package)):
            return []
        code = F.col(PREDICTION).cast("bigint")
        named = F.when(code == 0, F.lit(classes[0]))
        for i, name in enumerate(classes[1:], start=1):
            named = named.when(code == i, F.lit(name))
        return [named.alias(PREDICTED_CLASS)]

    def _keys(self) -> list[Column]:
        from pyspark.sql import functions as F

        return [F.col(column(k)) for k in self.key_columns]

    def _key_types(self, keys: DataFrame) -> dict[str, str]:
        types = {f.name: f.dataType.simpleString() for f in keys.schema.fields}
        packaged = read_feature_spec(self.package)
        return checked_keys(types, packaged, self.key_columns, self.constants)

    def _lookups(self, packaged: FeatureSpec) -> list[Lookup]:
        return [self._lookup(found) for found in packaged_lookups(self.package, packaged)]

    def _lookup(self, found: PackagedLookup) -> Lookup:
        info = self.platform.tables.info(found.table)
        found.check(info, info.version, {c.name: c.type for c in info.columns})
        return Lookup(
            name=self.names.get(found.table, found.table.rpartition(".")[2]),
            table=found.table,
            keys=tuple(zip(info.primary_keys, found.keys, strict=True)),
            columns=tuple(c.feature for c in found.columns),
            event_time=found.event_time(info),
            lookback=found.lookback,
        )


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Say in our words what the client and its scoring function say of a model's predictions."""
    try:
        yield
    except Exception as error:
        if "did not produce any values compatible with the requested type" not in str(error):
            raise
        raise DataError(
            "the packaged model",
            found=f"predictions of another type: {words(str(error))}",
            expected="the type that its signature declares",
            fix="train again with an estimator whose predict returns the declared type",
            rule="ml02_prediction_dtype",
        ) from error
