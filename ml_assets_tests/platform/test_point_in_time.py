"""The point-in-time join against a slow reference that knows nothing of SQL."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ml_assets.platform.embedded.delta_files import snapshot
from ml_assets.platform.embedded.duck import connect
from ml_assets.platform.embedded.point_in_time import Lookup, PointInTimeJoin, Rows
from ml_assets.platform.embedded.tables import EmbeddedTables
from ml_assets.spec.errors import DataError

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
TIME = pa.timestamp("us", "UTC")
NUMBER = pa.int64()
LABELS = pa.schema([("n", NUMBER), ("k", NUMBER), ("s", pa.string()), ("at", TIME)])
FEATURES = pa.schema(
    [("k", NUMBER), ("s", pa.string()), ("t", TIME), ("x", pa.float64()), ("c", pa.string())]
)
STATIC = pa.schema([("k", NUMBER), ("s", pa.string()), ("x", pa.float64()), ("c", pa.string())])


@dataclass(frozen=True)
class Table:
    """Feature rows, and how they are looked up."""

    rows: list[dict[str, object]]
    keys: tuple[str, ...]
    dated: bool
    lookback: timedelta | None


def reference(labels: list[dict[str, object]], tables: list[Table]) -> list[tuple[object, ...]]:
    """Join as the contract says, row by row."""
    joined = []
    for label in labels:
        row = [label["n"], label["k"], label["s"], label["at"]]
        for table in tables:
            found = _find(label, table)
            row += [found["x"], found["c"]] if found else [None, None]
            row.append((found["t"] if found else None) if table.dated else found is not None)
        joined.append(tuple(row))
    return joined


def _find(label: dict[str, object], table: Table) -> dict[str, object] | None:
    best = None
    for row in table.rows:
        if any(label[k] is None or label[k] != row[k] for k in table.keys):
            continue
        if not table.dated:
            return row
        if label["at"] is None or row["t"] > label["at"]:
            continue
        if table.lookback is not None and seconds(label["at"]) - seconds(row["t"]) > (
            table.lookback.total_seconds()
        ):
            continue
        if best is None or row["t"] > best["t"]:
            best = row
    return best


def seconds(moment: datetime) -> int:
    """Whole seconds since 1970, as the real client counts the age of a row."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


moments = st.sampled_from(
    [-3_600_000_000, -1_000_001, -1_000_000, -1, 0, 1, 999_999, 3_600_000_000]
).map(lambda us: NOON + timedelta(microseconds=us))
numbers = st.sampled_from([1, 2, None])
texts = st.sampled_from(["a", "B", "b", "", "it's", None])
values = st.sampled_from([0.0, 1.5, -2.25, math.nan, math.inf, None])
lookbacks = st.sampled_from([None, 0, 1, 2_000_000, 3_600_000_000, 3_601_000_000]).map(
    lambda us: None if us is None else timedelta(microseconds=us)
)


@st.composite
def feature_tables(draw) -> Table:
    dated = draw(st.booleans())
    keys = draw(st.sampled_from([("k",), ("s",), ("k", "s")]))
    row = {"k": numbers, "s": texts, "x": values, "c": texts, **({"t": moments} if dated else {})}
    identity = (*keys, "t") if dated else keys
    rows: dict[object, dict[str, object]] = {}
    for i, made in enumerate(draw(st.lists(st.fixed_dictionaries(row), max_size=12))):
        key = tuple(made[k] for k in identity)
        # Keys are unique, but for those with a null, which nothing may match.
        rows[(*key, i) if None in key else key] = made
    return Table(list(rows.values()), keys, dated, draw(lookbacks) if dated else None)


labels_of = st.lists(st.fixed_dictionaries({"k": numbers, "s": texts, "at": moments}), max_size=10)
TIE = {"k": 1, "s": "a", "at": NOON}
ROW = {"k": 1, "s": "a", "t": NOON, "x": None, "c": None}


