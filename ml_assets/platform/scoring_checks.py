"""What batch scoring asks of a package and of the keys to score, on every platform."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ml_assets.platform.package_layout import read_package
from ml_assets.platform.protocol import PREDICTED_CLASS, PREDICTION
from ml_assets.platform.spark_types import simple_type
from ml_assets.spec.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from ml_assets.platform.package_layout import FeatureSpec, PackagedColumn
    from ml_assets.spec.catalog import TableInfo

#: The numpy type of each output type that a signature may declare.
OUTPUT_TYPES = {"long": "int64", "double": "float64"}


def checked_keys(
    types: Mapping[str, str],
    packaged: FeatureSpec,
    key_columns: Sequence[str],
    constants: Iterable[str],
) -> dict[str, str]:
    """Return the key columns' types, out of the types of all columns of the keys to score.

    Raises
    ------
    DataError
        When a key column is missing, or a column is one that scoring looks up or writes itself.
    """
    taken = {PREDICTION, PREDICTED_CLASS, *constants, *(c.name.lower() for c in packaged.inputs)}
    if clash := sorted(n for n in types if n.lower() in taken):
        raise DataError(
            "the keys to score",
            found=f"columns {', '.join(clash)}, which scoring looks up or writes itself",
            expected=f"the columns {', '.join(key_columns)}",
            fix="drop them from the function that returns the keys (scoring.keys)",
            rule="predictions_complete",
        )
    if missing := [k for k in key_columns if k not in types]:
        raise DataError(
            "the keys to score",
            found=f"no column {', '.join(missing)}; columns: {', '.join(types)}",
            expected=f"the columns {', '.join(key_columns)}",
            fix="return them from the function that returns the keys (scoring.keys)",
            rule="predictions_complete",
        )
    return {k: types[k] for k in key_columns}


def declared_type(package: Path) -> str:
    """Read the numpy type that a package's signature declares.

    Raises
    ------
    DataError
        When it declares no single output of type long or double.
    """
    outputs = read_package(package, package.name).outputs
    if len(outputs) != 1 or outputs[0] not in OUTPUT_TYPES:
        raise DataError(
            f"package {package}",
            found=f"a signature with outputs {list(outputs)}",
            expected=f"one output, of type {' or '.join(OUTPUT_TYPES)}",
            fix="materialize trained_model again: its package states the output type",
            rule="ml02_output_schema",
        )
    return OUTPUT_TYPES[outputs[0]]


def declared_classes(package: Path) -> tuple[str, ...]:
    """Read the names of the codes that a package predicts; empty when it names none."""
    return read_package(package, package.name).classes


@dataclass(frozen=True)
class PackagedLookup:
    """Inputs of a package that come from one table in one way: ``keys`` and ``as_of`` of the rows."""

    table: str
    keys: tuple[str, ...]
    as_of: str | None
    columns: tuple[PackagedColumn, ...]
    lookback: timedelta | None

    def check(self, info: TableInfo, version: int, stored: Mapping[str, str]) -> None:
        """Refuse a table, with the column types ``stored`` at a version, that is not what was packaged.

        Numbers and booleans may take another width: models take them as float64. A text in the place
        of a number could not be read, and a number in the place of a text is a level that no encoder
        knows: every row would be scored as if its value had never been seen.

        Raises
        ------
        DataError
            Naming the columns or the keys.
        """
        features = [c.feature for c in self.columns]
        if gone := [name for name in features if name not in stored]:
            raise DataError(
                f"table {self.table}, version {version}",
                found=f"no column {', '.join(gone)}; columns: {', '.join(stored)}",
                expected=f"what the package looks up: {', '.join(features)}",
                fix="train again on the table as it is now, or bring the columns back",
                rule="ml02_inputs_match_features",
            )
        kinds = {c.name: (c.type, stored[c.feature]) for c in self.columns}
        if changed := [n for n, (then, now) in kinds.items() if _family(then) != _family(now)]:
            raise DataError(
                f"table {self.table}, version {version}",
                found="; ".join(f"{n} is {kinds[n][1]}, was {kinds[n][0]}" for n in changed),
                expected="the types that the model was trained on, or other numbers for numbers",
                fix="train again on the table as it is now, or bring the types back",
                rule="ml02_inputs_match_features",
            )
        if len(info.primary_keys) != len(self.keys) or bool(info.event_time) != bool(self.as_of):
            raise DataError(
                f"table {self.table}, version {version}",
                found=f"keys {', '.join(info.primary_keys)}; event time {info.event_time}",
                expected=f"what the package looks up by: {', '.join(self.keys)}; as of {self.as_of}",
                fix="train again on the table as it is now",
                rule="ml01_table_registered",
            )

    def event_time(self, info: TableInfo) -> tuple[str, str] | None:
        """Pair the table's event time with the rows' as-of time; None for a static table."""
        return (info.event_time, self.as_of) if info.event_time and self.as_of else None


_NUMBERS = frozenset({"boolean", "tinyint", "smallint", "int", "bigint", "float", "double"})


def _family(kind: str) -> str:
    """What a model takes a type for: any number is one, every other type is itself."""
    simple = simple_type(kind)
    return "number" if simple in _NUMBERS or simple.startswith("decimal") else simple


def packaged_lookups(package: Path, packaged: FeatureSpec) -> list[PackagedLookup]:
    """Group a package's inputs by how they are looked up, in order of first appearance.

    Raises
    ------
    DataError
        When an input comes with the rows and not from a feature table.
    """
    groups: dict[tuple[str, tuple[str, ...], str | None], list[PackagedColumn]] = {}
    for column in packaged.inputs:
        if column.table is None:
            raise not_looked_up(package, column.name)
        how = (column.table, column.lookup_key, column.as_of)
        groups.setdefault(how, []).append(column)
    found = []
    for (table, keys, as_of), columns in groups.items():
        seconds = packaged.tables[table].lookback if table in packaged.tables else None
        lookback = None if seconds is None else timedelta(seconds=seconds)
        found.append(PackagedLookup(table, keys, as_of, tuple(columns), lookback))
    return found


def not_looked_up(package: Path, column: str) -> DataError:
    """Say that an input of a package comes with the rows and not from a feature table."""
    return DataError(
        f"package {package}",
        found=f"input {column!r} that comes with the rows to score",
        expected="inputs that are looked up in feature tables",
        fix="put the column into a feature table and train again",
        rule="ml02_inputs_match_features",
    )
