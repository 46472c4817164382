"""A pandas frame as the Arrow table that is stored for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_assets.spec.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def arrow_table(name: str, frame: pd.DataFrame) -> Any:
    """Convert a pandas frame to types that Delta and Spark hold.

    Times become UTC timestamps of microseconds (without a zone: taken as UTC). NaN in object columns
    becomes null; NaN in float columns stays NaN. Categories become their values, unsigned integers
    the next larger signed ones, a column of nothing but None a string.

    Raises
    ------
    DataError
        Naming the column that mixes types or holds durations, periods or the like.
    """
    import pyarrow as pa

    arrays = {str(column): _column(name, str(column), frame[column]) for column in frame.columns}
    return pa.table(arrays)


def _column(table: str, column: str, values: pd.Series) -> Any:
    import pyarrow as pa

    try:
        array = pa.array(values, from_pandas=values.dtype.kind != "f")
        return array.cast(_stored_type(array.type), safe=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{table}: column {column!r}",
            found=f"{values.dtype} values that cannot be stored: {error}",
            expected="numbers, strings, booleans, dates or timestamps, one kind a column",
            fix="convert the column in the loader, for example with .astype(str)",
        ) from error


def _stored_type(kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _stored_type(kind.value_type)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC")
    if pa.types.is_null(kind) or pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_float16(kind):
        return pa.float32()
    odd = (pa.types.is_duration, pa.types.is_time, pa.types.is_interval)
    if isinstance(kind, pa.BaseExtensionType) or any(is_odd(kind) for is_odd in odd):
        raise pa.ArrowTypeError(f"{kind} is not a type of Delta tables")
    signed = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64()}
    return signed.get(kind, pa.int64() if pa.types.is_uint64(kind) else kind)