@settings(max_examples=80, deadline=None)
@given(labels_of, st.lists(feature_tables(), min_size=1, max_size=3))
@example(
    [TIE, TIE], [Table([ROW, {**ROW, "t": NOON - timedelta(1), "x": 1.0}], ("k",), True, None)]
)
@example(
    [TIE], [Table([{**ROW, "t": NOON - timedelta(hours=1)}], ("k",), True, timedelta(hours=1))]
)
@example([TIE], [Table([], ("k",), True, None), Table([], ("k", "s"), False, None)])
def test_equals_the_reference(labels, tables):
    numbered = [{"n": i, **label} for i, label in enumerate(labels)]
    with tempfile.TemporaryDirectory() as folder:
        found = joined(Path(folder), numbered, tables)
    assert comparable(found) == comparable(reference(numbered, tables))


def test_an_event_time_of_null_matches_no_dated_row_and_every_static_one(tmp_path):
    labels = [{"n": 0, "k": 1, "s": "a", "at": None}]
    tables = [
        Table([{**ROW, "x": 5.0}], ("k",), True, None),
        Table([{"k": 1, "s": "a", "x": 7.0, "c": "z"}], ("k",), False, None),
    ]
    assert joined(tmp_path, labels, tables) == [(0, 1, "a", None, None, None, None, 7.0, "z", True)]


def test_reads_the_version_that_is_asked_for(tmp_path):
    store(tmp_path, "m.f.t0", FEATURES, [{**ROW, "x": 1.0}])
    store(tmp_path, "m.f.t0", FEATURES, [{**ROW, "x": 2.0}])
    assert [features_at(tmp_path, version) for version in (0, 1)] == [[1.0], [2.0]]


def test_partitioned_tables_match_like_others(tmp_path):
    """Delta keeps partition values in folder names: strings are escaped there, empty means null."""
    days = [NOON.date(), NOON.date() + timedelta(1), None]
    schema = pa.schema([*FEATURES, ("d", pa.date32())])
    rows = [
        {**ROW, "s": s, "t": NOON + timedelta(seconds=i), "x": float(i), "d": days[i % 3]}
        for i, s in enumerate(["a b/ü=%20", "it's", "", None, "B"])
    ]
    store(tmp_path, "m.f.t0", schema, rows, partition_by=["s", "d"])
    labels = [{"n": i, "k": 1, "s": r["s"], "at": r["t"]} for i, r in enumerate(rows)]
    store(tmp_path, "m.l.labels", LABELS, labels)
    found = run(tmp_path, [lookup(tmp_path, "m.f.t0", ("s",), dated=True, columns=("x", "d"))])
    values = {row[0]: row[4:6] for row in found}
    assert values == {
        0: (0.0, days[0]),
        1: (1.0, days[1]),
        2: (None, None),
        3: (None, None),
        4: (4.0, days[1]),
    }


def test_a_column_that_was_added_later_is_null_in_older_files(tmp_path):
    store(tmp_path, "m.f.t0", FEATURES, [{**ROW, "x": 1.0}])
    wider = pa.schema([*FEATURES, ("late", pa.int32())])
    newer = {**ROW, "k": 2, "x": 2.0, "late": 9}
    store(tmp_path, "m.f.t0", wider, [newer], mode="append", schema_mode="merge")
    store(tmp_path, "m.l.labels", LABELS, [{"n": n, "k": n, "s": "a", "at": NOON} for n in (1, 2)])
    found = run(tmp_path, [lookup(tmp_path, "m.f.t0", ("k",), dated=True, columns=("x", "late"))])
    assert sorted(row[4:6] for row in found) == [(1.0, None), (2.0, 9)]


def test_folders_with_spaces_and_quotes(tmp_path):
    home = tmp_path / "it's a (new) home"
    assert (
        joined(home, [{"n": 0, **TIE}], [Table([{**ROW, "x": 3.0}], ("k",), True, None)])[0][4]
        == 3.0
    )


