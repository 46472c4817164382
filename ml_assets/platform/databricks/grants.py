"""Privileges that a declaration gives: added when they are missing, never taken from anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_assets.platform.databricks import sql
from ml_assets.platform.databricks.failures import words
from ml_assets.spec.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pyspark.sql import SparkSession


class _Securable(str):
    """A kind of securable for every version of the SDK: newer ones take a text, older ones an enum."""

    __slots__ = ()

    @property
    def value(self) -> str:
        """The text."""
        return str(self)


#: Unity Catalog keeps registered models beside functions, and calls them so in its permissions.
MODEL_SECURABLE: Any = _Securable("FUNCTION")
_ALL = "ALL PRIVILEGES"


def grant_on_table(spark: SparkSession, table: str, grants: Mapping[str, Sequence[str]]) -> None:
    """Give every principal the privileges on a table that it has not yet.

    Raises
    ------
    StorageError
        When the job may not grant (it must own the table or have MANAGE on it).
    """
    from pyspark.errors import PySparkException

    if not grants:
        return
    statements: list[str] = []
    try:
        rows = [row.asDict() for row in spark.sql(sql.show_grants(table)).collect()]
        statements += missing_grants(table, grants, rows)
        for statement in statements:
            spark.sql(statement).collect()
    except PySparkException as error:
        fix = "; ".join(statements) or sql.show_grants(table)
        raise _not_granted(table, words(str(error)), fix) from error


def missing_grants(
    table: str, grants: Mapping[str, Sequence[str]], rows: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    """Give the statements for what the rows of ``SHOW GRANTS`` lack, one a principal.

    >>> shown = [{"Principal": "bi", "ActionType": "SELECT", "ObjectType": "TABLE"}]
    >>> list(missing_grants("a.b.t", {"bi": ["SELECT", "MODIFY"]}, shown))
    ['GRANT MODIFY ON TABLE `a`.`b`.`t` TO `bi`']
    """
    have = {
        (str(row["Principal"]), str(row["ActionType"]).replace("_", " ").upper()) for row in rows
    }
    for who, privileges in grants.items():
        missing = [p for p in privileges if not {(who, p), (who, _ALL)} & have]
        if missing:
            yield sql.grant(table, missing, who)


def grant_on_model(name: str, grants: Mapping[str, Sequence[str]], client: Any = None) -> None:
    """Give every principal the privileges on a registered model that it has not yet.

    ``client`` is a ``databricks.sdk.WorkspaceClient``; the job's own when left out.

    Raises
    ------
    StorageError
        When the job may not grant (it must own the model or have MANAGE on it).
    """
    if not grants:
        return
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.errors.base import DatabricksError
    from databricks.sdk.service.catalog import PermissionsChange, Privilege

    permissions = (client or WorkspaceClient()).grants
    try:
        stored = permissions.get(MODEL_SECURABLE, name).privilege_assignments or []
        have = {(a.principal, p.value) for a in stored for p in a.privileges or []}
        wanted = {
            who: [p for p in privileges if not {(who, p), (who, _ALL.replace(" ", "_"))} & have]
            for who, privileges in grants.items()
        }
        changes = [
            PermissionsChange(add=[Privilege(p) for p in missing], principal=who)
            for who, missing in wanted.items()
            if missing
        ]
        if changes:
            permissions.update(MODEL_SECURABLE, name, changes=changes)
    except DatabricksError as error:
        fix = f"grant {dict(grants)} on {name} in Catalog Explorer, or give the job MANAGE on it"
        raise _not_granted(name, words(str(error)), fix) from error


def _not_granted(name: str, found: str, fix: str) -> StorageError:
    return StorageError(
        f"{name}: grants",
        found=f"what was declared could not be granted: {found}",
        expected="a job that owns what it writes, or has MANAGE on it",
        fix=fix,
    )
