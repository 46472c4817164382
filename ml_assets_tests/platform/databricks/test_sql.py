"""The statements: a name or a text never becomes SQL."""

from __future__ import annotations

import pytest

from ml_assets.platform.databricks import sql
from ml_assets.spec.catalog import ColumnInfo

EVIL = "x'; DROP TABLE t; --\\"


@pytest.mark.parametrize(
    "make",
    [
        sql.drop_table,
        sql.show_create_table,
        sql.describe_detail,
        sql.describe_history,
        sql.drop_primary_key,
        sql.tags_of,
        sql.show_grants,
        lambda name: sql.comment_on_table(name, "text"),
        lambda name: sql.set_tags(name, {"a": "b"}),
        lambda name: sql.set_properties(name, {"a": "b"}),
        lambda name: sql.grant(name, ["SELECT"], "who"),
        lambda name: sql.create_table(name, [ColumnInfo("a", "int")]),
        lambda name: sql.add_primary_key(name, ["k"], None),
    ],
)
@pytest.mark.parametrize("part", ["t`; DROP TABLE x", "t'", "t--", "t\n", "", "t/../x"])
def test_a_table_name_that_is_not_plain_is_refused(make, part):
    with pytest.raises(ValueError, match=r"plain name|not enough|expected"):
        make(f"main.ml.{part}")


def test_texts_are_escaped():
    assert sql.comment_on_table("a.b.t", EVIL) == (
        "COMMENT ON TABLE `a`.`b`.`t` IS 'x\\'; DROP TABLE t; --\\\\'"
    )
    assert sql.set_tags("a.b.t", {"it's": "a\nb"}).endswith(r"('it\'s' = 'a\nb')")
    assert sql.comment_on_table("a.b.t", "") == "COMMENT ON TABLE `a`.`b`.`t` IS NULL"


def test_columns_and_principals_cannot_end_their_quotes():
    assert sql.set_not_null("a.b.t", "c` DROP NOT NULL; --") == (
        "ALTER TABLE `a`.`b`.`t` ALTER COLUMN `c`` DROP NOT NULL; --` SET NOT NULL"
    )
    assert sql.grant("a.b.t", ["SELECT", "MODIFY"], "x` TO `y").endswith(
        "GRANT SELECT, MODIFY ON TABLE `a`.`b`.`t` TO `x`` TO ``y`".removeprefix("GRANT ")
    )


def test_a_privilege_is_a_word():
    with pytest.raises(ValueError, match="plain name"):
        sql.grant("a.b.t", ["SELECT ON TABLE x TO y; --"], "who")


def test_a_new_table_has_all_that_is_known_of_it():
    columns = [
        ColumnInfo("k", "string", comment="the key's name", nullable=False),
        ColumnInfo("x", "array<double>"),
    ]
    assert sql.create_table(
        "a.b.t", columns, description="What.\n\nTechnical: How.", properties={"p": "[]"}
    ) == (
        r"CREATE TABLE `a`.`b`.`t` (`k` string NOT NULL COMMENT 'the key\'s name', "
        r"`x` array<double>) USING DELTA COMMENT 'What.\n\nTechnical: How.' "
        "TBLPROPERTIES ('p' = '[]')"
    )


def test_the_time_series_is_the_event_time():
    assert "PRIMARY KEY (`k`, `j`, `ts` TIMESERIES)" in sql.add_primary_key(
        "a.b.t", ["k", "j"], "ts"
    )
    assert "TIMESERIES" not in sql.add_primary_key("a.b.t", ["k"], None)


def test_tags_are_asked_for_in_the_tables_own_catalog_in_lower_case():
    asked = sql.tags_of("Main.ML.Weather")
    assert "FROM `Main`.information_schema.table_tags" in asked
    assert asked.endswith("WHERE schema_name = 'ml' AND table_name = 'weather'")


def test_history_is_limited_by_a_number():
    assert sql.describe_history("a.b.t", 3) == "DESCRIBE HISTORY `a`.`b`.`t` LIMIT 3"
    assert sql.describe_history("a.b.t") == "DESCRIBE HISTORY `a`.`b`.`t`"
    with pytest.raises(ValueError, match="invalid literal"):
        sql.describe_history("a.b.t", "1; DROP TABLE x")  # type: ignore[arg-type]
