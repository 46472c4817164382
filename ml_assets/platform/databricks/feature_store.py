"""The feature store: training sets, packages and batch scores, by the feature engineering client."""

from __future__ import annotations

from datetime import UTC, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ml_assets.platform.databricks.catalog import rows_state
from ml_assets.platform.databricks.packages import (
    Packages,
    check_feature_types,
    create_training_set,
    log_package,
)
from ml_assets.platform.databricks.point_in_time import Lookup, with_matches
from ml_assets.platform.databricks.repeats import check_count, repeats_explained
from ml_assets.platform.databricks.sql import column
from ml_assets.platform.lookup_checks import check_column, refuse_repeats
from ml_assets.platform.package_layout import read_package
from ml_assets.platform.protocol import SPLIT_COLUMN
from ml_assets.platform.raw_models import load_model
from ml_assets.spec.errors import ConcurrentWriteError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import pandas as pd
    from pyspark.sql import Column, DataFrame

    from ml_assets.platform.databricks import DatabricksPlatform
    from ml_assets.platform.databricks.catalog import RowsState
    from ml_assets.platform.databricks.scoring import Scoring
    from ml_assets.platform.databricks.staged import DatabricksStaged
    from ml_assets.platform.protocol import SplitCuts
    from ml_assets.spec.catalog import PackageInfo, TableLayout
    from ml_assets.spec.model import ModelSpec
    from ml_assets.spec.tables import FeatureTable


class DatabricksFeatureStore:
    """What ``platform.protocol.FeatureStore`` asks for, with the client inside a Databricks job."""

    def __init__(self, platform: DatabricksPlatform) -> None:
        self._platform = platform

    @cached_property
    def _packages(self) -> Packages:
        return Packages(self._platform.store)

    def stage_training_set(
        self, spec: ModelSpec, layout: TableLayout, cuts: SplitCuts, versions: Mapping[str, int]
    ) -> DatabricksStaged:
        """Join the stored labels with the feature tables as of each label's event time.

        The labels are read at their version. The client reads feature tables as they are now, so
        their rows must be those of the version that is asked for, before and after the join.

        Raises
        ------
        DataError
            When a table or a column is missing, key types differ, an event time is not a UTC
            timestamp, a feature has a type that cannot be packaged, or a feature table repeats a
            key. Nothing is left behind.
        ConcurrentWriteError
            When a feature table holds other rows than those of the version in ``versions``.
        StorageError
            When rows cannot be read or written.
        """
        tables = self._platform.tables
        labels = self._labels(spec, versions.get(spec.label.table))
        lookups = list(self._checked_lookups(spec, labels, versions))
        before = self._states(spec, versions)
        read = [(x, tables.read(x.table)) for x in lookups]
        rows = with_matches(labels, read)
        joined = create_training_set(self._platform.client, spec, rows).load_df()
        with repeats_explained(tables, lookups):
            staged = tables.stage(joined.select(*_ordered(spec, lookups, cuts)), layout)
        try:
            self._refuse_changes(before, self._states(spec, versions))
            check_count(tables, lookups, labels.count(), staged.frame.count())
        except BaseException:
            staged.discard()
            raise
        return staged

    def log_model(
        self, spec: ModelSpec, model: Any, *, run_id: str, input_example: pd.DataFrame
    ) -> str:
        """Package a fitted model with its lookups in the run, and return its model URI.

        Raises
        ------
        TrainingError
            When the model can only be stored as a pickle, and the declaration does not allow that.
        DataError
            When a feature table or a column of it is not stored, or of a type that cannot be
            packaged.
        """
        labels = self._labels(spec, None)
        stored = self._checked_lookups(spec, labels, {})
        types = {c: kinds[c] for lookup, kinds in stored.items() for c in lookup.columns}
        return log_package(
            self._platform.client,
            self._platform.store,
            spec,
            model,
            labels=labels,
            types=types,
            run_id=run_id,
            input_example=input_example,
        )

    def package_info(self, model_uri: str) -> PackageInfo:
        """Read back what a packaged model says of itself, from its stored files.

        Raises
        ------
        DataError
            When nothing is stored under the URI, or it was not packaged with its lookups.
        """
        return read_package(self._packages.folder(model_uri), model_uri)

    def predict(self, model_uri: str, features: pd.DataFrame) -> pd.Series:
        """Load the model inside the package and predict rows whose features are given.

        The package itself cannot predict: it would look the features up. The result has the index
        of ``features``. Its type is what the model returns, in 64 bits.

        Raises
        ------
        DataError
            When the package cannot be loaded, or an input is missing.
        """
        import pandas as pd

        predictions = load_model(self._packages.folder(model_uri)).predict_frame(features)
        return pd.Series(predictions, index=features.index, name="prediction")

    def load_model(self, model_uri: str) -> Any:
        """Load the fitted model inside the package, as its library gives it.

        Raises
        ------
        DataError
            When the package cannot be loaded.
        """
        return load_model(self._packages.folder(model_uri)).model

    def look_up(self, spec: ModelSpec, keys: DataFrame, model_uri: str) -> pd.DataFrame:
        """Look up what ``stage_scores`` would give the model, for a sample that fits in memory."""
        return self._scoring(spec, model_uri, spec.scoring.table, {}).look_up(keys)

    def stage_scores(
        self,
        spec: ModelSpec,
        keys: DataFrame,
        model_uri: str,
        layout: TableLayout,
        constants: Mapping[str, str | int] | None = None,
    ) -> DatabricksStaged:
        """Look up the features of ``keys`` as of their event time and score them.

        What is looked up, and where, is what the package says, not the declaration. The features
        are read at the tables' latest versions.

        Raises
        ------
        DataError
            When ``keys`` lacks a column or has one that the result would overwrite, when a table or
            a column that the package looks up is not there any more, or as for a training set.
        StorageError
            When rows cannot be read or written.
        """
        return self._scoring(spec, model_uri, layout.name, constants or {}).stage(keys, layout)

    def _scoring(
        self, spec: ModelSpec, model_uri: str, beside: str, constants: Mapping[str, str | int]
    ) -> Scoring:
        from ml_assets.platform.databricks.scoring import Scoring

        return Scoring(
            platform=self._platform,
            uri=model_uri,
            package=self._packages.folder(model_uri),
            names={t.table: t.name for t in spec.feature_tables},
            key_columns=spec.label_keys,
            beside=beside,
            constants=dict(constants),
        )

    def _labels(self, spec: ModelSpec, version: int | None) -> DataFrame:
        """Read the keys, the event time and the label."""
        table = spec.label.table
        labels = self._platform.tables.read(table, version)
        names = (*spec.label_keys, spec.label.name)
        for name in names:
            check_column(f"table {table}", name, dict(labels.dtypes))
        return labels.select(*(column(name) for name in names))

    def _checked_lookups(
        self, spec: ModelSpec, labels: DataFrame, versions: Mapping[str, int]
    ) -> dict[Lookup, Mapping[str, str]]:
        """Give the lookups, in order, with the types of the tables' columns."""
        what, types = f"table {spec.label.table}", dict(labels.dtypes)
        lookups: dict[Lookup, Mapping[str, str]] = {}
        for table in spec.feature_tables:
            lookup = _lookup(spec, table)
            read = self._platform.tables.read(table.table, versions.get(table.table))
            stored = lookups[lookup] = dict(read.dtypes)
            lookup.check(what, types, stored)
            check_feature_types(table.table, stored, table.columns)
        matches = [x.match_column for x in lookups]
        names = [*spec.label_keys, *spec.features, spec.label.name, SPLIT_COLUMN, *matches]
        refuse_repeats(f"training set {spec.training_set}", names)
        return lookups

    def _states(self, spec: ModelSpec, versions: Mapping[str, int]) -> dict[str, RowsState]:
        """Say which rows the feature tables hold, and refuse others than those asked for."""
        states = {}
        for table in spec.feature_tables:
            name = table.table
            state = states[name] = rows_state(self._platform.spark, name)
            if name in versions and state and state[1] > versions[name]:
                raise _changed([name])
        return states

    @staticmethod
    def _refuse_changes(before: Mapping[str, RowsState], after: Mapping[str, RowsState]) -> None:
        if changed := sorted(table for table in after if after[table] != before[table]):
            raise _changed(changed)


