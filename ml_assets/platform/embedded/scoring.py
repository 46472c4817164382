"""Batch scoring as a stream: matched keys in, Parquet files of predictions out.

DuckDB looks the features up and hands them over in batches, each is predicted and written, and then
forgotten. What stays in memory is one batch, and what DuckDB is allowed (``ML_ASSETS_MEMORY``).
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ml_assets.platform.embedded.delta_files import Snapshot, snapshot
from ml_assets.platform.embedded.duck import connect, scratch_folder
from ml_assets.platform.embedded.failures import storage_errors
from ml_assets.platform.embedded.point_in_time import Lookup, PointInTimeJoin, Rows
from ml_assets.platform.embedded.raw_models import load_model
from ml_assets.platform.package_layout import read_feature_spec, read_package
from ml_assets.spec.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import duckdb
    import numpy as np
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from ml_assets.platform.embedded.raw_models import LoadedModel
    from ml_assets.platform.embedded.staged import EmbeddedStaged
    from ml_assets.platform.embedded.tables import EmbeddedTables
    from ml_assets.platform.package_layout import FeatureSpec, PackagedColumn
    from ml_assets.spec.catalog import TableLayout

PREDICTION = "prediction"
BATCH_ROWS = 100_000
#: DuckDB computes this much ahead while a batch is being predicted.
_BUFFER = "64MB"
#: Batches per file: a few million rows.
FILE_BATCHES = 40
_OUTPUT_TYPES = {"long": "int64", "double": "float64"}


@dataclass(frozen=True)
class Scoring:
    """One model version applied to keys.

    ``package`` is the model's folder, ``names`` the short name of each feature table by table,
    ``key_columns`` the keys and, last, the as-of time; ``constants`` become columns of every row.
    """

    tables: EmbeddedTables
    package: Path
    names: Mapping[str, str]
    key_columns: tuple[str, ...]
    constants: Mapping[str, str | int]

    def stage(self, keys: DataFrame, layout: TableLayout) -> EmbeddedStaged:
        """Score ``keys`` into files beside the table."""
        packaged = read_feature_spec(self.package)
        lookups = self._lookups(packaged)
        types = self._key_types(keys, packaged)
        stream = ScoreStream(
            load_model(self.package), declared_type(self.package), self.key_columns, self.constants
        )
        with self._staged(keys, types) as stored, connect(self.tables.home) as connection:
            rows = Rows("the keys to score", stored.relation(connection, self.key_columns), types)
            join = PointInTimeJoin(rows, lookups)
            expected = join.match(connection)
            reader = stream.reader(join, connection)

            def write(folder: Path) -> None:
                written = stream.write(reader, folder)
                join.check_count(connection, expected=expected, found=written)

            return self.tables.stage_arrow(stream.schema(reader.schema), layout, write)

    @contextmanager
    def _staged(self, keys: DataFrame, types: Mapping[str, str]) -> Iterator[Snapshot]:
        """Let Spark write the keys to files that DuckDB can stream; they are gone afterwards."""
        with scratch_folder(self.tables.home) as scratch:
            folder = scratch / "keys"
            with storage_errors(folder, "write the keys to score"):
                selected = keys.select(*(f"`{name}`" for name in types))
                # Read once and removed: compressing it would cost more than writing it.
                writer = selected.write.option("compression", "uncompressed")
                writer.parquet(self.tables.spark_path(folder))
            files = tuple(str(f) for f in sorted(folder.rglob("*.parquet")))
            yield Snapshot("the keys to score", 0, files, types)

    def _key_types(self, keys: DataFrame, packaged: FeatureSpec) -> dict[str, str]:
        types = {f.name: f.dataType.simpleString() for f in keys.schema.fields}
        taken = {PREDICTION, *self.constants, *(c.name.lower() for c in packaged.inputs)}
        if clash := sorted(n for n in types if n.lower() in taken):
            raise DataError(
                "the keys to score",
                found=f"columns {', '.join(clash)}, which scoring looks up or writes itself",
                expected=f"the columns {', '.join(self.key_columns)}",
                fix="drop them from the function that returns the keys (scoring.keys)",
                rule="predictions_complete",
            )
        if missing := [k for k in self.key_columns if k not in types]:
            raise DataError(
                "the keys to score",
                found=f"no column {', '.join(missing)}; columns: {', '.join(types)}",
                expected=f"the columns {', '.join(self.key_columns)}",
                fix="return them from the function that returns the keys (scoring.keys)",
                rule="predictions_complete",
            )
        return {k: types[k] for k in self.key_columns}

    def _lookups(self, packaged: FeatureSpec) -> list[Lookup]:
        """Group the package's inputs by how they are looked up, in order of first appearance."""
        groups: dict[tuple[str, tuple[str, ...], str | None], list[PackagedColumn]] = {}
        for column in packaged.inputs:
            if column.table is None:
                raise _not_looked_up(self.package, column.name)
            how = (column.table, column.lookup_key, column.as_of)
            groups.setdefault(how, []).append(column)
        return [
            self._lookup(packaged, table, keys, as_of, columns)
            for (table, keys, as_of), columns in groups.items()
        ]

    def _lookup(
        self,
        packaged: FeatureSpec,
        table: str,
        keys: tuple[str, ...],
        as_of: str | None,
        columns: list[PackagedColumn],
    ) -> Lookup:
        info = self.tables.info(table)
        stored = snapshot(self.tables, table)
        if gone := [c.feature for c in columns if c.feature not in stored.types]:
            raise DataError(
                f"table {table}, version {stored.version}",
                found=f"no column {', '.join(gone)}; columns: {', '.join(stored.types)}",
                expected=f"what the package looks up: {', '.join(c.feature for c in columns)}",
                fix="train again on the table as it is now, or bring the columns back",
                rule="ml02_inputs_match_features",
            )
        if len(info.primary_keys) != len(keys) or bool(info.event_time) != bool(as_of):
            raise DataError(
                f"table {table}, version {stored.version}",
                found=f"keys {', '.join(info.primary_keys)}; event time {info.event_time}",
                expected=f"what the package looks up by: {', '.join(keys)}; as of {as_of}",
                fix="train again on the table as it is now",
                rule="ml01_table_registered",
            )
        lookback = packaged.tables[table].lookback if table in packaged.tables else None
        return Lookup(
            name=self.names.get(table, table.rpartition(".")[2]),
            snapshot=stored,
            keys=tuple(zip(info.primary_keys, keys, strict=True)),
            columns=tuple((c.feature, c.name) for c in columns),
            event_time=(info.event_time, as_of) if info.event_time and as_of else None,
            lookback=None if lookback is None else timedelta(seconds=lookback),
        )


