"""Read a sample of what ``--from`` names: a file, or a table of the embedded platform."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_assets.drafting.names import plain
from ml_assets.drafting.sample import ROWS, Column, Sample
from ml_assets.spec.errors import DataError, SpecError, closest

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".parquet")


def is_file(source: str) -> bool:
    """Whether ``--from`` means a file rather than a table.

    >>> is_file("days.csv"), is_file("main.raw.days"), is_file("data/days.txt")
    (True, False, True)
    """
    return source.lower().endswith(SUFFIXES) or "/" in source or "\\" in source


def read_file(source: str, project: str) -> Sample:
    """Read a CSV or Parquet file, which is to fill the table ``<project>.raw.<name of the file>``.

    Columns get the names that their table will have.

    Raises
    ------
    SpecError
        When the file cannot be read as what its name says.
    """
    import pandas as pd

    from ml_assets.drafting.files_in_parts import head_of

    path = Path(source).expanduser().resolve()
    if not path.is_file() or path.suffix.lower() not in SUFFIXES:
        raise _no_file(source, path)
    try:
        head = head_of(path, ROWS)
    except (ValueError, OSError) as error:  # pandas' and Arrow's own errors are ValueErrors
        raise SpecError(
            f"--from {source}",
            found=f"a file that cannot be read: {error}",
            expected=f"a {path.suffix.lower()[1:]} file with one row of names and one kind a column",
            fix="correct the file, or name another one",
        ) from error
    names = tuple(str(name) for name in head.rows.columns)
    typed, rows = (
        part.set_axis(pd.Index(plain(names)), axis=1) for part in (head.typed, head.rows)
    )
    table = f"{project}.raw.{plain([path.stem])[0].lower()}"
    columns = columns_of(table, typed)
    sample = as_numbers(rows, columns)
    return Sample(table, columns, sample, head.total, file=path, names_in_file=names)


def read_table(name: str, home: Path) -> Sample:
    """Read the first rows of a table in the warehouse; no engine is started.

    Raises
    ------
    DataError
        When there is no such table, naming the ones that there are.
    """
    from ml_assets.platform.embedded import delta
    from ml_assets.platform.embedded.tables import EmbeddedTables
    from ml_assets.platform.embedded.warehouse import table_path

    info = EmbeddedTables(home, _no_session).info(name)
    table = delta.open_table(table_path(home, name))
    if table is None:
        raise _no_table(name, home)
    dataset: Any = table.to_pyarrow_dataset()
    columns = tuple(Column(c.name, c.type, c.comment) for c in info.columns)
    rows = dataset.head(ROWS).to_pandas()
    total = dataset.count_rows()
    return Sample(name, columns, as_numbers(rows, columns), total, description=info.description)


def as_numbers(rows: pd.DataFrame, columns: tuple[Column, ...]) -> pd.DataFrame:
    """Make floats of numbers that pandas holds as objects (decimals, whole numbers with nulls)."""
    import pandas as pd

    rows = rows.copy()
    for column in columns:
        values = rows[column.name]
        if column.kind in {"number", "whole"} and not pd.api.types.is_numeric_dtype(values):
            rows[column.name] = pd.to_numeric(values).astype("float64")
    return rows


def columns_of(table: str, rows: pd.DataFrame) -> tuple[Column, ...]:
    """Say how the columns of a pandas frame will be stored, in Spark's words.

    Raises
    ------
    DataError
        Naming the column that cannot be stored.
    """
    import json

    from deltalake import Schema

    from ml_assets.platform.seed_rows import arrow_table
    from ml_assets.platform.spark_types import simple_type

    schema = json.loads(Schema.from_arrow(arrow_table(table, rows).schema).to_json())
    return tuple(Column(f["name"], simple_type(f["type"])) for f in schema["fields"])


def _no_session() -> Any:
    raise AssertionError("describing a table needs no Spark session")


def _no_file(source: str, path: Path) -> SpecError:
    if path.is_file():
        found, fix = f"a file {path.suffix or 'without a suffix'}", "convert it to CSV or Parquet"
    else:
        near = [p.name for p in path.parent.glob("*") if p.suffix.lower() in SUFFIXES]
        match = closest(path.name, near)
        found = f"no file {path}"
        fix = f"correct the path{f' (did you mean {match!r}?)' if match else ''}"
    return SpecError(
        f"--from {source}",
        found=found,
        expected="a .csv or .parquet file, or a table as catalog.schema.name",
        fix=fix,
    )


def _no_table(name: str, home: Path) -> DataError:
    logs = (home / "warehouse").glob("*/*/*/_delta_log")
    known = sorted(".".join(log.parent.parts[-3:]) for log in logs)
    named = [t for t in known if re.fullmatch(r"\w+\.\w+\.\w+", t)]
    match = closest(name, named)
    return DataError(
        f"--from {name}",
        found=f"no such table in {home / 'warehouse'}",
        expected=f"one of {', '.join(named)}" if named else "a table; the warehouse has none yet",
        fix=f"write {match} (did you mean that?)"
        if match
        else "correct the name, or name a .csv or .parquet file to fill a table from",
    )
