"""What prepared work has in common: staged tables, and work that leaves nothing to undo."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from ml_assets.steps.handles import TableHandle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from ml_assets.platform.protocol import Staged
    from ml_assets.rules.facts import (
        FeatureTableFacts,
        LabelFacts,
        PredictionFacts,
        TrainingSetFacts,
    )
    from ml_assets.rules.verdict import Verdict
    from ml_assets.spec.catalog import TableInfo, TableLayout
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Inputs

    TableFacts = FeatureTableFacts | LabelFacts | TrainingSetFacts | PredictionFacts


class NothingToUndo:
    """Prepared work whose evidence may stay when neither published nor refused (a run, a source)."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


@dataclass
class PreparedTable:
    """A staged table with its facts; published in one commit, or discarded."""

    spec: ModelSpec
    inputs: Inputs
    staged: Staged
    facts: TableFacts
    versions: Mapping[str, int] = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)
    commit: Mapping[str, str] = field(default_factory=dict)

    def publish(self, verdicts: Sequence[Verdict]) -> TableHandle:  # noqa: ARG002 - part of the protocol
        """Replace the stored rows, and measure the stored metadata again."""
        info = self.staged.publish(commit_properties(self.spec, self.inputs) | dict(self.commit))
        self.facts = replace(self.facts, table=info, staged=False)
        return self.handle(info)

    def handle(self, info: TableInfo) -> TableHandle:
        """Name what was published."""
        return TableHandle(info.name, info.version, info.uri, self.facts.rows, dict(self.versions))

    def refuse(self, verdicts: Sequence[Verdict]) -> None:  # noqa: ARG002 - part of the protocol
        """Drop the staged rows; the table stays as it was."""
        self.staged.discard()

    def details(self) -> Mapping[str, Any]:
        """Values worth showing on the asset's page."""
        return self.shown

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.staged.discard()


def commit_properties(spec: ModelSpec, inputs: Inputs) -> dict[str, str]:
    """Say in a commit who wrote it, from which declaration."""
    return {"asset": f"{spec.name}/{inputs.asset}", "spec_hash": spec.hash, **inputs.trace}


def run_tags(spec: ModelSpec, inputs: Inputs, versions: Mapping[str, int]) -> dict[str, str]:
    """Say in an MLflow run where it comes from (ML-04)."""
    return {
        "ml_assets.project": spec.project,
        "ml_assets.model": spec.model,
        "ml_assets.asset": inputs.asset,
        "ml_assets.spec_hash": spec.hash,
        "ml_assets.input_versions": json.dumps(dict(versions), sort_keys=True),
        **{f"ml_assets.{name}": value for name, value in inputs.trace.items()},
    }


def planned(layout: TableLayout, staged: Staged) -> TableInfo:
    """Describe the table as it will be stored, for judging before it is."""
    from ml_assets.spec.catalog import ColumnInfo, TableInfo
    from ml_assets.steps.measure import REPAIRED_PREFIX, column_types

    types = column_types(staged.frame)
    return TableInfo(
        name=layout.name,
        exists=True,
        primary_keys=layout.primary_keys,
        event_time=layout.event_time,
        description=layout.description,
        tags=layout.tags,
        columns=tuple(
            ColumnInfo(name, kind, layout.comments.get(name, ""))
            for name, kind in types.items()
            if not name.startswith(REPAIRED_PREFIX)
        ),
    )
