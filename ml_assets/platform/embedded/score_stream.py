"""Scores as a stream: batches of keys and features in, Parquet files of predictions out.

DuckDB looks the features up and hands them over in batches; a few threads predict one batch each,
and the results are written in order and forgotten. What stays in memory is a few batches, and what
DuckDB is allowed (``ML_ASSETS_MEMORY``), however many rows there are.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_assets.platform.embedded.duck import batches_of
from ml_assets.platform.protocol import PREDICTED_CLASS, PREDICTION
from ml_assets.spec.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from concurrent.futures import Future, ThreadPoolExecutor
    from pathlib import Path

    import duckdb
    import numpy as np
    import pyarrow as pa

    from ml_assets.platform.embedded.point_in_time import PointInTimeJoin
    from ml_assets.platform.raw_models import LoadedModel

#: 32 of DuckDB's own units of work: large enough to forget the cost of a call, small for caches.
BATCH_ROWS = 65_536
#: DuckDB computes this much ahead.
_BUFFER = "16MB"
#: Batches that are predicted or wait to be written.
_AHEAD = (os.cpu_count() or 1) + 1
#: Batches per file: a few million rows.
FILE_BATCHES = 64


@dataclass(frozen=True)
class ScoreStream:
    """From batches of keys and features to files of keys and predictions.

    ``prediction_type`` is the type that the package declares: ``int64`` or ``float64``; ``classes``
    are the names of the codes 0, 1, … that it predicts, when it has any.
    """

    model: LoadedModel
    prediction_type: str
    key_columns: tuple[str, ...]
    constants: Mapping[str, str | int]
    classes: tuple[str, ...] = ()

    def reader(
        self, join: PointInTimeJoin, connection: duckdb.DuckDBPyConnection
    ) -> pa.RecordBatchReader:
        """Start the lookup: keys, then when each table matched, then the inputs (numbers as float64)."""
        inputs = cast_inputs(join, self.model.inputs)
        keys = {k: join.row(k) for k in self.key_columns}
        query = join.query(connection, {**keys, **join.matches(), **inputs})
        connection.execute(f"SET streaming_buffer_size = '{_BUFFER}'")
        return connection.sql(query).to_arrow_reader(BATCH_ROWS)

    def schema(self, looked_up: pa.Schema) -> pa.Schema:
        """Columns of the result: keys, prediction (and its class), constants, when tables matched."""
        import pyarrow as pa

        fields = list(looked_up)[: -len(self.model.inputs)]
        keys, matches = fields[: len(self.key_columns)], fields[len(self.key_columns) :]
        constants = [
            pa.field(name, pa.int64() if isinstance(value, int) else pa.string())
            for name, value in self.constants.items()
        ]
        predicted = [pa.field(PREDICTION, pa.type_for_alias(self.prediction_type))]
        predicted += [pa.field(PREDICTED_CLASS, pa.string())] if self.classes else []
        return pa.schema([*keys, *predicted, *constants, *matches])

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
        with self.model.predictors() as pool:
            scored = self._in_order(pool, batches_of(reader), schema)
            for number, batches in enumerate(_files(scored)):
                path = folder / f"part-{number:05}.parquet"
                with pq.ParquetWriter(path, schema, use_dictionary=repeating) as writer:
                    for batch in batches:
                        writer.write_batch(batch)
                        rows += batch.num_rows
        return rows

    def _in_order(
        self, pool: ThreadPoolExecutor, batches: Iterator[pa.RecordBatch], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        """Score a few batches at once; give them back in the order they came in."""
        waiting: deque[Future[pa.RecordBatch]] = deque()
        for batch in batches:
            waiting.append(pool.submit(self._scored, batch, schema))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _scored(self, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
        import pyarrow as pa

        kept = batch.num_columns - len(self.model.inputs)
        inputs = batch.select(batch.schema.names[kept:])
        prediction = self._checked(self.model.predict_batch(inputs))
        made = {PREDICTION: prediction, **self._named(prediction)}
        columns = [
            batch.column(f.name)
            if f.name in batch.schema.names[:kept]
            else made[f.name]
            if f.name in made
            else pa.repeat(pa.scalar(self.constants[f.name], f.type), batch.num_rows)
            for f in schema
        ]
        return pa.record_batch(columns, schema=schema)

    def _named(self, codes: pa.Array) -> dict[str, pa.Array]:
        """Name the class of each code; a code that is none has no name."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.classes:
            return {}
        known = pc.and_(pc.greater_equal(codes, 0), pc.less(codes, len(self.classes)))
        return {PREDICTED_CLASS: pc.take(pa.array(self.classes), pc.if_else(known, codes, None))}

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


def cast_inputs(join: PointInTimeJoin, inputs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """SQL of the model's inputs (name, Spark type), by name: numbers as float64."""
    features = join.features()
    return {
        name: features[name] if kind == "string" else f"CAST({features[name]} AS DOUBLE)"
        for name, kind in inputs
    }


def _files(batches: Iterator[pa.RecordBatch]) -> Iterator[Iterator[pa.RecordBatch]]:
    """Cut the stream into files of a readable size, without holding one in memory."""
    for first in batches:
        yield itertools.chain([first], itertools.islice(batches, FILE_BATCHES - 1))


def _text(field: pa.Field) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(field.type))
