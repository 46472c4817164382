"""The text of ``features.py``, and of ``sources.py`` where a file fills the source table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_assets.drafting.draft import Draft
    from ml_assets.drafting.rhythm import Step

_LINE = 100
_HEAD = '''"""Transforms of {project}/{model}, a first version by `ml-assets new`: plain PySpark, yours to change."""

from pyspark.sql import Column, DataFrame{window}
from pyspark.sql import functions as F
{constants}

def known({source}: DataFrame) -> DataFrame:
    """{known}"""
    return {source}.select(
{features}
    )


def outcomes({source}: DataFrame) -> DataFrame:
    """{outcomes}"""
    rows = {source}.select(
{outcome}
    )
{kept}


def to_score({source}: DataFrame) -> DataFrame:
    """{to_score}"""
    latest = {source}.agg(F.max(time()).alias("__latest"))
    rows = {source}.crossJoin(latest)
    rows = rows.where({last})
    return rows.select(
{asked}
    )


def time() -> Column:
    """Event time of a row of {table}, UTC."""
    return {time}
'''

_SOURCES = '''"""Fill the table of {project}/{model} where it does not exist yet, from a file."""

from pathlib import Path

import pandas as pd

{file}


def {source}() -> pd.DataFrame:
    """Read the {rows} rows of {name}."""
    frame = {read}
{changes}    return frame
'''


def features_text(draft: Draft) -> str:
    """Write the transforms: what is known, what came out, and what to score."""
    return _series_text(draft, draft.key.step) if draft.key.step else _row_text(draft)


def _series_text(draft: Draft, step: Step) -> str:
    complete = "(time() + COMPLETE_AFTER)"
    if step.at_end:  # Spark keeps the day of the month: found from the first of the next one
        complete = "(time() + A_DAY + COMPLETE_AFTER - A_DAY)"
    keys = ", ".join(f'"{name}"' for name in draft.keys.values())
    asked = draft.asked_at
    return _filled(
        draft,
        window=", Window",
        constants=_series_constants(draft, step),
        known=f"Give the columns of a row, known when it is complete: to the next row, {step} later.",
        known_at=f'{complete}.alias("{draft.known_at}")',
        outcomes="Say what came out, asked for when the row before was complete.",
        kept=f"""\
    first = F.min("{asked}").over(Window.partitionBy({keys}))
    rows = rows.withColumn("__first", first)
    # Nothing is known before the first row; a row without an outcome teaches nothing.
    rows = rows.where(F.col("{asked}") > F.col("__first"))
    return rows.where({_known(draft)})""",
        to_score="Name the next row, which is not there yet: its keys and the moment to score.",
        last='time() == F.col("__latest")',
        asked_at=f'{complete}.alias("{asked}")',
    )


def _row_text(draft: Draft) -> str:
    return _filled(
        draft,
        window="",
        constants="",
        known="Give the columns that are known at the row's event time.",
        known_at=f'time().alias("{draft.known_at}")',
        outcomes="Say what came out, asked for at the row's event time.",
        kept=f"""\
    # A row without an outcome teaches nothing.
    return rows.where({_known(draft)})""",
        to_score="Name the rows of the last day: their keys and the moment to score.",
        last='time() >= F.date_trunc("day", F.col("__latest"))',
        asked_at=f'time().alias("{draft.asked_at}")',
    )


def _filled(draft: Draft, *, known_at: str, asked_at: str, **texts: str) -> str:
    keys = _key_columns(draft)
    features = [_as(source, name) for source, name in draft.features.items()]
    own_time = f'time().alias("{draft.asked_at}")'
    return _HEAD.format(
        project=draft.project,
        model=draft.model,
        source=draft.source,
        features=_lines([*keys, known_at, *features]),
        outcome=_lines([*keys, own_time, _outcome(draft)]),
        asked=_lines([*keys, asked_at]),
        table=draft.sample.table,
        time=_time(draft),
        **texts,
    )


def _lines(columns: Sequence[str]) -> str:
    return "\n".join(f"        {column}," for column in columns)


def _series_constants(draft: Draft, step: Step) -> str:
    a_day = 'A_DAY = F.expr("interval 24 hours")\n' if step.at_end else ""
    return (
        f"\n#: {draft.sample.table} has {draft.key.why}. A row tells of the time from its own to the\n"
        f"#: next one's, so that its columns are known {step} after it, and not sooner.\n"
        f'COMPLETE_AFTER = F.expr("interval {step.interval}")\n'
        f"{a_day}"
    )


def _key_columns(draft: Draft) -> list[str]:
    return [
        f'F.lit("{draft.source}").alias("{name}")' if source is None else _as(source, name)
        for source, name in draft.keys.items()
    ]


def _as(source: str, name: str) -> str:
    return f'"{name}"' if source == name else f'{_column(source)}.alias("{name}")'


def _column(name: str) -> str:
    """Name a column for Spark; one that is no plain name stands in backticks."""
    inner = name if name.isidentifier() else "`" + name.replace("`", "``") + "`"
    return f"F.col({_text(inner)})"


def _text(value: str) -> str:
    plain = value.isprintable() and "\\" not in value and '"' not in value
    return f'"{value}"' if plain else repr(value)


def _outcome(draft: Draft) -> str:
    label = draft.label
    value = _column(label.column.name)
    if label.positive is not None:
        value = f'({value} == {_text(label.positive)}).cast("bigint")'
    elif label.model_type != "regression" and label.threshold is None and not label.classes:
        value = f'{value}.cast("bigint")'
    elif label.column.name == draft.label_name:
        return f'"{draft.label_name}"'
    return f'{value}.alias("{draft.label_name}")'


def _known(draft: Draft) -> str:
    there = f'F.col("{draft.label_name}").isNotNull()'
    stays_float = draft.label.model_type == "regression" or draft.label.threshold is not None
    if stays_float and draft.label.column.type in {"float", "double"}:
        return f'{there} & ~F.isnan("{draft.label_name}")'
    return there


def _time(draft: Draft) -> str:
    column, value = draft.time.column, _column(draft.time.column.name)
    if draft.sample.file is None and column.kind == "text":
        shape = f', "{draft.time.spark_format}"' if draft.time.spark_format else ""
        return f"F.to_timestamp({value}{shape})"
    if draft.sample.file is None and column.type != "timestamp":
        return f'{value}.cast("timestamp")'
    return value


def sources_text(draft: Draft, folder: Path) -> str:
    """Write the loader of the file, which is found from ``folder`` when both are in one project."""
    file = draft.sample.file
    if file is None:
        raise ValueError(f"{draft.sample.table} is not filled from a file")
    columns = [c.name for c in draft.sample.columns]
    changes = []
    if list(draft.sample.names_in_file) != columns:
        listed = "".join(f"            {_text(name)},\n" for name in columns)
        changes.append(f"frame.columns = pd.Index(\n        [\n{listed}        ]\n    )")
    for name in draft.sample.times:
        found = draft.sample.times[name]
        if found.column.kind == "text":
            shape = f"format={_text(found.pandas_format or 'ISO8601')}, utc=True"
            changes.append(f"frame[{_text(name)}] = pd.to_datetime(frame[{_text(name)}], {shape})")
    read = "pd.read_csv(FILE)" if file.suffix.lower() == ".csv" else "pd.read_parquet(FILE)"
    return _SOURCES.format(
        project=draft.project,
        model=draft.model,
        file=_path(file, folder),
        source=draft.source,
        rows=f"{draft.sample.total:,}",
        name=file.name.replace("\\", "/").replace('"', "'"),
        read=read,
        changes="".join(f"    {change}\n" for change in changes),
    )


def _path(file: Path, folder: Path) -> str:
    folder = folder.resolve()
    where = _text(str(file))
    for count, parent in enumerate(folder.parents):
        if (parent / "pyproject.toml").is_file() and file.is_relative_to(parent):
            inside = _text(file.relative_to(parent).as_posix())
            return _wrapped(f"FILE = Path(__file__).parents[{count + 1}] / {inside}")
    return _wrapped(f"FILE = Path({where})")


def _wrapped(line: str) -> str:
    """Break an assignment that is too long where the project's formatter breaks it."""
    if len(line) <= _LINE:
        return line
    start, _, value = line.partition("Path(")
    if value.startswith("__file__"):
        return f"{start}(\n    Path({value}\n)"
    return f"{start}Path(\n    {value.removesuffix(')')}\n)"