def test_names_are_quoted(tmp_path):
    odd = 'x"; DROP TABLE matched; --'
    schema = pa.schema([("k", NUMBER), ("t", TIME), (odd, pa.float64())])
    store(tmp_path, "m.f.t0", schema, [{"k": 1, "t": NOON, odd: 4.0}])
    store(tmp_path, "m.l.labels", LABELS, [{"n": 0, **TIE}])
    found = run(tmp_path, [lookup(tmp_path, "m.f.t0", ("k",), dated=True, columns=(odd,))])
    assert [row[4] for row in found] == [4.0]


def test_repeated_keys_are_refused_by_name(tmp_path):
    tables = [Table([ROW, {**ROW, "x": 2.0}], ("k", "s"), True, None)]
    with pytest.raises(DataError) as refused:
        joined(tmp_path, [{"n": 0, **TIE}], tables)
    assert refused.value.rule == "ml01_primary_key_unique"
    assert "m.f.t0" in str(refused.value)
    assert "1, a, 2024-02-29 12:00:00+00:00 (2 rows)" in refused.value.found


def test_key_types_must_be_equal(tmp_path):
    narrow = pa.schema([("k", pa.int32()), ("t", TIME), ("x", pa.float64())])
    store(tmp_path, "m.f.t0", narrow, [{"k": 1, "t": NOON, "x": 1.0}])
    store(tmp_path, "m.l.labels", LABELS, [{"n": 0, **TIE}])
    with pytest.raises(DataError) as refused:
        run(tmp_path, [lookup(tmp_path, "m.f.t0", ("k",), dated=True, columns=("x",))])
    assert "bigint in table m.l.labels" in refused.value.found
    assert "int in table m.f.t0" in refused.value.found
    assert 'cast("int")' in refused.value.fix


@pytest.mark.parametrize(
    ("kind", "value", "name"),
    [
        (pa.timestamp("us"), datetime(2024, 1, 1), "timestamp_ntz"),  # noqa: DTZ001 - the point
        (pa.string(), "2024-01-01", "string"),
        (pa.date32(), NOON.date(), "date"),
        (NUMBER, 1704067200, "bigint"),
    ],
)
def test_event_times_must_be_instants(tmp_path, kind, value, name):
    schema = pa.schema([("k", NUMBER), ("t", kind), ("x", pa.float64())])
    store(tmp_path, "m.f.t0", schema, [{"k": 1, "t": value, "x": 1.0}])
    store(tmp_path, "m.l.labels", LABELS, [{"n": 0, **TIE}])
    with pytest.raises(DataError, match=f"type {name}") as refused:
        run(tmp_path, [lookup(tmp_path, "m.f.t0", ("k",), dated=True, columns=("x",))])
    assert 'cast("timestamp")' in refused.value.fix


def test_a_missing_column_is_named_with_the_closest_one(tmp_path):
    store(tmp_path, "m.f.t0", FEATURES, [ROW])
    store(tmp_path, "m.l.labels", LABELS, [{"n": 0, **TIE}])
    with pytest.raises(DataError, match="no column 'xx'") as refused:
        run(tmp_path, [lookup(tmp_path, "m.f.t0", ("k",), dated=True, columns=("xx",))])
    assert "did you mean 'x'?" in refused.value.expected


def test_columns_that_differ_by_case_only_are_refused(tmp_path):
    schema = pa.schema([("k", NUMBER), ("t", TIME), ("AT", pa.float64())])
    store(tmp_path, "m.f.t0", schema, [{"k": 1, "t": NOON, "AT": 1.0}])
    store(tmp_path, "m.l.labels", LABELS, [{"n": 0, **TIE}])
    with pytest.raises(DataError, match="AT, at"):
        run(tmp_path, [lookup(tmp_path, "m.f.t0", ("k",), dated=True, columns=("AT",))])


