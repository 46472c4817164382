"""Databricks' own tables: read as they are, never created, and never asked for a history."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from ml_assets.platform.databricks.tables import DatabricksTables
from ml_assets.spec.errors import DataError

NAME = "system.billing.usage"
SCHEMA = {"fields": [{"name": "record_id", "type": "string", "nullable": True, "metadata": {}}]}


class Session:
    """A session that knows one table, and refuses every statement."""

    def __init__(self, *, exists: bool) -> None:
        self.catalog = SimpleNamespace(tableExists=lambda _: exists)
        self.rows = SimpleNamespace(schema=SimpleNamespace(json=lambda: json.dumps(SCHEMA)))
        self.read = SimpleNamespace(table=self.table)
        self.asked: list[str] = []

    def table(self, name: str) -> Any:
        self.asked.append(name)
        return self.rows

    def sql(self, statement: str) -> Any:
        raise AssertionError(statement)


def tables(session: Session) -> DatabricksTables:
    return DatabricksTables(lambda: session, lambda: None)  # type: ignore[arg-type,return-value]


def never() -> Any:
    raise AssertionError("the seed was run")


def test_a_system_table_is_read_as_it_is_now() -> None:
    session = Session(exists=True)
    assert tables(session).read(NAME) is session.rows
    assert session.asked == ["`system`.`billing`.`usage`"]


def test_it_has_columns_and_no_versions() -> None:
    info = tables(Session(exists=True)).info(NAME)
    assert (info.exists, info.version, info.data_version) == (True, -1, -1)
    assert [column.name for column in info.columns] == ["record_id"]


def test_a_version_that_was_recorded_as_none_can_be_read_again() -> None:
    session = Session(exists=True)
    found = tables(session).info(NAME)
    assert tables(session).read(NAME, found.version) is session.rows


def test_a_seed_leaves_it_alone() -> None:
    assert tables(Session(exists=True)).seed(NAME, never).exists


def test_a_seed_does_not_create_it_but_says_who_opens_it() -> None:
    with pytest.raises(DataError, match=r"GRANT USE SCHEMA, SELECT ON SCHEMA `system`\.`billing`"):
        tables(Session(exists=False)).seed(NAME, never)


def test_reading_one_that_nobody_may_see_says_so() -> None:
    with pytest.raises(DataError, match="no table of that name that this job may see"):
        tables(Session(exists=False)).read(NAME)
