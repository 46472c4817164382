"""The feature store: training sets, packaged models, batch scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

    import pandas as pd
    from pyspark.sql import DataFrame

    from ml_assets.platform.protocol.tables import Staged
    from ml_assets.spec.catalog import PackageInfo, TableLayout
    from ml_assets.spec.model import ModelSpec


@dataclass(frozen=True)
class SplitCuts:
    """Train is before ``train_before``, holdout from ``holdout_from``, embargo between (UTC)."""

    train_before: datetime
    holdout_from: datetime


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