@pytest.mark.parametrize(
    ("action", "name"),
    [
        (
            {
                "protocol": {
                    "minReaderVersion": 3,
                    "minWriterVersion": 7,
                    "readerFeatures": ["deletionVectors"],
                    "writerFeatures": ["deletionVectors"],
                }
            },
            "deletionVectors",
        ),
        ({"metaData": {"configuration": {"delta.columnMapping.mode": "name"}}}, "columnMapping"),
    ],
)
def test_tables_whose_files_do_not_hold_their_rows_are_refused(tmp_path, action, name):
    store(tmp_path, "m.f.t0", FEATURES, [ROW])
    log = tmp_path / "warehouse/m/f/t0/_delta_log"
    first = [json.loads(line) for line in (log / f"{0:020}.json").read_text().splitlines()]
    if "metaData" in action:
        stored = next(a["metaData"] for a in first if "metaData" in a)
        action = {"metaData": {**stored, **action["metaData"]}}
    (log / f"{1:020}.json").write_text(json.dumps(action) + "\n")
    with pytest.raises(DataError, match=name):
        snapshot(tables_of(tmp_path), "m.f.t0")


def joined(
    home: Path, labels: list[dict[str, object]], tables: list[Table]
) -> list[tuple[object, ...]]:
    """Store everything as Delta tables and join it."""
    store(home, "m.l.labels", LABELS, labels)
    lookups = []
    for i, table in enumerate(tables):
        store(home, f"m.f.t{i}", FEATURES if table.dated else STATIC, table.rows)
        lookups.append(
            lookup(home, f"m.f.t{i}", table.keys, dated=table.dated, lookback=table.lookback)
        )
    return run(home, lookups)


def lookup(home, name, keys, *, dated, lookback=None, columns=("x", "c")) -> Lookup:
    number = name[-1]
    return Lookup(
        name=f"t{number}",
        snapshot=snapshot(tables_of(home), name),
        keys=tuple((k, k) for k in keys),
        columns=tuple((c, c if c == "AT" else f"{c}{number}") for c in columns),
        event_time=("t", "at") if dated else None,
        lookback=lookback,
    )


def run(home: Path, lookups: list[Lookup]) -> list[tuple[object, ...]]:
    """Columns: label row, then for each table its features and what says whether it matched."""
    with connect(home) as connection:
        rows = Rows.of_table(
            snapshot(tables_of(home), "m.l.labels"), tuple(LABELS.names), connection
        )
        join = PointInTimeJoin(rows, lookups)
        expected = join.match(connection)
        features, matches = join.features(), join.matches()
        outputs = {c: join.row(c) for c in LABELS.names}
        for x in lookups:
            outputs |= {output: features[output] for _, output in x.columns}
            outputs[x.match_column.name] = matches[x.match_column.name]
        found = connection.execute(join.query(connection, outputs)).fetchall()
        join.check_count(connection, expected=expected, found=len(found))
        return found


def features_at(home: Path, version: int) -> list[object]:
    store(home, "m.l.labels", LABELS, [{"n": 0, **TIE}])
    stored = snapshot(tables_of(home), "m.f.t0", version)
    return [
        row[4]
        for row in run(home, [Lookup("t0", stored, (("k", "k"),), (("x", "x0"),), ("t", "at"))])
    ]


def store(
    home: Path, name: str, schema: pa.Schema, rows: list[dict[str, object]], **options
) -> None:
    path = home / "warehouse" / name.replace(".", "/")
    path.mkdir(parents=True, exist_ok=True)
    options = {"mode": "overwrite", **options}
    write_deltalake(str(path), pa.Table.from_pylist(rows, schema=schema), **options)


def tables_of(home: Path) -> EmbeddedTables:
    return EmbeddedTables(home, session=lambda: pytest.fail("the join needs no Spark"))


def comparable(rows: list[tuple[object, ...]]) -> list[str]:
    """NaN equals NaN here, and the order of rows does not count."""
    return sorted(
        repr([v.isoformat() if isinstance(v, datetime) else v for v in row]) for row in rows
    )
