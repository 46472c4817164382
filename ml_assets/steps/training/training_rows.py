"""The rows of a stored training set: as a Spark frame, or in memory as models take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_assets.platform.protocol import SPLIT_COLUMN
from ml_assets.spec.errors import DataError
from ml_assets.steps.measuring.measure import column_types, is_number
from ml_assets.steps.training.estimator import as_model_inputs
from ml_assets.steps.transforms import require_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from pyspark.sql import DataFrame

    from ml_assets.platform.protocol import Platform
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.handles import TableHandle

TRAIN, HOLDOUT = "train", "holdout"


@dataclass(frozen=True)
class TrainingRows:
    """A stored training set at one version, and which features are strings."""

    spec: ModelSpec
    frame: DataFrame
    strings: tuple[str, ...]

    @property
    def order(self) -> list[str]:
        """Event time and keys: the same stored rows come in the same order, and give one model."""
        return [f"`{c}`" for c in (self.spec.label.event_time, *self.spec.label.keys)]

    def part(self, name: str) -> DataFrame:
        """The rows of ``train`` or ``holdout``, in no order."""
        return self.frame.where(f"`{SPLIT_COLUMN}` = '{name}'")

    def collected(self, frame: DataFrame) -> pd.DataFrame:
        """Bring rows into memory, in order, features typed as models take them."""
        features = list(self.spec.features)
        rows = frame.orderBy(*self.order).toPandas()
        rows[features] = as_model_inputs(rows[features], self.strings)
        return rows


def read_training_set(spec: ModelSpec, platform: Platform, handle: TableHandle) -> TrainingRows:
    """Find the stored training set at the recorded version.

    Raises
    ------
    DataError
        When it lacks a feature, or holds one of an unusable type.
    """
    frame = platform.tables.read(handle.table, handle.delta_version)
    features = list(spec.features)
    require_columns(frame, [*features, spec.label.name, SPLIT_COLUMN], where=handle.table)
    return TrainingRows(spec, frame, _string_features(column_types(frame), features))


def _string_features(types: Mapping[str, str], features: Sequence[str]) -> tuple[str, ...]:
    for name in features:
        kind = types[name]
        if kind not in {"string", "boolean"} and not is_number(kind):
            raise DataError(
                f"feature {name}",
                found=f"type {kind}",
                expected="a number, a boolean or a string",
                fix="derive a number from it in the transform (for example the age in days)",
                rule="ml02_output_schema",
            )
    return tuple(f for f in features if types[f] == "string")
