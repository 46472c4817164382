"""Count how often Spark is asked to read tables: by the plans that are sent to the engine."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql.connect.client import SparkConnectClient

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Passes:
    """The plans that were executed, each by the paths it reads and whether it aggregates.

    ``scans`` says of each plan which rows its first aggregates go over (the read, its version
    included, as text), and which columns of them.
    """

    plans: list[tuple[tuple[str, ...], bool]] = field(default_factory=list)
    scans: list[list[tuple[str, frozenset[str]]]] = field(default_factory=list)

    def of(self, table: str) -> list[int]:
        """How often each plan reads a table, by the end of its folder; plans that do not are left out."""
        folder = table.rpartition(".")[2]
        counts = [sum(f"/{folder}" in path for path in paths) for paths, _ in self.plans]
        return [count for count in counts if count]

    def aggregates(self, table: str) -> int:
        """How many plans aggregate a table."""
        folder = table.rpartition(".")[2]
        return sum(
            aggregates and any(f"/{folder}" in p for p in paths) for paths, aggregates in self.plans
        )


@contextlib.contextmanager
def counted() -> Iterator[Passes]:
    """Record every plan whose result is fetched inside the block."""
    found, original = Passes(), SparkConnectClient._execute_and_fetch_as_iterator

    def recording(self: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
        relations = list(_relations(req.plan))
        paths = tuple(str(r.read.data_source.paths) for r in relations if r.HasField("read"))
        found.plans.append((paths, any(r.HasField("aggregate") for r in relations)))
        scans = (_scan(r.aggregate) for r in relations if r.HasField("aggregate"))
        found.scans.append([scan for scan in scans if scan])
        return original(self, req, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SparkConnectClient, "_execute_and_fetch_as_iterator", recording)
        yield found


def _scan(aggregate: Any) -> tuple[str, frozenset[str]] | None:
    """What an aggregate over a read reads; None when it is over another aggregate."""
    below = list(_relations(aggregate.input))
    if any(r.HasField("aggregate") for r in below):
        return None
    reads = [str(r.read) for r in below if r.HasField("read")]
    expressions = [*aggregate.grouping_expressions, *aggregate.aggregate_expressions]
    return "\n".join(reads), frozenset(name for e in expressions for name in _columns(e))


def _columns(message: Any) -> Iterator[str]:
    """Walk over the names of the columns in an expression."""
    if message.DESCRIPTOR.name == "UnresolvedAttribute":
        yield message.unparsed_identifier.strip("`")
    for part in _parts(message):
        yield from _columns(part)


def _relations(message: Any) -> Iterator[Any]:
    """Walk over the relations of a plan."""
    if message.DESCRIPTOR.name == "Relation":
        yield message
    for part in _parts(message):
        yield from _relations(part)


def _parts(message: Any) -> Iterator[Any]:
    """The messages inside a message."""
    for kind, value in message.ListFields():
        if kind.message_type is None or kind.message_type.GetOptions().map_entry:
            continue
        yield from value if kind.is_repeated else (value,)
