"""A Spark session whose tables are Unity Catalog's: names of three levels, commits with metadata."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql.connect.proto import Plan

from ml_assets_tests.conformance.shim import access, delta_log, statements
from ml_assets_tests.conformance.shim.answering import Statements
from ml_assets_tests.conformance.shim.errors import NotInShimError, refuse
from ml_assets_tests.conformance.shim.information_schema import views
from ml_assets_tests.conformance.shim.names import NAME, full_name, parts, quoted
from ml_assets_tests.conformance.shim.unity import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

    from ml_assets_tests.conformance.shim.unity import Unity

#: Statements that change the table that they name first.
_CHANGES = re.compile(
    r"(?P<verb>INSERT\s+(?:INTO|OVERWRITE)(?:\s+TABLE)?|MERGE\s+INTO|UPDATE|DELETE\s+FROM"
    r"|CREATE\s+(?:OR\s+REPLACE\s+)?TABLE(?:\s+IF\s+NOT\s+EXISTS)?|REPLACE\s+TABLE"
    r"|DROP\s+TABLE(?:\s+IF\s+EXISTS)?|ALTER\s+TABLE|TRUNCATE\s+TABLE)"
    rf"\s+(?P<name>{NAME})",
    re.IGNORECASE,
)
_SCHEMA = re.compile(
    rf"(?P<verb>CREATE|DROP)\s+(?:SCHEMA|DATABASE)(?:\s+IF\s+(?:NOT\s+)?EXISTS)?\s+(?P<name>{NAME})",
    re.IGNORECASE,
)
#: What serverless compute lets a job set (the strictest place that the platform runs on).
_SETTABLE = {
    "spark.databricks.execution.timeout",
    "spark.sql.ansi.enabled",
    "spark.sql.legacy.timeParserPolicy",
    "spark.sql.session.timeZone",
    "spark.sql.shuffle.partitions",
}
_OPTIONS = {"comment", "mergeschema", "overwriteschema", "replacewhere", "usermetadata"}


class UnitySession:
    """Stands between a Spark session and its engine."""

    def __init__(self, session: SparkSession, unity: Unity) -> None:
        self.session, self.unity = session, unity
        self._sql: Callable[..., DataFrame] = session.sql
        self._command = session.client.execute_command
        self._config = session.client.config
        self._schema = session.client.schema
        self._statements = Statements(session, unity, self._sql)
        for schema in sorted(unity.schemas):
            self._sql(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}").collect()
        for table in unity.tables.values():
            place = f"USING delta LOCATION '{table.location}'"
            self._sql(f"CREATE TABLE {quoted(table.name)} {place}").collect()
        session.sql = self.sql  # type: ignore[method-assign]
        session.client.execute_command = self._run_command
        session.client.config = self._run_config
        session.client.schema = self._read_schema

    def sql(self, query: str, args: Any = None, **kwargs: Any) -> DataFrame:
        """Answer what only Databricks understands; give the rest to the engine."""
        statement = query.strip().rstrip(";").rstrip()
        answer = self._statements.answer(statement)
        if answer is not None:
            if args or kwargs:
                raise NotInShimError(f"arguments of {statement}")
            return answer
        self._note_schema(statement)
        change = _CHANGES.match(statement)
        if change is None:
            with views(self.session, self.unity, query) as (read, names):
                found = self._sql(read, args, **kwargs)
                # Views go away, and what is read of them is small.
                return (
                    self.session.createDataFrame(found.collect(), found.schema) if names else found
                )
        verb = change["verb"].upper()
        if "REPLACE" in verb:
            raise NotInShimError(verb)
        if verb.startswith("CREATE") and not re.search(
            r"\bUSING\s+DELTA\b", statement, re.IGNORECASE
        ):
            raise NotInShimError("CREATE TABLE without USING DELTA: the engine has another default")
        with self._changing(full_name(change["name"])):
            return self._sql(query, args, **kwargs)

    def _note_schema(self, statement: str) -> None:
        if found := _SCHEMA.match(statement):
            name = found["name"].replace("`", "").lower()
            change = set.add if found["verb"].upper() == "CREATE" else set.discard
            change(self.unity.schemas, name)
            self.unity.save()

    def _run_command(self, command: Any, *args: Any, **kwargs: Any) -> Any:
        kind = command.WhichOneof("command_type")
        if kind == "write_operation" and command.write_operation.HasField("table"):
            operation = command.write_operation
            name = operation.table.table_name
        elif kind == "write_operation_v2":
            operation = command.write_operation_v2
            name = operation.table_name
        else:
            return self._command(command, *args, **kwargs)
        self._check_writer(operation, kind)
        options = {key.lower(): key for key in operation.options}
        extras: dict[str, Any] = {
            o: operation.options.pop(options[o]) for o in _EXTRAS if o in options
        }
        extras["new_schema"] = operation.options.get(options.get("overwriteschema", "")) == "true"
        self._keep_not_null(name, operation, options)
        with self._changing(full_name(name), **extras):
            return self._command(command, *args, **kwargs)

    def _check_writer(self, operation: Any, kind: str) -> None:
        unknown = {o for o in operation.options if o.lower() not in _OPTIONS}
        if unknown:
            raise NotInShimError(f"writer options {sorted(unknown)}")
        field = "source" if kind == "write_operation" else "provider"
        source = getattr(operation, field) or "delta"  # the engine here has another default
        setattr(operation, field, source)
        if kind == "write_operation_v2" and "REPLACE" in operation.Mode.Name(operation.mode):
            raise NotInShimError("createOrReplace")
        if source.lower() != "delta":
            raise refuse("UC_NOT_DELTA", f"a managed table is a Delta table, not {source}")

    def _read_schema(self, plan: Any, *args: Any, **kwargs: Any) -> StructType:
        """Describe a table that is read by name as its log does: the engine's catalog forgets."""
        found: StructType = self._schema(plan, *args, **kwargs)
        name = ".".join(parts(plan.root.read.named_table.unparsed_identifier)).lower()
        table = self.unity.tables.get(name)
        for field in found if table else ():
            column = table.columns[field.name]
            field.nullable, field.metadata = column["nullable"], dict(column["metadata"])
        return found

    def _keep_not_null(self, name: str, operation: Any, options: dict[str, str]) -> None:
        """Let a write that merges nothing into the schema be a plain one.

        Delta keeps NOT NULL in a merged schema, the engine here loses it. A frame that does bring a
        new column to a table with NOT NULL columns is not known here.
        """
        table = self.unity.tables.get(full_name(name))
        if table is None or operation.options.get(options.get("mergeschema", "")) != "true":
            return
        columns = {c.lower(): d for c, d in table.columns.items()}
        fields = self.session.client.schema(Plan(root=operation.input)).names
        if {f.lower() for f in fields} <= set(columns):
            del operation.options[options["mergeschema"]]
        elif any(not column["nullable"] for column in columns.values()):
            raise NotInShimError(f"merging new columns into {table.name}, which has NOT NULL ones")

    def _run_config(self, operation: Any) -> Any:
        if operation.WhichOneof("op_type") == "set":
            refused = {pair.key for pair in operation.set.pairs} - _SETTABLE
            if refused:
                raise refuse("CONFIG_NOT_AVAILABLE", f"{sorted(refused)} cannot be set here")
        return self._config(operation)

    @contextlib.contextmanager
    def _changing(
        self,
        name: str,
        *,
        usermetadata: str = "",
        comment: str = "",
        new_schema: bool | None = None,
    ) -> Iterator[None]:
        known = self.unity.tables.get(name)
        before = delta_log.latest(known.folder) if known else -1
        yield
        table = self._refresh(name)
        if table is None:
            return
        commits = range(before + 1, delta_log.latest(table.folder) + 1)
        if new_schema or (new_schema is not None and before < 0):
            delta_log.allow_nulls(table.folder, commits)
        table.check_primary_key()
        if comment and before < 0:
            delta_log.change_metadata(
                table.folder,
                lambda found: found.update(description=comment),
                "SET TBLPROPERTIES",
                {"comment": comment},
            )
        if usermetadata:
            delta_log.stamp(table.folder, commits, usermetadata)

    def _refresh(self, name: str) -> Table | None:
        """Take over what the engine's catalog says of a table now."""
        if not self.session.catalog.tableExists(quoted(name)):
            self.unity.tables.pop(name, None)
            self.unity.grants.pop(("TABLE", name), None)
            self.unity.save()
            return None
        described = self._sql(f"DESCRIBE TABLE EXTENDED {quoted(name)}").collect()
        [location] = [r["data_type"] for r in described if r["col_name"] == "Location"]
        folder = Path(location.removeprefix("file://"))
        known = self.unity.tables.get(name)
        if known is None or known.folder != folder:
            table_id = delta_log.metadata(folder)["id"]
            self.unity.tables[name] = Table(name, str(folder), table_id)
            self.unity.save()
        return self.unity.tables[name]


#: Imported for what they register.
_REGISTERED = (access, statements)
_EXTRAS = ("usermetadata", "comment")
