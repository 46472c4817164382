"""The statements that the platform sends: names quoted, texts escaped, nothing else put in.

Pure text: nothing here talks to Spark. A name must be plain (``spec.base.check_identifier``), so a
quoted one can neither end its quotes nor name anything else; every other text becomes a literal.
"""
# ruff: noqa: S608 - statements are made of quoted names and escaped literals only.

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.spec.base import check_identifier, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ml_assets.spec.catalog import ColumnInfo

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


def literal(text: str) -> str:
    r"""Write a text as a SQL string.

    >>> print(literal("it's a\nback\\slash"))
    'it\'s a\nback\\slash'
    """
    return f"'{text.translate(_ESCAPES)}'"


def column(name: str) -> str:
    """Quote a column name, which a Delta table may hold although it is not a plain one.

    >>> column("wind speed"), column("odd`name")
    ('`wind speed`', '`odd``name`')
    """
    return "`" + name.replace("`", "``") + "`"


def principal(name: str) -> str:
    """Quote a user, group or service principal.

    >>> principal("ml engineers")
    '`ml engineers`'
    """
    return column(name)


def create_table(
    table: str,
    columns: Iterable[ColumnInfo],
    *,
    description: str = "",
    properties: Mapping[str, str] | None = None,
) -> str:
    """Make an empty Delta table, with everything that is known of it, in one commit."""
    listed = ", ".join(_column_definition(c) for c in columns)
    parts = [f"CREATE TABLE {quoted(table)} ({listed}) USING DELTA"]
    if description:
        parts.append(f"COMMENT {literal(description)}")
    if properties:
        parts.append(f"TBLPROPERTIES ({_pairs(properties)})")
    return " ".join(parts)


def drop_table(table: str) -> str:
    """Remove a table.

    >>> drop_table("main.flights.staged")
    'DROP TABLE IF EXISTS `main`.`flights`.`staged`'
    """
    return f"DROP TABLE IF EXISTS {quoted(table)}"


def comment_on_table(table: str, text: str) -> str:
    """Describe a table; an empty text takes the description away."""
    return f"COMMENT ON TABLE {quoted(table)} IS {literal(text) if text else 'NULL'}"


def comment_on_column(table: str, name: str, text: str) -> str:
    """Describe a column."""
    return f"ALTER TABLE {quoted(table)} ALTER COLUMN {column(name)} COMMENT {literal(text)}"


def set_not_null(table: str, name: str) -> str:
    """Refuse nulls from now on; the stored rows are checked too."""
    return f"ALTER TABLE {quoted(table)} ALTER COLUMN {column(name)} SET NOT NULL"


def drop_not_null(table: str, name: str) -> str:
    """Allow nulls from now on."""
    return f"ALTER TABLE {quoted(table)} ALTER COLUMN {column(name)} DROP NOT NULL"


def add_primary_key(table: str, keys: Sequence[str], event_time: str | None) -> str:
    """State the keys, the event time among them as the time series.

    >>> add_primary_key("a.b.t", ["k"], "ts")
    'ALTER TABLE `a`.`b`.`t` ADD CONSTRAINT `t_pk` PRIMARY KEY (`k`, `ts` TIMESERIES)'
    """
    listed = [column(k) for k in keys]
    if event_time:
        listed.append(f"{column(event_time)} TIMESERIES")
    name = column(f"{table.rpartition('.')[2]}_pk")
    return f"ALTER TABLE {quoted(table)} ADD CONSTRAINT {name} PRIMARY KEY ({', '.join(listed)})"


def drop_primary_key(table: str) -> str:
    """Take the statement of the keys back."""
    return f"ALTER TABLE {quoted(table)} DROP PRIMARY KEY IF EXISTS CASCADE"


def set_properties(table: str, properties: Mapping[str, str]) -> str:
    """Store free properties in the table."""
    return f"ALTER TABLE {quoted(table)} SET TBLPROPERTIES ({_pairs(properties)})"


def set_tags(table: str, tags: Mapping[str, str]) -> str:
    """Set tags, the others stay.

    >>> set_tags("a.b.t", {"domain": "flights"})
    "ALTER TABLE `a`.`b`.`t` SET TAGS ('domain' = 'flights')"
    """
    return f"ALTER TABLE {quoted(table)} SET TAGS ({_pairs(tags)})"


def unset_tags(table: str, names: Iterable[str]) -> str:
    """Remove tags."""
    listed = ", ".join(literal(name) for name in names)
    return f"ALTER TABLE {quoted(table)} UNSET TAGS ({listed})"


def tags_of(table: str) -> str:
    """Ask for the tags of a table: ``tag_name``, ``tag_value``."""
    catalog, schema, name = _parts(table)
    return (
        f"SELECT tag_name, tag_value FROM {column(catalog)}.information_schema.table_tags "
        f"WHERE schema_name = {literal(schema.lower())} AND table_name = {literal(name.lower())}"
    )


def grant(table: str, privileges: Sequence[str], who: str) -> str:
    """Give privileges on a table.

    >>> grant("a.b.t", ["SELECT"], "analysts")
    'GRANT SELECT ON TABLE `a`.`b`.`t` TO `analysts`'
    """
    listed = ", ".join(check_identifier(p) for p in privileges)
    return f"GRANT {listed} ON TABLE {quoted(table)} TO {principal(who)}"


def show_grants(table: str) -> str:
    """Ask who may do what with a table: ``Principal``, ``ActionType``, ``ObjectType``, ``ObjectKey``."""
    return f"SHOW GRANTS ON TABLE {quoted(table)}"


def show_tables(schema: str, pattern: str) -> str:
    """List the tables of ``catalog.schema`` whose name fits a pattern (``*`` for anything)."""
    return f"SHOW TABLES IN {quoted(schema)} LIKE {literal(pattern)}"


def show_create_table(table: str) -> str:
    """Ask for the statement that would make the table, which holds its constraints."""
    return f"SHOW CREATE TABLE {quoted(table)}"


def describe_detail(table: str) -> str:
    """Ask for a Delta table's id, location, description and properties."""
    return f"DESCRIBE DETAIL {quoted(table)}"


def describe_history(table: str, limit: int | None = None) -> str:
    """Ask for a Delta table's commits, latest first."""
    return f"DESCRIBE HISTORY {quoted(table)}" + (f" LIMIT {int(limit)}" if limit else "")


def _column_definition(info: ColumnInfo) -> str:
    not_null = "" if info.nullable else " NOT NULL"
    comment = f" COMMENT {literal(info.comment)}" if info.comment else ""
    return f"{column(info.name)} {info.type}{not_null}{comment}"


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{literal(k)} = {literal(v)}" for k, v in values.items())


def _parts(table: str) -> tuple[str, str, str]:
    catalog, schema, name = (check_identifier(part) for part in table.split("."))
    return catalog, schema, name
