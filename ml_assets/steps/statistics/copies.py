"""Features that repeat the label, the row or the moment, whatever they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_assets.steps.statistics.levels import Levels
from ml_assets.steps.statistics.power import ranks_of, spearman, strongest_order

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

#: With fewer rows (of a class, or different times), agreement may be chance: nothing is said.
LEAST_ROWS, LEAST_OF_CLASS, LEAST_OF_IDS, LEAST_TIMES = 20, 5, 100, 10
#: How far from 1 a rank correlation may be that is equality but for rounding to float32.
SAME_ORDER = 1e-6
#: Whole numbers count the rows when their range is less than so many times the number of rows.
DENSE = 10
#: A value of a key with so many rows on average is a category rather than somebody's identity.
MANY_EACH = 50
#: More numbers than this are no copy of classes, and are not compared as such.
MOST_ROUNDED = 2000


def copy_of_classes(levels: Levels, codes: Array) -> str:
    """Say how a feature repeats the classes; empty when it does not.

    It does when each of its values (null is one) stands for one class and each class has one value.
    The same on the rows with a value alone, as after a lookup that found nothing for the others.
    Numbers that are equal in float32 are one value.
    """
    levels = _rounded(levels)
    if _one_to_one(levels, codes) and _two_often(codes):
        return "one value for each class"
    some, kept = levels.without_null()
    if levels.null and _one_to_one(some, codes[kept]) and _two_often(codes[kept]):
        return "one value for each class, or null"
    return ""


def _two_often(codes: Array) -> bool:
    import numpy as np

    return int((np.bincount(codes) >= LEAST_OF_CLASS).sum()) > 1


def _one_to_one(levels: Levels, codes: Array) -> bool:
    """Whether each level goes with one code and each code with one level, and there are several."""
    import numpy as np

    if levels.count < 2 or levels.count > len(codes):  # noqa: PLR2004
        return False
    width = int(codes.max()) + 1
    pairs = np.unique(levels.codes.astype("int64") * width + codes)
    return len(pairs) == levels.count == len(np.unique(codes))


def copy_of_numbers(levels: Levels, numbers: Array, ranks: Array, codes: Array) -> str:
    """Say how a feature repeats the label's numbers; empty when it does not.

    Numbers do when they have the same order (rank correlation of 1 or -1 but for float32 noise),
    with null as the smallest or the largest value, or on the rows with a value alone. Levels do when
    each stands for one number and each number for one level, and they are no ids: levels repeat.
    """
    if levels.ordered:
        found = [strongest_order(levels, ranks)]
        some, kept = levels.without_null()
        if levels.null and some.count > LEAST_OF_CLASS and len(some.codes) >= LEAST_ROWS:
            found.append(abs(spearman(some, ranks_of(numbers[kept]))))
        if max(found) >= 1 - SAME_ORDER:
            return "the same order as the label"
    repeated = levels.count <= len(levels.codes) / 2
    return "one value for each label" if repeated and _one_to_one(levels, codes) else ""


def identity_of(levels: Levels, times: Array, of_rows: int) -> str:
    """Say whether a feature names the row (``row id``) or the moment (``event time``); else empty.

    A row id is different in every row and never null: strings, or whole numbers that count the rows
    (they lie as dense as a numbering). Numbers in the order of the rows' event times are a time.
    """
    rows = len(levels.codes)
    if levels.null or rows < LEAST_OF_IDS:
        return ""
    if levels.count == rows and (not levels.ordered or _numbering(levels, max(of_rows, rows))):
        return "row id"
    timely = levels.ordered and levels.count >= LEAST_TIMES
    return "event time" if timely and abs(spearman(levels, times)) >= 1 - SAME_ORDER else ""


def repeats_key(levels: Levels, feature: Array, key_levels: Levels, key: Array) -> bool:
    """Whether a feature holds the values of a key, under whatever name and type.

    Compared where both are known: numbers, and texts that all read as numbers, by their value, other
    texts as they are. A key of fewer than ``LEAST_OF_IDS`` different values, or with ``MANY_EACH`` rows
    of each, is a category that comes again (an airport), and may be learned.
    """
    import numpy as np

    if levels.ordered != key_levels.ordered or key_levels.count < LEAST_OF_IDS:
        return False
    known = np.ones(len(key), dtype=bool)
    for side in (levels, key_levels):
        known &= (side.codes < side.count - 1) if side.null else True
    rows = np.flatnonzero(known)
    different = len(np.unique(key_levels.codes[rows]))
    if different < LEAST_OF_IDS or len(rows) >= MANY_EACH * different:
        return False
    mine, theirs = _plain(levels, feature), _plain(key_levels, key)
    first = rows[:LEAST_OF_IDS]
    return bool((mine[first] == theirs[first]).all() and (mine[rows] == theirs[rows]).all())


def _plain(levels: Levels, values: Array) -> Array:
    """The values of a column as numbers when they are some (null: NaN), else as they are."""
    import numpy as np

    if levels.numbers is None:
        return values
    found: Array = np.append(levels.numbers, np.nan)[levels.codes]
    return found


def _numbering(levels: Levels, rows: int) -> bool:
    """Whether the numbers are whole and lie as dense as a numbering of the rows."""
    import numpy as np

    found = levels.numbers
    assert found is not None  # noqa: S101 - the levels are numbers
    whole = bool(np.isfinite(found).all() and (found == np.floor(found)).all())
    return whole and bool(found[-1] - found[0] < DENSE * rows)


def _rounded(levels: Levels) -> Levels:
    """Join numbers that are equal in float32, when there are few: many are no copy of classes."""
    import numpy as np

    if levels.numbers is None or levels.count > MOST_ROUNDED:
        return levels
    with np.errstate(over="ignore"):
        values, joined = np.unique(levels.numbers.astype("float32"), return_inverse=True)
    if levels.null:
        joined = np.append(joined, len(values))
    count = len(values) + levels.null
    return Levels(joined[levels.codes], count, levels.null, values.astype("float64"))
