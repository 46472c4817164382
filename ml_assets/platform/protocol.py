"""What a platform offers to the steps. Two implementations: ``embedded`` and ``databricks``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path
    from typing import Any

    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

    from ml_assets.spec.catalog import PackageInfo, TableInfo, TableLayout
    from ml_assets.spec.model import ModelSpec

#: Columns that the feature store adds to a training set, never model inputs: when the matched row
#: of a feature table became known (null: no match), or whether a static table had the key.
AS_OF_PREFIX = "__as_of_"
MATCHED_PREFIX = "__matched_"
SPLIT_COLUMN = "__split"
#: The column that scores are stored in, and the one with the readable class of a predicted code.
PREDICTION = "prediction"
PREDICTED_CLASS = "predicted_class"


@dataclass(frozen=True)
class SplitCuts:
    """Train is before ``train_before``, holdout from ``holdout_from``, embargo between (UTC)."""

    train_before: datetime
    holdout_from: datetime


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


@dataclass(frozen=True)
class RowsCommit:
    """A commit that changed a table's rows; ``properties`` are what its writer recorded in it."""

    version: int
    properties: Mapping[str, str] = field(default_factory=dict)


class Staged(Protocol):
    """Rows that are written but not yet visible under the table's name."""

    @property
    def frame(self) -> DataFrame:
        """The staged rows as a Spark frame."""
        ...

    def publish(self, properties: Mapping[str, str] | None = None) -> TableInfo:
        """Replace the table's rows by the staged ones, in one commit, and describe the result.

        ``properties`` go into the commit (run id, spec hash), each as ``ml_assets.<name>``. Raises ``ConcurrentWriteError`` when
        the table was changed since staging, ``StorageError`` when it cannot be written.
        """
        ...

    def discard(self) -> None:
        """Remove the staged rows; the table stays as it was. Safe to call twice and after publish."""
        ...


