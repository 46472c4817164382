"""Statements that Databricks answers and the local engine does not know."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ml_assets_tests.conformance.shim import delta_log, reports
from ml_assets_tests.conformance.shim.answering import answers
from ml_assets_tests.conformance.shim.errors import refuse
from ml_assets_tests.conformance.shim.names import (
    NAME,
    PART,
    STRING,
    parts,
    quoted,
    text,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from ml_assets_tests.conformance.shim.answering import Statements
    from ml_assets_tests.conformance.shim.unity import Table

_TABLE = rf"(?P<table>{NAME})"
_COLUMN = rf"(?P<column>{PART})"
_PAIRS = rf"\((?P<tags>\s*{STRING}\s*=\s*{STRING}(?:\s*,\s*{STRING}\s*=\s*{STRING})*\s*)\)"
_TEXTS = rf"\((?P<tags>\s*{STRING}(?:\s*,\s*{STRING})*\s*)\)"
_ALTER = rf"ALTER TABLE {_TABLE}"


@answers(rf"DESCRIBE CATALOG (?:EXTENDED )?(?P<catalog>{PART})")
def _describe_catalog(run: Statements, match: re.Match[str]) -> DataFrame:
    [name] = parts(match["catalog"])
    if name not in {row[0] for row in run.engine("SHOW CATALOGS").collect()}:
        raise refuse("NO_SUCH_CATALOG_EXCEPTION", f"catalog {name} was not found")
    return run.rows([("Catalog Name", name)], "info_name string, info_value string")


@answers(rf"SHOW CREATE TABLE {_TABLE}")
def _show_create(run: Statements, match: re.Match[str]) -> DataFrame:
    return run.rows([(reports.create_statement(run.table(match)),)], "createtab_stmt string")


@answers(rf"DESCRIBE (?:TABLE )?EXTENDED {_TABLE}")
def _describe_extended(run: Statements, match: re.Match[str]) -> DataFrame:
    table = run.table(match)
    found = [
        tuple(r) for r in run.engine(f"DESCRIBE TABLE EXTENDED {quoted(table.name)}").collect()
    ]
    comments = {n: c["metadata"].get("comment") for n, c in table.columns.items()}
    rows = [(name, kind, comments.get(name)) for name, kind, *_ in found]
    if table.comment:
        rows.append(("Comment", table.comment, ""))
    return run.rows(rows, "col_name string, data_type string, comment string")


@answers(rf"(?:DESCRIBE|DESC) HISTORY {_TABLE}(?: LIMIT (?P<limit>\d+))?")
def _history(run: Statements, match: re.Match[str]) -> DataFrame:
    commits = delta_log.history(run.table(match).folder)
    limit = int(match["limit"]) if match["limit"] else len(commits)
    return run.rows(reports.history_rows(commits[:limit]), reports.HISTORY)


@answers(rf"(?:DESCRIBE|DESC) DETAIL {_TABLE}")
def _detail(run: Statements, match: re.Match[str]) -> DataFrame:
    return run.rows([reports.detail_row(run.table(match))], reports.DETAIL)


@answers(rf"{_ALTER} (?:ALTER|CHANGE) (?:COLUMN )?{_COLUMN} SET NOT NULL")
def _set_not_null(run: Statements, match: re.Match[str]) -> DataFrame:
    table, [name] = run.table(match), parts(match["column"])
    table.column(name)
    nulls = run.session.table(quoted(table.name)).where(f"{quoted(name)} IS NULL").limit(1)
    if nulls.count():
        raise refuse("DELTA_NOT_NULL_CONSTRAINT_VIOLATED", f"{table.name}.{name} holds nulls")
    parameters = {"nullable": "false"}
    delta_log.change_column(table.folder, name, lambda c: c.update(nullable=False), parameters)
    return run.done()


@answers(rf"{_ALTER} (?:ALTER|CHANGE) (?:COLUMN )?{_COLUMN} DROP NOT NULL")
def _drop_not_null(run: Statements, match: re.Match[str]) -> DataFrame:
    table, [name] = run.table(match), parts(match["column"])
    if name.lower() in {k.lower() for k in table.primary_key}:
        raise refuse("UC_PRIMARY_KEY_COLUMN_NULLABLE", f"{name} is in the primary key")
    parameters = {"nullable": "true"}
    delta_log.change_column(table.folder, name, lambda c: c.update(nullable=True), parameters)
    return run.done()


@answers(rf"{_ALTER} (?:ALTER|CHANGE) (?:COLUMN )?{_COLUMN} COMMENT (?P<text>{STRING}|NULL)")
def _comment_of_altered_column(run: Statements, match: re.Match[str]) -> DataFrame:
    return _comment_column(run, run.table(match), parts(match["column"])[0], match["text"])


@answers(rf"COMMENT ON COLUMN (?P<table>{NAME})\.{_COLUMN} IS (?P<text>{STRING}|NULL)")
def _comment_on_column(run: Statements, match: re.Match[str]) -> DataFrame:
    return _comment_column(run, run.table(match), parts(match["column"])[0], match["text"])


def _comment_column(run: Statements, table: Table, name: str, literal: str) -> DataFrame:
    comment = "" if literal.upper() == "NULL" else text(literal)

    def change(column: dict[str, Any]) -> None:
        column["metadata"] = {**column["metadata"], "comment": comment}
        if not comment:
            del column["metadata"]["comment"]

    table.column(name)
    delta_log.change_column(table.folder, name, change, {"comment": comment})
    return run.done()


@answers(rf"COMMENT ON TABLE {_TABLE} IS (?P<text>{STRING}|NULL)")
def _comment_on_table(run: Statements, match: re.Match[str]) -> DataFrame:
    comment = None if match["text"].upper() == "NULL" else text(match["text"])
    delta_log.change_metadata(
        run.table(match).folder,
        lambda found: found.update(description=comment),
        "SET TBLPROPERTIES",
        {"properties": json.dumps({"comment": comment})},
    )
    return run.done()


@answers(
    rf"{_ALTER} ADD CONSTRAINT (?P<name>{PART}) PRIMARY KEY\s*"
    rf"\((?P<keys>{PART}(?: TIMESERIES)?(?:\s*,\s*{PART}(?: TIMESERIES)?)*)\)"
)
def _add_primary_key(run: Statements, match: re.Match[str]) -> DataFrame:
    table = run.table(match)
    keys, times = [], []
    for name, timeseries in re.findall(rf"({PART})(\s+TIMESERIES)?", match["keys"], re.IGNORECASE):
        [key] = parts(name)
        keys.append(key)
        times += [key] if timeseries else []
    if len(times) > 1:
        raise refuse("UC_TIMESERIES_COLUMNS", f"at most one column, not {times}")
    table.set_primary_key(parts(match["name"])[0], keys, times[0] if times else None)
    return run.done()


@answers(rf"{_ALTER} DROP PRIMARY KEY(?P<maybe> IF EXISTS)?(?: CASCADE| RESTRICT)?")
def _drop_primary_key(run: Statements, match: re.Match[str]) -> DataFrame:
    table = run.table(match)
    if not table.primary_key and not match["maybe"]:
        raise refuse("DELTA_CONSTRAINT_DOES_NOT_EXIST", f"{table.name} has no primary key")
    table.drop_primary_key()
    return run.done()


@answers(rf"{_ALTER} UNSET TBLPROPERTIES(?P<maybe> IF EXISTS)?\s*{_TEXTS}")
def _unset_properties(run: Statements, match: re.Match[str]) -> DataFrame:
    table = run.table(match)
    names = {text(literal) for literal in re.findall(STRING, match["tags"], re.DOTALL)}
    if not match["maybe"] and (unknown := names - set(table.metadata["configuration"])):
        raise refuse("DELTA_UNSET_NON_EXISTENT_PROPERTY", f"{table.name} has no {sorted(unknown)}")

    def change(found: dict[str, Any]) -> None:
        kept = {k: v for k, v in found["configuration"].items() if k not in names}
        found["configuration"] = kept

    parameters = {"properties": json.dumps(sorted(names))}
    delta_log.change_metadata(table.folder, change, "UNSET TBLPROPERTIES", parameters)
    return run.done()


@answers(rf"{_ALTER} SET TAGS {_PAIRS}")
def _set_tags(run: Statements, match: re.Match[str]) -> DataFrame:
    run.table(match).tags.update(_pairs(match["tags"]))
    return run.done()


@answers(rf"{_ALTER} UNSET TAGS {_TEXTS}")
def _unset_tags(run: Statements, match: re.Match[str]) -> DataFrame:
    _remove(run.table(match).tags, match["tags"])
    return run.done()


@answers(rf"{_ALTER} (?:ALTER|CHANGE) (?:COLUMN )?{_COLUMN} SET TAGS {_PAIRS}")
def _set_column_tags(run: Statements, match: re.Match[str]) -> DataFrame:
    table, [name] = run.table(match), parts(match["column"])
    table.column_tags.setdefault(table.column(name)["name"], {}).update(_pairs(match["tags"]))
    return run.done()


@answers(rf"{_ALTER} (?:ALTER|CHANGE) (?:COLUMN )?{_COLUMN} UNSET TAGS {_TEXTS}")
def _unset_column_tags(run: Statements, match: re.Match[str]) -> DataFrame:
    table, [name] = run.table(match), parts(match["column"])
    _remove(table.column_tags.get(table.column(name)["name"], {}), match["tags"])
    return run.done()


@answers(rf"OPTIMIZE {_TABLE}(?: ZORDER BY\s*\((?P<columns>{PART}(?:\s*,\s*{PART})*)\))?")
def _optimize(run: Statements, match: re.Match[str]) -> DataFrame:
    from deltalake import DeltaTable

    optimize = DeltaTable(run.table(match).location).optimize
    optimize.z_order(list(parts(match["columns"]))) if match["columns"] else optimize.compact()
    return run.done()


@answers(rf"RESTORE (?:TABLE )?{_TABLE} TO VERSION AS OF (?P<version>\d+)")
def _restore(run: Statements, match: re.Match[str]) -> DataFrame:
    from deltalake import DeltaTable

    DeltaTable(run.table(match).location).restore(int(match["version"]))
    return run.done()


def _pairs(tags: str) -> dict[str, str]:
    found = re.findall(rf"({STRING})\s*=\s*({STRING})", tags, re.DOTALL)
    return {text(key): text(value) for key, value in found}


def _remove(tags: dict[str, str], names: str) -> None:
    for literal in re.findall(STRING, names, re.DOTALL):
        if text(literal) not in tags:
            raise refuse("UC_TAG_NOT_FOUND", f"there is no tag {literal}")
        del tags[text(literal)]
