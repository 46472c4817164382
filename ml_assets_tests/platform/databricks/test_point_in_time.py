"""The keys-only join says which feature row a row finds."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from pyspark.errors import PySparkException

from ml_assets.platform.databricks.point_in_time import REPEATED, Lookup, with_matches
from ml_assets.spec.errors import DataError

START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = "customer string, shop bigint, asked_at timestamp"
DATED = Lookup(
    "activity",
    "a.b.activity",
    (("who", "customer"), ("shop", "shop")),
    event_time=("known_at", "asked_at"),
)
STATIC = Lookup("profile", "a.b.profile", (("who", "customer"),))


def hours(number):
    return START + timedelta(hours=number)


def asked(spark, *rows):
    return spark.createDataFrame([(c, 1, t) for c, t in rows], ROWS)


def known(spark, *rows):
    schema = "who string, shop bigint, known_at timestamp"
    return spark.createDataFrame([(c, 1, t) for c, t in rows], schema)


def matches(frame, name="__as_of_activity"):
    rows = frame.selectExpr("customer", "unix_micros(asked_at) a", f"unix_micros({name}) m")

    def time(micros):
        return (
            None
            if micros is None
            else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
        )

    return sorted(((r.customer, time(r.a), time(r.m)) for r in rows.collect()), key=repr)


@pytest.mark.parametrize("lookback", [None, timedelta(hours=5), timedelta(0)])
def test_equals_a_search_row_by_row(spark, lookback):
    dice = random.Random(3)  # noqa: S311 - a test's rows
    features = {(f"c{dice.randrange(6)}", hours(dice.randrange(24))) for _ in range(60)}
    rows = [(f"c{dice.randrange(8)}", hours(dice.randrange(-2, 30))) for _ in range(80)]
    lookup = Lookup(
        DATED.name, DATED.table, DATED.keys, event_time=DATED.event_time, lookback=lookback
    )
    found = with_matches(asked(spark, *rows), [(lookup, known(spark, *features))])

    def latest(customer, moment):
        times = [t for c, t in features if c == customer and t <= moment]
        best = max(times, default=None)
        return None if best and lookback is not None and moment - best > lookback else best

    assert matches(found) == sorted(((c, t, latest(c, t)) for c, t in rows), key=repr)
    assert found.columns == ["customer", "shop", "asked_at", "__as_of_activity"]


def test_null_keys_and_times_find_nothing_and_stay(spark):
    rows = [(None, hours(1)), ("a", None), ("a", hours(1)), ("a", hours(1))]
    features = known(spark, ("a", hours(0)), (None, hours(0)), ("a", None))
    found = with_matches(asked(spark, *rows), [(DATED, features)])
    assert matches(found) == sorted(
        [(None, hours(1), None), ("a", None, None), *[("a", hours(1), hours(0))] * 2], key=repr
    )


def test_the_window_counts_whole_seconds(spark):
    """As the feature engineering client does."""
    lookup = Lookup(
        DATED.name,
        DATED.table,
        DATED.keys,
        event_time=DATED.event_time,
        lookback=timedelta(hours=1),
    )
    late = hours(1) + timedelta(microseconds=900_000)
    later = hours(1) + timedelta(seconds=1)
    rows = asked(spark, ("a", hours(1)), ("a", late), ("a", later))
    found = with_matches(rows, [(lookup, known(spark, ("a", hours(0))))])
    answers = {moment: match for _, moment, match in matches(found)}
    assert answers == {hours(1): hours(0), late: hours(0), later: None}


def test_static_tables_say_whether_they_have_the_key(spark):
    rows = asked(spark, ("a", hours(0)), ("a", hours(0)), ("b", hours(0)), (None, hours(0)))
    table = known(spark, ("a", hours(9)), (None, hours(9)), ("z", hours(9)))
    found = with_matches(rows, [(STATIC, table)])
    answers = [(r.customer, r["__matched_profile"]) for r in found.collect()]
    assert sorted(answers, key=repr) == [("a", True), ("a", True), ("b", False), (None, False)]


def test_several_tables_one_after_the_other(spark):
    rows = asked(spark, ("a", hours(2)), ("b", hours(2)))
    features = known(spark, ("a", hours(1)))
    found = with_matches(rows, [(DATED, features), (STATIC, features)])
    assert found.columns[3:] == ["__as_of_activity", "__matched_profile"]
    answers = {r.customer: r["__matched_profile"] for r in found.collect()}
    assert answers == {"a": True, "b": False}


def test_a_repeated_key_ends_the_query_when_a_row_would_find_it(spark):
    features = known(spark, ("a", hours(1)), ("a", hours(1)), ("a", hours(3)))
    later = with_matches(asked(spark, ("a", hours(4))), [(DATED, features)])
    assert matches(later) == [("a", hours(4), hours(3))]
    with pytest.raises(PySparkException, match=REPEATED):
        with_matches(asked(spark, ("a", hours(2))), [(DATED, features)]).collect()


@pytest.mark.parametrize(
    ("rows", "stored", "said"),
    [
        ({"shop": "int"}, {}, "int in the rows, bigint in table a.b.activity"),
        ({}, {"who": None}, "no column 'who'"),
        ({"asked_at": "date"}, {}, "type date"),
        ({}, {"known_at": "timestamp_ntz"}, "type timestamp_ntz"),
    ],
)
def test_what_cannot_be_looked_up_is_refused(rows, stored, said):
    mine = {"customer": "string", "shop": "bigint", "asked_at": "timestamp", **rows}
    theirs = {"who": "string", "shop": "bigint", "known_at": "timestamp", **stored}
    there = {name: kind for name, kind in theirs.items() if kind}
    with pytest.raises(DataError, match=said):
        DATED.check("the rows", mine, there)
