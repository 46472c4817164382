"""What was measured: plain counts, sets and small tables. Rules see nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ml_assets.spec.catalog import PackageInfo, TableInfo


@dataclass(frozen=True)
class ColumnFacts:
    """Counts of one column. ``nans`` and ``infs`` are 0 for types that cannot hold them."""

    name: str
    type: str
    nulls: int = 0
    nans: int = 0
    infs: int = 0
    repaired: int | None = None

    @property
    def numeric(self) -> bool:
        """Whether the type is a number."""
        return self.type in {"tinyint", "smallint", "int", "bigint", "float", "double"} or (
            self.type.startswith("decimal")
        )


@dataclass(frozen=True)
class FeatureTableFacts:
    """A feature table: its rows, keys and columns, and what the catalog stores about it.

    ``table`` describes the stored table; before the first publication ``table.exists`` is False.
    ``examples`` maps a check's name to the keys of the first offending rows.
    """

    table: TableInfo
    rows: int
    columns: tuple[ColumnFacts, ...]
    key_nulls: Mapping[str, int]
    duplicate_keys: int
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    staged: bool = False


@dataclass(frozen=True)
class Spread:
    """A column of numbers over some rows: its finite values, and how many are none.

    ``lowest``, ``highest`` and ``mean`` are of the finite values; None when there are none.
    """

    finite: int = 0
    nans: int = 0
    infs: int = 0
    lowest: float | None = None
    highest: float | None = None
    mean: float | None = None

    @property
    def constant(self) -> bool:
        """Whether there is not more than one value."""
        return self.lowest == self.highest


@dataclass(frozen=True)
class LabelFacts:
    """A label table, of classes or of numbers.

    Of classes: ``values`` counts each distinct non-null value (up to 20) by its text, and the same
    of the training and of the holdout rows. Of numbers: ``spreads`` of the parts ``all``, ``train``
    and ``holdout``, empty when the column's type is no number; NaN is not counted as null.
    """

    table: TableInfo
    rows: int
    type: str
    nulls: int
    key_nulls: Mapping[str, int]
    values: Mapping[str, int]
    train_values: Mapping[str, int]
    holdout_values: Mapping[str, int]
    columns: tuple[str, ...]
    staged: bool = False
    spreads: Mapping[str, Spread] = field(default_factory=dict)


@dataclass(frozen=True)
class LookupFacts:
    """How many rows found a row of one feature table, and the latest lead of a match in seconds.

    ``max_lead_seconds`` is feature event time minus as-of time; it must not be positive. None for
    static tables and when nothing matched.
    """

    name: str
    rows: int
    matched: int
    max_lead_seconds: float | None = None
    rows_from_future: int = 0

    @property
    def coverage(self) -> float:
        """Share of the rows that found a match; 0 when there are no rows."""
        return self.matched / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class TrainingSetFacts:
    """A stored training set. Times are UTC; ``split_rows`` counts rows by train, embargo, holdout.

    ``split_values`` counts the labels of each part by class; it is empty when labels are numbers.
    """

    table: TableInfo
    rows: int
    columns: tuple[ColumnFacts, ...]
    split_rows: Mapping[str, int]
    split_values: Mapping[str, Mapping[str, int]]
    last_train: datetime | None
    first_holdout: datetime | None
    lookups: tuple[LookupFacts, ...]
    staged: bool = False


@dataclass(frozen=True)
class ModelFacts:
    """A packaged model, read back from the run. ``predicted_type`` is what it returned when loaded."""

    run_id: str
    experiment: str
    package: PackageInfo
    predicted_type: str
    predicted_rows: int
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ReplayFacts:
    """Raw keys scored again by the packaged model, beside what training gave for the same rows.

    ``max_difference`` is absolute for classes and relative for numbers. ``changed_features`` counts,
    by feature, the rows whose looked-up value is another than the one that was trained on.
    """

    rows: int
    missing: int
    null_predictions: int
    different: int
    max_difference: float
    changed_features: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class VersionFacts:
    """A registered version before promotion: holdout metrics, baseline, and the score replay."""

    model: str
    version: int | None
    run_id: str
    experiment: str
    metrics: Mapping[str, float]
    baseline: Mapping[str, float]
    replay: ReplayFacts
    champion: int | None = None


@dataclass(frozen=True)
class PredictionFacts:
    """Batch predictions. ``versions`` counts the rows by the model version they carry.

    ``values`` counts predicted classes by their text; for predictions that are numbers it is empty
    and ``spread`` describes them (None when the column's type is no number).
    ``same_keys`` says whether the predictions are for exactly the keys and times to score;
    ``repeated_keys`` counts the keys to score beyond the first of each.
    """

    table: TableInfo
    expected_rows: int
    rows: int
    null_predictions: int
    type: str
    values: Mapping[str, int]
    versions: Mapping[str, int]
    champion: int | None
    experiment: str
    lookups: tuple[LookupFacts, ...] = ()
    same_keys: bool = True
    repeated_keys: int = 0
    staged: bool = False
    spread: Spread | None = None


Facts = (
    FeatureTableFacts | LabelFacts | TrainingSetFacts | ModelFacts | VersionFacts | PredictionFacts
)
