"""What Unity Catalog holds after a publication, and when a publication is refused."""
# ruff: noqa: S608 - statements of a test, made of its own constants.

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ml_assets.platform.databricks import staged as staged_module
from ml_assets.spec.catalog import TableLayout
from ml_assets.spec.errors import ConcurrentWriteError, DataError, StorageError
from ml_assets_tests.conformance.platforms import databricks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ml_assets.platform.databricks import DatabricksPlatform
    from ml_assets_tests.conformance.shim.workspace import Workspace

NAME = "shop.features.weather"
LAYOUT = TableLayout(
    NAME,
    primary_keys=("place",),
    event_time="at",
    description="It's the weather.\n\nTechnical: back\\slash.",
    tags={"domain": "shop"},
    comments={"place": "where", "wind": "miles 'an hour'"},
    not_null=("place", "at"),
    grants={"analysts": ("SELECT",)},
)
ROWS = """
    SELECT 'Oslo' place, timestamp'2024-01-01' at, 1.5D wind
    UNION ALL SELECT 'Rome', timestamp'2024-01-02', 2.5D
"""


@pytest.fixture(scope="module")
def opened(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[DatabricksPlatform, Workspace]]:
    """One workspace for all tests here."""
    home: Path = tmp_path_factory.mktemp("publishing")
    with databricks(home) as found:
        yield found


@pytest.fixture
def platform(opened):
    """A workspace in which there is no such table."""
    platform, _ = opened
    tables = platform.spark.sql("SHOW TABLES IN shop.features").collect()
    for row in tables:
        if not row["isTemporary"]:
            platform.spark.sql(f"DROP TABLE IF EXISTS shop.features.{row['tableName']}").collect()
    return platform


def stage(platform, rows=ROWS, layout=LAYOUT, audit=()):
    return platform.tables.stage(platform.spark.sql(rows), layout, audit)


def history(platform, name=NAME):
    rows = platform.spark.sql(f"DESCRIBE HISTORY {name}").collect()
    return {row["version"]: row for row in rows}


def names(platform):
    rows = platform.spark.sql("SHOW TABLES IN shop.features").collect()
    return sorted(r["tableName"] for r in rows if not r["isTemporary"])


def test_a_new_feature_table_has_its_key_its_time_and_everything_else(platform, opened):
    info = stage(platform).publish({"asset": "a"})
    stored = opened[1].unity.tables[NAME]
    assert (stored.primary_key, stored.timeseries) == (["place", "at"], "at")
    assert (info.primary_keys, info.event_time) == (("place",), "at")
    assert info.description == LAYOUT.description
    assert info.tags == {"domain": "shop"}
    assert [(c.name, c.comment, c.nullable) for c in info.columns] == [
        ("place", "where", False),
        ("at", "", False),
        ("wind", "miles 'an hour'", True),
    ]
    assert opened[1].unity.granted("TABLE", NAME) == {"analysts": {"SELECT"}}
    assert names(platform) == ["weather"]
    assert platform.client.get_table(name=NAME).primary_keys == ["place", "at"]


def test_publishing_again_is_one_commit_and_no_other_statement(platform):
    first = stage(platform).publish()
    second = stage(platform, "SELECT 'Oslo' place, timestamp'2024-01-03' at, 9D wind").publish(
        {"asset": "shop/x", "spec_hash": "0a"}
    )
    assert second.version == second.data_version == first.version + 1
    commit = history(platform)[second.version]
    assert '"ml_assets.spec_hash": "0a"' in commit["userMetadata"]
    assert [r.place for r in platform.tables.read(NAME).collect()] == ["Oslo"]
    assert platform.tables.read(NAME, first.version).count() == 2
    assert second.columns == first.columns


def test_rows_that_the_transform_no_longer_makes_are_gone(platform):
    """FeatureEngineeringClient.write_table would have kept them: it merges."""
    stage(platform).publish()
    stage(platform, f"SELECT * FROM ({ROWS}) WHERE place = 'Rome'").publish()
    assert [r.place for r in platform.tables.read(NAME).collect()] == ["Rome"]


def test_another_schema_is_one_commit_of_rows_and_keeps_key_and_comments(platform, opened):
    before = stage(platform).publish()
    wider = f"SELECT wind, place, at, wind * 2 gust FROM ({ROWS})"
    info = stage(platform, wider).publish()
    words = ("WRITE", "SELECT")
    rows = {v: row["operation"] for v, row in history(platform).items() if v > before.version}
    changed = [v for v, operation in rows.items() if any(word in operation for word in words)]
    assert changed == [info.data_version]
    assert info.column_names == ("wind", "place", "at", "gust")
    assert (info.primary_keys, info.event_time) == (("place",), "at")
    assert opened[1].unity.tables[NAME].timeseries == "at"
    comments = {c.name: c.comment for c in info.columns}
    assert comments == {"wind": "miles 'an hour'", "place": "where", "at": "", "gust": ""}
    assert {c.name for c in info.columns if not c.nullable} == {"place", "at"}


def test_other_keys(platform, opened):
    stage(platform).publish()
    static = TableLayout(NAME, primary_keys=("place",), not_null=("place",))
    rows = f"SELECT place, wind FROM ({ROWS})"
    info = stage(platform, rows, static).publish()
    assert (info.primary_keys, info.event_time, info.description) == (("place",), None, "")
    assert opened[1].unity.tables[NAME].primary_key == ["place"]
    nullable = TableLayout(NAME, primary_keys=("place",), event_time=None)
    info = stage(platform, "SELECT cast(NULL AS string) place, 1D wind", nullable).publish()
    assert opened[1].unity.tables[NAME].primary_key == []
    assert info.primary_keys == ("place",)
    assert all(c.nullable for c in info.columns)