def _lookup(spec: ModelSpec, table: FeatureTable) -> Lookup:
    return Lookup(
        name=table.name,
        table=table.table,
        keys=tuple((k, k) for k in table.primary_keys),
        columns=tuple(table.columns),
        event_time=(table.event_time, spec.label.event_time) if table.event_time else None,
        lookback=table.lookback,
    )


def _ordered(spec: ModelSpec, lookups: list[Lookup], cuts: SplitCuts) -> list[Column]:
    """Give the columns of a training set, in the order that the protocol states."""
    from pyspark.sql import functions as F

    time = F.col(column(spec.label.event_time))
    split = (
        F.when(time < _instant(cuts.train_before), "train")
        .when(time >= _instant(cuts.holdout_from), "holdout")
        .otherwise("embargo")
    )
    first = [F.col(column(c)) for c in (*spec.label_keys, *spec.features, spec.label.name)]
    matches = [F.col(column(x.match_column)) for x in lookups]
    return [*first, split.alias(SPLIT_COLUMN), *matches]


def _instant(moment: datetime) -> Column:
    """Write a time, to the microsecond; without a zone it is UTC."""
    from pyspark.sql import functions as F

    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    epoch = aware.__class__(1970, 1, 1, tzinfo=UTC)
    return F.timestamp_micros(F.lit((aware - epoch) // timedelta(microseconds=1)))


def _changed(tables: list[str]) -> ConcurrentWriteError:
    return ConcurrentWriteError(
        ", ".join(tables),
        found="other rows now than at the version that the training set was asked for",
        expected="feature tables that nobody writes while they are joined: the feature engineering "
        "client reads them as they are",
        fix="run this step again; it takes the tables as they are then",
    )
