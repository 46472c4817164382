"""MLflow runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path
    from typing import Any


@dataclass(frozen=True)
class RunInfo:
    """A stored MLflow run."""

    run_id: str
    experiment: str
    url: str
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    started: datetime | None = None
    status: str = ""


class Run(Protocol):
    """An open MLflow run."""

    @property
    def run_id(self) -> str:
        """MLflow's id of the run."""
        ...

    @property
    def url(self) -> str:
        """Where a person looks at the run."""
        ...

    def log(
        self,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log everything in one request."""
        ...

    def log_file(self, path: Path, folder: str = "") -> None:
        """Store a file as an artifact."""
        ...

    def log_folder(self, path: Path, folder: str = "") -> None:
        """Store the files of a folder as artifacts."""
        ...


class Tracking(Protocol):
    """MLflow runs, by experiment name."""

    def run(
        self, experiment: str, *, name: str, tags: Mapping[str, str]
    ) -> AbstractContextManager[Run]:
        """Open a run; it ends FAILED when the block raises, FINISHED otherwise."""
        ...

    def info(self, run_id: str) -> RunInfo:
        """Read back a stored run. Raises ``DataError`` when it does not exist."""
        ...

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Add tags to a stored run, in one request."""
        ...

    def runs(
        self, experiment: str, tags: Mapping[str, str] | None = None, most: int = 100
    ) -> tuple[RunInfo, ...]:
        """List the latest runs of an experiment that have all these tags, newest first.

        None when there is no experiment.
        """
        ...

    def download(self, run_id: str, path: str) -> Path:
        """Fetch an artifact to a local path. Raises ``DataError`` when it does not exist."""
        ...
