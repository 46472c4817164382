"""Fill a source table once, so that a laptop has something to start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_assets.spec.imports import load_object
from ml_assets.steps.handles import TableHandle
from ml_assets.steps.prepared import NothingToUndo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml_assets.platform.protocol import Platform
    from ml_assets.rules.verdict import Verdict
    from ml_assets.spec.catalog import TableInfo
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Inputs


@dataclass
class SeededSource(NothingToUndo):
    """A source table that exists; there is nothing to judge, publish or refuse."""

    info: TableInfo
    rows: int
    facts: None = None

    def publish(self, verdicts: Sequence[Verdict]) -> TableHandle:  # noqa: ARG002 - part of the protocol
        """Name the table."""
        return TableHandle(self.info.name, self.info.version, self.info.uri, self.rows)

    def refuse(self, verdicts: Sequence[Verdict]) -> None:
        """Never called: a source has no rules."""

    def details(self) -> Mapping[str, Any]:
        """Nothing beyond the handle."""
        return {}


def build(spec: ModelSpec, platform: Platform, inputs: Inputs) -> SeededSource:
    """Create the source table from its seed, or leave it alone when it exists."""
    name = inputs.asset.removeprefix("sources/")
    source = spec.sources[name]
    load = load_object(str(source.seed), field=f"sources.{name}.seed", package=spec.package)
    info = platform.tables.seed(source.table, load, source.description)
    return SeededSource(info, platform.tables.read(source.table).count())
