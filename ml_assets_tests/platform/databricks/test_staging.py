"""Names of staging tables, and which of them were left behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from ml_assets.platform.databricks.staging import (
    is_left_behind,
    remove_left_behind,
    staging_name,
)

NOW = datetime(2026, 1, 3, 12, tzinfo=UTC)


def base(table, now=NOW):
    return staging_name(table, now).rpartition(".")[2]


def test_two_stagings_never_share_a_name():
    assert len({staging_name("a.b.t", NOW) for _ in range(100)}) == 100


def test_a_day_later_it_is_left_behind():
    name = base("a.b.Weather_Hourly")
    assert not is_left_behind(name, NOW + timedelta(days=1))
    assert is_left_behind(name, NOW + timedelta(days=1, seconds=1))
    assert is_left_behind(name.upper(), NOW + timedelta(days=2))


def test_the_longest_name_still_fits_unity_catalog():
    assert len(base(f"a.b.{'t' * 128}")) <= 255


def test_tables_of_somebody_else_are_never_left_behind():
    later = NOW + timedelta(days=9)
    for name in ("t", "t__staged_", "t__staged_20260102", "t__staged_99999999t999999_0a1b2c3d"):
        assert not is_left_behind(name, later)


def test_only_what_is_old_is_removed():
    old, new = base("a.b.t", NOW - timedelta(days=400)), base("a.b.t", datetime.now(UTC))
    asked = []

    def sql(statement):
        asked.append(statement)
        rows = [SimpleNamespace(), {"tableName": old}, {"tableName": new}, {"tableName": "t"}]
        return SimpleNamespace(collect=lambda: rows[1:] if statement.startswith("SHOW") else [])

    remove_left_behind(SimpleNamespace(sql=sql), "a.b.t")  # type: ignore[arg-type]
    assert asked == [
        "SHOW TABLES IN `a`.`b` LIKE 't__staged_*'",
        f"DROP TABLE IF EXISTS `a`.`b`.`{old}`",
    ]
