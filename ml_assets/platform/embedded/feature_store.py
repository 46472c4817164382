"""The embedded feature store: point-in-time training sets, packaged models, batch scores."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from ml_assets.platform.embedded.delta_files import snapshot
from ml_assets.platform.embedded.duck import connect, copy_to_parquet
from ml_assets.platform.embedded.point_in_time import Lookup, PointInTimeJoin, Rows
from ml_assets.platform.lookup_checks import refuse_repeats
from ml_assets.platform.protocol import SPLIT_COLUMN

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    import duckdb
    import pandas as pd
    from pyspark.sql import DataFrame

    from ml_assets.platform.embedded import EmbeddedPlatform
    from ml_assets.platform.embedded.scoring import Scoring
    from ml_assets.platform.embedded.staged import EmbeddedStaged
    from ml_assets.platform.protocol import SplitCuts
    from ml_assets.spec.catalog import PackageInfo, TableLayout
    from ml_assets.spec.model import ModelSpec


class EmbeddedFeatureStore:
    """What ``platform.protocol.FeatureStore`` asks for, with DuckDB and MLflow on one machine."""

    def __init__(self, platform: EmbeddedPlatform) -> None:
        self._platform = platform

    def stage_training_set(
        self, spec: ModelSpec, layout: TableLayout, cuts: SplitCuts, versions: Mapping[str, int]
    ) -> EmbeddedStaged:
        """Join the stored labels with the feature tables as of each label's event time.

        The protocol states the columns and what matches. Tables without an entry in ``versions``
        are read at their latest version.

        Raises
        ------
        DataError
            When a table, version or column is missing, key types differ, an event time is not a UTC
            timestamp, or a feature table repeats a key. Nothing is left behind.
        StorageError
            When the disk or the memory limit is too small.
        """
        tables = self._platform.tables
        with connect(self._platform.home) as connection:
            join = self._training_join(spec, versions, connection)
            outputs = _training_columns(spec, join, cuts)
            refuse_repeats(f"training set {layout.name}", list(outputs))
            expected = join.match(connection)
            query = join.query(connection, outputs)
            schema = connection.sql(f"{query} LIMIT 0").to_arrow_table().schema

            def write(folder: Path) -> None:
                written = copy_to_parquet(connection, query, folder)
                join.check_count(connection, expected=expected, found=written)

            return tables.stage_arrow(schema, layout, write)

    def log_model(
        self, spec: ModelSpec, model: Any, *, run_id: str, input_example: pd.DataFrame
    ) -> str:
        """Package a fitted model with its lookups in the run, and return its model URI.

        Raises
        ------
        TrainingError
            When the model can only be stored as a pickle, and the declaration does not allow that.
        DataError
            When a feature table or a column of it is not stored.
        """
        from ml_assets.platform.embedded.packages import feature_spec, log_package

        return log_package(
            self._platform.tracking.store.client,
            spec,
            model,
            feature_spec(spec, self._platform.tables),
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
        from ml_assets.platform.package_layout import read_package

        return read_package(self._folder(model_uri), model_uri)

    def predict(self, model_uri: str, features: pd.DataFrame) -> pd.Series:
        """Load the packaged model and predict rows whose features are given.

        The result has the index of ``features``. Its type is what the model returns, in 64 bits.

        Raises
        ------
        DataError
            When the package cannot be loaded, or an input is missing.
        """
        import pandas as pd

        from ml_assets.platform.raw_models import load_model

        predictions = load_model(self._folder(model_uri)).predict_frame(features)
        return pd.Series(predictions, index=features.index, name="prediction")

    def load_model(self, model_uri: str) -> Any:
        """Load the fitted model inside the package, as its library gives it.

        Raises
        ------
        DataError
            When the package cannot be loaded.
        """
        from ml_assets.platform.raw_models import load_model

        return load_model(self._folder(model_uri)).model

    def stage_scores(
        self,
        spec: ModelSpec,
        keys: DataFrame,
        model_uri: str,
        layout: TableLayout,
        constants: Mapping[str, str | int] | None = None,
    ) -> EmbeddedStaged:
        """Look up the features of ``keys`` as of their event time and score them, in batches.

        What is looked up, and where, is what the package says, not the declaration. The features
        are read at the tables' latest versions.

        Raises
        ------
        DataError
            When ``keys`` lacks a column or has one that the result would overwrite, when a table or
            a column that the package looks up is not there any more, or as for a training set.
        StorageError
            When the disk or the memory limit is too small.
        """
        return self._scoring(spec, model_uri, constants or {}).stage(keys, layout)

    def look_up(self, spec: ModelSpec, keys: DataFrame, model_uri: str) -> pd.DataFrame:
        """Look up what ``stage_scores`` would give the model, for a sample that fits in memory."""
        return self._scoring(spec, model_uri, {}).look_up(keys)

    def _scoring(
        self, spec: ModelSpec, model_uri: str, constants: Mapping[str, str | int]
    ) -> Scoring:
        from ml_assets.platform.embedded.scoring import Scoring

        return Scoring(
            tables=self._platform.tables,
            package=self._folder(model_uri),
            names={t.table: t.name for t in spec.feature_tables},
            key_columns=spec.label_keys,
            constants=dict(constants),
        )

    def _folder(self, model_uri: str) -> Path:
        from ml_assets.platform.embedded.packages import package_folder

        return package_folder(self._platform.tracking.store.client, model_uri)

    def _training_join(
        self,
        spec: ModelSpec,
        versions: Mapping[str, int],
        connection: duckdb.DuckDBPyConnection,
    ) -> PointInTimeJoin:
        tables, label = self._platform.tables, spec.label
        labels = snapshot(tables, label.table, versions.get(label.table))
        rows = Rows.of_table(labels, (*spec.label_keys, label.name), connection)
        lookups = [
            Lookup(
                name=t.name,
                snapshot=snapshot(tables, t.table, versions.get(t.table)),
                keys=tuple((k, k) for k in t.primary_keys),
                columns=tuple((c, c) for c in t.columns),
                event_time=(t.event_time, label.event_time) if t.event_time else None,
                lookback=t.lookback,
            )
            for t in spec.feature_tables
        ]
        return PointInTimeJoin(rows, lookups)


def _training_columns(spec: ModelSpec, join: PointInTimeJoin, cuts: SplitCuts) -> dict[str, str]:
    """SQL expression of each column of a training set, by name, in order."""
    return {
        **{k: join.row(k) for k in spec.label_keys},
        **join.features(),
        spec.label.name: join.row(spec.label.name),
        SPLIT_COLUMN: _split(join.row(spec.label.event_time), cuts),
        **join.matches(),
    }


def _split(time: str, cuts: SplitCuts) -> str:
    return (
        f"CASE WHEN {time} < {_instant(cuts.train_before)} THEN 'train' "
        f"WHEN {time} >= {_instant(cuts.holdout_from)} THEN 'holdout' ELSE 'embargo' END"
    )


def _instant(moment: datetime) -> str:
    """Write a time as SQL, to the microsecond; without a zone it is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    epoch = aware.__class__(1970, 1, 1, tzinfo=UTC)
    return f"make_timestamptz({(aware - epoch) // timedelta(microseconds=1)})"
