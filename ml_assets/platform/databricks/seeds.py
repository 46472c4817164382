"""Rows of a pandas frame as a Spark frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.platform.seed_rows import arrow_table

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession


def seed_frame(spark: SparkSession, name: str, rows: pd.DataFrame) -> DataFrame:
    """Convert a pandas frame to types that Delta holds, as the embedded platform does.

    Raises
    ------
    DataError
        Naming the column that cannot be stored.
    """
    from pyspark.sql.pandas.types import from_arrow_schema

    table = arrow_table(name, rows)
    # The schema is stated because an engine cannot infer one from no rows.
    return spark.createDataFrame(table, schema=from_arrow_schema(table.schema))
