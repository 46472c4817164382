"""Handles: the names and versions that one step leaves for the next. Never data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Handle:
    """Base of all handles: flat values that travel as materialization metadata."""

    def to_metadata(self) -> dict[str, Any]:
        """Flatten to plain values."""
        return asdict(self)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Self:
        """Rebuild from plain values; unknown entries are left aside.

        Raises
        ------
        KeyError
            When a value that the handle needs is missing.
        """
        return cls(**{f.name: metadata[f.name] for f in fields(cls)})


@dataclass(frozen=True)
class TableHandle(Handle):
    """A published table version.

    ``inputs`` are the Delta versions it was made from, by table; ``declared`` is the hash of the
    part of the declaration that it was made by.
    """

    table: str
    delta_version: int
    uri: str
    rows: int
    inputs: Mapping[str, int] = field(default_factory=dict)
    declared: str = ""


@dataclass(frozen=True)
class RunHandle(Handle):
    """A trained and packaged model in its MLflow run."""

    run_id: str
    run_url: str
    experiment: str
    model_uri: str
    training_set: str
    training_set_version: int


@dataclass(frozen=True)
class VersionHandle(Handle):
    """A registered version; ``champion`` is the version that the alias points to afterwards."""

    registered_model: str
    model_version: int
    champion: int | None
    run_id: str
    run_url: str
    experiment: str


@dataclass(frozen=True)
class PredictionsHandle(TableHandle):
    """A published predictions table and the deployment run that made it."""

    run_id: str = ""
    run_url: str = ""
    experiment: str = ""
    model_version: int = -1
