"""Training sets: the point-in-time join of stored labels with stored features."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from ml_assets.platform.protocol import SplitCuts
from ml_assets.spec.catalog import TableLayout, feature_layout
from ml_assets.spec.errors import ConcurrentWriteError, DataError
from ml_assets_tests import tiny
from ml_assets_tests.platform.contract.tables import rows_of, store
from ml_assets_tests.platform.shop import CUSTOMERS, CUTS, DAYS, START, make_shop

LAYOUT = TableLayout("shop.training.spender", description="Joined.", not_null=("asked_at",))
TIME = pa.timestamp("us", "UTC")
TICK = timedelta(microseconds=1)


@pytest.fixture
def shop(platform):
    return make_shop(platform, strings=True)


def stage(shop, cuts=CUTS, versions=None, layout=LAYOUT):
    return shop.platform.features.stage_training_set(shop.spec, layout, cuts, versions or {})


def labels(shop, rows):
    schema = pa.schema([("customer", pa.string()), ("asked_at", TIME), ("spends", pa.int64())])
    table = TableLayout(shop.spec.label.table)
    store(shop.platform, table, pa.Table.from_pylist(rows, schema))


def features(shop, number, rows):
    """Replace the rows of a feature table; what is not given is null."""
    table = shop.spec.feature_tables[number]
    types = {"customer": pa.string(), "known_at": TIME, "city": pa.string(), "visits": pa.int64()}
    names = [*table.keys, *table.columns]
    schema = pa.schema([(name, types.get(name, pa.float64())) for name in names])
    store(shop.platform, feature_layout(table), pa.Table.from_pylist(rows, schema))


def test_columns_and_types_in_the_promised_order(shop):
    info = stage(shop).publish()
    assert [(c.name, c.type) for c in info.columns] == [
        ("customer", "string"),
        ("asked_at", "timestamp"),
        ("amount", "double"),
        ("visits", "bigint"),
        ("city", "string"),
        ("age", "double"),
        ("spends", "bigint"),
        ("__split", "string"),
        ("__as_of_activity", "timestamp"),
        ("__matched_profile", "boolean"),
    ]
    assert info.description == "Joined."


def test_every_label_row_is_there_with_what_was_known(shop):
    staged = stage(shop)
    rows = rows_of(staged.frame)
    assert len(rows) == DAYS * CUSTOMERS
    assert all(r["__as_of_activity"] == r["asked_at"] - timedelta(hours=16) for r in rows)
    assert all(r["__matched_profile"] == (r["customer"] != "c11") for r in rows)
    assert all((r["age"] is None) == (r["customer"] == "c11") for r in rows)
    staged.publish()
    assert sorted(map(repr, rows_of(shop.platform.tables.read(LAYOUT.name)))) == sorted(
        map(repr, rows)
    )


@pytest.mark.parametrize("naive", [True, False])
def test_split_to_the_microsecond(shop, naive):
    before, since = START + timedelta(days=5), START + timedelta(days=6)
    times = {before - TICK: "train", before: "embargo", since - TICK: "embargo", since: "holdout"}
    labels(shop, [{"customer": "c00", "asked_at": t, "spends": 1} for t in times])
    cuts = SplitCuts(before, since)
    if naive:
        cuts = SplitCuts(before.replace(tzinfo=None), since.replace(tzinfo=None))
    rows = rows_of(stage(shop, cuts).frame)
    assert {r["asked_at"]: r["__split"] for r in rows} == times


def test_equal_label_rows_are_all_kept_and_a_row_without_a_time_is_in_no_part(shop):
    row = {"customer": "c00", "asked_at": START + timedelta(days=3), "spends": 1}
    labels(shop, [row, row, row, {**row, "asked_at": None}])
    rows = rows_of(stage(shop, layout=TableLayout(LAYOUT.name)).frame)
    assert sorted(r["__split"] for r in rows) == ["embargo", "train", "train", "train"]
    assert [r["__as_of_activity"] for r in rows if r["asked_at"] is None] == [None]


def test_never_other_rows_than_the_recorded_versions(shop):
    """The client joins tables as they are now: there a table that has changed is refused."""
    table = shop.spec.feature_tables[1]
    before = shop.platform.tables.info(table.table).version
    features(shop, 1, [{"customer": "c00", "age": 99.0}])
    latest = rows_of(stage(shop).frame)
    assert {r["age"] for r in latest if r["customer"] == "c00"} == {99.0}
    found = recorded(shop, {table.table: before})
    assert found is None or {r["age"] for r in found if r["customer"] == "c00"} == {20.0}


def recorded(shop, versions):
    """Give the rows at recorded versions; None when the platform says that they have changed."""
    try:
        return rows_of(stage(shop, versions=versions).frame)
    except ConcurrentWriteError:
        return None


def test_the_recorded_versions_are_the_current_ones(shop):
    tables = [t.table for t in shop.spec.feature_tables]
    versions = {t: shop.platform.tables.info(t).version for t in [*tables, shop.spec.label.table]}
    assert stage(shop, versions=versions).frame.count() == DAYS * CUSTOMERS


def test_equals_a_reference_that_knows_nothing_of_sql(shop):
    """Ties to the microsecond, the edge of the lookback window, nulls and NaN in the latest row."""
    dice = random.Random(5)  # noqa: S311 - a test's rows
    window = shop.spec.feature_tables[0].lookback
    steps = [-window - TICK, -window, -window + TICK, -TICK, timedelta(0), TICK, window]
    customers = [f"c{i:02d}" for i in range(30)]
    moments = {c: START + timedelta(days=dice.randrange(9), hours=12) for c in customers}
    known = {}
    for customer in customers:
        for step in dice.sample(steps, dice.randrange(5)):
            values = {
                "amount": dice.choice([1.5, None, float("nan")]),
                "visits": dice.choice([3, None]),
            }
            values["city"] = dice.choice(["Oslo", "it's", None])
            known[customer, moments[customer] + step] = values
    features(shop, 0, [{"customer": c, "known_at": t, **v} for (c, t), v in known.items()])
    asked = [(c, moments[c] + dice.choice(steps[3:6])) for c in customers for _ in range(3)]
    asked += [asked[0], (None, START), ("nobody", START)]
    labels(shop, [{"customer": c, "asked_at": t, "spends": 0} for c, t in asked])

    expected = []
    for customer, moment in asked:
        times = [t for c, t in known if c == customer and t <= moment and age(t, moment) <= window]
        row = known[customer, max(times)] if times else {}
        found = (row.get("amount"), row.get("visits"), row.get("city"))
        expected.append((customer, moment, *found, max(times, default=None)))
    names = ["customer", "asked_at", "amount", "visits", "city", "__as_of_activity"]
    rows = rows_of(stage(shop).frame.select(*names))
    found = [tuple(r.values()) for r in rows]
    assert sorted(map(comparable, found)) == sorted(map(comparable, expected))


def age(known, asked):
    """Count in whole seconds, as the real client does."""
    return asked.replace(microsecond=0) - known.replace(microsecond=0)


@pytest.mark.parametrize(
    ("late", "found"),
    [
        (timedelta(0), True),
        (timedelta(seconds=1) - TICK, True),
        (timedelta(seconds=1), False),
    ],
)
def test_the_edge_of_the_lookback_window_is_a_whole_second(shop, late, found):
    window = shop.spec.feature_tables[0].lookback
    row = {"customer": "c00", "amount": 1.5, "visits": 3, "city": "Oslo"}
    features(shop, 0, [{**row, "known_at": START}])
    labels(shop, [{"customer": "c00", "asked_at": START + window + late, "spends": 0}])
    [joined] = rows_of(stage(shop).frame)
    assert joined["amount"] == (1.5 if found else None)
    assert joined["__as_of_activity"] == (START if found else None)


def comparable(row):
    """NaN equals NaN here, and a time is a time in whatever class its zone is."""
    return repr([v.isoformat() if isinstance(v, datetime) else v for v in row])


@pytest.mark.parametrize("number", [0, 1])
def test_repeated_feature_keys_are_refused_and_the_table_stays(shop, number):
    version = stage(shop).publish().version
    row = {"customer": "c00", "known_at": START, "age": 1.0, "amount": 1.0}
    names = shop.spec.feature_tables[number]
    row = {name: row[name] for name in (*names.keys, *names.columns) if name in row}
    features(shop, number, [row, row])
    with pytest.raises(DataError, match=r"c00.*\(2 rows\)"):
        stage(shop)
    assert shop.platform.tables.info(LAYOUT.name).version == version


def test_a_feature_called_like_the_label_is_refused(shop):
    mapping = tiny.mapping()
    mapping["label"]["name"] = "AGE"
    renamed = pa.table({"customer": ["c00"], "asked_at": pa.array([START], TIME), "AGE": [1]})
    store(shop.platform, TableLayout(shop.spec.label.table), renamed)
    with pytest.raises(DataError, match="AGE, age") as refused:
        shop.platform.features.stage_training_set(
            tiny.spec(label=mapping["label"]), LAYOUT, CUTS, {}
        )
    assert refused.value.rule == "ml06_label_not_in_features"


@pytest.mark.parametrize("versions", [{}, {"shop.features.profile": 77}])
def test_a_missing_table_or_version_is_named(shop, versions):
    spec = (
        shop.spec
        if versions
        else tiny.spec(label={**tiny.mapping()["label"], "table": "shop.labels.other"})
    )
    missing = "shop.features.profile, version 77" if versions else "shop.labels.other"
    with pytest.raises(DataError, match=missing):
        shop.platform.features.stage_training_set(spec, LAYOUT, CUTS, versions)


def test_key_types_must_be_equal(shop):
    table = shop.spec.feature_tables[1]
    layout = feature_layout(table)
    store(shop.platform, layout, pa.table({"customer": [1], "age": [1.0]}))
    with pytest.raises(DataError, match="bigint"):
        stage(shop)


def test_an_empty_label_table_gives_an_empty_training_set(shop):
    empty = shop.platform.tables.read(shop.spec.label.table).where("false")
    shop.platform.tables.stage(empty, TableLayout(shop.spec.label.table)).publish()
    staged = stage(shop)
    assert staged.frame.count() == 0
    assert staged.frame.columns[-1] == "__matched_profile"
