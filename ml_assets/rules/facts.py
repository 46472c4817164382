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
    """Counts of one column. ``nans`` and ``infs`` are 0 for types that cannot hold them.

    ``repaired`` counts the values that the default replaced; None when nobody recorded it.
    ``constant``: there is one distinct value, null being one; False where nobody looked.
    """

    name: str
    type: str
    nulls: int = 0
    nans: int = 0
    infs: int = 0
    repaired: int | None = None
    constant: bool = False

    @property
    def numeric(self) -> bool:
        """Whether the type is a number."""
        return self.type in {"tinyint", "smallint", "int", "bigint", "float", "double"} or (
            self.type.startswith("decimal")
        )


@dataclass(frozen=True)
class BeforeFacts:
    """The rows that a table held before the ones that were measured.

    ``rows`` and ``columns`` (types by name) are None when neither the commit nor the log tells.
    """

    version: int
    rows: int | None
    columns: Mapping[str, str] | None


@dataclass(frozen=True)
class SourceFacts:
    """A source now, beside the version of it that a table was made from.

    ``used`` is None when the table's writer did not record it; ``version`` is -1 for a view or a
    table without versions. ``data_version`` is the last version that changed rows.
    """

    table: str
    used: int | None
    version: int
    data_version: int

    @property
    def changed(self) -> bool:
        """Whether the source holds other rows now than those that were used."""
        return self.used is not None and not self.data_version <= self.used <= self.version


@dataclass(frozen=True)
class FeatureTableFacts:
    """A feature table: its rows, keys and columns, and what the catalog stores about it.

    ``table`` describes the stored table; before the first publication ``table.exists`` is False.
    ``examples`` maps a check's name to the keys of the first offending rows. ``before`` is None when
    there are no rows to compare with. ``latest_event`` is None without event times.
    """

    table: TableInfo
    rows: int
    columns: tuple[ColumnFacts, ...]
    key_nulls: Mapping[str, int]
    duplicate_keys: int
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    staged: bool = False
    before: BeforeFacts | None = None
    sources: tuple[SourceFacts, ...] = ()
    latest_event: datetime | None = None
    measured_at: datetime | None = None


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
class ChampionLabels:
    """The labels that the champion was trained on, as its run recorded them.

    ``shares`` by class; ``mean`` and ``std`` of numbers. Empty and None when the run tells nothing.
    """

    version: int
    run_id: str
    shares: Mapping[str, float] = field(default_factory=dict)
    mean: float | None = None
    std: float | None = None


