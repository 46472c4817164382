"""What prepared work has in common: staged tables, and work that leaves nothing to undo."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from ml_assets.spec.errors import DataError
from ml_assets.spec.owners import asset_path, is_reused
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
    from ml_assets.spec.base import Declared
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
        return TableHandle(**self.published(info))

    def published(self, info: TableInfo) -> dict[str, Any]:
        """Values of the handle of a published table."""
        return {
            "table": info.name,
            "delta_version": info.version,
            "uri": info.uri,
            "rows": self.facts.rows,
            "inputs": dict(self.versions),
            "declared": declared_hash(self.spec, self.inputs.asset),
        }

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


def declared_hash(spec: ModelSpec, asset: str) -> str:
    """Twelve hex digits that change when what a table is made by changes in the declaration.

    Of a feature table that is reused: in its owner's.
    """
    kind, _, name = asset.partition("/")
    if kind == "features":
        return spec.feature_table(name).declared_hash
    parts: tuple[Declared, ...] = (spec.scoring,)
    if kind in {"labels", "training_set"}:
        parts = (spec.label,)
    if kind == "training_set":
        parts += (spec.split, *spec.feature_tables)
    text = "".join(part.model_dump_json() for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def refuse_stale(spec: ModelSpec, inputs: Inputs) -> None:
    """Refuse inputs that were made by another declaration than today's.

    Raises
    ------
    DataError
        Naming the first asset to materialize again.
    """
    for asset, handle in inputs.handles.items():
        if not isinstance(handle, TableHandle) or asset.startswith("sources/"):
            continue
        now = declared_hash(spec, asset)
        if handle.declared != now:
            raise DataError(
                f"{asset}: {handle.table} version {handle.delta_version}",
                found=f"made by another declaration (hash {handle.declared})",
                expected=f"made by the declaration as it is now (hash {now})",
                fix=f"materialize {_named(spec, asset)} again, and then {inputs.asset}",
            )


def _named(spec: ModelSpec, asset: str) -> str:
    return "/".join(asset_path(spec, asset)) if is_reused(spec, asset) else asset


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
        **({"mlflow.user": who} if (who := inputs.trace.get("started_by")) else {}),
    }


def refused_tag(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """Mark a run with the reasons why its result was refused."""
    reasons = [f"{v.check}: {v.message}" for v in verdicts if not v.passed]
    return {"ml_assets.refused": "; ".join(reasons)[:5000]}


def planned(layout: TableLayout, staged: Staged, audit: Sequence[str] = ()) -> TableInfo:
    """Describe the table as it will be stored, for judging before it is: without ``audit`` columns."""
    from ml_assets.spec.catalog import ColumnInfo, TableInfo
    from ml_assets.steps.measuring.measure import REPAIRED_PREFIX, column_types

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
            if not name.startswith(REPAIRED_PREFIX) and name not in audit
        ),
    )