class Tables(Protocol):
    """Delta tables by three-level name."""

    def info(self, name: str) -> TableInfo:
        """Describe what is stored now; ``exists=False`` when there is no such table."""
        ...

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Read a table, at a version when given. Raises ``DataError`` when it does not exist."""
        ...

    def commits(self, name: str, most: int = 1) -> tuple[RowsCommit, ...]:
        """List the last commits that changed rows, latest first, with the properties of ``publish``.

        Names of properties come without the prefix ``ml_assets.``; commits of others have none.
        Empty when there is no table, or one without versions; what is no longer in the log is left
        out.
        """
        ...

    def stage(
        self, frame: DataFrame, layout: TableLayout, audit_columns: Sequence[str] = ()
    ) -> Staged:
        """Write rows beside the table, invisible until published.

        ``audit_columns`` are columns of ``frame`` that ``Staged.frame`` has and the published
        table has not: evidence for the audit, such as which values were repaired.
        """
        ...

    def seed(self, name: str, load: Callable[[], pd.DataFrame], description: str = "") -> TableInfo:
        """Create a source table from a pandas frame when it does not exist; else only describe it."""
        ...


class FeatureStore(Protocol):
    """Point-in-time training sets, packaged models, batch scores."""

    def stage_training_set(
        self, spec: ModelSpec, layout: TableLayout, cuts: SplitCuts, versions: Mapping[str, int]
    ) -> Staged:
        """Join the stored labels with the feature tables as of each label's event time.

        ``versions`` gives the Delta version to read of every input table, by table name. Columns of
        the result, in order: label keys, event time, features in spec order, label,
        ``__split`` (``train``, ``embargo``, ``holdout``), then ``__as_of_<name>`` for tables with an
        event time and ``__matched_<name>`` for static ones.

        A feature row matches when its keys are equal and its event time is not later than the
        label's (equal matches) and, with a lookback window, not older than it (inclusive, both times
        cut to whole seconds). The latest such row is taken whole: its nulls stay null. No match gives null. Null keys match
        nothing. Duplicate label rows are kept.
        """
        ...

    def log_model(
        self, spec: ModelSpec, model: Any, *, run_id: str, input_example: pd.DataFrame
    ) -> str:
        """Package a fitted model with its lookups in the run, and return its model URI.

        ``input_example`` holds the model's inputs (features in order, as the model receives them).
        """
        ...

    def package_info(self, model_uri: str) -> PackageInfo:
        """Read back what a packaged model says of itself."""
        ...

    def predict(self, model_uri: str, features: pd.DataFrame) -> pd.Series:
        """Load the packaged model and predict rows whose features are given."""
        ...

    def load_model(self, model_uri: str) -> Any:
        """Load the fitted model inside the package, as its library gives it.

        It takes the model's inputs in order: numbers as float64 with NaN for null, strings as
        objects with None for null. Raises ``DataError`` when there is no such package, or the model
        could only be loaded as a pickle that its package does not own up to.
        """
        ...

    def look_up(self, spec: ModelSpec, keys: DataFrame, model_uri: str) -> pd.DataFrame:
        """Look up what ``stage_scores`` would give the model, for a sample that fits in memory.

        Columns: the label's keys and event time, then the model's inputs in order (numbers as
        float64). One row for each row of ``keys``, in any order; times are UTC without a zone.
        """
        ...

    def stage_scores(
        self,
        spec: ModelSpec,
        keys: DataFrame,
        model_uri: str,
        layout: TableLayout,
        constants: Mapping[str, str | int] | None = None,
    ) -> Staged:
        """Look up the features of ``keys`` as of their event time and score them, in batches.

        ``keys`` holds the label's keys and event time. The result has those columns, then
        ``prediction`` (type as in the signature), ``predicted_class`` (string) when the package names
        its classes, then one column per constant, then
        ``__as_of_…`` / ``__matched_…`` as in a training set. Memory does not grow with the rows.
        """
        ...


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


class Registry(Protocol):
    """Registered model versions and their aliases; only calls that Unity Catalog supports."""

    def register(
        self,
        name: str,
        *,
        model_uri: str,
        run_id: str,
        tags: Mapping[str, str],
        description: str = "",
    ) -> int:
        """Register a packaged model; the version that the same run already has is returned again."""
        ...

    def tag(self, name: str, version: int, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""
        ...

    def tags(self, name: str, version: int) -> Mapping[str, str]:
        """Read the tags of a version. Raises ``DataError`` when it does not exist."""
        ...

    def version_of(self, name: str, alias: str) -> int | None:
        """Find the version that an alias points to, or None."""
        ...

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version."""
        ...

    def move_alias(self, name: str, alias: str, version: int, *, expected: int | None) -> None:
        """Point an alias at a version, unless it points elsewhere than ``expected`` (None: nowhere).

        Nothing happens when it points there already. Raises ``PromotionError`` with the rule
        ``promotion_compare_and_set`` when somebody else moved it.
        """
        ...

    def remove_alias(self, name: str, alias: str) -> None:
        """Let an alias point nowhere; also when it did not point anywhere."""
        ...

    def version_of_run(self, name: str, run_id: str) -> int | None:
        """Find the version that a run was registered as, or None."""
        ...

    def versions(self, name: str) -> tuple[int, ...]:
        """List all versions, ascending; empty when the model is not registered."""
        ...

    def grant(self, name: str, grants: Mapping[str, Sequence[str]]) -> None:
        """Give principals privileges on a registered model; nothing where there is no access control."""
        ...

    def uri(self, name: str, alias_or_version: str | int) -> str:
        """``models:/name@alias`` or ``models:/name/version``."""
        ...


class Platform(Protocol):
    """Everything a step may use. The Spark session is handed in, never created by a step."""

    @property
    def spark(self) -> SparkSession:
        """The session; UTC."""
        ...

    @property
    def tables(self) -> Tables:
        """Delta tables."""
        ...

    @property
    def features(self) -> FeatureStore:
        """The feature store."""
        ...

    @property
    def tracking(self) -> Tracking:
        """MLflow runs."""
        ...

    @property
    def registry(self) -> Registry:
        """The model registry."""
        ...