@dataclass(frozen=True)
class LabelFacts:
    """A label table, of classes or of numbers.

    Of classes: ``values`` counts the rows of each value by its text, null left out, and the same of
    the training and of the holdout rows: every declared class that there is, and of other values the
    20 most frequent; ``unlisted_rows`` have yet another value. Of numbers: ``spreads`` of the parts
    ``all``, ``train`` and ``holdout``, empty when the column's type is no number; NaN is not counted
    as null.

    ``open_rows`` have an outcome that is known only after ``data_until``, which is the end of the
    data that ``data_end`` names (UTC).
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
    unlisted_rows: int = 0
    open_rows: int = 0
    data_until: datetime | None = None
    data_end: str = ""
    champion: ChampionLabels | None = None
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


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
class FeatureAlone:
    """What one feature gives away by itself.

    ``power`` is how well it tells the label (None: not measured), ``by`` how that was found.
    ``copies`` says how it repeats the label, ``identity`` whether it is a ``row id`` or the
    ``event time``; both are empty when it does not.
    """

    name: str
    type: str
    power: float | None = None
    by: str = ""
    copies: str = ""
    identity: str = ""


@dataclass(frozen=True)
class LeakageFacts:
    """The features of ``rows`` training rows, of ``of_rows`` that there are, one by one.

    ``metric`` is what ``power`` means. ``unmeasured`` says why nothing is known of the label.
    """

    rows: int
    of_rows: int
    metric: str
    features: tuple[FeatureAlone, ...] = ()
    unmeasured: str = ""


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
    leakage: LeakageFacts | None = None


@dataclass(frozen=True)
class ModelFacts:
    """A packaged model, read back from the run. ``predicted_type`` is what it returned when loaded.

    ``predicted_values`` counts the predicted classes by their text, and up to 20 other values; for
    predictions that are numbers it is empty and ``predicted_spread`` describes them.
    """

    run_id: str
    experiment: str
    package: PackageInfo
    predicted_type: str
    predicted_rows: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    predicted_values: Mapping[str, int] = field(default_factory=dict)
    predicted_spread: Spread | None = None
    run_tags: Mapping[str, str] = field(default_factory=dict)


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
class MetricDifference:
    """How a candidate and the champion differ in a metric, on the same rows.

    ``difference`` is candidate - champion, with its sign turned where smaller is better: above 0 the
    candidate is better. ``low`` and ``high`` are the ends of its interval, from the ``draws`` that
    define the metric; NaN when fewer than half of all draws do.
    """

    candidate: float
    champion: float
    difference: float
    low: float
    high: float
    draws: int


@dataclass(frozen=True)
class ComparisonFacts:
    """A candidate and the champion, scored through the feature store on the same holdout rows.

    ``rows`` were compared, of ``holdout_rows``; ``seen_rows`` of the holdout are older than the
    champion's own holdout: it may have been trained on them (None: nobody knows any more). ``trouble``
    says why the two could not be compared; there are no ``differences`` then.
    """

    champion: int
    holdout_rows: int = 0
    rows: int = 0
    seen_rows: int | None = None
    confidence: float = 0.95
    differences: Mapping[str, MetricDifference] = field(default_factory=dict)
    trouble: str = ""


@dataclass(frozen=True)
class VersionFacts:
    """A registered version before promotion: holdout metrics, baseline, and the score replay.

    ``champion`` is the version that the alias pointed to when it was measured, ``rollback_to`` the one
    that a rollback would restore (0: the record says that there was none before; None: no record),
    and ``rollback_stored`` whether it still exists. ``comparison`` is None without another champion.
    ``overtaken`` says that somebody moved the alias between the comparison and the promotion;
    ``forced`` who promoted this champion against its gates, and why; ``rolled_back`` who took this
    version back, and why (both empty: nobody). ``run_tags`` are those of the evaluation run.
    """

    model: str
    version: int | None
    run_id: str
    experiment: str
    metrics: Mapping[str, float]
    baseline: Mapping[str, float]
    replay: ReplayFacts
    champion: int | None = None
    comparison: ComparisonFacts | None = None
    rollback_to: int | None = None
    rollback_stored: bool = True
    overtaken: bool = False
    forced: str = ""
    rolled_back: str = ""
    run_tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ColumnDrift:
    """How far a batch's values of one column are from those that the champion knows, as PSI.

    ``by_chance`` is what so few rows exceed once in a thousand times, ``usual`` the most that a
    window of the training set as long as the batch shows. ``moved`` names the bin that moved most.
    """

    name: str
    psi: float
    by_chance: float = 0.0
    usual: float = 0.0
    moved: str = ""


@dataclass(frozen=True)
class DriftFacts:
    """A sample of ``rows`` scored keys beside a sample of ``reference_rows`` training rows.

    ``unmeasured`` says what is missing and why; empty when everything was compared.
    """

    rows: int
    reference_rows: int
    columns: tuple[ColumnDrift, ...] = ()
    unmeasured: str = ""


@dataclass(frozen=True)
class PredictionFacts:
    """Batch predictions. ``versions`` counts the rows by the model version they carry.

    ``values`` counts predicted classes by their text; for predictions that are numbers it is empty
    and ``spread`` describes them (None when the column's type is no number).
    ``names`` are the readable classes that are stored beside each predicted code, by its text.
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
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    run_tags: Mapping[str, str] = field(default_factory=dict)
    drift: DriftFacts | None = None


Facts = (
    FeatureTableFacts | LabelFacts | TrainingSetFacts | ModelFacts | VersionFacts | PredictionFacts
)