def test_a_changed_comment_and_tag_are_sent_and_those_by_hand_stay(platform):
    stage(platform).publish()
    platform.spark.sql(f"ALTER TABLE {NAME} SET TAGS ('by_hand' = '1')").collect()
    layout = TableLayout(
        **{**vars(LAYOUT), "comments": {"wind": "knots"}, "tags": {"domain": "sea"}}
    )
    info = stage(platform, layout=layout).publish()
    comments = {c.name: c.comment for c in info.columns}
    assert comments == {"place": "where", "at": "", "wind": "knots"}
    assert info.tags == {"domain": "sea", "by_hand": "1"}


def test_nulls_in_a_key_are_refused_before_anything_changes(platform):
    version = stage(platform).publish().version
    bad = stage(platform, f"SELECT if(place = 'Oslo', NULL, place) place, at, wind FROM ({ROWS})")
    with pytest.raises(DataError, match="1 nulls in 'place'"):
        bad.publish()
    bad.discard()
    assert platform.tables.info(NAME).version == version
    assert names(platform) == ["weather"]


def test_a_maintenance_commit_is_nobodys_conflict(platform):
    stage(platform).publish()
    staged = stage(platform)
    platform.spark.sql(f"OPTIMIZE {NAME}").collect()
    assert staged.publish().data_version == max(history(platform))


@pytest.mark.parametrize(
    "change", [f"INSERT INTO {NAME} VALUES ('x', timestamp'2024-01-01', 0D)", f"DROP TABLE {NAME}"]
)
def test_rows_of_somebody_else_are_a_conflict(platform, change):
    stage(platform).publish()
    staged = stage(platform)
    platform.spark.sql(change).collect()
    with pytest.raises(ConcurrentWriteError):
        staged.publish()
    staged.discard()
    assert [n for n in names(platform) if "staged" in n] == []


def test_a_table_that_was_made_again_is_a_conflict(platform):
    stage(platform).publish()
    staged = stage(platform)
    platform.spark.sql(f"DROP TABLE {NAME}").collect()
    stage(platform).publish()
    with pytest.raises(ConcurrentWriteError):
        staged.publish()
    staged.discard()


def test_a_commit_that_slips_in_is_reported_with_the_version_to_restore(platform, monkeypatch):
    stage(platform).publish()
    staged = stage(platform, f"SELECT * FROM ({ROWS}) WHERE place = 'Rome'")
    overwrite = staged_module.DatabricksStaged._overwrite

    def late(self, *arguments):
        platform.spark.sql(f"INSERT INTO {NAME} VALUES ('x', timestamp'2024-01-01', 0D)").collect()
        overwrite(self, *arguments)

    monkeypatch.setattr(staged_module.DatabricksStaged, "_overwrite", late)
    with pytest.raises(ConcurrentWriteError) as caught:
        staged.publish()
    staged.discard()
    theirs = max(history(platform)) - 1
    assert (
        f"RESTORE TABLE `shop`.`features`.`weather` TO VERSION AS OF {theirs}" in caught.value.fix
    )
    platform.spark.sql(f"RESTORE TABLE {NAME} TO VERSION AS OF {theirs}").collect()
    assert platform.tables.read(NAME).count() == 3


def test_a_lost_answer_of_a_commit_that_landed_is_no_failure(platform, monkeypatch):
    stage(platform).publish()
    staged = stage(platform, f"SELECT * FROM ({ROWS}) WHERE place = 'Rome'")
    overwrite = staged_module.DatabricksStaged._overwrite

    def lost(self, *arguments):
        overwrite(self, *arguments)
        message = "connection reset"
        raise OSError(message)

    monkeypatch.setattr(staged_module.DatabricksStaged, "_overwrite", lost)
    info = staged.publish()
    assert info.data_version == max(history(platform))
    assert platform.tables.read(NAME).count() == 1


def test_a_failed_first_write_leaves_no_table(platform, monkeypatch):
    staged = stage(platform)

    def full(self, *arguments):
        message = "no space"
        raise OSError(message)

    monkeypatch.setattr(staged_module.DatabricksStaged, "_overwrite", full)
    with pytest.raises(OSError, match="no space"):
        staged.publish()
    staged.discard()
    assert names(platform) == []


def test_what_was_left_behind_a_day_ago_is_removed_by_the_next_staging(platform):
    rows = platform.spark.sql(ROWS)
    for name in (
        "weather__staged_20200101t000000_0a1b2c3d",
        "weather2__staged_20200101t000000_0a1b2c3d",
    ):
        rows.write.format("delta").saveAsTable(f"shop.features.{name}")
    stage(platform).discard()
    assert names(platform) == ["weather2__staged_20200101t000000_0a1b2c3d"]


def test_a_missing_schema_is_told_with_the_statement_that_makes_it(platform):
    with pytest.raises(StorageError) as caught:
        stage(platform, layout=TableLayout("shop.nowhere.t"))
    assert caught.value.fix == "CREATE SCHEMA IF NOT EXISTS `shop`.`nowhere`"


def test_a_view_is_a_source_without_versions(platform):
    stage(platform).publish()
    platform.spark.sql(f"CREATE VIEW shop.features.calm AS SELECT * FROM {NAME}").collect()
    try:
        info = platform.tables.info("shop.features.calm")
        assert (info.exists, info.version, info.data_version) == (True, -1, -1)
        assert platform.tables.read("shop.features.calm", info.version).count() == 2
        with pytest.raises(DataError, match="a view"):
            platform.tables.read("shop.features.calm", 0)
    finally:
        platform.spark.sql("DROP VIEW shop.features.calm").collect()