@dataclass(frozen=True)
class ScoreStream:
    """From batches of keys and features to files of keys and predictions.

    ``prediction_type`` is the type that the package declares: ``int64`` or ``float64``.
    """

    model: LoadedModel
    prediction_type: str
    key_columns: tuple[str, ...]
    constants: Mapping[str, str | int]

    def reader(
        self, join: PointInTimeJoin, connection: duckdb.DuckDBPyConnection
    ) -> pa.RecordBatchReader:
        """Start the lookup: keys, then when each table matched, then the inputs (numbers as float64)."""
        features = join.features()
        inputs = {
            name: features[name] if kind == "string" else f"CAST({features[name]} AS DOUBLE)"
            for name, kind in self.model.inputs
        }
        keys = {k: join.row(k) for k in self.key_columns}
        query = join.query(connection, {**keys, **join.matches(), **inputs})
        connection.execute(f"SET streaming_buffer_size = '{_BUFFER}'")
        return connection.sql(query).to_arrow_reader(BATCH_ROWS)

    def schema(self, looked_up: pa.Schema) -> pa.Schema:
        """Columns of the result: keys, prediction, constants, when each table matched."""
        import pyarrow as pa

        fields = list(looked_up)[: -len(self.model.inputs)]
        keys, matches = fields[: len(self.key_columns)], fields[len(self.key_columns) :]
        constants = [
            pa.field(name, pa.int64() if isinstance(value, int) else pa.string())
            for name, value in self.constants.items()
        ]
        prediction = pa.field(PREDICTION, pa.type_for_alias(self.prediction_type))
        return pa.schema([*keys, prediction, *constants, *matches])

    def write(self, reader: pa.RecordBatchReader, folder: Path) -> int:
        """Predict and write every batch; return the number of rows.

        Raises
        ------
        DataError
            When the model returns another type than its package declares.
        """
        import pyarrow.parquet as pq

        schema = self.schema(reader.schema)
        # Keys and times hardly repeat: trying dictionaries on them costs more than the prediction.
        repeating = [f.name for f in schema if f.name in {PREDICTION, *self.constants} or _text(f)]
        rows = 0
        for number, batches in enumerate(_files(reader)):
            path = folder / f"part-{number:05}.parquet"
            with pq.ParquetWriter(path, schema, use_dictionary=repeating) as writer:
                for batch in batches:
                    writer.write_batch(self._scored(batch, schema))
                    rows += batch.num_rows
        return rows

    def _scored(self, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
        import pyarrow as pa

        kept = batch.num_columns - len(self.model.inputs)
        inputs = batch.select(batch.schema.names[kept:])
        prediction = self._checked(self.model.predict_batch(inputs))
        columns = [
            batch.column(f.name)
            if f.name in batch.schema.names[:kept]
            else prediction
            if f.name == PREDICTION
            else pa.repeat(pa.scalar(self.constants[f.name], f.type), batch.num_rows)
            for f in schema
        ]
        return pa.record_batch(columns, schema=schema)

    def _checked(self, values: np.ndarray) -> pa.Array:
        import pyarrow as pa

        if str(values.dtype) != self.prediction_type:
            raise DataError(
                "the packaged model",
                found=f"predictions of type {values.dtype}",
                expected=f"{self.prediction_type}, as its signature says",
                fix="train again with an estimator whose predict returns the declared type",
                rule="ml02_prediction_dtype",
            )
        return pa.array(values, from_pandas=True)  # NaN is no prediction: null


def declared_type(package: Path) -> str:
    """Read the numpy type that a package's signature declares.

    Raises
    ------
    DataError
        When it declares no single output of type long or double.
    """
    outputs = read_package(package, package.name).outputs
    if len(outputs) != 1 or outputs[0] not in _OUTPUT_TYPES:
        raise DataError(
            f"package {package}",
            found=f"a signature with outputs {list(outputs)}",
            expected=f"one output, of type {' or '.join(_OUTPUT_TYPES)}",
            fix="materialize trained_model again: its package states the output type",
            rule="ml02_output_schema",
        )
    return _OUTPUT_TYPES[outputs[0]]


def _files(reader: pa.RecordBatchReader) -> Iterator[Iterator[pa.RecordBatch]]:
    """Cut the stream into files of a readable size, without holding one in memory."""
    for first in reader:
        yield itertools.chain([first], itertools.islice(reader, FILE_BATCHES - 1))


def _text(field: pa.Field) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(field.type))


def _not_looked_up(package: Path, column: str) -> DataError:
    return DataError(
        f"package {package}",
        found=f"input {column!r} that comes with the rows to score",
        expected="inputs that are looked up in feature tables",
        fix="put the column into a feature table and train again",
        rule="ml02_inputs_match_features",
    )
