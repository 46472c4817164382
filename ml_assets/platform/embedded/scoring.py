"""Batch scoring: keys in, staged predictions out, by the lookups that the package states."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_assets.platform.embedded.delta_files import Snapshot, snapshot
from ml_assets.platform.embedded.duck import connect, scratch_folder
from ml_assets.platform.embedded.failures import storage_errors
from ml_assets.platform.embedded.point_in_time import Lookup, PointInTimeJoin, Rows
from ml_assets.platform.embedded.score_stream import ScoreStream, cast_inputs
from ml_assets.platform.package_layout import read_feature_spec
from ml_assets.platform.raw_models import load_model
from ml_assets.platform.scoring_checks import (
    checked_keys,
    declared_classes,
    declared_type,
    packaged_lookups,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pandas as pd
    from pyspark.sql import DataFrame

    from ml_assets.platform.embedded.staged import EmbeddedStaged
    from ml_assets.platform.embedded.tables import EmbeddedTables
    from ml_assets.platform.package_layout import FeatureSpec
    from ml_assets.platform.scoring_checks import PackagedLookup
    from ml_assets.spec.catalog import TableLayout


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
            load_model(self.package),
            declared_type(self.package),
            self.key_columns,
            self.constants,
            declared_classes(self.package),
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

    def look_up(self, keys: DataFrame) -> pd.DataFrame:
        """Give the keys and the model's inputs (numbers as float64), in memory.

        The as-of time is UTC without a zone, as Spark gives it to pandas.
        """
        packaged = read_feature_spec(self.package)
        types = self._key_types(keys, packaged)
        with self._staged(keys, types) as stored, connect(self.tables.home) as connection:
            rows = Rows("the keys to score", stored.relation(connection, self.key_columns), types)
            join = PointInTimeJoin(rows, self._lookups(packaged))
            expected = join.match(connection)
            inputs = cast_inputs(join, [(c.name, c.type) for c in packaged.inputs])
            columns = {**{k: join.row(k) for k in self.key_columns}, **inputs}
            found = connection.sql(join.query(connection, columns)).to_arrow_table()
            join.check_count(connection, expected=expected, found=found.num_rows)
        frame: pd.DataFrame = found.to_pandas()
        time = self.key_columns[-1]
        return frame.assign(**{time: frame[time].dt.tz_convert(None).astype("datetime64[ns]")})

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
        return checked_keys(types, packaged, self.key_columns, self.constants)

    def _lookups(self, packaged: FeatureSpec) -> list[Lookup]:
        return [self._lookup(found) for found in packaged_lookups(self.package, packaged)]

    def _lookup(self, found: PackagedLookup) -> Lookup:
        info = self.tables.info(found.table)
        stored = snapshot(self.tables, found.table)
        found.check(info, stored.version, stored.types)
        return Lookup(
            name=self.names.get(found.table, found.table.rpartition(".")[2]),
            snapshot=stored,
            keys=tuple(zip(info.primary_keys, found.keys, strict=True)),
            columns=tuple((c.feature, c.name) for c in found.columns),
            event_time=found.event_time(info),
            lookback=found.lookback,
        )
