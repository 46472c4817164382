"""Source tables that are made once, from a data frame."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from ml_assets.spec.errors import DataError
from ml_assets_tests.platform.contract.tables import NAME


def test_seeding_keeps_types(platform):
    frame = pd.DataFrame(
        {
            "text": ["a", np.nan, None],
            "naive": pd.to_datetime(["2013-01-01 05:00", None, "2013-02-01 00:00"]),
            "zoned": pd.to_datetime(["2013-01-01 05:00"] * 3).tz_localize("America/New_York"),
            "float": [1.5, np.nan, np.inf],
            "integer": pd.array([1, None, 3], dtype="Int64"),
            "flag": [True, False, True],
            "category": pd.Categorical(["x", None, "y"]),
            "unsigned": np.array([1, 2, 2**32 - 1], dtype="uint32"),
            "nothing": [None, None, None],
            "day": [dt.date(2020, 1, 1)] * 3,
        },
        index=[7, 7, 7],
    )
    info = platform.tables.seed(NAME, lambda: frame, "Made for a test.")
    assert {c.name: c.type for c in info.columns} == {
        "text": "string",
        "naive": "timestamp",
        "zoned": "timestamp",
        "float": "double",
        "integer": "bigint",
        "flag": "boolean",
        "category": "string",
        "unsigned": "bigint",
        "nothing": "string",
        "day": "date",
    }
    assert info.description == "Made for a test."
    stored = platform.tables.read(NAME).toArrow().to_pydict()
    assert stored["text"] == ["a", None, None]
    assert stored["category"] == ["x", None, "y"]
    assert stored["integer"] == [1, None, 3]
    assert stored["naive"][:2] == [dt.datetime(2013, 1, 1, 5, tzinfo=dt.UTC), None]
    assert stored["zoned"][0] == dt.datetime(2013, 1, 1, 10, tzinfo=dt.UTC)
    assert stored["float"][0] == 1.5
    assert np.isnan(stored["float"][1])
    assert stored["float"][2] == np.inf


def test_seeding_happens_once(platform):
    first = platform.tables.seed(NAME, lambda: pd.DataFrame({"a": [1, 2]}))

    def never():
        raise AssertionError

    assert platform.tables.seed(NAME, never) == first
    assert platform.tables.read(NAME).count() == 2


@pytest.mark.parametrize(
    ("column", "values_"),
    [
        ("mixed", ["a", 1, None]),
        ("took", pd.to_timedelta(["1h", "2h", "3h"])),
        ("span", pd.period_range("2020-01", periods=3, freq="M")),
        ("object", [object(), None, None]),
    ],
)
def test_seed_columns_that_cannot_be_stored_are_named(platform, column, values_):
    with pytest.raises(DataError, match=f"'{column}'"):
        platform.tables.seed(NAME, lambda: pd.DataFrame({"ok": [1, 2, 3], column: values_}))
    assert not platform.tables.info(NAME).exists


def test_an_empty_seed_keeps_its_columns(platform):
    frame = pd.DataFrame({"a": pd.Series([], dtype="int64"), "b": pd.Series([], dtype="object")})
    info = platform.tables.seed(NAME, lambda: frame)
    assert [(c.name, c.type) for c in info.columns] == [("a", "bigint"), ("b", "string")]
    assert platform.tables.read(NAME).count() == 0
