"""Whether keys are unique: proved by few groups of bits, counted one by one when that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.steps.measuring.measure import FLOATS, INTEGERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import Column, DataFrame

_BITS = 6
_DAY = 86_400_000_000


def key_floor(frame: DataFrame, types: Mapping[str, str], keys: Sequence[str]) -> DataFrame:
    """One row that can prove that keys are unique: ``key_rows``, and ``key_floor``.

    ``key_floor`` is never more than the number of distinct keys, so the keys are unique when both are
    equal. When they are not, nothing is known: keys are repeated, or null, or (once in 10^5 tables of
    10 M rows) hashes are equal; ``repeated_keys`` then makes certain.

    Each key is a word and one of its 64 bits, by nothing but its own values: of the last two numbers
    or times among the keys the lowest bits (of a time, those of its day) choose the bit; all that is
    left of the key is hashed to the word. Ids and days mostly lie side by side. So there are many
    rows to a word, and the engine keeps few groups; at worst it keeps one group a row, as it
    does for a count of distinct hashes.
    """
    from pyspark.sql import functions as F

    words, bit = _split(types, keys)
    found = {"rows": F.count(F.lit(1))}
    if bit is not None:
        # By its name: the function of classic Spark's Python takes no column as the second argument.
        one = F.call_function("shiftleft", F.lit(1).cast("bigint"), bit)
        found["bits"] = F.bit_or(one)
    groups = frame.groupBy(F.xxhash64(*words).alias("word"))
    words_found = groups.agg(*(column.alias(name) for name, column in found.items()))
    floor = F.count(F.lit(1)) if bit is None else F.sum(F.bit_count("bits"))
    return words_found.agg(
        F.coalesce(F.sum("rows"), F.lit(0)).alias("key_rows"),
        F.coalesce(floor, F.lit(0)).alias("key_floor"),
    )


def repeated_keys(frame: DataFrame, types: Mapping[str, str], keys: Sequence[str]) -> int:
    """Count the rows beyond the first of each key; null equals null, NaN equals NaN, 0.0 equals -0.0."""
    from pyspark.sql import functions as F

    groups = frame.groupBy(*(one_key(types, k) for k in keys)).agg(F.count(F.lit(1)).alias("n"))
    again = groups.agg(F.coalesce(F.sum(F.col("n") - 1), F.lit(0))).collect()[0][0]
    return int(again)


def one_key(types: Mapping[str, str], name: str) -> Column:
    """The key column with one value for all that are equal: engines group -0.0 and NaN by their bits."""
    from pyspark.sql import functions as F

    column = F.col(f"`{name}`")
    if types[name] not in FLOATS:
        return column
    nan = F.lit(float("nan")).cast(types[name])
    zero = F.lit(0.0).cast(types[name])
    return F.when(F.isnan(column), nan).otherwise(column + zero).alias(name)


def _split(types: Mapping[str, str], keys: Sequence[str]) -> tuple[list[Column], Column | None]:
    """Make a word's columns and the number of a bit, together the whole key; None: nothing counts up."""
    from pyspark.sql import functions as F

    stepped = [k for k in keys if types[k] in INTEGERS or types[k] in {"date", "timestamp"}][-2:]
    words = [one_key(types, k) for k in keys if k not in stepped]
    if not stepped:
        return words, None
    width, bit = _BITS // len(stepped), F.lit(0)
    for name in stepped:
        value, step = _steps(types[name], F.col(f"`{name}`"))
        number = value if step == 1 else (value / F.lit(step)).cast("bigint")
        low = number.bitwiseAND(F.lit((1 << width) - 1))
        # Word and bit give the value back, whatever was rounded in between.
        words.append(value - low * F.lit(step))
        bit = F.shiftleft(bit, width).bitwiseOR(low.cast("int"))
    return words, bit


def _steps(kind: str, column: Column) -> tuple[Column, int]:
    """A value as a whole number, and by how much it goes up from a neighbour to the next."""
    from pyspark.sql import functions as F

    if kind == "timestamp":
        return F.unix_micros(column), _DAY
    return (F.unix_date(column) if kind == "date" else column).cast("bigint"), 1
