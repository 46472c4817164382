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
    """The plans that were executed, each by the paths it reads and whether it aggregates."""

    plans: list[tuple[tuple[str, ...], bool]] = field(default_factory=list)

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
        return original(self, req, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SparkConnectClient, "_execute_and_fetch_as_iterator", recording)
        yield found


def _relations(message: Any) -> Iterator[Any]:
    """Walk over the relations of a plan."""
    if message.DESCRIPTOR.name == "Relation":
        yield message
    for kind, value in message.ListFields():
        if kind.message_type is None or kind.message_type.GetOptions().map_entry:
            continue
        for part in value if kind.is_repeated else (value,):
            yield from _relations(part)
