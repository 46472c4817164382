"""Which statements bring a stored table up to its layout, and that none is sent without need."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ml_assets.platform.databricks.catalog import EVENT_TIME, PRIMARY_KEYS, Stored, primary_key
from ml_assets.platform.databricks.differences import (
    check_tags,
    is_feature_table,
    loosening,
    noted_keys,
    tightening,
)
from ml_assets.spec.catalog import ColumnInfo, TableInfo, TableLayout
from ml_assets.spec.errors import DataError

LAYOUT = TableLayout(
    "a.b.t",
    primary_keys=("k",),
    event_time="ts",
    description="What.",
    tags={"domain": "x"},
    comments={"v": "a value"},
    not_null=("k", "ts"),
)
COLUMNS = (
    ColumnInfo("k", "string", nullable=False),
    ColumnInfo("ts", "timestamp", nullable=False),
    ColumnInfo("v", "double", comment="a value"),
)
INFO = TableInfo(
    "a.b.t",
    exists=True,
    primary_keys=("k",),
    event_time="ts",
    description="What.",
    tags={"domain": "x", "by_hand": "1"},
    columns=COLUMNS,
)
STORED = Stored(INFO, "id", constrained=True, properties={})


def changed(**values):
    return replace(STORED, info=replace(INFO, **values))


def after(stored=STORED, layout=LAYOUT):
    return [s.removeprefix("ALTER TABLE `a`.`b`.`t` ") for s in tightening(stored, layout)]


def before(stored=STORED, layout=LAYOUT, columns=COLUMNS):
    return [s.removeprefix("ALTER TABLE `a`.`b`.`t` ") for s in loosening(stored, layout, columns)]


def test_a_table_that_is_as_it_should_be_needs_nothing():
    assert before() == after() == []


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        (changed(description=""), "COMMENT ON TABLE `a`.`b`.`t` IS 'What.'"),
        (changed(tags={"domain": "y"}), "SET TAGS ('domain' = 'x')"),
        (
            changed(columns=(*COLUMNS[:2], replace(COLUMNS[2], comment="old"))),
            "ALTER COLUMN `v` COMMENT 'a value'",
        ),
        (
            changed(columns=(replace(COLUMNS[0], nullable=True), *COLUMNS[1:])),
            "ALTER COLUMN `k` SET NOT NULL",
        ),
        (
            replace(STORED, constrained=False),
            "ADD CONSTRAINT `t_pk` PRIMARY KEY (`k`, `ts` TIMESERIES)",
        ),
    ],
)
def test_one_difference_is_one_statement(stored, sent):
    assert after(stored) == [sent]


def test_what_somebody_else_added_stays():
    assert after(changed(tags={"domain": "x", "owner": "ann"})) == []
    columns = (replace(COLUMNS[0], comment="by hand"), *COLUMNS[1:])
    assert after(changed(columns=columns)) == []


def test_another_key_drops_the_constraint_before_and_adds_it_after():
    layout = replace(LAYOUT, primary_keys=("k", "v"), not_null=("k", "ts", "v"))
    assert before(layout=layout) == ["DROP PRIMARY KEY IF EXISTS CASCADE"]
    dropped = replace(STORED, constrained=False)
    assert after(dropped, layout) == [
        "ALTER COLUMN `v` SET NOT NULL",
        "ADD CONSTRAINT `t_pk` PRIMARY KEY (`k`, `v`, `ts` TIMESERIES)",
    ]


def test_a_replaced_schema_drops_the_constraint_before():
    wider = (*COLUMNS, ColumnInfo("w", "int"))
    assert before(columns=wider) == ["DROP PRIMARY KEY IF EXISTS CASCADE"]
    assert before(columns=(COLUMNS[1], COLUMNS[0], COLUMNS[2])) == [
        "DROP PRIMARY KEY IF EXISTS CASCADE"
    ]


def test_nulls_are_allowed_before_rows_with_nulls_come():
    layout = replace(LAYOUT, not_null=("ts",))
    assert before(layout=layout) == [
        "DROP PRIMARY KEY IF EXISTS CASCADE",
        "ALTER COLUMN `k` DROP NOT NULL",
    ]


def test_keys_that_may_be_null_are_noted_and_not_constrained():
    labels = replace(LAYOUT, not_null=("ts",))
    assert is_feature_table(LAYOUT)
    assert not is_feature_table(labels)
    noted = {PRIMARY_KEYS: '["k"]', EVENT_TIME: "ts"}
    assert noted_keys(labels) == noted
    assert noted_keys(LAYOUT) == noted_keys(TableLayout("a.b.t")) == {}
    stored = Stored(INFO, "id", constrained=False, properties=noted)
    assert after(stored, labels) == []
    assert after(replace(stored, properties={}), labels) == [
        "SET TBLPROPERTIES ('ml_assets.primary_keys' = '[\"k\"]', 'ml_assets.event_time' = 'ts')"
    ]


@pytest.mark.parametrize(
    "name", ["a.b", "a,b", "a-b", "a=b", "a/b", "a:b", " a", "a ", "", "x" * 256]
)
def test_tag_names_that_unity_catalog_refuses(name):
    with pytest.raises(DataError, match="what Unity Catalog takes"):
        check_tags(TableLayout("a.b.t", tags={name: "value"}))


def test_tag_values_and_their_number():
    check_tags(TableLayout("a.b.t", tags={f"t{i}": "x" * 1000 for i in range(50)}))
    with pytest.raises(DataError, match="1000"):
        check_tags(TableLayout("a.b.t", tags={"a": "x" * 1001}))
    with pytest.raises(DataError, match="51 tags"):
        check_tags(TableLayout("a.b.t", tags={f"t{i}": "" for i in range(51)}))


@pytest.mark.parametrize(
    ("clause", "found"),
    [
        ("CONSTRAINT `t_pk` PRIMARY KEY (`k`, `ts` TIMESERIES))", (("k",), "ts")),
        ("CONSTRAINT t_pk PRIMARY KEY(k, j))", (("k", "j"), None)),
        ("CONSTRAINT p PRIMARY KEY (`a``b`, `c, d`))", (("a`b", "c, d"), None)),
        ("`note` STRING COMMENT 'PRIMARY KEY (`x`)')", ((), None)),
        (r"`note` STRING COMMENT 'it\'s PRIMARY KEY (`x`)')", ((), None)),
        ("`k` INT)", ((), None)),
    ],
)
def test_keys_in_the_statement_that_makes_the_table(clause, found):
    assert (
        primary_key(f"CREATE TABLE a.b.t (\n  `k` INT NOT NULL,\n  {clause}\nUSING delta") == found
    )
