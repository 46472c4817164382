"""The shim refuses what Unity Catalog refuses, and what it does not know."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest
from pyspark.errors import AnalysisException

from ml_assets_tests.conformance.shim.errors import NotInShimError
from ml_assets_tests.conformance.shim.rest import TOKEN
from ml_assets_tests.conformance.shim.workspace import open_workspace

NAME = "shop.features.t"


@pytest.fixture
def workspace(tmp_path):
    with open_workspace(tmp_path / "home") as opened:
        opened.spark.sql("CREATE SCHEMA shop.features").collect()
        yield opened


@pytest.fixture
def sql(workspace):
    return workspace.spark.sql


@pytest.fixture
def table(workspace):
    """A table as it is when rows were written: every column may be null."""
    rows = workspace.spark.createDataFrame([("a", 1.0), ("b", 2.0)], "k string, x double")
    rows.write.format("delta").option("userMetadata", '{"by": "me"}').saveAsTable(NAME)
    return NAME


def test_a_primary_key_needs_columns_that_are_not_null(workspace, sql, table):
    with pytest.raises(AnalysisException, match="nullable"):
        sql(f"ALTER TABLE {table} ADD CONSTRAINT t_pk PRIMARY KEY (k)")
    sql(f"ALTER TABLE {table} ALTER COLUMN k SET NOT NULL")
    sql(f"ALTER TABLE {table} ADD CONSTRAINT `t_pk` PRIMARY KEY (`k`)")
    assert workspace.unity.table(table).primary_key == ["k"]
    with pytest.raises(AnalysisException, match="already"):
        sql(f"ALTER TABLE {table} ADD CONSTRAINT t_pk PRIMARY KEY (k)")
    with pytest.raises(AnalysisException, match="primary key"):
        sql(f"ALTER TABLE {table} ALTER COLUMN k DROP NOT NULL")


def test_a_time_series_is_a_time(sql, table):
    for column in ("k", "x"):
        sql(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")
    with pytest.raises(AnalysisException, match="timestamp"):
        sql(f"ALTER TABLE {table} ADD CONSTRAINT t_pk PRIMARY KEY (k, x TIMESERIES)")


def test_not_null_is_checked_and_enforced(workspace, sql, table):
    sql(f"ALTER TABLE {table} ALTER COLUMN k SET NOT NULL")
    nulls = workspace.spark.createDataFrame([(None, None)], "k string, x double")
    with pytest.raises(Exception, match="NOT_NULL"):
        nulls.write.format("delta").mode("append").saveAsTable(table)
    nulls.selectExpr("'c' AS k", "x").write.format("delta").mode("append").saveAsTable(table)
    with pytest.raises(AnalysisException, match="holds nulls"):
        sql(f"ALTER TABLE {table} ALTER COLUMN x SET NOT NULL")
    assert [f.nullable for f in workspace.spark.table(table).schema] == [False, True]


def test_an_overwritten_schema_must_not_break_the_primary_key(workspace, sql, table):
    sql(f"ALTER TABLE {table} ALTER COLUMN k SET NOT NULL")
    sql(f"ALTER TABLE {table} ADD CONSTRAINT t_pk PRIMARY KEY (k)")
    rows = workspace.spark.table(table).selectExpr("k", "x", "x AS y")
    with pytest.raises(AnalysisException, match="has become nullable"):
        rows.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(
            table
        )


@pytest.mark.parametrize(
    "statement",
    [
        "COMMENT ON TABLE {} IS 'x'",
        "ALTER TABLE {} SET TAGS ('a' = 'b')",
        "GRANT SELECT ON TABLE {} TO `bi`",
        "DESCRIBE HISTORY {}",
        "SHOW CREATE TABLE {}",
        "OPTIMIZE {}",
    ],
)
def test_statements_on_tables_that_are_not_there(sql, statement):
    with pytest.raises(AnalysisException, match="TABLE_OR_VIEW_NOT_FOUND"):
        sql(statement.format("shop.features.nothing"))
    with pytest.raises(AnalysisException, match="UC_NOT_THREE_LEVELS"):
        sql(statement.format("features.nothing"))


@pytest.mark.parametrize(
    "statement",
    ["VACUUM {}", "ALTER TABLE {} CLUSTER BY (k)", "ALTER TABLE {} SET ROW FILTER f ON (k)"],
)
def test_unknown_statements_raise(sql, table, statement):
    with pytest.raises(Exception, match=r"(?i)invalid argument|found"):
        sql(statement.format(table)).collect()


def test_what_another_engine_does_differently_is_not_passed_on(workspace, sql, table):
    with pytest.raises(NotInShimError, match="REPLACE"):
        sql(f"CREATE OR REPLACE TABLE {table} USING delta AS SELECT 1 AS k")
    with pytest.raises(NotInShimError, match="delta_option"):
        workspace.spark.range(1).write.option("delta_option", "1").saveAsTable("shop.features.u")
    with pytest.raises(NotInShimError, match="column_masks"):
        sql("SELECT * FROM shop.information_schema.column_masks")
    with pytest.raises(AnalysisException, match="CONFIG_NOT_AVAILABLE"):
        workspace.spark.conf.set("spark.databricks.delta.commitInfo.userMetadata", "x")


def test_history_tells_operations_and_what_their_writers_said(sql, table):
    sql(f"ALTER TABLE {table} ALTER COLUMN x COMMENT 'it''s'".replace("''", "\\'"))
    found = sql(f"DESCRIBE HISTORY {table}").collect()
    assert [c.operation for c in found][:1] == ["CHANGE COLUMN"]
    assert {c.userMetadata for c in found[1:]} == {'{"by": "me"}'}
    assert [c.version for c in sql(f"DESCRIBE HISTORY {table} LIMIT 1").collect()] == [
        found[0].version
    ]


def test_tags_and_texts_keep_every_character(workspace, sql, table):
    tag, words = r"it\'s (a, b) = c", r"line\nline \\ \'quoted\' \"too\""
    sql(f"ALTER TABLE {table} SET TAGS ('domain' = '{tag}', 'b' = '')")
    sql(f"COMMENT ON TABLE {table} IS '{words}'")
    assert workspace.unity.table(table).tags == {"domain": "it's (a, b) = c", "b": ""}
    assert workspace.unity.table(table).comment == "line\nline \\ 'quoted' \"too\""
    view = "shop.information_schema.table_tags"
    rows = sql(f"SELECT * FROM {view}").collect()  # noqa: S608 - a name of ours
    assert {r.tag_name: r.tag_value for r in rows} == workspace.unity.table(table).tags


def test_grants_are_kept_and_privileges_belong_to_a_kind(workspace, sql, table):
    sql(f"GRANT SELECT, MODIFY ON TABLE {table} TO `data people`")
    sql(f"REVOKE MODIFY ON TABLE {table} FROM `data people`")
    shown = sql(f"SHOW GRANTS ON TABLE {table}").collect()
    assert [(r.Principal, r.ActionType) for r in shown] == [("data people", "SELECT")]
    with pytest.raises(AnalysisException, match="UC_INVALID_PRIVILEGE"):
        sql(f"GRANT EXECUTE ON TABLE {table} TO `data people`")


def test_everything_is_still_there_when_the_workspace_is_opened_again(
    tmp_path, workspace, sql, table
):
    sql(f"ALTER TABLE {table} SET TAGS ('a' = 'b')")
    sql(f"GRANT SELECT ON TABLE {table} TO bi")
    with open_workspace(workspace.home) as again:
        assert again.spark.table(table).count() == 2
        assert again.unity.table(table).tags == {"a": "b"}
        assert again.unity.granted("TABLE", table) == {"bi": {"SELECT"}}


def ask(url, token):
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"})  # noqa: S310 - 127.0.0.1
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)  # noqa: S310 - 127.0.0.1
    with refused.value as answer:
        return answer.code


def test_an_unknown_route_fails_the_test(tmp_path):
    with (
        pytest.raises(AssertionError, match="/feature-store/nothing"),
        open_workspace(tmp_path / "other") as opened,
    ):
        assert ask(f"{opened.rest.url}/api/2.0/feature-store/nothing", TOKEN) == 404


def test_the_token_is_checked(workspace):
    route = f"{workspace.rest.url}/api/2.1/unity-catalog/tables/{NAME}"
    assert ask(route, "another") == 401
    assert ask(route, TOKEN) == 400  # there is no such table
